"""The doctor against the sandbox's servers: the whole, the settings, proxies, personas."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.desk.policy.desk_file import DeskFile, DeskTable
from bot.doctor.desk import check_desk, check_own_seats
from bot.doctor.examination import examine
from bot.doctor.finding import Finding, Spending, Verdict
from bot.doctor.machine import check_prompts, check_proxies, check_topics
from bot.doctor.services import check_tool_servers
from bot.doctor.studio import check_studio
from bot.llm.topics.routing_file import example
from bot.providers.catalog import choices
from tests.support.doctor_patient import Patient, is_bad
from tests.support.raw_server import closed_port
from tests.support.virtual import VirtualClock

LEGS = [
    "settings",
    "database",
    "proxies",
    "prompts",
    "telegram",
    "updates",
    "network",
    "auth",
    "models",
    "text",
    "embedding",
    "tokenizer",
    "operations",
    "image",
]


# --- the whole --------------------------------------------------------------------------------------------------------


async def test_a_bot_that_lacks_nothing_gets_one_good_line_for_each_leg(patient: Patient) -> None:
    found = await patient.findings()
    assert list(dict.fromkeys(finding.leg for finding in found)) == LEGS
    assert {(finding.verdict, finding.advice) for finding in found} == {(Verdict.OK, "")}
    said = {finding.leg: finding.text for finding in reversed(found)}
    assert "@govorun_sandbox_bot" in said["telegram"]
    assert "topics in private chats: on" in said["telegram"]
    assert "yandexgpt-5.1 answers" in said["text"]


async def test_each_model_that_is_offered_is_asked(patient: Patient) -> None:
    found = [finding.text.split()[0] for finding in await patient.findings() if finding.leg == "text"]
    assert sorted(found) == sorted(row.name for row in choices())


async def test_speech_search_and_embeddings_are_asked_where_they_are_on(patient: Patient) -> None:
    on = {"speech": "on", "tools": ("search",)}
    said = {finding.leg: finding.text for finding in await patient.findings(**on)}
    assert "heard 'Привет'" in said["speech"]
    assert "found " in said["search"]
    assert "embeds texts" in said["embedding"]
    dead = closed_port()
    addresses = ("yc_stt_url", "yc_search_url", "yc_operation_url", "yc_image_operation_url")
    spoilt = await patient.findings(**on, **dict.fromkeys(addresses, dead))
    wrong = [finding.leg for finding in spoilt if finding.verdict is Verdict.FAIL]
    assert wrong == ["speech", "search", "operations"]
    assert is_bad(await patient.finding("speech", **on, yc_tts_url=dead), Verdict.FAIL, "", "try again")


async def test_a_look_that_may_spend_nothing_asks_only_what_is_free(patient: Patient) -> None:
    settings = Settings(_env_file=None, **patient.settings | {"speech": "on", "tools": ("search",)})
    legs = {finding.leg async for finding in check_studio(settings, SystemClock(), Spending.NOTHING)}
    assert legs == {"network", "auth", "models", "tokenizer", "operations"}
    assert not patient.studio.seen("completion")


async def test_one_picture_is_drawn_after_its_price_was_told(patient: Patient) -> None:
    settings = Settings(_env_file=None, **patient.settings)

    async def told() -> list[tuple[Finding, int]]:
        """What is said about pictures, with the number of those that were bought until then."""
        clock = VirtualClock(start=time.time())
        found = examine(settings, clock=clock, env_file=patient.folder / ".env", spending=Spending.PICTURE)
        return [(finding, patient.studio.bought) async for finding in found if finding.leg == "image"]

    (price, before), (drawn, after) = await told()
    assert (price.text, before) == ("drawing one picture, which costs 2.2 RUB", 0)
    assert (drawn.text.startswith("aliceai-image-art-3.0 drew a picture ("), after) == (True, 1)
    patient.studio.paint("failed")
    assert is_bad((await told())[-1][0], Verdict.FAIL, "internal error", "models list")
    patient.studio.fail_next("images/generations", status=403)
    _, (refused, _), (other, _) = await told()
    assert is_bad(refused, Verdict.WARN, "aliceai-image-art-3.0: 403", "IMAGE_MODEL=auto")
    assert other.text.startswith("yandex-art drew a picture (")
    patient.studio.fail_next("images/generations", status=403)
    patient.studio.fail_next("imageGenerationAsync", status=403)
    assert is_bad((await told())[-1][0], Verdict.FAIL, "403", "ai.imageGeneration.user")


@pytest.mark.process
async def test_each_mcp_server_is_started_and_lists_its_tools(patient: Patient) -> None:
    program = str(Path(__file__).parents[1] / "support" / "mcp_program.py")
    good = {"name": "files", "command": sys.executable, "args": [program, ""]}
    bad = {"name": "broken", "command": "/nothing/is/here"}
    settings = Settings(_env_file=None, **patient.settings | {"mcp_servers": [good, bad]})
    first, second = [finding async for finding in check_tool_servers(settings, SystemClock())]
    assert (first.verdict, first.text) == (Verdict.OK, "files offers 7 tools")
    assert is_bad(second, Verdict.FAIL, "broken can't be used", "MCP_SERVERS")


async def test_a_check_costs_a_few_tokens_and_no_picture(patient: Patient) -> None:
    await patient.findings(
        model="yandexgpt", models=[{"name": "yandexgpt-lite"}, {"name": "yandexgpt"}], helper_model="yandexgpt"
    )
    asked = patient.studio.seen("completion")
    assert [request.body["modelUri"].split("/")[3] for request in asked] == ["yandexgpt", "yandexgpt-lite"]
    assert all(1 <= int(request.body["completionOptions"]["maxTokens"]) <= 5 for request in asked)
    assert len(patient.studio.requests) < 10
    assert patient.studio.bought == 0


async def test_a_check_changes_nothing_at_telegram(patient: Patient) -> None:
    patient.telegram.say(1001, "hello")
    await patient.findings()
    assert {call.method for call in patient.telegram.calls} == {"getMe", "getWebhookInfo"}
    assert patient.telegram.pending == 1


async def test_what_servers_repeat_is_shown_without_secrets(patient: Patient) -> None:
    token, key = patient.telegram.token, "AQVN-secret/key"
    patient.studio.access.keys = {key}
    patient.telegram.fail_next("getWebhookInfo", code=409, description=f"Conflict: {token}\x1b[2J")
    patient.studio.fail_next("completion", status=403, body={"error": f"key {key} AQVN-secret%2Fkey", "message": ""})
    shown = "\n".join(finding.text + finding.advice for finding in await patient.findings(yc_api_key=key))
    assert "***" in shown
    assert not [secret for secret in (token, key, "AQVN-secret%2Fkey", "\x1b") if secret in shown], shown


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_missing_settings_are_named_and_what_needs_them_is_not_tried(patient: Patient) -> None:
    found = await patient.findings(bot_token="", yc_api_key="<key>", yc_folder_id="")
    bad = [finding for finding in found if finding.verdict is Verdict.FAIL and finding.leg == "settings"]
    assert [finding.text for finding in bad] == [
        "BOT_TOKEN is missing", "YC_API_KEY is missing", "YC_FOLDER_ID is missing"
    ]  # fmt: skip
    assert ["@BotFather" in bad[0].advice, "AQVN" in bad[1].advice, "b1g" in bad[2].advice] == [True] * 3
    assert not {"telegram", "network", "auth", "text"} & {finding.leg for finding in found}
    assert not patient.telegram.calls
    assert not patient.studio.requests


async def test_a_token_alone_is_checked_without_a_key(patient: Patient) -> None:
    found = {finding.leg: finding for finding in await patient.findings(yc_api_key="")}
    assert found["telegram"].verdict is Verdict.OK
    assert "text" not in found


async def test_a_closed_bot_without_owners_is_told_how_to_let_somebody_in(patient: Patient) -> None:
    assert is_bad(await patient.finding("settings", owners=()), Verdict.WARN, "answers nobody", "OWNERS=")


@pytest.mark.parametrize(
    ("setting", "value", "verdict", "text"),
    [
        ("yc_api_key", "t1.9euelZ", Verdict.WARN, "an IAM token"),
        ("yc_api_key", "y0_AgAAAA", Verdict.WARN, "an OAuth token"),
        ("yc_api_key", "ajeabcdefghijklmnop", Verdict.WARN, "the id of a key"),
        ("yc_folder_id", "my-folder", Verdict.WARN, "YC_FOLDER_ID"),
        ("yc_service_account_key_file", "nowhere.json", Verdict.FAIL, "YC_SERVICE_ACCOUNT_KEY_FILE"),
    ],
)
async def test_a_value_that_looks_wrong_is_named_but_not_shown(
    patient: Patient, setting: str, value: str, verdict: Verdict, text: str
) -> None:
    found = await patient.finding("settings", **{setting: value})
    assert (found.verdict, text in found.text) == (verdict, True), found
    assert setting == "yc_service_account_key_file" or value not in found.text + found.advice


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o644, True), (0o640, True)])
async def test_an_env_file_that_others_may_read_is_told(patient: Patient, mode: int, warned: bool) -> None:
    file = patient.folder / ".env"
    file.write_text("BOT_TOKEN=4200000042:AAsomething\n# ACCESS=open\n")
    file.chmod(mode)
    found = await patient.finding("settings")
    assert (found.verdict, f"chmod 600 {file}" == found.advice) == (Verdict.WARN if warned else Verdict.OK, warned)


async def test_a_misspelt_name_in_the_env_file_is_told_without_its_value(patient: Patient) -> None:
    file = patient.folder / ".env"
    file.write_text(
        "BOT_TOKN=4200:hush\nexport YC_TOKEN=hush\n#NOT_ONE=hush\nyc_folder_id = hush\nOTEL_SERVICE_NAME=hush\n"
    )
    file.chmod(0o600)
    found = [finding for finding in await patient.findings() if finding.verdict is not Verdict.OK]
    assert [is_bad(finding, Verdict.WARN, "BOT_TOKN in", "BOT_TOKEN") for finding in found] == [True]
    assert "hush" not in repr(found)


# --- proxies ----------------------------------------------------------------------------------------------------------


def test_proxies_are_shown_without_their_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:hush@proxy.example:3128")
    settings = Settings(_env_file=None, telegram_proxy="socks5://user:hush@other.example:1080")
    (found,) = check_proxies(settings)
    assert found.verdict is Verdict.OK
    assert "to Telegram through other.example:1080; to AI Studio through proxy.example:3128" in found.text
    assert "hush" not in repr(found)


def test_a_host_that_needs_no_proxy_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "cloud.yandex.net")
    (found,) = check_proxies(Settings(_env_file=None))
    assert "to AI Studio directly" in found.text


# --- personas and templates -------------------------------------------------------------------------------------------


def test_personas_that_come_with_it_are_in_order(tmp_path: Path) -> None:
    (found,) = check_prompts(Settings(_env_file=None, prompts_dir=tmp_path / "none"))
    assert found.verdict is Verdict.OK
    assert found.text.startswith("6 personas, 5 templates")


def test_a_broken_persona_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "pirate.toml").write_text('title = "Pirate"\ntemperature = 7\n')
    (tmp_path / "personas" / "seer.toml").write_text('title = "Seer"\nmodel = "nowhere"\n')
    broken, model = check_prompts(Settings(_env_file=None, prompts_dir=tmp_path))
    assert broken.verdict is Verdict.FAIL
    assert "pirate.toml, line 2: temperature" in broken.text
    assert model.verdict is Verdict.WARN
    assert "'nowhere', which is not offered" in model.text


def test_the_file_of_the_desk_is_looked_at(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, desk=tmp_path)
    assert [finding.verdict for finding in check_desk(settings)] == [Verdict.OK]
    (tmp_path / "desk.toml").write_text("[person]\nturns = -1\n")
    (found,) = check_desk(settings)
    assert (found.verdict, "line 2: person.turns" in found.text) == (Verdict.FAIL, True)
    assert list(check_desk(Settings(_env_file=None))) == []


def test_the_file_with_the_topics_is_looked_at(tmp_path: Path) -> None:
    def found(text: str) -> list[tuple[Verdict, str]]:
        (tmp_path / "routing.toml").write_text(text)
        settings = Settings(_env_file=None, prompts_dir=tmp_path, routing=tmp_path / "routing.toml")
        return [(finding.verdict, finding.text) for finding in check_topics(settings)]

    good = example("en")
    assert [verdict for verdict, _ in found(good)] == [Verdict.OK]
    assert list(check_topics(Settings(_env_file=None))) == []
    ((verdict, text),) = found("[topic.a]\n")
    assert (verdict, "routing.toml, line 1: topic.a: title is missing" in text) == (Verdict.FAIL, True)
    (verdict, text), _ = found(good.replace('# persona = "support"', 'persona = "pirate"', 1))
    assert (verdict, "there is no persona 'pirate'" in text) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("seats", "topics", "people_make", "told"),
    [
        ("group", False, False, ""),
        ("own", True, False, ""),
        ("own", False, False, "no topics in private chats"),
        ("own", True, True, "users may make topics"),
    ],
)
def test_own_seats_need_topics_in_private_chats_that_people_do_not_make(
    tmp_path: Path, seats: str, topics: bool, people_make: bool, told: str
) -> None:
    (tmp_path / "desk.toml").write_text(f"seats = '{seats}'\n")
    me = {"has_topics_enabled": topics, "allows_users_to_create_topics": people_make}
    found = [finding.text for finding in check_own_seats(DeskFile(tmp_path).table, me)]
    assert [told in text for text in found] == ([True] if told else [])
    assert list(check_own_seats(DeskTable(), me)) == []
