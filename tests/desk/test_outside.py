"""What leads out of the desk: lines and rules of a programmer, and webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import App, Customer, Decision, Question
from bot.texts.catalog import say
from tests.support.desk_side import desk_on
from tests.support.raw_server import RawServer, answer, serve
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

JOBS = "SELECT kind FROM jobs WHERE kind LIKE 'desk.%'"


async def shown(stage: Stage, desk: object, words: str) -> str:
    """The newest card, when it says `words`."""
    await soon(stage, lambda: words in desk.card()["text"] or None)  # type: ignore[attr-defined]
    return desk.card()["text"]  # type: ignore[attr-defined, no-any-return]


async def test_functions_of_the_app_add_lines_to_the_card(stage: Stage, tmp_path: Path) -> None:
    app, asked = App(), list[Customer]()

    @app.card
    async def orders(customer: Customer) -> list[str]:
        asked.append(customer)
        return ["Orders: 12", "Paid: 4,500"]

    @app.card
    async def plan(_: Customer) -> str:
        return "Plan: *gold*"

    @app.card
    async def nothing(_: Customer) -> None:
        return None

    stage.extension = app.extension
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    text = await shown(stage, desk, "Orders")
    assert "\nOrders: 12\nPaid: 4,500\nPlan: *gold*" in text
    assert asked == [Customer(ANNA, "Anna", "en", 1, 1)]
    await desk.presses("desk.take")
    assert "Orders: 12" in desk.card()["text"]


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_function_that_fails_or_is_late_is_a_line_of_the_card(
    stage: Stage, tmp_path: Path, language: str, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    app = App()

    @app.card
    async def broken(_: Customer) -> str:
        raise RuntimeError("no such table")

    @app.card
    async def slow(_: Customer) -> str:
        await asyncio.sleep(60)
        return "too late"

    @app.card
    async def quick(_: Customer) -> str:
        return "Plan: gold"

    stage.extension = app.extension
    desk = await desk_on(stage, tmp_path, language=language)
    await desk.called()
    began = stage.clock.time()
    text = await shown(stage, desk, "Plan: gold")
    assert stage.clock.time() - began < 4
    assert text.count(say(language, "desk.lines.failed")) == 2
    assert "no such table" not in text
    assert "no such table" in caplog.text
    caplog.clear()


async def test_a_rule_of_the_app_decides_beside_the_file(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    app = App()

    @app.rule
    def loud(question: Question) -> Decision | None:
        return Decision(priority=1, tags=("loud",), person=True) if question.text.isupper() else None

    @app.rule
    def broken(_: Question) -> Decision | None:
        raise RuntimeError("a mistake of the rule")

    (tmp_path / "desk.toml").write_text("[[rule]]\nwhen = { words = ['money'] }\ndo = { tag = 'money' }\n", "utf-8")
    stage.extension = app.extension
    desk = await desk_on(stage, tmp_path)
    stage.studio.script("Here it is.")
    assert await stage.ask("where is my money?") == "Here it is."
    assert await stage.ask("MY MONEY!") == say("en", "desk.called")
    await desk.quiet()
    assert rows(stage, "SELECT owner, priority, tags FROM desk_cases") == [("waiting", 1, "money loud")]
    assert caplog.text.count("a rule of the App has failed") == 2
    caplog.clear()


async def heard(stage: Stage, crm: RawServer, count: int) -> list[dict[str, object]]:
    """The events that the other program has, when there are so many and none waits."""
    await soon(stage, lambda: (len(crm.seen) >= count and not rows(stage, JOBS)) or None)
    return [json.loads(one.body) for one in crm.seen]


async def test_events_of_cases_go_to_another_program_signed(stage: Stage, tmp_path: Path) -> None:
    async with serve(answer(204)) as crm:
        (tmp_path / "desk.toml").write_text(f"[hook]\nurl = '{crm.url}/desk'\n", "utf-8")
        desk = await desk_on(stage, tmp_path, desk_hook_secret=SecretStr("s3cret"))
        await desk.called()
        await desk.presses("desk.take")
        await desk.says("a private word")
        await desk.presses("desk.close")
        events = await heard(stage, crm, 3)
    assert [one["event"] for one in events] == ["called", "taken", "closed"]
    assert [one["owner"] for one in events] == ["waiting", "held", "closed"]
    assert {(one["customer"], one["case"], one["number"]) for one in events} == {(ANNA, 1, 1)}
    assert len({one["id"] for one in events}) == 3
    assert "a private word" not in json.dumps(events)
    for one in crm.seen:
        signed = hmac.new(b"s3cret", one.body, hashlib.sha256).hexdigest()
        assert one.headers["x-govorun-signature-256"] == f"sha256={signed}"


async def test_an_event_that_is_not_taken_comes_again_with_its_id(stage: Stage, tmp_path: Path) -> None:
    async with serve(answer(503), answer(500), answer(200)) as crm:
        (tmp_path / "desk.toml").write_text(f"[hook]\nurl = '{crm.url}/desk'\n", "utf-8")
        desk = await desk_on(stage, tmp_path, desk_hook_secret=SecretStr("s3cret"))
        await desk.called()
        events = await heard(stage, crm, 3)
    assert len({str(one) for one in events}) == 1


async def test_without_a_secret_nothing_goes_out_and_the_log_says_why(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    async with serve(answer(200)) as crm:
        (tmp_path / "desk.toml").write_text(f"[hook]\nurl = '{crm.url}/desk'\n", "utf-8")
        desk = await desk_on(stage, tmp_path)
        await desk.called()
        await soon(stage, lambda: "DESK_HOOK_SECRET is empty" in caplog.text or None)
        assert crm.seen == []
    caplog.clear()
