"""/kb search: an admin sees what a question finds, with scores, as they may read it and as everybody may."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.knowledge.search.gate import Gate
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.known import handbook, known
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon


@pytest.mark.parametrize(("who", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_what_a_question_finds_is_shown_with_scores_and_with_the_rights_of_everyone(
    stage: Stage, tmp_path: Path, who: int, language: str
) -> None:
    bot = await known(stage, handbook(tmp_path), audience=["admins"], owners=[who])
    shown = await stage.ask("/kb search За сколько дней можно вернуть товар?", who)
    assert shown.startswith(say(language, "kb.search.by_you", question="За сколько дней можно вернуть товар?"))
    assert "1. Возврат › Срок\n" in shown
    assert "1.00" in shown
    assert "Вернуть товар можно в течение 14 дней." in shown
    assert shown.endswith(say(language, "kb.search.sure"))
    await pressed(stage, say(language, "kb.search.everyone"), chat=who)
    nothing = say(language, "kb.search.nothing")
    await soon(stage, lambda: stage.telegram.texts(who)[-1].endswith(nothing) or None)
    await pressed(stage, say(language, "kb.search.mine"), chat=who)
    await soon(stage, lambda: stage.telegram.texts(who)[-1] == shown or None)
    id_, gate = bot.telegram.api.id, Gate((0.0,) * 6, bias=0.0, cut=1.0, doubt=-1.0)
    await bot.store.write(lambda tx: tx.gates.store_gate(id_, "", gate.to_json()))
    await stage.ask("/kb search вернуть", who)
    assert stage.telegram.texts(who)[-1].endswith(say(language, "kb.search.maybe"))
    assert await stage.ask("/kb search", who) == say(language, "kb.usage.search")
    assert rows(stage, "SELECT 1 FROM kb_gaps") == []


async def test_who_is_no_admin_searches_nothing(stage: Stage, tmp_path: Path) -> None:
    await known(stage, handbook(tmp_path))
    assert "Возврат" not in await stage.ask("/kb search вернуть товар", BORIS)
