"""What operators answer where the sources had nothing is proposed to the owners, who teach it to the bot by a tap."""

from __future__ import annotations

from pathlib import Path

from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.known import handbook, kept
from tests.support.stage import BORIS, Stage
from tests.support.telegram_side import rows, soon

QUESTION, FACT = "Which colours can one buy?", "One can buy two colours: grey and green."
GAPS = "SELECT question, reason, learned_id IS NOT NULL FROM kb_gaps ORDER BY id"
PROPOSALS = "SELECT question, answer, audience, state FROM kb_learned ORDER BY id"


async def desk_with_sources(stage: Stage, folder: Path) -> DeskStage:
    desk = await desk_on(stage, folder, knowledge="extract", embeddings="off")
    docs = handbook(folder)
    assert stage.app is not None
    base = kept(stage.app, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",))))
    await base.files.close()
    return desk


async def closed(desk: DeskStage) -> None:
    """The case is closed, and what follows from that is done."""
    await desk.presses("desk.close")
    await soon(desk.stage, lambda: not rows(desk.stage, "SELECT 1 FROM jobs WHERE kind = 'desk.lesson'") or None)
    await desk.quiet()


async def test_an_operators_answer_to_what_the_sources_do_not_have_is_proposed_and_taught(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_with_sources(stage, tmp_path)
    await stage.ask(QUESTION)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says(FACT)
    await closed(desk)
    assert rows(stage, PROPOSALS) == [(QUESTION, FACT, "members", "proposed")]
    for owner in (OLGA, OLEG):
        (page,) = [text for text in stage.telegram.texts(owner) if FACT in text]
        assert say("en", "learned.title") in page
    await pressed(stage, say("en", "learned.add"), chat=OLGA)
    assert rows(stage, PROPOSALS)[0][3] == "added"
    assert FACT in await stage.ask(QUESTION, BORIS)
    assert await pressed(stage, say("en", "learned.add"), chat=OLEG) == say("en", "learned.gone")


async def test_a_question_that_goes_to_a_person_is_a_gap_and_nothing_is_proposed_where_the_sources_had_it(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_with_sources(stage, tmp_path)
    await stage.ask("How long is the warranty of laptops repaired for free?")
    await desk.called()
    assert [row[1] for row in rows(stage, GAPS)] == ["person"]
    await desk.presses("desk.take")
    await desk.says("For one year, as I said.")
    await closed(desk)
    assert rows(stage, PROPOSALS) == []


async def test_a_case_without_a_question_leaves_nothing(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_with_sources(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("Hello! How can I help?")
    await closed(desk)
    assert rows(stage, GAPS) == rows(stage, PROPOSALS) == []


async def test_a_lesson_is_proposed_once_though_the_bot_dies_at_the_close(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_with_sources(stage, tmp_path)
    await stage.ask(QUESTION)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says(FACT)
    await desk.presses("desk.close")
    await stage.crash()
    await stage.start()
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs WHERE kind = 'desk.lesson'") or None)
    await desk.quiet()
    assert len(rows(stage, PROPOSALS)) == 1
    assert sum(FACT in text for text in stage.telegram.texts(OLGA)) == 1
