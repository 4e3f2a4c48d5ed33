"""Files of personas as an operator writes them, and choices as people press them."""

from __future__ import annotations

import os
from pathlib import Path

from bot.sandbox.telegram.server_facade import buttons_of
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows

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
    count = len(stage.telegram.texts(chat))
    await stage.press(title, chat, user)
    return (await stage.texts(count + 1, chat))[-1]


def labels(stage: Stage, chat: int = ANNA) -> list[str]:
    return [button["text"] for button in buttons_of(stage.telegram.transcript(chat)[-1])]


def actions(stage: Stage) -> set[str]:
    return {action for (action,) in rows(stage, "SELECT action FROM buttons")}


async def pressed(stage: Stage, *titles: str, chat: int = ANNA) -> str:
    """Press one button after another, each in what the one before brought."""
    for title in titles:
        count = len(stage.telegram.texts(chat))
        await stage.press(title, chat)
        await stage.texts(count + 1, chat)
    return stage.telegram.texts(chat)[-1]
