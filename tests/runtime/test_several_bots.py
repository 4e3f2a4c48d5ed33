"""Several bots in one process: each is its own, an ill one leaves the others alone, and SIGHUP loses nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.crew import free_port
from bot.config import multi_bot
from bot.config.settings import Settings, load
from bot.errors import ConfigError
from bot.runtime import main
from bot.runtime.health.checks import Health
from bot.runtime.health.server import serving
from bot.runtime.supervisor import SETTLED, Supervisor
from bot.telemetry import logging as logs
from bot.texts.catalog import say
from tests.support.several import NOBODY, OTHER, Town, town
from tests.support.stage import ANNA, BORIS, Stage


@pytest.fixture
async def two(stage: Stage, tmp_path: Path) -> AsyncIterator[Town]:
    stage.studio.answer(lambda messages: messages[-1]["text"])
    async with town(stage, tmp_path / "bots") as found:
        yield found


def lines(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == level]


# --- each its own -----------------------------------------------------------------------------------------------------


async def test_each_bot_answers_its_own_people_with_its_own_settings(two: Town) -> None:
    two.write("support", two.support, SYSTEM_PROMPT="You repair.")
    two.write("sales", two.sales, SYSTEM_PROMPT="You sell.", ACCESS="closed", OWNERS=str(ANNA))
    await two.start()
    two.support.say(ANNA, "hello support")
    two.sales.say(ANNA, "hello sales")
    assert await two.texts(two.support, 1) == ["hello support"]
    assert await two.texts(two.sales, 1) == ["hello sales"]
    asked = {request[-1]["text"]: request for request in two.stage.prompts()}
    assert "You repair." in str(asked["hello support"])
    assert "You sell." in str(asked["hello sales"])
    two.sales.say(BORIS, "let me in")
    two.support.say(BORIS, "hello")
    assert await two.texts(two.support, 1, BORIS) == ["hello"]
    assert "let me in" not in str(two.stage.prompts())


async def test_what_a_person_said_to_one_bot_the_other_does_not_know(two: Town) -> None:
    await two.start()
    two.support.say(ANNA, "my name is Anna")
    await two.texts(two.support, 1)
    two.sales.say(ANNA, "who am I?")
    await two.texts(two.sales, 1)
    assert "my name is Anna" not in str(two.stage.prompts()[-1])


async def test_the_budget_of_one_bot_is_not_spent_by_the_other(two: Town) -> None:
    two.write("sales", two.sales, DAILY_TOKENS="1")
    await two.start()
    for number in range(2):
        two.support.say(ANNA, f"question {number}")
        await two.texts(two.support, number + 1)
        two.sales.say(ANNA, f"question {number}")
        await two.texts(two.sales, number + 1)
    assert two.support.texts(ANNA) == ["question 0", "question 1"]
    assert "question 1" not in two.sales.texts(ANNA)


async def test_one_clean_up_leaves_the_updates_of_the_other_bot(two: Town) -> None:
    await two.start()
    for telegram in (two.support, two.sales):
        telegram.say(ANNA, "hello")
        await two.texts(telegram, 1)
    await two.stage.clock.sleep(1)
    store = await two.running.process.store()
    gone = await store.write(lambda tx: tx.inbox.delete_done_before(4300000043, two.stage.clock.time() + 1))
    assert gone == 1


async def test_what_is_wrong_is_logged_after_the_start_and_a_look_that_fails_harms_nobody(
    two: Town, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[str] = []

    async def problems(settings: Settings) -> AsyncIterator[str]:
        looked.append(settings.telegram_api_url)
        yield "auth: the key is old. Make a new one"
        raise RuntimeError("the look itself is broken")

    two.problems = problems
    two.write("sales", two.sales, CHECK_AT_START="true")
    await two.start()
    assert looked == []
    await two.stage.clock.sleep(SETTLED + 1)
    assert [line for line in lines(caplog, "WARNING") if line.startswith("check")] == [
        "check: auth: the key is old. Make a new one",
        "check: what the bot needs could not be looked at (RuntimeError)",
    ]
    assert looked == [two.sales.url]
    two.sales.say(ANNA, "hello")
    assert await two.texts(two.sales, 1) == ["hello"]


async def test_a_look_that_takes_for_ever_does_not_hold_the_end_up(two: Town) -> None:
    ended = asyncio.Event()

    async def problems(_settings: Settings) -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            ended.set()

    two.problems = problems
    two.write("sales", two.sales, CHECK_AT_START="true")
    await two.start()
    await two.stage.clock.sleep(SETTLED + 1)
    before = two.stage.clock.monotonic()
    await two.stop()
    assert ended.is_set()
    assert two.stage.clock.monotonic() - before < 5


async def test_without_a_folder_there_is_one_bot(two: Town) -> None:
    await two.start(bots=two.folder / "nowhere")
    two.support.say(ANNA, "hello")
    assert await two.texts(two.support, 1) == ["hello"]
    assert list(two.running.health_by_bot()) == [""]


async def test_a_line_of_the_log_names_the_bot(two: Town, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logs.Redaction([]))
    logging.getLogger("bot").addHandler(handler)
    logging.getLogger("bot").setLevel("INFO")
    try:
        await two.start()
    finally:
        logging.getLogger("bot").removeHandler(handler)
        logging.getLogger("bot").setLevel("NOTSET")
    said = capsys.readouterr().err
    assert "[bot sales]: @sales_bot takes updates" in said
    assert "[bot support]: @govorun_sandbox_bot takes updates" in said


# --- an ill one -------------------------------------------------------------------------------------------------------


async def test_a_wrong_token_is_one_line_that_names_the_file_and_the_others_start(
    two: Town, caplog: pytest.LogCaptureFixture
) -> None:
    two.write("sales", two.sales, BOT_TOKEN=NOBODY)
    await two.start()
    two.support.say(ANNA, "hello")
    assert await two.texts(two.support, 1) == ["hello"]
    (told,) = lines(caplog, "ERROR")
    assert re.fullmatch(r"sales\.env: BOT_TOKEN: Telegram does not know it.*", told)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"BOT_TOKEN": "hush"}, r"BOT_TOKEN does not look like .*"),
        ({"BOT_TOKEN": ""}, r"BOT_TOKEN is missing: .*"),
        ({"TEMPERATURE": "hot", "MAX_TOKENS": "many"}, r"TEMPERATURE: .*; MAX_TOKENS: .*|MAX_TOKENS: .*; TEMP.*"),
        (
            {"DATABASE_URL": "sqlite+aiosqlite:///x.db", "LOG_LEVEL": "INFO"},
            r"DATABASE_URL, LOG_LEVEL: of the whole .*",
        ),
        ({"HEALTH_PORT": "1"}, r"HEALTH_PORT: of the whole process, and can't stand in such a file"),
    ],
)
async def test_a_file_that_can_not_be_used_is_one_line_and_the_others_start(
    two: Town, caplog: pytest.LogCaptureFixture, row: dict[str, str], says: str
) -> None:
    two.write("sales", two.sales, **row)
    await two.start()
    two.support.say(ANNA, "hello")
    assert await two.texts(two.support, 1) == ["hello"]
    (told,) = lines(caplog, "ERROR")
    assert re.fullmatch(rf"sales\.env: ({says})", told)
    assert "hush" not in told


async def test_with_all_of_them_wrong_the_process_ends_and_names_each(two: Town) -> None:
    two.write("support", two.support, BOT_TOKEN=NOBODY)
    two.write("sales", two.sales, TEMPERATURE="hot")
    await two.start()
    with pytest.raises(
        ConfigError, match=r"sales\.env: TEMPERATURE: (?s:.*)support\.env: BOT_TOKEN: Telegram does not"
    ):
        await two.ended()


async def test_two_files_with_the_same_token_are_both_refused(two: Town, caplog: pytest.LogCaptureFixture) -> None:
    two.write("twin", two.sales)
    await two.start()
    two.support.say(ANNA, "hello")
    assert await two.texts(two.support, 1) == ["hello"]
    told = lines(caplog, "ERROR")
    assert [line.partition(":")[0] for line in told] == ["sales.env", "twin.env"]
    assert "twin.env has the same" in told[0]
    assert OTHER not in caplog.text


async def test_health_says_which_bot_is_ill_and_the_others_stay_in_service(two: Town) -> None:
    two.write("broken", two.sales, BOT_TOKEN="hush")
    port = free_port()
    await two.start(health_port=port)
    for telegram in (two.support, two.sales):
        telegram.say(ANNA, "hello")
        await two.texts(telegram, 1)
    fleet = two.running
    there = {name: one for name, one in fleet.health_by_bot().items() if isinstance(one, Health)}
    for health in there.values():
        health.patience = 600.0  # virtual time passes while a thread waits for the disk
    async with (
        serving(two.read(), fleet.health_by_bot, fleet.process.metrics) as address,
        aiohttp.ClientSession() as session,
    ):
        found = {}
        for path in ("healthz", "readyz", "livez"):
            async with session.get(f"{address}/{path}") as response:
                found[path] = (response.status, json.loads(await response.text()))
        async with session.get(f"{address}/metrics") as response:
            samples = [
                one for family in text_string_to_metric_families(await response.text()) for one in family.samples
            ]
    assert [status for status, _ in found.values()] == [503, 200, 200]
    states = {name: row["status"] for name, row in found["healthz"][1]["bots"].items()}
    assert states == {"broken": "fail", "sales": "ok", "support": "ok"}
    assert {one.labels["bot"] for one in samples if one.name == "govorun_inbox_open"} == {"broken", "sales", "support"}
    assert {one.value for one in samples if one.name == "govorun_deliveries_total"} == {2}


# --- the webhook ------------------------------------------------------------------------------------------------------


async def test_one_listener_takes_the_webhooks_of_all_bots_with_a_secret_each(two: Town) -> None:
    port = free_port()
    await two.start(webhook_url=f"http://127.0.0.1:{port}/hook/", webhook_port=port, webhook_secret="s" * 32)
    secrets = {}
    for telegram in (two.support, two.sales):
        telegram.say(ANNA, "hello")
        assert await two.texts(telegram, 1) == ["hello"]
        told = telegram.calls_of("setWebhook")[-1].params
        assert told["url"] == f"http://127.0.0.1:{port}/hook/{telegram.token.partition(':')[0]}"
        secrets[told["url"]] = told["secret_token"]
    assert len({*secrets.values(), "s" * 32}) == 3
    (one, its), (_, another) = secrets.items()
    async with aiohttp.ClientSession() as session:
        statuses = []
        for address, secret in ((one, another), (one, "s" * 32), (one, its), (f"http://127.0.0.1:{port}/hook", its)):
            header = {"X-Telegram-Bot-Api-Secret-Token": secret}
            async with session.post(address, json={"update_id": 1}, headers=header) as response:
                statuses.append(response.status)
    assert statuses == [401, 401, 200, 404]


async def test_a_webhook_bot_that_is_built_anew_gets_what_came_meanwhile(two: Town) -> None:
    port = free_port()
    await two.start(webhook_url=f"http://127.0.0.1:{port}", webhook_port=port)
    for number in range(3):
        two.write("sales", two.sales, SYSTEM_PROMPT=f"version {number}")
        two.running.apply(two.plan())
        two.sales.say(ANNA, f"message {number}")
    assert await two.texts(two.sales, 3) == [f"message {number}" for number in range(3)]


# --- SIGHUP -----------------------------------------------------------------------------------------------------------


def life(fleet: Supervisor, name: str) -> object:
    """Something that is another one when a bot was built anew."""
    return fleet.health_by_bot()[name]


async def test_only_a_bot_whose_settings_changed_is_built_anew(two: Town) -> None:
    await two.start()
    before = {name: life(two.running, name) for name in ("support", "sales")}
    await two.reload()
    assert {name: life(two.running, name) for name in ("support", "sales")} == before
    two.write("sales", two.sales, SYSTEM_PROMPT="You sell more.")
    await two.reload()
    assert life(two.running, "support") is before["support"]
    assert life(two.running, "sales") is not before["sales"]
    two.sales.say(ANNA, "hello")
    await two.texts(two.sales, 1)
    assert "You sell more." in str(two.stage.prompts()[-1])


async def test_who_is_no_owner_any_more_after_a_reload_has_no_links_either(two: Town) -> None:
    two.write("sales", two.sales, ACCESS="closed", OWNERS=f"{ANNA},{BORIS}")
    await two.start()
    two.sales.say(ANNA, "/invite admin 9x")
    (code,) = re.findall(r"\?start=([\w-]+)", (await two.texts(two.sales, 1))[0])
    two.write("sales", two.sales, ACCESS="closed", OWNERS=str(BORIS))
    await two.reload()
    two.sales.say(ANNA, f"/start {code}")
    assert (await two.texts(two.sales, 2))[1] == say("en", "join.over")
    told = say("en", "rights.ended", whom=f"Anna ({ANNA})", role=say("en", "role.stranger"), links=1)
    assert await two.texts(two.sales, 1, BORIS) == [told]


async def test_nothing_is_lost_or_doubled_while_settings_change_again_and_again(two: Town) -> None:
    two.stage.studio.speed = 3
    await two.start()
    expected = []
    for number in range(5):
        for place in ("before", "after"):
            expected.append(f"message {number} {place}")
            for telegram in (two.support, two.sales):
                telegram.say(ANNA, expected[-1])
            if place == "before":
                await two.stage.clock.sleep(0.3)
                two.write("sales", two.sales, SYSTEM_PROMPT=f"version {number}")
                two.running.apply(two.plan())
    for telegram in (two.support, two.sales):
        assert await two.texts(telegram, len(expected)) == expected
    await two.stage.clock.sleep(60)
    for telegram in (two.support, two.sales):
        assert telegram.texts(ANNA) == expected


async def test_a_new_file_starts_a_bot_and_a_removed_one_stops_it(two: Town) -> None:
    (two.folder / "sales.env").unlink()
    await two.start()
    two.sales.say(ANNA, "is anybody there?")
    await two.stage.clock.sleep(5)
    assert two.sales.texts(ANNA) == []
    two.write("sales", two.sales)
    await two.reload()
    assert await two.texts(two.sales, 1) == ["is anybody there?"]
    (two.folder / "sales.env").unlink()
    await two.reload()
    assert list(two.running.health_by_bot()) == ["support"]
    two.sales.say(ANNA, "and now?")
    await two.stage.clock.sleep(60)
    assert len(two.sales.texts(ANNA)) == 1
    assert two.sales.pending == 1  # left at Telegram for whoever comes


async def test_a_file_with_another_name_is_the_same_bot(two: Town) -> None:
    await two.start()
    before = life(two.running, "sales")
    (two.folder / "sales.env").rename(two.folder / "shop.env")
    await two.reload()
    assert life(two.running, "shop") is before
    assert "sales" not in two.running.health_by_bot()


@pytest.mark.parametrize("row", [{"TEMPERATURE": "hot"}, {"BOT_TOKEN": ""}, {"BOT_TOKEN": OTHER[:-1] + "X"}])
async def test_a_bot_whose_new_settings_are_wrong_goes_on_with_the_old_ones(
    two: Town, caplog: pytest.LogCaptureFixture, row: dict[str, str]
) -> None:
    await two.start()
    two.write("sales", two.sales, SYSTEM_PROMPT="You sell more.", **row)
    await two.reload()
    await two.stage.clock.sleep(5)
    two.sales.say(ANNA, "hello")
    assert await two.texts(two.sales, 1) == ["hello"]
    assert "You sell more." not in str(two.stage.prompts()[-1])
    (told,) = lines(caplog, "ERROR")
    assert told.startswith("sales.env: ")


async def test_settings_of_the_process_that_are_wrong_change_nothing(
    two: Town, caplog: pytest.LogCaptureFixture
) -> None:
    await two.start()
    before = life(two.running, "sales")
    two.write("sales", two.sales, SYSTEM_PROMPT="You sell more.")

    def read() -> multi_bot.Plan:
        return multi_bot.plan(two.read(temperature="hot"), two.read)

    main._reload(two.running, read)
    await two.stage.clock.sleep(1)
    assert life(two.running, "sales") is before
    (told,) = lines(caplog, "ERROR")
    assert told.startswith("the settings stay as they are: TEMPERATURE: ")


async def test_what_can_not_change_without_a_restart_is_named_in_one_line(
    two: Town, caplog: pytest.LogCaptureFixture
) -> None:
    await two.start()
    before = life(two.running, "sales")
    await two.reload(database_url="sqlite+aiosqlite:///other.db", health_port=1, temperature=0.5)
    (told,) = [line for line in lines(caplog, "WARNING") if "only after a restart" in line]
    assert told.startswith("DATABASE_URL, HEALTH_PORT: ")
    assert life(two.running, "sales") is not before  # the temperature counts
    two.sales.say(ANNA, "hello")
    assert await two.texts(two.sales, 1) == ["hello"]


async def test_one_bot_without_a_folder_takes_new_settings_too(two: Town) -> None:
    await two.start(bots=None)
    two.support.say(ANNA, "hello")
    await two.texts(two.support, 1)
    await two.reload(system_prompt="You are new.")
    two.support.say(ANNA, "again")
    assert await two.texts(two.support, 2) == ["hello", "again"]
    assert "You are new." in str(two.stage.prompts()[-1])


# --- the files --------------------------------------------------------------------------------------------------------


def planned(folder: Path, **given: str) -> multi_bot.Plan:
    def read(**more: object) -> Settings:
        base = {"_env_file": None, "yc_api_key": "key", "yc_folder_id": "b1g", "bots": folder}
        return load(**{**base, **given, **more})

    return multi_bot.plan(read(), read)


def test_a_file_counts_more_than_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "yandexgpt-lite")
    monkeypatch.setenv("GREETING", "Hello from all")
    monkeypatch.setenv("YC_TOKEN", "y0_common")
    (tmp_path / "one.env").write_text(
        f'BOT_TOKEN={OTHER}\nexport MODEL="qwen3"\nGREETING=\nYC_TOKEN=y0_own\nowners=5\n'
    )
    (tmp_path / "two.env").write_text(f"BOT_TOKEN={NOBODY}\n")
    plan = planned(tmp_path)
    assert plan.refused == {}
    one, other = plan.bots["one"], plan.bots["two"]
    assert (one.model, one.greeting, one.owners) == ("qwen3", "Hello from all", (5,))
    assert one.yc_oauth_token.get_secret_value() == "y0_own"
    assert (other.model, other.yc_oauth_token.get_secret_value()) == ("yandexgpt-lite", "y0_common")
    assert {OTHER, NOBODY, "y0_own", "y0_common"} <= set(plan.secrets())


def test_the_token_of_the_process_is_no_bots(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("MODEL=qwen3\n")
    assert "BOT_TOKEN is missing" in planned(tmp_path, bot_token=OTHER).refused["one"]


def test_what_is_no_env_file_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "one.env~", ".hidden.env", ".env"):
        (tmp_path / name).write_text("BOT_TOKEN=hush\n")
    assert list(planned(tmp_path, bot_token=OTHER).bots) == [""]


def test_a_folder_that_is_none_and_a_file_in_another_encoding_are_told(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_bytes(b"GREETING=\xff\xfe\n")
    assert planned(tmp_path).refused == {"one": "is not in UTF-8; save it in that encoding"}
    with pytest.raises(ConfigError, match="BOTS: can't read"):
        planned(tmp_path / "one.env")
