"""The Helm chart as Helm renders it: Kubernetes knows every field, Govorun every setting, and no pod has rights.

See T5, T24 in docs/promises.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import bot
from bot.runtime.health.server import Probes
from tests.promises.deployment.conftest import DEPLOY, Program
from tests.promises.deployment.names import readable, unknown

pytestmark = pytest.mark.process  # Helm, for each of them

CHART = DEPLOY / "helm" / "govorun"
OLDEST, NEWEST = "1.30", "1.37"  # versions of Kubernetes
FOREIGN = {"ServiceMonitor"}  # the Prometheus operator's, whose schema does not come with Kubernetes
URL = "postgresql://govorun:p@postgres/govorun"

MANY: dict[str, Any] = {
    "mode": "many",
    "secrets": {"DATABASE_URL": URL, "WEBHOOK_SECRET": "s" * 32, "BOT_TOKEN": "123456:ABC-DEF"},
    "ingress": {"host": "bot.example.org"},
}
EVERYTHING: dict[str, Any] = {
    **MANY,
    "imagePullSecrets": [{"name": "registry"}],
    "ingress": {"enabled": True, "host": "bot.example.org", "className": "nginx", "annotations": {"a/b": "c"}},
    "worker": {"autoscaling": {"enabled": True}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "seeing"}}}]},
    "bots": {"support": "BOT_TOKEN=654321:ABC-DEF"},
    "serviceAccount": {"annotations": {"a/b": "c"}},
    "podAnnotations": {"a/b": "c"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "bots", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraVolumes": [{"name": "prompts", "configMap": {"name": "prompts"}}],
    "extraVolumeMounts": [{"name": "prompts", "mountPath": "/data/prompts"}],
}
LISTENING: dict[str, Any] = {"ingress": {"enabled": True, "host": "bot.example.org"}}
WAYS: dict[str, dict[str, Any]] = {
    "single": {}, "single with a webhook": LISTENING, "many": MANY, "everything": EVERYTHING,
}  # fmt: skip


class Chart:
    """Renders the chart. `render` gives the objects by kind and name."""

    def __init__(self, helm: Program, folder: Path) -> None:
        self.helm = helm
        self.values = folder / "values.json"

    def text(self, values: dict[str, Any]) -> str:
        self.values.write_text(json.dumps(values))
        return self.helm.accepts("template", "it", str(CHART), "--values", str(self.values))

    def render(self, values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
        rows = [row for row in yaml.safe_load_all(self.text(values)) if row]
        found = {(row["kind"], row["metadata"]["name"]): row for row in rows}
        assert len(found) == len(rows)
        return found

    def refuses(self, values: dict[str, Any]) -> str:
        self.values.write_text(json.dumps(values))
        done = self.helm.run("template", "it", str(CHART), "--values", str(self.values))
        assert done.returncode != 0
        return done.stderr


@pytest.fixture
def chart(helm: Program, tmp_path: Path) -> Chart:
    return Chart(helm, tmp_path)


def pods(rows: dict[tuple[str, str], dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for (kind, name), row in rows.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            yield name, row["spec"]["template"]["spec"]


@pytest.mark.parametrize("way", WAYS)
def test_helm_finds_nothing(helm: Program, tmp_path: Path, way: str) -> None:
    values = tmp_path / "values.json"
    values.write_text(json.dumps(WAYS[way]))
    helm.accepts("lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("way", WAYS)
def test_kubernetes_knows_every_field(chart: Chart, way: str, version: str) -> None:
    rows = chart.render(WAYS[way])
    for (kind, _), row in rows.items():
        if kind not in FOREIGN:
            kubernetes_validate.validate(row, version, strict=True)


def test_it_is_of_the_version_that_it_installs() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == about["version"] == bot.__version__
    assert about["kubeVersion"] == f">={OLDEST}.0-0"


def test_every_value_is_described_by_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(yaml.safe_load((CHART / "values.yaml").read_text())) == set(schema["properties"]) - {"global"}


@pytest.mark.parametrize("way", WAYS)
def test_every_variable_is_a_setting_with_a_good_value(chart: Chart, way: str) -> None:
    rows = chart.render(WAYS[way])
    values = dict(rows["ConfigMap", "it-govorun"]["data"])
    assert unknown({*values, *rows["Secret", "it-govorun"].get("stringData", {})}) == set()
    settings = readable(values)
    listening = way != "single"
    assert settings.webhook_url == ("https://bot.example.org/telegram" if listening else "")
    assert settings.health_host == "0.0.0.0"


def test_settings_that_it_names_to_its_operator_exist() -> None:
    named = yaml.safe_load((CHART / "values.yaml").read_text())["settings"]
    assert unknown({*named, "BOT_TOKEN", "YC_API_KEY", "YC_FOLDER_ID", "WEBHOOK_SECRET"}) == set()


@pytest.mark.parametrize("way", WAYS)
def test_pods_have_no_rights(chart: Chart, way: str) -> None:
    """What Kubernetes calls the restricted profile, and a root that can't be written."""
    for _, pod in pods(chart.render(WAYS[way])):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/data", "/tmp"}


