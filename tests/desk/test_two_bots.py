"""Two bots of one process have desks of their own, though group, topic and customer have equal numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import Telegram, buttons_of
from bot.texts.catalog import say
from tests.support.desk_side import OLGA
from tests.support.several import Town, town
from tests.support.stage import ANNA, PATIENCE, Stage


@pytest.fixture
async def two(stage: Stage, tmp_path: Path) -> AsyncIterator[Town]:
    """Both bots have the folder DESK, and Olga as their owner."""
    (tmp_path / "desk").mkdir()
    async with town(stage, tmp_path / "bots") as found:
        for name, telegram in (("support", found.support), ("sales", found.sales)):
            found.write(name, telegram, DESK=str(tmp_path / "desk"), OWNERS=str(OLGA))
        yield found


async def pressed(telegram: Telegram, chat: int, label: str) -> None:
    """Olga presses the newest button with this label, once it is there."""

    def there() -> tuple[int, str] | None:
        found = [(one["message_id"], key) for one in telegram.transcript(chat) for key in buttons_of(one)]
        return next(((id_, key["callback_data"]) for id_, key in reversed(found) if key["text"] == label), None)

    message, data = await telegram.wait_for(there, PATIENCE)
    telegram.press(chat, message, data, OLGA)


async def shown(telegram: Telegram, chat: int, text: str) -> None:
    await telegram.wait_for(lambda: any(one.startswith(text) for one in telegram.texts(chat)) or None, PATIENCE)


async def test_each_bot_hands_its_own_customers_to_its_own_desk(two: Town) -> None:
    await two.start()
    groups = dict[Telegram, int]()
    for telegram in (two.support, two.sales):
        telegram.person("Olga", "en", OLGA)
        groups[telegram] = group = telegram.group("Support", [OLGA], is_forum=True)["id"]
        telegram.promote(group)
        telegram.say(group, f"/desk@{telegram.state.profile.username}", OLGA)
        await pressed(telegram, group, say("en", "desk.group.use"))
        await shown(telegram, group, say("en", "desk.group.connected"))
        telegram.say(ANNA, "/human")
        await shown(telegram, ANNA, say("en", "desk.called"))
        await shown(telegram, group, "#")
    assert len(set(groups.values())) == 1
    for telegram, words in ((two.support, "from support"), (two.sales, "from sales")):
        group = groups[telegram]
        await pressed(telegram, group, say("en", "desk.take"))
        await shown(telegram, group, "#1 · answered")
        telegram.say(group, words, OLGA, max(telegram.state.chats[group].topics))
        await shown(telegram, ANNA, words)
    assert [two.support.texts(ANNA)[-1], two.sales.texts(ANNA)[-1]] == ["from support", "from sales"]
    for telegram in (two.support, two.sales):
        assert len([text for text in telegram.texts(groups[telegram]) if text.startswith("#")]) == 1
