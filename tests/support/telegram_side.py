"""What the tests of the Telegram side look at: the bot's rows, its messages, its calls. Begin with `soon`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

from bot.prompts.catalog import instruct
from bot.sandbox.telegram.http import ApiCall
from tests.support.stage import ANNA, PATIENCE, Stage

T = TypeVar("T")

LOUD = ("sendMessage", "sendRichMessage", "sendPhoto", "sendDocument", "editMessageText", "editMessageCaption")
DRAFTS = ("sendMessageDraft", "sendRichMessageDraft")
QUESTION = "@govorun_sandbox_bot what now?"


async def soon(stage: Stage, found: Callable[[], T | None]) -> T:
    """The first true value of `found`, looked at ever less often in virtual time. Raises `TimeoutError`."""
    pause = 0.1
    async with asyncio.timeout(PATIENCE):
        while not (value := found()):
            await stage.clock.sleep(pause)
            pause = min(pause * 1.2, 5.0)
    return value


def rows(stage: Stage, query: str) -> list[tuple[Any, ...]]:
    """Look into the bot's database from outside."""
    return stage.rows(query)


def deliveries(stage: Stage) -> list[str]:
    """The states of all answers, in order."""
    return [state for (state,) in rows(stage, "SELECT state FROM deliveries ORDER BY id")]


def inbox(stage: Stage) -> list[str]:
    """The states of all updates, in order."""
    return [state for (state,) in rows(stage, "SELECT state FROM updates ORDER BY id")]


async def settled(stage: Stage, *states: str) -> None:
    """Wait until the outbox holds exactly deliveries in these states."""
    await soon(stage, lambda: deliveries(stage) == list(states) or None)


def questions(stage: Stage) -> list[str]:
    """What was asked, without what the model is told of a picture that it can't see."""
    return [prompt[-1]["text"].removesuffix("\n" + instruct("en", "picture.blind")) for prompt in stage.prompts()]


def words(text: str) -> str:
    return re.sub(r"\s+", "", text)


def said(stage: Stage, chat: int = ANNA) -> list[dict[str, Any]]:
    """The bot's messages as they stand in a chat."""
    mine = stage.telegram.state.profile.id
    return [message for message in stage.telegram.transcript(chat) if message["from"]["id"] == mine]


def loud(stage: Stage, chat: int = ANNA) -> list[ApiCall]:
    """The calls that count as messages in a chat."""
    return [call for call in stage.telegram.calls_of(*LOUD) if call.chat_id == chat]


def drafts(stage: Stage, chat: int = ANNA) -> list[ApiCall]:
    return [call for call in stage.telegram.calls_of(*DRAFTS) if call.chat_id == chat]


def counted(count: int, word: str = "word") -> list[str]:
    """An answer in pieces: word0 word1 ..."""
    return [f"{word}{number} " for number in range(count)]
