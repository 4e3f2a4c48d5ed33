"""Settings: what is taken, what is refused, and that a refusal names the setting and never shows its value.

See P28, F105 in docs/promises.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.config.settings import Settings, load, misspelt, require
from bot.errors import ConfigError
from tests.support.table import table

ROOT = Path(__file__).parents[2]
GOOD = {"BOT_TOKEN": "123456:ABC-def_ghi", "YC_API_KEY": "AQVNsecretsecret", "YC_FOLDER_ID": "b1gaaaabbbbccccdddde"}
YC_URL = re.compile("yc_.*_url")
PAIRS = [("'", "'"), ('"', '"'), (" ", "  "), ("", "\n"), ("\t", "\r\n"), (' "', '" ')]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder and an environment that sets nothing of ours."""
    for name in [*Settings.model_fields, "yc_token"]:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    """The settings that this environment makes. Raises `ConfigError` as `govorun run` would show it."""
    for name, value in (GOOD | values).items():
        monkeypatch.setenv(name, value)
    settings = load()
    require(settings)
    return settings


def refused(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        given(monkeypatch, **values)
    return str(caught.value).splitlines()


# --- what every bot needs ---------------------------------------------------------------------------------------------


def test_three_settings_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch)
    assert settings.bot_token.get_secret_value() == GOOD["BOT_TOKEN"]
    assert settings.bot_id == 123456
    assert (settings.access, settings.owners, settings.models) == ("closed", (), [])


@table("name", GOOD)
@table("value", ["", " ", "''", '""', "<token>", "your-key", "your token", "changeme", "xxxx", "...", "AQVN..."])
def test_an_empty_value_or_a_placeholder_is_missing(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    (line,) = refused(monkeypatch, **{name: value})
    assert line.startswith(f"{name} is missing: ")


def test_all_that_is_missing_is_named_at_once_with_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refused(monkeypatch, BOT_TOKEN="", YC_API_KEY="", YC_FOLDER_ID="")
    assert [line.split()[0] for line in lines] == list(GOOD)
    assert ["@BotFather" in lines[0], "AQVN" in lines[1], "b1g" in lines[2]] == [True] * 3


@table("name", GOOD)
@table(("before", "after"), PAIRS)
def test_spaces_and_quotes_around_a_value_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str
) -> None:
    value = getattr(given(monkeypatch, **{name: f"{before}{GOOD[name]}{after}"}), name.lower())
    assert (value.get_secret_value() if isinstance(value, SecretStr) else value) == GOOD[name]


@table("value", ["987654", "hush:hush", "987654:", "123456:hu sh", "123456:hu\nsh", "bot123456:hush", "123456 : hush"])
def test_a_token_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (line,) = refused(monkeypatch, BOT_TOKEN=value)
    assert line.startswith("BOT_TOKEN does not look like 123456:ABC-DEF...: ")
    assert "@BotFather" in line
    assert value not in line


@table("value", ["b1g aaaa", "b1g/aaaa", "b1g\naaaa", "папка"])
def test_a_folder_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (line,) = refused(monkeypatch, YC_FOLDER_ID=value)
    assert line.startswith("YC_FOLDER_ID does not look like b1g...: ")
    assert value not in line


