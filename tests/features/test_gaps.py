"""/gaps: admins see what people asked and the sources did not answer, without names, and nobody else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.known import handbook, known
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows

WEEK = 7 * 86_400
GAPS = "SELECT question, reason, audience, tell FROM kb_gaps ORDER BY id"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


@pytest.mark.parametrize("who", [ANNA, BORIS])
async def test_questions_without_an_answer_are_counted_together_and_shown_without_names(
    stage: Stage, docs: Path, who: int
) -> None:
    language, other = ("en", BORIS) if who == ANNA else ("ru", ANNA)
    await known(stage, docs, owners=[who])
    await stage.ask("Сколько стоит подписка на журнал?", other)
    stage.clock.shift += WEEK
    await stage.ask("Меня зовут Борис Петров. Сколько стоит подписка на журнал за 12 месяцев?", other)
    await stage.ask("Сколько стоит подписка на журнал?", other)
    await stage.ask("Which capital does Australia have?", who)
    page = await stage.ask("/gaps", who)
    assert page.startswith(say(language, "gap.title"))
    assert "\n2 (+1) · Сколько стоит подписка на журнал?" in page
    assert "Which capital does Australia have?" in page
    assert "Петров" not in page
    assert "12" not in page
    opened = await pressed(stage, "Сколько стоит подписка на журнал?", chat=who)
    assert opened.startswith(say(language, "gap.one", now=2, before=1))
    assert "Меня зовут …. Сколько стоит подписка на журнал за 0 месяцев?" in opened
    await pressed(stage, say(language, "kb.back"), say(language, "gap.file"), chat=who)
    (sent,) = (message["document"] for message in stage.telegram.transcript(who) if "document" in message)
    table = stage.telegram.state.files[sent["file_id"]].data.decode("utf-8-sig")
    assert "Сколько стоит подписка на журнал?,2,1,1,0,0,,members" in table
    assert say(language, "gap.title") not in await stage.ask("/gaps@govorun_sandbox_bot", TEAM, who)


async def test_a_gap_of_an_owner_is_not_shown_to_an_admin_and_none_to_others(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask("Which capital does Australia have?", BORIS)
    await bot.joining.directory.write(lambda tx: tx.members.store_member(bot.telegram.api.id, BORIS, "admin", ANNA))
    await stage.ask("Which capital does Australia have?")
    assert [audience for _, _, audience, _ in rows(stage, GAPS)] == ["members", "owners"]
    assert "\n1 (+1) · Which capital does Australia have?" in await stage.ask("/gaps", BORIS)
    assert "\n2 (+2) · Which capital does Australia have?" in await stage.ask("/gaps")


async def test_a_question_that_is_answered_after_all_is_no_gap(stage: Stage, docs: Path) -> None:
    await known(stage, docs, "В источниках этого нет.", "Вернуть товар можно в течение 14 дней [a1].", level="cited")
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    assert len(rows(stage, GAPS)) == 1
    await pressed(stage, "↻", chat=BORIS)
    assert rows(stage, GAPS) == []


async def test_an_answer_with_sources_that_is_disliked_is_a_gap_until_that_is_taken_back(
    stage: Stage, docs: Path
) -> None:
    await known(stage, docs, feedback_buttons=True)
    await stage.ask("Are laptops repaired for free?")
    await pressed(stage, "👎")
    assert rows(stage, GAPS) == [("Are laptops repaired for free?", "disliked", "owners", "")]
    await pressed(stage, "👍")
    assert rows(stage, GAPS) == []
