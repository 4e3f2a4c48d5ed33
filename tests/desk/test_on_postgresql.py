"""The support desk on PostgreSQL, where several processes may serve one bot: from the call to the answer and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import Telegram, find_button
from bot.sandbox.telegram.state import Message
from bot.texts.catalog import say
from tests.promises.e2e.surroundings import PATIENCE, Process
from tests.promises.e2e.test_processes import services
from tests.support.desk_side import BOT, OLGA
from tests.support.postgres_side import Server
from tests.support.stage import ANNA

pytestmark = pytest.mark.e2e


async def read(telegram: Telegram, chat: int, begin: str) -> Message:
    """Wait for a message of a chat that begins like this."""
    return await telegram.wait_for(
        lambda: next((one for one in telegram.transcript(chat) if one.get("text", "").startswith(begin)), None),
        PATIENCE,
    )


async def test_a_case_goes_from_the_call_to_the_answer_and_back(tmp_path: Path, postgres: Server) -> None:
    url = await asyncio.to_thread(postgres.create)
    async with services(DATABASE_URL=url, DESK=str(tmp_path), OWNERS=str(OLGA)) as (telegram, studio, environment):
        telegram.person("Olga", "en", OLGA)
        group = telegram.group("Support", [OLGA], is_forum=True)["id"]
        telegram.promote(group)
        async with Process.start("run", directory=tmp_path, **environment):
            telegram.say(group, f"/desk{BOT}", OLGA)
            asked = await read(telegram, group, say("en", "desk.group.ask"))
            telegram.press(group, *find_button([asked], say("en", "desk.group.use")), OLGA)
            await read(telegram, group, say("en", "desk.group.connected"))
            telegram.say(ANNA, "/human")
            await read(telegram, ANNA, say("en", "desk.called"))
            card = await read(telegram, group, "#1")
            telegram.press(group, *find_button([card], say("en", "desk.take")), OLGA)
            await read(telegram, group, "#1 · answered by Olga")
            telegram.say(ANNA, "where is it?")
            await read(telegram, group, "where is it?")
            telegram.say(group, "on its way", OLGA, card["message_thread_id"])
            await read(telegram, ANNA, "on its way")
            telegram.say(ANNA, "/bot")
            await read(telegram, ANNA, say("en", "desk.returned"))
            studio.script("the bot again")
            telegram.say(ANNA, "hello")
            await read(telegram, ANNA, "the bot again")
    await asyncio.to_thread(postgres.drop, url)
