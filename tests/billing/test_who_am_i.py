"""/whoami: who somebody is for the bot, and what they may spend and use; a stranger is told the ID to pass on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage

pytestmark = pytest.mark.usefixtures("older_models")


async def test_a_person_is_told_name_id_role_budgets_and_models(stage: Stage) -> None:
    await stage.start(owners=(ANNA,), user_daily_money=Decimal(1))
    mine = await stage.ask("/whoami")
    assert mine.startswith(
        f"Anna\nID {ANNA}\nRole: owner\n\nNothing is limited for you here.\n\nModels: YandexGPT Pro, "
    )
    theirs = await stage.ask("/whoami", BORIS)
    assert theirs.startswith(
        f"Борис\nID {BORIS}\nСтатус: пользователь\n\nВам на сегодня: осталось 1,00\u00a0₽ из 1,00\u00a0₽"
    )
    assert "Статус: пользователь" in await stage.ask("/whoami@govorun_sandbox_bot", TEAM, BORIS)


async def test_a_stranger_is_told_the_id_to_give_to_the_owner(stage: Stage) -> None:
    await stage.start(access="closed", owners=(ANNA,))
    assert await stage.ask("/whoami", BORIS) == say("ru", "closed", id=BORIS)
