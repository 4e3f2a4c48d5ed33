"""The dashboard and the alerts: `/metrics` prints each metric and label in them, and each alert has a runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bot.runtime.health.checks import CHECKS, Check, Report, RowCounts
from bot.runtime.health.prometheus import exposition
from bot.telemetry.metrics import Metrics
from tests.promises.deployment.conftest import DEPLOY, ROOT, Program
from tests.support.counting import every_sample
from tests.support.table import table

ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
SCRAPED = {"job", "instance", "role"}  # labels that Prometheus adds; `role` by prometheus.yaml and the ServiceMonitor
OF_PROMETHEUS = {"up": SCRAPED}
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "govorun.json").read_text())


def printed() -> dict[str, set[str]]:
    """Every sample that `/metrics` can print, with its labels."""
    metrics = Metrics()
    every_sample(metrics)
    report = Report({name: Check("ok") for name in CHECKS}, RowCounts())
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition(metrics, "SQLite 3.50")({"": report}).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


KNOWN = {name: labels | SCRAPED for name, labels in printed().items()} | OF_PROMETHEUS


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for note in DASHBOARD["annotations"]["list"]:
        yield note["name"], note["expr"]


EXPRESSIONS = list(expressions())


def parsed(expression: str) -> promql.Expr:
    """Grafana's own variables get a value first, as Grafana gives them one."""
    return promql.parse(expression.replace("$__rate_interval", "1m").replace("$role", ".*"))


def used(expression: str) -> tuple[dict[str, set[str]], set[str]]:
    """The metrics of an expression with the labels that are asked of them, and the labels that it is grouped by."""
    metrics: dict[str, set[str]] = {}
    groups: set[str] = set()

    def look(part: promql.Expr) -> bool:
        if isinstance(part, promql.VectorSelector):
            metrics.setdefault(str(part.name), set()).update(matcher.name for matcher in part.matchers.matchers)
        if isinstance(part, promql.AggregateExpr) and part.modifier is not None:
            groups.update(part.modifier.labels)
        return True

    promql.walk(parsed(expression), look)
    return metrics, groups


@table(("title", "expression"), EXPRESSIONS)
def test_it_asks_for_what_the_bot_prints(title: str, expression: str) -> None:
    metrics, groups = used(expression)
    assert metrics, "it looks at something"
    assert {name for name in metrics if name not in KNOWN} == set()
    for name, labels in metrics.items():
        assert labels <= KNOWN[name], name
    assert groups <= set.union(*(KNOWN[name] for name in metrics))


@table(("title", "expression"), EXPRESSIONS)
def test_what_only_grows_is_asked_for_its_pace(title: str, expression: str) -> None:
    """The number itself falls to nothing at each restart."""
    plain = re.sub(r"\b(rate|increase)\([^()]*\)", "", expression.replace("$__rate_interval", "1m"))
    assert not re.search(r"_(total|bucket|sum|count)\b", plain)


@table(("title", "expression"), EXPRESSIONS)
def test_what_every_process_reads_from_the_database_is_not_added_up(title: str, expression: str) -> None:
    shared = ("inbox_", "outbox_", "dead_rows", "spent_today")
    if any(f"govorun_{name}" in expression for name in shared):
        assert expression.startswith("max")


def test_most_of_what_is_counted_is_shown() -> None:
    shown = " ".join(expression for _, expression in EXPRESSIONS)
    assert [family.name for family in Metrics().registry.collect() if family.name not in shown] == []


@table("rule", RULES)
def test_an_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchor == rule["alert"].lower()
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]


def test_every_runbook_has_its_alert() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^#+ (Govorun[A-Z]\w+)$", text, re.MULTILINE)) == {rule["alert"] for rule in RULES}


@pytest.mark.process
def test_prometheus_takes_the_rules_and_they_come_when_they_should(promtool: Program) -> None:
    promtool.accepts("check", "config", str(DEPLOY / "prometheus" / "prometheus.yaml"))
    promtool.accepts("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    promtool.accepts("test", "rules", str(DEPLOY / "prometheus" / "alerts_test.yaml"))


def test_the_processes_of_compose_are_asked() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    (job,) = scraped
    (names,) = job["dns_sd_configs"]
    assert job["job_name"] == "govorun"
    for name in names["names"]:
        assert compose["services"][name]["environment"]["HEALTH_PORT"] == str(names["port"])


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(DASHBOARD))) == variables
