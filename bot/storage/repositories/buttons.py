"""What buttons do, and what the bot waits for: rows that belong to a user in a chat and end by themselves."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update

from bot.ports import DeliveryState
from bot.storage.repositories.mapping import Subject
from bot.storage.tables.work import Awaited, ButtonRow, Delivery
from bot.types import Address, Button

LIFE = 30 * 24 * 3600.0  # seconds: buttons live for ever in a chat, what they do does not
AROUND = 60.0  # seconds between rows of one transaction, at most
PATIENCE = 15 * 60.0  # seconds that a question of the bot stands
ADD = insert(ButtonRow)
AWAITED = select(Awaited.action, Awaited.payload).where(
    Awaited.bot == bindparam("b"),
    Awaited.key == bindparam("k"),
    Awaited.user == bindparam("u"),
    Awaited.expires > bindparam("now"),
)


PRESSED = (
    select(ButtonRow.action, ButtonRow.payload, ButtonRow.user, Delivery.state, Delivery.message_ids, Delivery.marker)
    .join(Delivery, and_(Delivery.bot == ButtonRow.bot, Delivery.key == ButtonRow.delivery))
    .where(
        ButtonRow.key == bindparam("button"),
        ButtonRow.bot == bindparam("b"),
        ButtonRow.chat == bindparam("c"),
        ButtonRow.user.in_((0, bindparam("u"), bindparam("c"))),
        ButtonRow.expires > bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """What a button does, or what an awaited message is for. `key` is the button's own.

    `of_group`: made for an anonymous administrator, so that only an administrator of the group may press it.
    """

    name: str
    payload: Mapping[str, Any]
    key: str = ""
    of_group: bool = False


class Buttons(Subject):
    def add(self, address: Address, delivery: str, user: int, label: str, action: str, **payload: Any) -> Button:
        """A button that only `user` may press (0: anybody in the chat), only in this chat, under that answer."""
        return self._add(secrets.token_urlsafe(12), address, delivery, user, label, action, payload)

    def queued(self, address: Address, delivery: str, user: int, label: str, action: str, **payload: Any) -> Button:
        """A button as `add` makes it, whose action waits for its turn in the conversation, as a message would."""
        return self._add(Button.IN_TURN + secrets.token_urlsafe(12), address, delivery, user, label, action, payload)

    def _add(
        self, key: str, address: Address, delivery: str, user: int, label: str, action: str, payload: Mapping[str, Any]
    ) -> Button:
        row = {
            "key": key, "bot": address.bot, "chat": address.chat, "delivery": delivery, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + LIFE,
        }  # fmt: skip
        self.connection.execute(ADD, row)
        return Button(label, key)

    def press(self, address: Address, user: int, key: str, message_id: int) -> ButtonPress | None:
        """What a pressed button does; None when it is forged, foreign, used, too old or under another message."""
        values = {"button": key, "b": address.bot, "c": address.chat, "u": user, "now": self.clock.time()}
        row = self.connection.execute(PRESSED, values).one_or_none()
        if row is None or not _stands(row, message_id):
            return None
        return ButtonPress(row.action, json.loads(row.payload), key, row.user < 0)

    def use_up(self, key: str) -> None:
        """A button that works once has worked."""
        self.connection.execute(update(ButtonRow).where(ButtonRow.key == key).values(expires=0.0))

    def end_all(self, bot: int, user: int, actions: Collection[str]) -> None:
        """End a user's buttons that do one of these, and what the bot waits for from this user for the sake of one.

        No index leads there: a million buttons take some tenths of a second.
        """
        for table in (ButtonRow, Awaited):
            theirs = (table.bot == bot, table.user == user, table.action.in_(actions))
            self.connection.execute(update(table).where(*theirs).values(expires=0.0))

    def made_at(self, bot: int, action: str, at: float) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """User and payload of each button of this action that was made at that time (Unix) and has not ended."""
        then = ButtonRow.expires.between(at + LIFE - AROUND, at + LIFE + AROUND)
        works = (then, ButtonRow.expires > self.clock.time(), ButtonRow.bot == bot, ButtonRow.action == action)
        query = select(ButtonRow.user, ButtonRow.payload).where(*works)
        return [(user, json.loads(payload)) for user, payload in self.connection.execute(query)]

    def wait_for(self, address: Address, user: int, action: str, **payload: Any) -> None:
        """The next message of this user here is the answer to a question of the bot."""
        self.forget(address, user)
        row = {
            "bot": address.bot, "key": address.key, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + PATIENCE,
        }  # fmt: skip
        self.connection.execute(insert(Awaited), row)

    def awaited(self, address: Address, user: int) -> ButtonPress | None:
        values = {"b": address.bot, "k": address.key, "u": user, "now": self.clock.time()}
        row = self.connection.execute(AWAITED, values).one_or_none()
        return ButtonPress(row.action, json.loads(row.payload)) if row else None

    def forget(self, address: Address, user: int) -> None:
        self.connection.execute(delete(Awaited).where(_of(address, user)))

    def sweep(self) -> None:
        """Delete what has ended."""
        now = self.clock.time()
        self.connection.execute(delete(ButtonRow).where(ButtonRow.expires < now))
        self.connection.execute(delete(Awaited).where(Awaited.expires < now))


def _stands(row: Any, message_id: int) -> bool:
    """Whether the answer is that message. One that is just being sent has no id yet, only one above its marker."""
    sending = row.state == DeliveryState.SENDING and message_id > row.marker
    return message_id > 0 and (message_id in json.loads(row.message_ids) or sending)


def _of(address: Address, user: int) -> Any:
    return and_(Awaited.bot == address.bot, Awaited.key == address.key, Awaited.user == user)
