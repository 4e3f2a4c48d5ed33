"""The metrics as Prometheus reads them. Begin with `exposition`. The only module that knows prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot import __version__
from bot.health import Report
from bot.limits import IMAGES, TOKENS
from bot.metrics import Counter, Gauge, Histogram, Metrics
from bot.storage import schema

NAMESPACE = "govorun"


def exposition(metrics: Metrics, database: str) -> Callable[[Report], bytes]:
    """A function that writes down the metrics, and what a look at the bot has found. `database` is its version."""
    registry = CollectorRegistry()
    shown = Shown(metrics, database)
    registry.register(shown)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)

    def write(report: Report) -> bytes:
        shown.report = report
        return generate_latest(registry)

    return write


class Shown(Collector):
    def __init__(self, metrics: Metrics, database: str) -> None:
        self.metrics = metrics
        self.database = database
        self.report: Report | None = None

    def collect(self) -> Iterator[Metric]:
        name, _, number = self.database.lower().partition(" ")
        versions = {"version": __version__, "schema": schema.HEAD, name: number}
        yield InfoMetricFamily(NAMESPACE, "What runs here", versions)
        for name, metric in vars(self.metrics).items():
            yield _family(f"{NAMESPACE}_{name}", metric)
        if self.report is not None:
            yield from _found(self.report)


def _family(name: str, metric: Counter | Gauge | Histogram) -> Metric:
    if isinstance(metric, Gauge):
        return GaugeMetricFamily(name, metric.help, metric.value)
    if isinstance(metric, Counter):
        family = CounterMetricFamily(name, metric.help, labels=metric.labels)
        for labels, value in metric.values.items():
            family.add_metric(labels, value)
        return family
    histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels)
    ends = [*map(str, metric.bounds), "+Inf"]
    for labels, series in metric.series.items():
        histogram.add_metric(labels, list(zip(ends, accumulate(series.counts), strict=True)), series.total)
    return histogram


def _found(report: Report) -> Iterator[Metric]:
    rows = report.rows
    for name, text, value in (
        ("inbox_open", "Updates that are not answered yet", rows.updates.count),
        ("inbox_oldest_seconds", "How long the oldest of them has waited", rows.updates.oldest),
        ("outbox_open", "Finished answers that are not in their chats yet", rows.deliveries.count),
        ("outbox_oldest_seconds", "How long the oldest of them has waited", rows.deliveries.oldest),
        ("dead_rows", "Updates and answers of the last day that were given up", rows.dead),
    ):
        yield GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value)
    spent = GaugeMetricFamily(f"{NAMESPACE}_spent_today", "What the whole bot has spent today (UTC)", labels=["kind"])
    spent.add_metric([TOKENS], rows.tokens)
    spent.add_metric([IMAGES], rows.images)
    yield spent
    checks = GaugeMetricFamily(f"{NAMESPACE}_check_ok", "The checks of /healthz: 1 good, 0 failed", labels=["check"])
    for name, check in report.checks.items():
        checks.add_metric([name], float(check.status != "fail"))
    yield checks
