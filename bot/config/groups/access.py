"""Who may talk to the bot, and how many messages it accepts and queues."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.config.groups import SettingsGroup
from bot.config.validators import People


class AccessSettings(SettingsGroup):
    """Who may talk to the bot, how fast, and how many messages may wait for an answer."""

    access: Literal["closed", "open"] = Field(
        "closed",
        description="Who may talk to the bot: closed = owners and those who were let in (/invite), open = everybody",
    )
    owners: People = Field(
        (), description="Numeric Telegram ids of the owners, separated by commas (the bot tells you yours)"
    )
    user_rate: float | None = Field(
        None,
        ge=0,
        description="Messages a minute from one user, after a burst; 0 = no limit; empty = as many as may be answered "
        "in a private chat (TELEGRAM_CHAT_RATE). Owners have none",
    )
    user_burst: int = Field(20, gt=0, description="... and how many may come at once")
    chat_queue: int = Field(
        5, gt=0, description="Messages that may wait in one conversation behind the one that is being answered"
    )
    feedback_buttons: bool = Field(
        False, description="👍 and 👎 below each answer; reactions are counted in any case (govorun feedback)"
    )
    queue_notice: float = Field(
        3.0, ge=0, description="Seconds after which a message that waits is shown, to be sent now or dropped; 0 = never"
    )
    queue_size: int = Field(
        200,
        gt=0,
        description="Messages that may wait in all conversations together (CHAT_QUEUE: in one); up to twice as many "
        "for people who have none waiting",
    )
    longest_question: int = Field(50_000, gt=0, description="Longest question, in characters")
