"""The Compose file and its proxy: what they name exists, and no process has more rights than it needs (T4, T5)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import compose_spec
import pytest
import yaml
from pydantic import SecretStr
from typer.testing import CliRunner

from bot import cli
from bot.config.settings import Settings
from bot.telegram.receiving.webhook_server import LARGEST_BODY
from tests.promises.deployment.conftest import DEPLOY, ROOT, Program
from tests.promises.deployment.names import readable, unknown

FILE = DEPLOY / "compose.yaml"
ASKED = {"WEBHOOK_DOMAIN": "bot.example.org", "WEBHOOK_SECRET": "s" * 32, "POSTGRES_PASSWORD": "p" * 24}
OF_WORKERS = {
    "YC_API_KEY", "YC_IAM_TOKEN", "YC_OAUTH_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_METADATA", "YC_METADATA_ADDR",
    "MODELS", "EMBEDDING_MODELS", "MCP_SERVERS", "DESK_HOOK_SECRET",
}  # fmt: skip
OF_WEBHOOKS = {"WEBHOOK_SECRET", "WEBHOOK_HOST", "WEBHOOK_PORT"}
ELSEWHERE = {"MOVE_TO", "LOCAL_MODEL_SOURCE", "HTTP_SECRET"}  # of `govorun move`, the sandbox, an App
OPERATIONS = ROOT / "docs" / "operations.md"
SECONDS = re.compile(r"(\d+)s")


def interpolated() -> str:
    """The file as Compose reads it: `${NAME:?why}` and `${NAME:-default}` replaced."""
    return re.sub(r"\$\{(\w+)(:\?[^}]*|:-([^}]*))\}", lambda m: ASKED.get(m[1], m[3] or ""), FILE.read_text())


COMPOSE: dict[str, Any] = yaml.safe_load(interpolated())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("govorun:")}


def test_it_is_what_the_specification_allows() -> None:
    compose = compose_spec.PyCompose.from_json(json.dumps(COMPOSE))
    compose.validate()
    assert set(compose.service_names()) == {"postgres", "migrate", "webhook", "worker", "proxy"}


def test_what_it_asks_of_the_operator_is_said_at_its_head() -> None:
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    head = FILE.read_text().partition("name: govorun")[0]
    assert asked == {*ASKED, "GOVORUN_VERSION"}
    assert {name for name in asked if not re.search(rf"^# {name} ", head, re.MULTILINE)} == set()


def test_there_are_two_webhooks_and_three_workers() -> None:
    assert {name: service.get("deploy") for name, service in OURS.items()} == {
        "migrate": None, "webhook": {"replicas": 2}, "worker": {"replicas": 3},
    }  # fmt: skip


def test_every_variable_is_a_setting() -> None:
    for service in SERVICES.values():
        assert unknown(service.get("environment", {})) == set()


def test_its_values_are_good_ones() -> None:
    given = {name: str(value) for name, value in OURS["webhook"]["environment"].items() if value is not None}
    values = {name: value for name, value in given.items() if name != "DATABASE_URL"}
    settings = readable(values)
    assert settings.webhook_url == "https://bot.example.org/telegram"
    assert settings.health_host == "0.0.0.0"
    assert settings.webhook_secret.get_secret_value(), "one for all webhooks: each would make up its own"


def test_every_setting_is_given_to_those_who_need_it() -> None:
    """A new setting comes into the list of all, or is a secret of one role."""
    names = {name.upper() for name in Settings.model_fields}
    given = {name: set(service["environment"]) for name, service in OURS.items()}
    assert given["migrate"] == {"DATABASE_URL"}
    assert names - given["webhook"] == OF_WORKERS | ELSEWHERE
    assert names - given["worker"] == OF_WEBHOOKS | ELSEWHERE
    assert set(re.findall(r"`(OTEL_\w+)`", OPERATIONS.read_text())) <= given["webhook"] & given["worker"]


def test_no_secret_is_given_to_a_role_without_need() -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    shared = secret & set(OURS["webhook"]["environment"]) & set(OURS["worker"]["environment"])
    assert shared == {"BOT_TOKEN", "TELEGRAM_PROXY"}, "both speak with Telegram"
    files = {name: service.get("env_file") for name, service in SERVICES.items() if "env_file" in service}
    assert files == {"worker": [{"path": "../worker.env", "required": False}]}
    for name, service in SERVICES.items():
        if name not in OURS:
            assert not secret & set(service["environment"])


def test_the_commands_exist() -> None:
    for name, service in OURS.items():
        command, *options = service["command"]
        assert CliRunner().invoke(cli.app, [command, "--help"]).exit_code == 0
        assert options == ([] if name == "migrate" else ["--role", name])


def test_a_process_is_waited_for_longer_than_its_answers_are() -> None:
    grace = readable({"SHUTDOWN_GRACE": OURS["worker"]["environment"]["SHUTDOWN_GRACE"]}).shutdown_grace
    for name in ("webhook", "worker"):
        found = SECONDS.fullmatch(OURS[name]["stop_grace_period"])
        assert found
        assert int(found[1]) >= grace + 10


def test_nobody_works_before_the_schema_is_there() -> None:
    for name in ("webhook", "worker"):
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert OURS["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_all_use_the_database_that_is_there() -> None:
    made = SERVICES["postgres"]["environment"]
    for service in OURS.values():
        address = urlsplit(service["environment"]["DATABASE_URL"])
        assert (address.scheme, address.hostname, address.path) == ("postgresql", "postgres", f"/{made['POSTGRES_DB']}")
        assert (address.username, address.password) == (made["POSTGRES_USER"], made["POSTGRES_PASSWORD"])


@pytest.mark.parametrize("name", OURS)
def test_a_bot_has_no_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"], "or a SIGTERM that comes early is lost"
    assert "ports" not in service


def test_the_database_is_reached_from_inside_only() -> None:
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert "ports" not in SERVICES["postgres"]


def test_the_proxy_reaches_the_webhooks_and_nothing_else() -> None:
    caddy = Program("caddy")
    shown = caddy.accepts("adapt", "--config", str(DEPLOY / "Caddyfile"), **ASKED)
    text = json.dumps(json.loads(shown))
    environment = OURS["webhook"]["environment"]
    assert f'"name": "webhook", "port": "{environment["WEBHOOK_PORT"]}"' in text
    path = environment["WEBHOOK_URL"].removeprefix("https://bot.example.org")
    assert f'"path": ["{path}*"]' in text
    assert '"host": ["bot.example.org"]' in text
    assert text.count("reverse_proxy") == 1
    assert f'"max_size": {LARGEST_BODY}' in text
    assert {"outside"} == set(SERVICES["proxy"]["networks"])
    assert "./Caddyfile:/etc/caddy/Caddyfile:ro" in SERVICES["proxy"]["volumes"]
