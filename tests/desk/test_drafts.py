"""The model beside the operator: drafts with quotes that were checked, and a summary on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.storage.repositories.knowledge.sources import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import toasts
from tests.support.desk_side import DeskStage, desk_on
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


async def drafted(desk: DeskStage, language: str = "en") -> str:
    """The draft that stands in the topic, once it is there."""
    heads = tuple(say(language, f"desk.draft.{kind}") for kind in ("own", "cited"))
    await soon(desk.stage, lambda: [one for one in desk.seen() if one.startswith(heads)] or None)
    await desk.quiet()
    return desk.seen()[-1]


async def test_a_draft_is_written_on_request_and_sent_by_a_press(desk: DeskStage) -> None:
    desk.stage.studio.script("Yes, within **30** days.")
    await desk.presses("desk.draft")
    assert await drafted(desk) == f"{say('en', 'desk.draft.own')}\nYes, within **30** days."
    before = desk.stage.telegram.texts(ANNA)
    await desk.presses("desk.send.draft")
    assert desk.stage.telegram.texts(ANNA) == [*before, "Yes, within 30 days."]


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
    await base.sync(await base.add(KnowledgeSource("docs", "", str(docs), audience=("everyone",))))
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
