"""Buttons, and questions of the bot whose answer it waits for: both belong to a user in a chat and expire."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update

from bot.ports import DeliveryState
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.rows import Query
from bot.storage.tables.work import AwaitedAnswer, StoredButton, StoredDelivery
from bot.types import Address, Button

LIFE = 30 * 24 * 3600.0  # seconds in which a button works; Telegram shows it for ever
AROUND = 60.0  # seconds between rows of one transaction, at most
PATIENCE = 15 * 60.0  # seconds in which a question of the bot is answered by the next message
ADD = Prepared(insert(StoredButton.table))
AWAITED = Prepared(
    select(*AwaitedAnswer.table.c["action", "payload", "expires"]).where(
        AwaitedAnswer.bot == bindparam("b"),
        AwaitedAnswer.key == bindparam("k"),
        AwaitedAnswer.user == bindparam("u"),
        AwaitedAnswer.expires > bindparam("now"),
    )
)


WORKING_BUTTON = Query(StoredButton, StoredButton.expires > bindparam("now"))
PRESSED = Prepared(
    select(
        *StoredButton.table.c["action", "payload", "user"], *StoredDelivery.table.c["state", "message_ids", "marker"]
    )
    .join(
        StoredDelivery.table,
        and_(StoredDelivery.address.bot == StoredButton.bot, StoredDelivery.key == StoredButton.delivery),
    )
    .where(
        StoredButton.key == bindparam("button"),
        StoredButton.bot == bindparam("b"),
        StoredButton.chat == bindparam("c"),
        StoredButton.user.in_((0, bindparam("u"), bindparam("c"))),
        StoredButton.expires > bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """The action of a pressed button, or of the message that the bot waited for. `key` is the button's own.

    `of_group`: made for an anonymous administrator, so only an administrator of the group may press it. `at` is when
    the bot began to wait for the message (Unix time).
    """

    name: str
    payload: Mapping[str, Any]
    key: str = ""
    of_group: bool = False
    at: float = 0.0


class Buttons(Repository):
    """Buttons under answers, and questions of the bot whose answer it waits for."""

    def add_button(self, address: Address, delivery: str, user: int, label: str, action: str, **payload: Any) -> Button:
        """Make a button under an answer that only `user` may press (0: anybody), and only in this chat."""
        return self._add(secrets.token_urlsafe(12), address, delivery, user, label, action, payload)

    def add_queued_button(
        self, address: Address, delivery: str, user: int, label: str, action: str, **payload: Any
    ) -> Button:
        """Make a button like `add_button`, whose press waits in the queue of the conversation, as a message does."""
        return self._add(Button.IN_TURN + secrets.token_urlsafe(12), address, delivery, user, label, action, payload)

    def add_newest_button(
        self, address: Address, delivery: str, user: int, label: str, action: str, **payload: Any
    ) -> Button:
        """Make a button like `add_queued_button` that stands only below the newest answer of the chat."""
        return self._add(Button.NEWEST + secrets.token_urlsafe(12), address, delivery, user, label, action, payload)

    def _add(
        self, key: str, address: Address, delivery: str, user: int, label: str, action: str, payload: Mapping[str, Any]
    ) -> Button:
        row = {
            "key": key, "bot": address.bot, "chat": address.chat, "delivery": delivery, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + LIFE,
        }  # fmt: skip
        self.execute(ADD, row)
        return Button(label, key)

    def find_pressed(self, address: Address, user: int, key: str, message_id: int) -> ButtonPress | None:
        """Return the action of a pressed button; None if it is forged, used, expired or of another user or message."""
        values = {"button": key, "b": address.bot, "c": address.chat, "u": user, "now": self.clock.time()}
        row = self.execute(PRESSED, values).one_or_none()
        if row is None or not _stands(row, message_id):
            return None
        return ButtonPress(row.action, json.loads(row.payload), key, row.user < 0)

    def find_unpressed(self, bot: int, user: int, key: str, action: str) -> ButtonPress | None:
        """Return what a user's button with this action does, wherever it stands; None if it works no more."""
        row = self.one(WORKING_BUTTON, key=key, bot=bot, user=user, action=action, now=self.clock.time())
        return None if row is None else ButtonPress(action, json.loads(row.payload), key)

    def store_payload(self, key: str, payload: Mapping[str, Any]) -> None:
        """Store what the next press of a button brings with it."""
        values = {"payload": json.dumps(payload, ensure_ascii=False)}
        self.connection.execute(update(StoredButton.table).where(StoredButton.key == key).values(**values))

    def move(self, bot: int, delivery: str, other: str) -> None:
        """Have the buttons of a delivery stand under another one, which got its content."""
        here = (StoredButton.bot == bot, StoredButton.delivery == delivery)
        self.connection.execute(update(StoredButton.table).where(*here).values(delivery=other))

    def expire_button(self, key: str) -> None:
        """Make a button that works once do nothing from now on."""
        self.connection.execute(update(StoredButton.table).where(StoredButton.key == key).values(expires=0.0))

    def expire_actions(self, bot: int, user: int, actions: Collection[str]) -> None:
        """End a user's buttons and awaited answers that have one of these actions.

        No index helps with it: a million buttons take some tenths of a second.
        """
        for table in (StoredButton.table, AwaitedAnswer.table):
            theirs = (table.c.bot == bot, table.c.user == user, table.c.action.in_(actions))
            self.connection.execute(update(table).where(*theirs).values(expires=0.0))

    def list_made_at(self, bot: int, action: str, at: float) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return user and payload of each button with this action, made at the Unix time `at`, that still works."""
        then = StoredButton.expires.between(at + LIFE - AROUND, at + LIFE + AROUND)
        works = (then, StoredButton.expires > self.clock.time(), StoredButton.bot == bot, StoredButton.action == action)
        query = select(StoredButton.user, StoredButton.payload).where(*works)
        return [(user, json.loads(payload)) for user, payload in self.connection.execute(query)]

    def await_answer(self, address: Address, user: int, action: str, *, asked: str = "", **payload: Any) -> None:
        """Take a message of a user at an address as the answer to a question of the bot.

        `asked` is the key of the delivery that shows the question: then the bot waits as long as its buttons work.
        """
        self.cancel_awaited(address, user)
        payload, life = ({**payload, "asked": asked}, LIFE) if asked else (payload, PATIENCE)
        row = {
            "bot": address.bot, "key": address.key, "user": user, "action": action,
            "payload": json.dumps(payload, ensure_ascii=False), "expires": self.clock.time() + life,
        }  # fmt: skip
        self.connection.execute(insert(AwaitedAnswer.table), row)

    def find_awaited(self, address: Address, user: int) -> ButtonPress | None:
        """Return the bot's question that a message of a user at an address may answer; None if there is none."""
        values = {"b": address.bot, "k": address.key, "u": user, "now": self.clock.time()}
        row = self.execute(AWAITED, values).one_or_none()
        if row is None:
            return None
        payload = json.loads(row.payload)
        return ButtonPress(row.action, payload, at=row.expires - (LIFE if "asked" in payload else PATIENCE))

    def cancel_awaited(self, address: Address, user: int) -> None:
        """Stop waiting for an answer of a user at an address."""
        mine = (AwaitedAnswer.bot == address.bot, AwaitedAnswer.key == address.key, AwaitedAnswer.user == user)
        self.connection.execute(delete(AwaitedAnswer.table).where(*mine))

    def delete_expired(self) -> None:
        """Delete expired buttons and questions."""
        now = self.clock.time()
        self.connection.execute(delete(StoredButton.table).where(StoredButton.expires < now))
        self.connection.execute(delete(AwaitedAnswer.table).where(AwaitedAnswer.expires < now))


def _stands(row: Any, message_id: int) -> bool:
    """Whether the answer with the button is that message; an answer being sent will get an id above its marker."""
    sending = row.state == DeliveryState.SENDING and message_id > row.marker
    return message_id > 0 and (message_id in json.loads(row.message_ids) or sending)
