"""Updates as nobody at the sandbox would send them, and what became of them."""

from __future__ import annotations

from typing import Any

from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, soon

TOKEN_BOT: dict[str, Any] = {"id": 4200000042, "is_bot": True, "first_name": "Govorun"}
PERSON = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}
PLACE = {"id": ANNA, "type": "private", "first_name": "Anna"}
UNREADABLE = [say("en", key) for key in ("unsupported", "picture.blind", "voice.off")]
UNKNOWN = say("en", "document.unknown", name="\0").split("\0")
LARGE = say("en", "file.large", limit=20)


def is_polite(text: str) -> bool:
    """Whether a text says that something can't be read; a document is named, in one line."""
    named = text.removeprefix(UNKNOWN[0]).removesuffix(UNKNOWN[1])
    return text in (*UNREADABLE, LARGE) or (text.startswith(UNKNOWN[0]) and 0 < len(named) < 200 and "\n" not in named)


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"message_id": 9000 + number, "from": PERSON, "chat": PLACE, "date": 1_800_000_000, **fields}


async def still_there(stage: Stage) -> None:
    """Somebody else asks something and is answered; whatever the bot had to say before, it has said."""
    await stage.clock.sleep(20)
    stage.studio.script("still here")
    assert await stage.ask("are you there?", BORIS) == "still here"
    await soon(stage, lambda: not {"new", "begun"} & set(inbox(stage)) or None)