@table(
    ("name", "value"),
    [("YC_IAM_TOKEN", "t1.token"), ("YC_OAUTH_TOKEN", "y0_token"), ("YC_TOKEN", "y0_token"), ("YC_METADATA", "true")],
)
def test_another_credential_is_as_good_as_an_api_key(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given(monkeypatch, YC_API_KEY="", **{name: value})


def test_a_key_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (line,) = refused(monkeypatch, YC_API_KEY="", YC_SERVICE_ACCOUNT_KEY_FILE=str(tmp_path / "key.json"))
    assert line.startswith("YC_SERVICE_ACCOUNT_KEY_FILE: there is no file")
    (tmp_path / "key.json").write_text("{}")
    given(monkeypatch, YC_API_KEY="", YC_SERVICE_ACCOUNT_KEY_FILE=str(tmp_path / "key.json"))


def test_a_path_of_a_setting_means_the_same_in_every_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/anna")
    settings = given(monkeypatch, DESK="desk", ROUTING="~/routing.toml")
    monkeypatch.chdir("/")
    assert settings.knowledge_cache == tmp_path / ".govorun/knowledge"
    assert (settings.desk, settings.routing) == (tmp_path / "desk", Path("/home/anna/routing.toml"))


# --- the table of wrong values ----------------------------------------------------------------------------------------


@table(
    ("name", "value"),
    [
        ("ACCESS", "hush"),
        ("STREAMING", "hush"),
        ("RICH_MESSAGES", "hush"),
        ("TELEGRAM_RATE", "fast"),
        ("TELEGRAM_RATE", "-1"),
        ("WEBHOOK_PORT", "99999"),
        ("WEBHOOK_PORT", "0"),
        ("SHUTDOWN_GRACE", "-1"),
        ("YC_METADATA", "perhaps"),
        ("TEMPERATURE", "1.5"),
        ("TEMPERATURE", "hush"),
        ("MAX_TOKENS", "0"),
        ("MAX_TOKENS", "12.5"),
        ("YC_CONCURRENCY", "0"),
        ("ANSWER_DEADLINE", "0"),
        ("IDLE_DEADLINE", "hush"),
        ("UPDATE_DAYS", "0"),
        ("LOG_LEVEL", "hush"),
        ("OWNERS", "@hush"),
        ("OWNERS", "1001,anna"),
        ("OWNERS", "1001.5"),
        ("MODELS", "hush-not-json"),
        ("MODELS", '{"name": "yandexgpt"}'),
        ("MODELS", '["yandexgpt"]'),
        ("MODELS", '[{"title": "hush"}]'),
        ("MODELS", '[{"name": "yandexgpt", "window": "wide"}]'),
        ("MODELS", '[{"name": "yandexgpt", "price_in": "dear"}]'),
        ("YC_LLM_URL", "hush.example"),
        ("YC_LLM_URL", "ftp://hush"),
        ("YC_LLM_URL", "https://"),
        ("YC_LLM_URL", "https://a host"),
        ("YC_LLM_URL", "https://user:hush@host"),
        ("YC_LLM_URL", "https://[::1"),
        ("TELEGRAM_API_URL", "http://telegram.example"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_it_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = refused(monkeypatch, **{name: value})
    assert line.startswith(name), line
    assert str(Settings.model_fields[name.lower()].description) in line
    assert "hush" not in line


def test_each_wrong_value_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refused(monkeypatch, ACCESS="all", TEMPERATURE="hot", MAX_TOKENS="many")
    assert sorted(line.partition(":")[0] for line in lines) == ["ACCESS", "MAX_TOKENS", "TEMPERATURE"]


def test_a_wrong_row_of_the_models_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = refused(monkeypatch, MODELS='[{"name": "yandexgpt"}, {"title": "Pro"}]')
    assert line.startswith("MODELS (1.name): ")


# --- every setting (F105) ---------------------------------------------------------------------------------------------


def test_every_setting_refuses_what_it_can_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """All settings at once get their first wrong value, then their second: each is refused in one line of its own.

    What only `require` refuses comes in a second message, when the types are right.
    """
    wrong = {name: wrong_values(name) for name in Settings.model_fields}
    for number in range(max(map(len, wrong.values()))):
        values = {name.upper(): found[number] for name, found in wrong.items() if len(found) > number}
        while values:
            with monkeypatch.context() as patch:
                refusals = refused(patch, **values)
            lines = {re.split(r"\W", line)[0]: line for line in refusals}
            assert len(lines) == len(refusals)
            assert lines.keys() <= values.keys()
            assert [name for name, line in lines.items() if "hush" in line] in ([], ["YC_SERVICE_ACCOUNT_KEY_FILE"])
            values = {name: value for name, value in values.items() if name not in lines}


@table("value", ["", "   ", '""', "' '", "\n", "\t"])
def test_every_setting_that_says_nothing_has_its_default(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), value)
    settings = load()
    for name, field in Settings.model_fields.items():
        default = value if name == "system_prompt" else field.get_default(call_default_factory=True)
        default = default.absolute() if isinstance(default, Path) else default
        assert getattr(settings, name) == default, name


def test_every_setting_is_the_same_between_spaces_and_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in Settings.model_fields if name != "system_prompt"]
    found = []
    for before, after in [("", ""), *PAIRS]:
        for name in names:
            monkeypatch.setenv(name.upper(), f"{before}{good_value(name)}{after}")
        settings = load()
        found.append({name: getattr(settings, name) for name in names})
    assert found == [found[0]] * len(found)


@table("place", ["environment", ".env"])
def test_every_setting_is_offered_for_a_name_with_a_letter_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    names = [name.upper() for name in Settings.model_fields]
    odd = {name[: len(name) // 2] + name[len(name) // 2 + 1 :]: name for name in names}
    (tmp_path / ".env").write_text("".join(f"{name}=hush\n" for name in odd) if place == ".env" else "")
    if place == "environment":
        for name in odd:
            monkeypatch.setenv(name, "hush")
    meant = [f"{name} is no setting of Govorun; did you mean {odd[name]}?" for name in sorted(odd)]
    assert misspelt() == meant


def test_names_that_are_nothing_like_a_setting_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=x\nPOSTGRES_PASSWORD=x\nyc_token=x\nmodel=x\n")
    assert misspelt() == []


@table("name", GOOD)
def test_the_placeholders_of_the_example_are_missing_values(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (placeholder,) = re.findall(rf"# {name}: .*?(\S+\.\.\.)", (ROOT / ".env.example").read_text())
    (line,) = refused(monkeypatch, **{name: placeholder})
    assert line.startswith(f"{name} is missing: ")


def test_pictures_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch).image_model == "auto"
    assert given(monkeypatch, IMAGE_MODEL="none").image_model == ""


def wrong_values(name: str) -> list[str]:
    """Values that a setting can't have; none for a text that may be anything."""
    return WRONG[name] if name in WRONG else WRONG_TYPES.get(str(Settings.model_fields[name].annotation), ["hush"])


def good_value(name: str) -> str:
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    return GOODS.get(name) or GOOD.get(name.upper()) or str(shown)


WRONG_TYPES = {
    "<class 'int'>": ["hush", "1.5", "nan", "1e400", "-1"],
    "<class 'float'>": ["hush", "nan", "inf", "-1"],
    "float | None": ["hush", "nan", "inf", "-1"],
    "<class 'bool'>": ["hush", "2"],
}
NO_KEY = ["hush hush", "hush\nhush", "hush-ключ"]
NO_URL = [
    "hush.example", "ftp://hush", "http://hush.example", "https://hush\nhush", "javascript:hush", "https://hush?hush=1",
    "https://hush#hush", "http://127.0.0.1\\@hush.example", "https://hush:99999",
]  # fmt: skip
NO_NAME = ["hush\nhush", "hush\x1b[31m"]
NO_HOST = ["hush:port", "hush@hush", "hush?hush", "hush hush", "http://hush", "hush/hush", "hush\nhush"]
WRONG = {
    "bot_token": ["hush", "123456:hu\nsh"],
    **dict.fromkeys(("yc_api_key", "yc_iam_token", "yc_oauth_token"), NO_KEY),
    **dict.fromkeys((name for name in Settings.model_fields if re.search("_url$", name)), NO_URL),
    **dict.fromkeys(("webhook_host", "health_host", "yc_metadata_addr"), NO_HOST),
    **dict.fromkeys(("model", "image_model", "helper_model", "speech_voice"), NO_NAME),
    "yc_folder_id": ["hush hush", "hush/hush"],
    "database_url": [
        "hush",
        "postgresql://hush",
        "sqlite:///hush.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///hush?mode=memory",
        "mysql://hush/hush",
        "postgresql://host:hush/name",
        "postgresql://anna:hu@sh@host/name",
    ],
    "move_to": ["hush", "postgresql://hush"],
    "owners": ["@hush", "1001,hush", "-100123", "0"],
    "models": ["hush", '["hush"]', "{}"],
    "webhook_secret": ["hush", "hush hush hush hush", "hush" * 100],
    "telegram_proxy": ["hush", "ftp://hush:1", "http://hush", "http://hush:hush", "http://a:hush@b:1/hush"],
    "yc_service_account_key_file": ["hush/nowhere.json"],
    "system_prompt": [],
    "greeting": [],
    "prompts_dir": [],
    "knowledge_cache": [],
    "routing": [],
    "eval_cases": [],
    "desk": [],
    "desk_hook_secret": [],
    "bots": [],
}
GOODS = {
    "owners": "1001", "user_rate": "30", "models": '[{"name": "yandexgpt"}]', "webhook_url": "https://bot.example/hook",
    "move_to": "postgresql://host/name",
    "webhook_secret": "sixteen-letters-and-more", "telegram_proxy": "socks5://host:1080", "yc_iam_token": "t1.token",
    "yc_oauth_token": "y0_token", "yc_service_account_key_file": "key.json", "access": "open", "log_level": "DEBUG",
    "tools": "time, search", "mcp_servers": '[{"name": "wiki", "url": "https://wiki.example/mcp"}]',
}  # fmt: skip


# --- lists and addresses ----------------------------------------------------------------------------------------------


@table(
    ("value", "owners"),
    [
        ("1001", (1001,)),
        ("1001,1002", (1001, 1002)),
        (" 1001 , 1002, ", (1001, 1002)),
        ("1001 1002\n1003", (1001, 1002, 1003)),
        ("1001;1002", (1001, 1002)),
        ('"1001,1002"', (1001, 1002)),
        ("", ()),
        (",", ()),
    ],
)
def test_owners_are_numbers_divided_by_what_people_use(
    monkeypatch: pytest.MonkeyPatch, value: str, owners: tuple[int, ...]
) -> None:
    assert given(monkeypatch, OWNERS=value).owners == owners


def test_shares_of_roles_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, ROLE_DAILY_MONEY='{"operator": 50, "admin": "0.5"}').role_daily_money == {
        "operator": Decimal(50),
        "admin": Decimal("0.5"),
    }
    for bad in ('{"owner": 1}', '{"operator": -1}', "[]", "50"):
        with pytest.raises(ConfigError, match="ROLE_MONTHLY_MONEY"):
            given(monkeypatch, ROLE_MONTHLY_MONEY=bad)


def test_counts_of_roles_are_whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, ROLE_MONTHLY_IMAGES='{"user": 50}').role_monthly_images == {"user": 50}
    for bad in ('{"owner": 1}', '{"user": -1}', '{"user": 1.5}', "[]", "50"):
        with pytest.raises(ConfigError, match="ROLE_DAILY_TOKENS"):
            given(monkeypatch, ROLE_DAILY_TOKENS=bad)


def test_models_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "yandexgpt", "title": "Pro", "window": 32_768, "price_in": "1.20"}, {"name": "yandexgpt-lite"}]
    models = given(monkeypatch, MODELS=json.dumps(rows)).models
    assert [(model.name, model.title, model.window) for model in models] == [
        ("yandexgpt", "Pro", 32_768), ("yandexgpt-lite", "", None)
    ]  # fmt: skip
    assert str(models[0].price_in) == "1.20"


