"""Sends messages of a programmer's code through the outbox, each key once: `Running.send`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.errors import UnknownUser
from bot.extension import mistakes
from bot.extension.running import Keyboard, Receiver, SendState, Sent
from bot.ports import DeliveryState
from bot.storage.repositories.outbox_statements import GONE
from bot.storage.store import Store, Tx
from bot.texts.catalog import own
from bot.types import Address, Incoming, Outgoing

# A message with its buttons stored: in this transaction, for this address, key of the delivery and person (0: any).
Said = str | Mapping[str, str] | Outgoing  # a text, one for each language, or a whole message
WithButtons = Callable[[Tx, Outgoing, Address, str, int], Outgoing]
LONGEST_KEY = 200  # characters
FIRST_LOOK, LONGEST_LOOK = 0.1, 2.0  # seconds between two looks at a message that is waited for
STATES = {DeliveryState.SENT: SendState.DELIVERED, DeliveryState.DEAD: SendState.FAILED}


def hashed(what: str, key: str) -> str:
    """Return the hash under which a key is stored. Raises `ValueError` for a key that is empty or too long."""
    if not 0 < len(key) <= LONGEST_KEY:
        raise ValueError(f"a key has 1-{LONGEST_KEY} characters, and not {len(key)}")
    return hashlib.sha256(f"{what} {key}".encode()).hexdigest()


def ensure_known(tx: Tx, where: Address) -> None:
    """Raise `UnknownUser` unless somebody has written to the bot in this chat."""
    if not tx.chats.is_known(where.bot, where.chat):
        who = f"user {where.chat}" if where.chat > 0 else f"chat {where.chat}"
        raise UnknownUser(f"{who} never wrote to this bot, and a bot may not write first")


@dataclass(slots=True, kw_only=True)
class Messages:
    """Puts messages into the outbox of the bot `bot`, and says what became of them.

    `deliver` sends in the background what was stored for chats. `with_buttons` stores what a programmer's buttons do.
    """

    store: Store
    bot: int
    deliver: Callable[[str, Sequence[Address]], None]
    with_buttons: WithButtons

    def address(self, to: Receiver) -> Address:
        """Return where a message for a person goes: the private chat, unless it is an address already. That of a
        message is where it came from.
        """
        to = to.address if isinstance(to, Incoming) else to
        return to if isinstance(to, Address) else Address("telegram", self.bot, to if isinstance(to, int) else to.id)

    async def send(self, to: Receiver, what: Said, key: str, buttons: Keyboard) -> Sent:
        """See `Running.send`."""
        where, hash_ = self.address(to), hashed("send", key)
        mistakes.check_sent(what, buttons)

        def work(tx: Tx) -> bool:
            if tx.program_keys.is_used(self.bot, hash_):
                return False
            ensure_known(tx, where)
            if not tx.program_keys.use(self.bot, hash_):
                return False
            self.store_message(tx, delivery_key(hash_), where, what, buttons)
            return True

        is_new = await self.store.write(work)
        if is_new:
            self.deliver(delivery_key(hash_), (where,))
        sent = await self.find(key)
        assert sent is not None  # noqa: S101  its key was stored above, or before
        return replace(sent, is_new=is_new)

    def store_message(self, tx: Tx, key: str, where: Address, what: Said, buttons: Keyboard = ()) -> None:
        """Put a message with its buttons into the outbox: of a text by language that in the language which the chat
        has chosen, else the person's. Raises `TypeError` for a button without a function.
        """
        if isinstance(what, Outgoing):
            outgoing = what
        else:
            outgoing = Outgoing(own(what, tx.chats.read_language(where.bot, where.chat)))
        if buttons:
            outgoing = replace(outgoing, buttons=tuple(map(tuple, buttons)))
        person = max(0, where.chat)  # the one of a private chat; in a group anybody may press
        tx.outbox.add_answer(key, where, self.with_buttons(tx, outgoing, where, key, person))

    async def find(self, key: str) -> Sent | None:
        """See `Running.sent`."""
        hash_ = hashed("send", key)

        def question(tx: Tx) -> tuple[bool, tuple[str, str] | None]:
            return tx.program_keys.is_used(self.bot, hash_), tx.program_keys.find_outcome(self.bot, delivery_key(hash_))

        used, outcome = await self.store.read(question)
        if not used:
            return None
        state, reason = SendState.FORGOTTEN, ""
        if outcome is not None:
            state = STATES.get(DeliveryState(outcome[0]), SendState.WAITING)
            if state is SendState.FAILED:
                state, reason = (SendState.BLOCKED, "") if outcome[1] == GONE else (state, outcome[1])
        return Sent(key, state, reason, wait=partial(self._wait, key))

    async def _wait(self, key: str, within: float | None) -> Sent:
        """See `Sent.outcome`. Another process may deliver the message, so the row is looked at again and again."""
        clock, pause = self.store.clock, FIRST_LOOK
        end = None if within is None else clock.monotonic() + within
        while True:
            sent = await self.store.retry_until_stored(lambda: self.find(key))
            assert sent is not None  # noqa: S101  keys are kept for ever
            if sent.state is not SendState.WAITING or (end is not None and clock.monotonic() >= end):
                return sent
            await clock.sleep(pause if end is None else min(pause, max(0.0, end - clock.monotonic())))
            pause = min(2 * pause, LONGEST_LOOK)


def delivery_key(hash_: str) -> str:
    """The key of the delivery of a message."""
    return f"own-{hash_[:48]}"
