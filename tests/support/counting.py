"""What the metrics of a process say, as Prometheus would read it."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample

from bot.telemetry.metrics import Metrics


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    """The value of a sample; `name` is without `govorun_`. 0.0 where nothing was counted yet."""
    return metrics.registry.get_sample_value(f"govorun_{name}", labels) or 0.0


def every_sample(metrics: Metrics) -> list[Sample]:
    """Count something in each metric, with each label. Returns all samples that can be printed."""
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            for number in range(4):
                with suppress(ValueError):  # another number of labels is wanted
                    metric.labels(*["any"] * number)
    return [sample for family in metrics.registry.collect() for sample in family.samples]