def test_the_memory_of_the_service_is_for_rows_of_the_responses_api(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "one", "agent": "fvt1", "memory": "service"}, {"name": "two", "search": True, "memory": "service"}]
    models = given(monkeypatch, MODELS=json.dumps([*rows, {"name": "three"}])).models
    assert [model.memory for model in models] == ["service", "service", "bot"]
    for bad in (
        {"memory": "service"},
        {"memory": "service", "url": "http://127.0.0.1:1/v1", "search": True},
        {"memory": "service", "uri": "gpt://folder/own", "agent": "fvt1"},
    ):
        (line,) = refused(monkeypatch, MODELS=json.dumps([{"name": "one", **bad}]))
        assert line.startswith("MODELS (0): ")
        assert 'only a row with "agent" or "search"' in line
    (line,) = refused(monkeypatch, MODELS=json.dumps([{"name": "one", "agent": "fvt1", "memory": "server"}]))
    assert "'bot' or 'service'" in line


@table("host", ["0.0.0.0", "::", "[::1]", "localhost", "metadata:8080", "my_host"])
def test_a_host_is_a_name_or_an_address_of_either_kind(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert given(monkeypatch, WEBHOOK_HOST=host).webhook_host == host


@table(
    "url",
    [
        "https://proxy.example/path/",
        "http://127.0.0.1:8080/",
        "http://localhost:1",
        "http://[::1]:1",
        "http://127.1.2.3",
    ],
)
def test_an_address_over_tls_or_on_this_machine_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert given(monkeypatch, YC_LLM_URL=url).yc_llm_url == url.rstrip("/")


@table("setting", ["telegram_api_url", *(name for name in Settings.model_fields if YC_URL.fullmatch(name))])
@table(
    "host",
    ["10.0.0.1", "llm.api.cloud.yandex.net", "127.evil.example", "localhost.evil.example", "127.0.0.1@evil.example"],
)
def test_no_key_travels_unprotected(monkeypatch: pytest.MonkeyPatch, setting: str, host: str) -> None:
    (line,) = refused(monkeypatch, **{setting.upper(): f"http://{host}"})
    assert line.startswith(setting.upper())


@table("url", ["http://10.0.0.1:11434/v1", "ftp://127.0.0.1", "127.0.0.1:11434"])
def test_a_server_of_a_model_has_an_address_that_keeps_its_key(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    (line,) = refused(monkeypatch, MODELS=json.dumps([{"name": "llama", "url": url, "key": "hush-row"}]))
    assert line.startswith("MODELS (0.url): ")
    assert "hush-row" not in line


def test_the_key_of_a_server_may_stand_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "one", "key": "hush-row"}, {"name": "two", "key": "$OTHER_KEY"}, {"name": "three"}]
    monkeypatch.setenv("OTHER_KEY", " hush-variable ")
    settings = given(monkeypatch, MODELS=json.dumps(rows))
    assert [row.secret for row in settings.models] == ["hush-row", "hush-variable", ""]
    assert settings.secrets()[-2:] == ["hush-row", "hush-variable"]
    assert "hush" not in repr(settings) + str(settings.model_dump())


