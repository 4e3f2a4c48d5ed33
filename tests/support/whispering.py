"""A group in which people whisper to the bot: what each of them sees, and what everybody does."""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import rows, soon

CANNOT = say("en", "alone.cannot")
WORD = "periwinkle"  # nobody but Anna may ever see it


async def begin(stage: Stage, **changes: Any) -> None:
    """The bot runs and its menu is set."""
    await stage.start(**changes)
    await stage.until(lambda: len(stage.telegram.calls_of("setMyCommands")) >= 4 or None)


async def whispers(stage: Stage, count: int, user: int = ANNA) -> list[str]:
    """Wait until one person alone was told so much and nothing is under way any more."""
    await stage.until(lambda: len(stage.telegram.whispers(TEAM, user)) >= count or None)
    await soon(stage, lambda: idle(stage) or None)
    return stage.telegram.whispers(TEAM, user)


def idle(stage: Stage) -> bool:
    return not rows(stage, "SELECT 1 FROM deliveries WHERE state NOT IN ('sent', 'dead')") and not rows(
        stage, "SELECT 1 FROM updates WHERE state IN ('new', 'begun')"
    )


async def press(stage: Stage, label: str, user: int = ANNA) -> None:
    """Press the newest button with that label, under what only this person sees."""
    for message in reversed(stage.telegram.unseen(TEAM, user)):
        for button in buttons_of(message):
            if button["text"] == label:
                number = message["ephemeral_message_id"]
                stage.telegram.press(TEAM, number, button["callback_data"], user, unseen=True)
                return
    raise AssertionError(f"there is no button {label!r}")


async def quiet(stage: Stage) -> None:
    """Anna, who owns the group, has chosen that only the asker sees notices."""
    await stage.ask("/settings@govorun_sandbox_bot", TEAM, ANNA)
    await pressed(stage, say("en", "settings.notices"), say("en", "notices.alone"), chat=TEAM, user=ANNA)
