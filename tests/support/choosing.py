"""Files of personas as an operator writes them, and choices as people press them."""

from __future__ import annotations

import os
from pathlib import Path

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import deliveries, inbox, rows, soon

PIRATE = """
title.en = "Pirate"
title.ru = "Пират"
description = "speaks like a pirate"
system = "You are a pirate."
greeting.en = "Ahoy, {name}!"
greeting.ru = "Йо-хо-хо, {name}!"
suggestions = ["Where is the treasure?"]
temperature = 0.8
max_tokens = 321
[[examples]]
question = "Hello"
answer = "Ahoy!"
"""


def written(folder: Path, text: str, name: str = "pirate", kind: str = "personas") -> Path:
    """A file of the operator's, newer than the one before it."""
    (folder / kind).mkdir(parents=True, exist_ok=True)
    path = folder / kind / f"{name}.toml"
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, "utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


async def choose(stage: Stage, title: str, chat: int = ANNA, user: int | None = None) -> str:
    await stage.ask("/persona" if chat > 0 else "/persona@govorun_sandbox_bot", chat, user)
    return await pressed(stage, title, chat=chat, user=user)


def labels(stage: Stage, chat: int = ANNA) -> list[str]:
    return [button["text"] for button in buttons_of(stage.telegram.transcript(chat)[-1])]


def actions(stage: Stage) -> set[str]:
    return {action for (action,) in rows(stage, "SELECT action FROM buttons")}


async def pressed(stage: Stage, *titles: str, chat: int = ANNA, user: int | None = None) -> str:
    """Press one button after another, each in what the one before brought. Returns the newest text of the chat."""
    for title in titles:
        count = len(toasts(stage))
        await stage.press(title, chat, user)
        await stage.until(lambda count=count: len(toasts(stage)) > count or None)  # type: ignore[misc]
        await soon(stage, lambda: {*inbox(stage), *deliveries(stage)} <= {"done", "sent", "dead"} or None)
    return stage.telegram.texts(chat)[-1]


def toasts(stage: Stage) -> list[str]:
    """What was shown for a moment after each press."""
    return [call.params.get("text", "") for call in stage.telegram.calls_of("answerCallbackQuery")]


async def speaks(stage: Stage) -> None:
    """Have voice notes of Anna answered with voice."""
    await stage.ask("/voice")
    await pressed(stage, say("en", "voice.on"))
