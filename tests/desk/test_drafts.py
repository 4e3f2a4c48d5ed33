"""The model beside the operator: drafts with quotes that were checked, and a summary on the card."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from bot.cli.desk import app
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.tables.desk import Draft
from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import pressed, toasts
from tests.support.desk_side import BOT, OLGA, DeskStage, desk_on
from tests.support.known import handbook, kept
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import soon


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds, in which Anna has asked something."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.writes("Can I pay later?")
    return desk


async def drafted(desk: DeskStage, language: str = "en", *, text: str = "") -> str:
    """The draft that stands in the topic, once it is there: the first one, or one with this text."""
    heads = tuple(say(language, f"desk.draft.{kind}") for kind in ("own", "cited", "alone"))
    await soon(desk.stage, lambda: [one for one in desk.seen() if one.startswith(heads) and text in one] or None)
    await desk.quiet()
    return desk.seen()[-1]


async def test_a_draft_is_written_on_request_and_sent_by_a_press(desk: DeskStage) -> None:
    desk.stage.studio.script("Yes, within **30** days.")
    await desk.presses("desk.draft")
    assert await drafted(desk) == f"{say('en', 'desk.draft.own')}\nYes, within **30** days."
    before = desk.stage.telegram.texts(ANNA)
    await desk.presses("desk.send.draft")
    assert desk.stage.telegram.texts(ANNA) == [*before, "Yes, within 30 days."]
    assert not [one for one in under_drafts(desk) if one], "what was sent can't be sent again"


async def test_the_buttons_of_a_draft_end_with_its_case(desk: DeskStage) -> None:
    desk.stage.studio.script("Yes, within 30 days.")
    await desk.presses("desk.draft")
    await drafted(desk)
    assert any(under_drafts(desk))
    await desk.presses("desk.close")
    assert not any(under_drafts(desk))


def under_drafts(desk: DeskStage) -> list[Any]:
    """The buttons below each draft in the group, as they are now."""
    heads = tuple(say("en", f"desk.draft.{kind}") for kind in ("own", "cited", "alone"))
    messages = desk.stage.telegram.transcript(desk.group)
    return [buttons_of(one) for one in messages if one.get("text", "").startswith(heads)]


async def test_a_draft_knows_the_conversation_and_the_hint_but_no_notes(desk: DeskStage) -> None:
    await desk.says("Good morning!")
    await desk.says("// she is a difficult one")
    desk.stage.studio.script("Of course, dear customer.")
    await desk.says("/draft very politely")
    assert "Of course, dear customer." in await drafted(desk)
    asked = str(desk.stage.prompts()[-1])
    assert "Good morning!" in asked
    assert "Can I pay later?" in asked
    assert "very politely" in asked
    assert "difficult" not in asked


async def test_operators_read_the_whole_of_a_long_draft(desk: DeskStage) -> None:
    answer = " ".join(f"step{number}" for number in range(900))
    desk.stage.studio.script(answer)
    await desk.presses("desk.draft")
    await drafted(desk)
    assert " ".join(desk.seen()).split()[-900:] == answer.split()
    await desk.presses("desk.send.draft")
    assert " ".join(desk.stage.telegram.texts(ANNA)).split()[-900:] == answer.split()


async def test_a_draft_that_the_customer_has_overtaken_is_sent_only_after_another_press(desk: DeskStage) -> None:
    desk.stage.studio.script("Yes, within 30 days.")
    await desk.presses("desk.draft")
    await drafted(desk)
    await desk.writes("Forget it, I have paid.")
    before = desk.stage.telegram.texts(ANNA)
    await desk.presses("desk.send.draft")
    assert desk.stage.telegram.texts(ANNA) == before
    assert toasts(desk.stage)[-1] == say("en", "desk.draft.older")
    await desk.presses("desk.send.draft")
    assert desk.stage.telegram.texts(ANNA) == [*before, "Yes, within 30 days."]


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_the_quotes_of_a_draft_are_checked_and_shown_to_operators_only(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    docs = handbook(tmp_path)
    desk = await desk_on(stage, tmp_path, language=language, knowledge="extract", embeddings="off")
    assert stage.app is not None
    base = kept(stage.app, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",))))
    await base.files.close()
    await desk.called(customer)
    await desk.presses("desk.take", language=language)
    asked = {"en": "Are laptops repaired for free?", "ru": "Сколько дней можно вернуть ноутбук?"}
    await desk.writes(asked[language], customer)
    await desk.presses("desk.draft", language=language)
    draft = await drafted(desk, language)
    assert draft.startswith(say(language, "desk.draft.cited"))
    assert say(language, "desk.draft.quotes") in draft
    await desk.presses("desk.send.draft", language=language)
    assert "«" not in stage.telegram.texts(customer)[-1]


async def test_where_there_is_no_draft_the_topic_says_why(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.presses("desk.draft")
    await soon(stage, lambda: say("en", "desk.draft.nothing") in desk.seen() or None)
    await desk.writes("hello?")
    stage.studio.fail_next("*", times=20, status=400)
    await desk.says("/draft")
    await soon(stage, lambda: say("en", "desk.draft.failed") in desk.seen() or None)
    await desk.says("/close")
    await desk.says("/draft")
    assert desk.seen()[-1] == say("en", "desk.is_closed")


async def test_a_long_conversation_is_summed_up_on_the_card(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    stage.studio.script("one", "two", "Anna wants\nher @money back.")
    for text in ("first", "second"):
        await stage.ask(text)
    await desk.called()
    await soon(stage, lambda: "Summary: Anna wants her @\u2060money back." in desk.card()["text"] or None)
    assert len(desk.cards()) == 1
    assert "user: first" in str(stage.prompts()[-1])


async def drafts_of(desk: DeskStage) -> list[tuple[str, ...]]:
    """State, text and what was sent of all drafts, oldest first."""
    columns = Draft.table.c
    assert desk.stage.app is not None
    rows = await desk.stage.app.store.read(
        lambda tx: tx.connection.execute(select(columns.state, columns.text, columns.sent).order_by(columns.id)).all()
    )
    return [tuple(row) for row in rows]


async def test_what_becomes_of_drafts_is_kept(desk: DeskStage) -> None:
    desk.stage.studio.script("One.", "Two.", "Three.", "Four.", "Five.")
    await desk.presses("desk.draft")
    await drafted(desk, text="One.")
    await desk.presses("desk.draft.another")
    await drafted(desk, text="Two.")
    await desk.presses("desk.send.draft")
    await desk.says("/draft")
    await drafted(desk, text="Three.")
    shown = next(one for one in reversed(desk.messages()) if "Three." in one.get("text", ""))
    await desk.says("Three, and a bit.", reply_to=shown["message_id"])
    await desk.says("/draft")
    await drafted(desk, text="Four.")
    await desk.says("My own words.")
    await desk.says("/draft")
    await drafted(desk, text="Five.")
    await desk.says("/close")
    assert await drafts_of(desk) == [
        ("dropped", "One.", ""),
        ("sent", "Two.", "Two."),
        ("edited", "Three.", "Three, and a bit."),
        ("dropped", "Four.", ""),
        ("dropped", "Five.", ""),
    ]
    desk.stage.telegram.say(desk.group, f"/desk{BOT} week", OLGA)
    await soon(desk.stage, lambda: "photo" in desk.stage.telegram.transcript(desk.group)[-1] or None)
    counts = say("en", "desk.figures.drafts", sent=1, edited=1, dropped=3)
    assert desk.stage.telegram.transcript(desk.group)[-1]["caption"].endswith(counts)
    told = desk.stage.telegram.texts(ANNA)
    assert "Three, and a bit." in told
    assert "Three." not in told


async def test_a_draft_that_was_sent_corrected_is_not_sent_again(desk: DeskStage) -> None:
    desk.stage.studio.script("One.")
    await desk.presses("desk.draft")
    await drafted(desk)
    shown = next(one for one in reversed(desk.messages()) if "One." in one.get("text", ""))
    await desk.says("Better.", reply_to=shown["message_id"])
    await desk.presses("desk.send.draft")
    assert toasts(desk.stage)[-1] == say("en", "desk.draft.sent")
    assert "One." not in desk.stage.telegram.texts(ANNA)


async def test_forget_deletes_the_drafts(desk: DeskStage) -> None:
    desk.stage.studio.script("One.")
    await desk.presses("desk.draft")
    await drafted(desk)
    await desk.stage.ask("/forget")
    await pressed(desk.stage, say("en", "forget.yes"))
    await soon(desk.stage, lambda: say("en", "desk.erased") in desk.stage.telegram.texts(desk.group) or None)
    assert await drafts_of(desk) == []


def written(folder: Path, text: str) -> None:
    """Write desk.toml."""
    (folder / "desk.toml").write_text(text, "utf-8")


async def held(stage: Stage, folder: Path, rules: str, **more: Any) -> DeskStage:
    """A case of Anna that Olga holds, under these rules."""
    written(folder, rules)
    desk = await desk_on(stage, folder, **more)
    await desk.called()
    await desk.presses("desk.take")
    return desk


async def test_with_always_each_message_gets_one_draft_and_several_get_one(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path, '[draft]\nmode = "always"')
    stage.studio.script("Written for both.")
    stage.telegram.say(ANNA, "Can I pay later?", None, 0, None)
    await desk.writes("And by card?")
    assert "Written for both." in await drafted(desk)
    assert [state for state, *_ in await drafts_of(desk)] == ["offered"]
    assert "And by card?" in str(stage.prompts()[-1])


async def test_an_operator_who_answers_at_once_gets_no_draft(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path, '[draft]\nmode = "always"')
    stage.telegram.say(ANNA, "Can I pay later?", None, 0, None)
    await asyncio.sleep(1)
    stage.telegram.say(desk.group, "Yes, of course.", OLGA, desk.topic, None)
    await asyncio.sleep(10)
    assert await drafts_of(desk) == []
    assert stage.prompts() == []


async def test_drafts_can_be_off_for_a_team_or_by_a_rule(stage: Stage, tmp_path: Path) -> None:
    rules = '[[rule]]\nwhen = { words = ["refund"] }\ndo = { person = true, draft = "off" }'
    written(tmp_path, rules)
    desk = await desk_on(stage, tmp_path)
    await desk.writes("I want a refund")
    await desk.presses("desk.take")
    assert say("en", "desk.draft") not in desk.labels()
    await desk.says("/draft")
    assert desk.seen()[-1] == say("en", "desk.draft.off")


async def test_the_purse_pays_and_the_desk_works_on_when_it_is_empty(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path, '[draft]\nmode = "always"\n[model]\ndaily_tokens = 1', language="en")
    stage.studio.script("First.")
    await desk.writes("Can I pay later?")
    assert "First." in await drafted(desk)
    for text in ("And by card?", "And in euros?"):
        await desk.writes(text)
        await asyncio.sleep(10)
    assert desk.seen().count(say("en", "desk.draft.limit")) == 1
    await desk.presses("desk.draft")
    await soon(stage, lambda: desk.seen().count(say("en", "desk.draft.limit")) == 2 or None)
    await desk.says("I answer myself.")
    assert stage.telegram.texts(ANNA)[-1] == "I answer myself."
    told = await stage.ask(f"/desk{BOT}", desk.group, OLGA)
    assert say("en", "desk.purse.of", limit=1) in told


async def test_a_team_with_limits_of_its_own_spends_nothing_of_the_others(stage: Stage, tmp_path: Path) -> None:
    rules = (
        '[draft]\nmode = "ask"\n[model]\ndaily_tokens = 1\n[team.support]\ntitle = "Support"\n'
        '[team.billing]\ntitle = "Billing"\nmodel = { daily_tokens = 1000000 }\n'
    )
    desk = await held(stage, tmp_path, rules, team="Support")
    stage.studio.answer(lambda messages: "An answer.")
    await desk.writes("Can I pay later?")
    for _ in range(2):
        await desk.presses("desk.draft")
        await asyncio.sleep(10)
    assert desk.seen().count(say("en", "desk.draft.limit")) == 1
    await desk.says("/give billing")
    await desk.says("/take")
    for _ in range(3):
        await desk.presses("desk.draft")
        await asyncio.sleep(10)
    assert desk.seen().count(say("en", "desk.draft.limit")) == 1
    told = await stage.ask(f"/desk{BOT}", desk.group, OLGA)
    assert say("en", "desk.purse.of", limit=1) in told
    assert "Billing: " in told
    assert say("en", "desk.purse.of", limit=1000000) in told


async def test_drafts_and_what_was_sent_are_written_as_examples_without_names(
    desk: DeskStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.stage.studio.script("Dear Anna, within 30 days.", "Two.")
    await desk.presses("desk.draft")
    await drafted(desk)
    await desk.presses("desk.send.draft")
    await desk.says("/draft")
    await drafted(desk, text="Two.")
    shown = next(one for one in reversed(desk.messages()) if "Two." in one.get("text", ""))
    await desk.says("Write to olga@shop.example. Olga", reply_to=shown["message_id"])
    monkeypatch.setenv("DATABASE_URL", desk.stage.settings.database_url)
    monkeypatch.setenv("BOT_TOKEN", "123456:token")
    told = await asyncio.to_thread(CliRunner().invoke, app, ["examples"], catch_exceptions=False)
    first, second = [json.loads(line) for line in told.output.splitlines()]
    assert first["question"] == "Can I pay later?"
    assert first["draft"] == first["sent"] == "Dear …, within 0 days."
    assert first["unchanged"] is True
    assert second["unchanged"] is False
    assert "Two." in second["draft"]
    assert "Olga" not in second["sent"]
    assert "olga@" not in second["sent"]
