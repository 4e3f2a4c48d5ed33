"""What buttons do, and what the bot waits for: rows that belong to a user in a chat and end by themselves."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select

from bot.storage.rows import Subject
from bot.storage.tables import Awaited, ButtonRow
from bot.types import Address, Button

LIFE = 30 * 24 * 3600.0  # seconds: buttons live for ever in a chat, what they do does not
PATIENCE = 15 * 60.0  # seconds that a question of the bot stands
ADD = insert(ButtonRow)
AWAITED = select(Awaited.action, Awaited.payload).where(
    Awaited.bot == bindparam("b"),
    Awaited.key == bindparam("k"),
    Awaited.user == bindparam("u"),
    Awaited.expires > bindparam("now"),
)


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    payload: Mapping[str, Any]


class Buttons(Subject):
    async def add(self, address: Address, user: int, label: str, action: str, **payload: Any) -> Button:
        """A button that only `user` may press (0: anybody in the chat), and only in this chat."""
        key = secrets.token_urlsafe(12)
        row = {
            "key": key, "bot": address.bot, "chat": address.chat, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + LIFE,
        }  # fmt: skip
        await self.connection.execute(ADD, row)
        return Button(label, key)

    async def press(self, address: Address, user: int, key: str) -> Action | None:
        """What a pressed button does; None when it is forged, foreign or too old."""
        query = select(ButtonRow.action, ButtonRow.payload).where(
            ButtonRow.key == key,
            ButtonRow.bot == address.bot,
            ButtonRow.chat == address.chat,
            ButtonRow.user.in_((0, user)),
            ButtonRow.expires > self.clock.time(),
        )
        row = (await self.connection.execute(query)).one_or_none()
        return Action(row.action, json.loads(row.payload)) if row else None

    async def wait_for(self, address: Address, user: int, action: str, **payload: Any) -> None:
        """The next message of this user here is the answer to a question of the bot."""
        await self.forget(address, user)
        row = {
            "bot": address.bot, "key": address.key, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + PATIENCE,
        }  # fmt: skip
        await self.connection.execute(insert(Awaited), row)

    async def awaited(self, address: Address, user: int) -> Action | None:
        values = {"b": address.bot, "k": address.key, "u": user, "now": self.clock.time()}
        row = (await self.connection.execute(AWAITED, values)).one_or_none()
        return Action(row.action, json.loads(row.payload)) if row else None

    async def forget(self, address: Address, user: int) -> None:
        await self.connection.execute(delete(Awaited).where(_of(address, user)))

    async def sweep(self) -> None:
        """Delete what has ended."""
        now = self.clock.time()
        await self.connection.execute(delete(ButtonRow).where(ButtonRow.expires < now))
        await self.connection.execute(delete(Awaited).where(Awaited.expires < now))


def _of(address: Address, user: int) -> Any:
    return and_(Awaited.bot == address.bot, Awaited.key == address.key, Awaited.user == user)
