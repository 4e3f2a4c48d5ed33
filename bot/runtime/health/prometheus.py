"""The metrics as Prometheus reads them. Begin with `exposition`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from bot import __version__
from bot.billing.budget import IMAGES, MONEY, TOKENS
from bot.billing.pricing import MILLION
from bot.runtime.health.checks import Report, RowCounts
from bot.storage.maintenance import migrations
from bot.telemetry.metrics import NAMESPACE, Metrics


def exposition(metrics: Metrics, database: str) -> Callable[[Mapping[str, Report]], bytes]:
    """Return a function that prints the metrics and the given health reports in Prometheus's text format.

    `database`: its kind and version. Metrics are of all bots together; reports have the label `bot` if there are
    several bots.
    """
    registry = CollectorRegistry()
    collector = BotCollector(metrics, database)
    registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    # Else a series beside each counter says when it was made, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]

    def write(reports: Mapping[str, Report]) -> bytes:
        collector.reports = reports
        return generate_latest(registry)

    return write


class BotCollector(Collector):
    """Collects the metrics, and gauges of the latest health reports (`reports`)."""

    def __init__(self, metrics: Metrics, database: str) -> None:
        self.metrics = metrics
        self.database = database
        self.reports: Mapping[str, Report] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; Prometheus's registry calls it."""
        name, _, number = self.database.lower().partition(" ")
        versions = {"version": __version__, "schema": migrations.HEAD, name: number}
        yield InfoMetricFamily(NAMESPACE, "What runs here", versions)
        yield from self.metrics.registry.collect()
        yield from _gauges(self.reports)


def _gauges(reports: Mapping[str, Report]) -> Iterator[Metric]:
    if not reports:  # Prometheus collects once when the collector is registered
        return
    of = {name: [name] if len(reports) > 1 else [] for name in reports}
    label = ["bot"] if len(reports) > 1 else []
    for name, text, value in ROWS:
        family = GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=label)
        for bot, report in reports.items():
            family.add_metric(of[bot], value(report.rows))
        yield family
    spent = GaugeMetricFamily(
        f"{NAMESPACE}_spent_today", "What the whole bot has spent today (UTC)", labels=[*label, "kind"]
    )
    checks = GaugeMetricFamily(
        f"{NAMESPACE}_check_ok", "The checks of /healthz: 1 good, 0 failed", labels=[*label, "check"]
    )
    for bot, report in reports.items():
        spent.add_metric([*of[bot], TOKENS], report.rows.tokens)
        spent.add_metric([*of[bot], IMAGES], report.rows.images)
        spent.add_metric([*of[bot], MONEY], report.rows.money / MILLION)
        for name, check in report.checks.items():
            checks.add_metric([*of[bot], name], float(check.status != "fail"))
    yield from (spent, checks)


ROWS: Sequence[tuple[str, str, Callable[[RowCounts], float]]] = (
    ("inbox_open", "Updates that are not answered yet", lambda rows: rows.updates.count),
    ("inbox_oldest_seconds", "How long the oldest of them has waited", lambda rows: rows.updates.oldest),
    ("outbox_open", "Finished answers that are not in their chats yet", lambda rows: rows.deliveries.count),
    ("outbox_oldest_seconds", "How long the oldest of them has waited", lambda rows: rows.deliveries.oldest),
    ("dead_rows", "Updates and answers of the last day that were given up", lambda rows: rows.dead),
)