def test_the_embedder_is_a_row_of_embedding_models_or_one_of_the_three_words(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "bge", "url": "http://127.0.0.1:11434/v1", "key": "hush-row"}
    settings = given(monkeypatch, EMBEDDING_MODELS=json.dumps([row]), EMBEDDINGS="bge")
    assert settings.embedding_row == settings.embedding_models[0]
    assert "hush-row" in settings.secrets()
    assert given(monkeypatch, EMBEDDING_MODELS=json.dumps([row]), EMBEDDINGS="off").embedding_row is None
    wrong = [
        {"EMBEDDINGS": "bgee"},
        {"EMBEDDING_MODELS": json.dumps([{**row, "name": "off"}])},
        {"EMBEDDING_MODELS": json.dumps([row, row])},
        {"EMBEDDING_MODELS": json.dumps([{**row, "dimension": 5}])},
        {"EMBEDDING_MODELS": json.dumps([{**row, "url": "http://10.0.0.1/v1"}])},
    ]
    for values in wrong:
        (line, *_) = refused(monkeypatch, **{"EMBEDDINGS": "off", **values})
        assert line.startswith(next(iter(values)))
        assert "hush-row" not in line


# --- .env -------------------------------------------------------------------------------------------------------------


def test_the_env_file_is_read_and_the_environment_counts_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODEL='from the file'\nIMAGE_MODEL=from-the-file\n# ACCESS=open\nUNKNOWN=1\n")
    settings = given(monkeypatch, MODEL="from-the-environment")
    assert settings.model == "from-the-environment"
    assert settings.image_model == "from-the-file"
    assert settings.access == "closed"