@pytest.mark.parametrize("way", WAYS)
def test_probes_ask_what_the_bot_answers(chart: Chart, way: str) -> None:
    for name, pod in pods(chart.render(WAYS[way])):
        (container,) = pod["containers"]
        if name.endswith("migrate"):
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["health"] == 8080
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/livez", "port": "health"}
        assert hasattr(Probes, "livez")
        assert hasattr(Probes, "readyz")
        ready = container["readinessProbe"]
        # A webhook that was cut off while a check fails would get no updates, and the check would never recover.
        if "webhook" in ports:
            assert ready["tcpSocket"] == {"port": "webhook"}
        else:
            assert ready["httpGet"] == {"path": "/readyz", "port": "health"}


@pytest.mark.parametrize("grace", ["20", "90.5"])
def test_a_pod_is_waited_for_longer_than_its_answers_are(chart: Chart, grace: str) -> None:
    rows = chart.render({**MANY, "settings": {"SHUTDOWN_GRACE": grace}})
    for name, pod in pods(rows):
        if not name.endswith("migrate"):
            assert pod["terminationGracePeriodSeconds"] >= float(grace) + 15
            assert pod["shareProcessNamespace"], "or a SIGTERM that comes early is lost"


def test_an_update_takes_no_way_in_and_no_worker_away(chart: Chart) -> None:
    rows = chart.render(MANY)
    for role in ("webhook", "worker"):
        spec = rows["Deployment", f"it-govorun-{role}"]["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert spec["template"]["spec"]["containers"][0]["args"] == ["run", "--role", role]
        budget = rows["PodDisruptionBudget", f"it-govorun-{role}"]["spec"]
        assert budget["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert rows["Deployment", "it-govorun-webhook"]["spec"]["replicas"] == 2
    assert rows["Deployment", "it-govorun-worker"]["spec"]["replicas"] == 3


# --- where pods may go ------------------------------------------------------------------------------------------------


def egress(rows: dict[tuple[str, str], dict[str, Any]], **labels: str) -> list[dict[str, Any]]:
    """Every rule for the ways out of a pod with these labels."""
    policies = [row["spec"] for (kind, _), row in rows.items() if kind == "NetworkPolicy"]
    found = [policy for policy in policies if policy["podSelector"]["matchLabels"].items() <= labels.items()]
    assert found, "no policy: it may go anywhere"
    assert all("Egress" in policy["policyTypes"] for policy in found)
    return [rule for policy in found for rule in policy["egress"]]


def reaches(rules: list[dict[str, Any]], address: str, port: int) -> bool:
    there = ip_address(address)
    return any(
        port in [way["port"] for way in rule["ports"]]
        and there in ip_network(peer["ipBlock"]["cidr"])
        and not any(there in ip_network(other) for other in peer["ipBlock"].get("except", []))
        for rule in rules
        for peer in rule["to"]
        if "ipBlock" in peer and ip_network(peer["ipBlock"]["cidr"]).version == there.version
    )


def pod(component: str, name: str = "govorun") -> dict[str, str]:
    role = {"app.kubernetes.io/component": component} if component else {}
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "it", **role}


TELEGRAM, STUDIO, DATABASE = ("149.154.167.220", 443), ("84.201.181.26", 443), ("10.1.2.3", 6432)
METADATA, OTHER = ("169.254.169.254", 80), ("84.201.181.26", 25)


def test_every_pod_may_go_where_its_role_must_and_nowhere_else(chart: Chart) -> None:
    rows = chart.render(MANY)
    ways = {
        "webhook": pod("webhook"), "worker": pod("worker"), "migrate": pod("", "govorun-migrate"),
    }  # fmt: skip
    found = {
        name: [reaches(egress(rows, **labels), *place) for place in (TELEGRAM, STUDIO, DATABASE, METADATA, OTHER)]
        for name, labels in ways.items()
    }
    assert found == {
        "webhook": [True, False, True, False, False],
        "worker": [True, True, True, False, False],
        "migrate": [False, False, True, False, False],
    }
    for labels in ways.values():
        dns = [rule for rule in egress(rows, **labels) if {"protocol": "UDP", "port": 53} in rule["ports"]]
        assert len(dns) == 1
    job = rows["Job", "it-govorun-migrate"]["spec"]["template"]["metadata"]["labels"]
    assert ways["migrate"].items() <= job.items()


def test_one_process_with_a_file_needs_no_way_to_a_database(chart: Chart) -> None:
    rules = egress(chart.render({}), **pod("all"))
    found = [reaches(rules, *place) for place in (TELEGRAM, STUDIO, DATABASE, METADATA)]
    assert found == [True, True, False, False]
    assert not reaches(rules, "10.1.2.3", 443), "nothing inside is reached by way of AI Studio's rule"
    assert not reaches(rules, "fd00::1", 443)


def test_ways_out_can_be_narrowed_and_more_can_be_let_through(chart: Chart) -> None:
    collector = {"ports": [{"port": 4318}], "to": [{"ipBlock": {"cidr": "10.9.9.9/32"}}]}
    narrow = {"aiStudio": [{"ipBlock": {"cidr": "84.201.181.26/32"}}], "more": [collector]}
    rows = chart.render({**MANY, "networkPolicy": {"egress": narrow}})
    rules = egress(rows, **pod("worker"))
    assert reaches(rules, *STUDIO)
    assert reaches(rules, "10.9.9.9", 4318)
    assert not reaches(rules, "84.201.181.27", 443)
    assert not any(kind == "NetworkPolicy" for kind, _ in chart.render({"networkPolicy": {"enabled": False}}))


def test_the_ranges_of_telegram_are_those_that_it_publishes() -> None:
    """https://core.telegram.org/resources/cidr.txt, and a range that it used to name."""
    ranges = yaml.safe_load((CHART / "values.yaml").read_text())["networkPolicy"]["egress"]["telegram"]
    assert len({ip_network(peer["ipBlock"]["cidr"]) for peer in ranges}) == len(ranges) == 15


def test_a_database_file_never_has_two_writers(chart: Chart) -> None:
    rows = chart.render({})
    assert rows["StatefulSet", "it-govorun"]["spec"]["replicas"] == 1
    assert {kind for kind, _ in rows} & {"Deployment", "Job", "HorizontalPodAutoscaler"} == set()


def test_the_schema_is_brought_up_to_date_before_anything_else(chart: Chart) -> None:
    rows = chart.render(MANY)
    job = rows["Job", "it-govorun-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    secret = rows["Secret", "it-govorun-migrate"]
    assert (
        secret["metadata"]["annotations"]["helm.sh/hook-weight"] < job["metadata"]["annotations"]["helm.sh/hook-weight"]
    )
    assert secret["stringData"] == {"DATABASE_URL": URL}
    # No service may send it updates, and no budget count it.
    selector = rows["Service", "it-govorun-health"]["spec"]["selector"]
    assert not selector.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_a_secret_of_ones_own_is_used_everywhere(chart: Chart) -> None:
    rows = chart.render({"mode": "many", "existingSecret": "mine", "ingress": {"host": "bot.example.org"}})
    assert not any(kind == "Secret" for kind, _ in rows)
    assert json.dumps(list(rows.values())).count('"mine"') == 3


@pytest.mark.parametrize(
    "change", [{"settings": {"TEMPERATURE": 0.5}}, {"secrets": {**MANY["secrets"], "OWNERS": "7"}}]
)
def test_a_changed_setting_replaces_the_pods(chart: Chart, change: dict[str, Any]) -> None:
    def template(values: dict[str, Any]) -> Any:
        return chart.render(values)["Deployment", "it-govorun-worker"]["spec"]["template"]

    assert template(MANY) == template(MANY)
    assert template({**MANY, **change}) != template(MANY)


def test_the_ingress_leads_to_the_webhook(chart: Chart) -> None:
    for way in ("single with a webhook", "everything"):
        rows = chart.render(WAYS[way])
        (rule,) = rows["Ingress", "it-govorun"]["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert rows["ConfigMap", "it-govorun"]["data"]["WEBHOOK_URL"] == f"https://{rule['host']}{path['path']}"
        service = rows["Service", path["backend"]["service"]["name"]]["spec"]
        owner = "it-govorun" if way == "single with a webhook" else "it-govorun-webhook"
        kind = "StatefulSet" if way == "single with a webhook" else "Deployment"
        template = rows[kind, owner]["spec"]["template"]
        assert service["selector"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"mode": "many", "ingress": {"host": "a.b"}}, "secrets.DATABASE_URL"),
        ({**MANY, "secrets": {"DATABASE_URL": "sqlite+aiosqlite:///a.db"}}, "need a PostgreSQL"),
        ({**MANY, "secrets": {"DATABASE_URL": URL}}, "secrets.WEBHOOK_SECRET"),
        ({**MANY, "ingress": {}}, "ingress.host"),
        ({"settings": {"HEALTH_PORT": 1}}, "the chart sets it"),
        ({"settings": {"log_level": "DEBUG"}}, "log_level"),
        ({"mode": "both"}, "mode"),
        ({"replicas": 3}, "replicas"),
    ],
)
def test_what_can_not_work_is_refused_in_a_sentence(chart: Chart, values: dict[str, Any], why: str) -> None:
    assert why in chart.refuses(values)