def test_an_env_file_from_windows_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfMODEL=first\r\nSYSTEM_PROMPT=\xd0\xa2\xd1\x8b\r\n")
    settings = given(monkeypatch)
    assert (settings.model, settings.system_prompt) == ("first", "Ты")


def test_an_env_file_in_another_encoding_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SYSTEM_PROMPT=Ты секрет\n".encode("cp1251"))
    (line,) = refused(monkeypatch)
    assert line.startswith(".env: ")
    assert "UTF-8" in line


def test_the_prompt_keeps_its_quotes_and_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, SYSTEM_PROMPT='"Ты" и "я"').system_prompt == '"Ты" и "я"'


def test_the_example_is_current_and_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for script in ("env_example", "app_settings"):
        done = subprocess.run(
            [sys.executable, f"scripts/{script}.py", "--check"], cwd=ROOT, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
    example = load(_env_file=ROOT / ".env.example")
    assert example == Settings(_env_file=None)
    assert "PydanticUndefined" not in (ROOT / "docs" / "settings.md").read_text()


def test_every_setting_is_explained_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    assert [name for name in Settings.model_fields if f"{name.upper()}=" not in example] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_tools_are_named_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().tools == ("time", "calculator", "reminders")
    for value, names in {"none": (), "search": ("search",), "Time; Search": ("time", "search")}.items():
        assert given(monkeypatch, TOOLS=value).tools == names


def test_a_server_with_tools_is_a_program_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    row = '{"name":"a","command":"run","args":["x"],"env":{"KEY":"hush"}},{"name":"b","url":"https://b.example/mcp"}'
    settings = given(monkeypatch, MCP_SERVERS=f"[{row}]")
    assert [server.name for server in settings.mcp_servers] == ["a", "b"]
    assert settings.secrets()[-2:] == ["hush", "https://b.example/mcp"]
    assert "hush" not in repr(settings)
    one = '{"name":"a","command":"x","url":"https://x.example"}'
    for wrong in ('{"name":"a"}', one, '{"name":"a b","command":"x"}', '{"name":"a","url":"http://x.example"}'):
        with pytest.raises(ConfigError, match="MCP_SERVERS"):
            given(monkeypatch, MCP_SERVERS=f"[{wrong}]")


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_all_known_and_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets: dict[str, Any] = {
        "BOT_TOKEN": "123456:hush-token", "YC_API_KEY": "hush-key", "YC_IAM_TOKEN": "hush-iam",
        "YC_OAUTH_TOKEN": "hush-oauth", "WEBHOOK_SECRET": "hush-webhook-hush",
    }  # fmt: skip
    settings = given(monkeypatch, **secrets, TELEGRAM_PROXY="http://user:hush-proxy@proxy.example:1")
    assert set(settings.secrets()) == {*secrets.values(), "hush-proxy"}
    assert not any(secret in repr(settings) + str(settings.model_dump()) for secret in secrets.values())
