"""The outbox: an answer is stored here before it is sent, and is unfinished until Telegram has it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, select, update

from bot.ports import Delivery, DeliveryState, Unfinished
from bot.storage.repositories import mapping
from bot.storage.repositories.mapping import Repository, address, dump_outgoing, load_outgoing, made
from bot.storage.repositories.outbox_statements import (
    ADD_PLACE,
    AS_SENT,
    BEGIN,
    BURST,
    CHANGE,
    GONE,
    GROWING,
    HOLD_TOPIC,
    IN_MESSAGE,
    INSERT,
    JOINT,
    KEEPS_PLACE,
    LAST_OF_ADDRESS,
    LEFT,
    LEFT_OF_CHAT,
    LONGEST_JOINT,
    MANY,
    MINUTE,
    NEWEST_ROWS,
    NEXT,
    OPEN,
    PART,
    PLACE,
    PLACE_OF,
    RECENT,
    SENT,
    VERSIONS,
    WAITING,
    WAITS,
    WITHDRAWN,
    column,
)
from bot.storage.tables.history import StoredMessage
from bot.storage.tables.work import Placed, StoredDelivery
from bot.types import Address, Button, Outgoing


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer in the chat: its key in the outbox, the ids of its messages in order, its turn (`of`), its content, the
    state of its delivery.
    """

    key: str
    ids: tuple[int, ...]
    of: str
    outgoing: Outgoing
    state: str

    @property
    def turn(self) -> str:
        """The id of the turn that the answer belongs to. The key itself may name a part of a turn."""
        return self.outgoing.of or self.key.partition(".")[0]


class Outbox(Repository):
    """The outbox: answers from the moment they are finished until the transport has sent them."""

    def add_answer(self, key: str, where: Address, outgoing: Outgoing, *, marker: int = 0) -> None:
        """Put a finished answer into the outbox. If the `key` has a finished answer already, nothing changes.

        If the answer was being streamed into a message (`claim_message`), it will replace that message. Its state is
        SENDING if this process delivers it right after the commit. It is PENDING if another answer to the chat is sent
        first, if it is unknown where a search for it would begin (`marker` 0, see `ports.Delivery`), or if another
        process delivers it, which is then notified.
        """
        held = self.queue.delivers_here(where)
        self.queue.answered[where] = None
        state = DeliveryState.SENDING if held else DeliveryState.PENDING
        photo = outgoing.file.data if outgoing.file else None
        finished = {**_content(outgoing), "photo": photo, "marker": marker}
        row = self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        if row is None:
            if not marker or self._waits(where):
                state = DeliveryState.PENDING
            if outgoing.keeps_place and where.thread:
                self._hold_topic(where)
            self._insert(key, where, state, (), **finished)
        elif row.state == DeliveryState.STREAMING:  # its message may be on its way already
            finished["marker"] = max(marker, row.marker)
            self._change(row.id, **finished, state=state.value)
        if not held:
            self.queue.announce_chat(where.bot, where.chat_key)

    def _hold_topic(self, where: Address) -> None:
        """On PostgreSQL, have this transaction refused, and tried again, if another one moves the seat in a topic at
        the same time (`Seats.move_topic`): what is added to its former topic meanwhile would wait there for ever.
        """
        if self.connection.dialect.name == "postgresql":
            self.execute(HOLD_TOPIC, {"b": where.bot, "c": where.chat, "t": where.thread})

    def claim_message(self, key: str, where: Address, message_id: int, marker: int = 0) -> None:
        """Remember the message in which an answer is being shown, so that the finished answer replaces it.

        `message_id` 0: the message is about to be sent, and will have an id above `marker`; after a crash it is looked
        for. An answer that was finished first takes the message, too.
        """
        row = self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        if row is None:
            ids = (message_id,) if message_id else ()
            self._insert(key, where, DeliveryState.STREAMING, ids, **_content(Outgoing()), marker=marker)
        elif message_id and row.state in GROWING and row.message_ids == "[]":
            self._change(row.id, message_ids=json.dumps([message_id]))
            self._place(row.id, [message_id])

    def claimed_message(self, key: str, where: Address) -> int | None:
        """Return the id of the first message in which an answer is being shown.

        0: no message has an id yet. None: the answer is not in the outbox.
        """
        row = self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        ids = json.loads(row.message_ids) if row else [None]
        return ids[0] if ids else 0

    def find_text(self, key: str, where: Address) -> str | None:
        """Return the text of an answer that is in the outbox in any state, None if there is none."""
        found = self.find_outgoing(where, key)
        return None if found is None else found.text

    def claim_messages(self, key: str, where: Address, ids: Sequence[int]) -> None:
        """Note the messages `ids` of the chat: the answer of `key` will be written over them."""
        if self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none() is None:
            self._insert(key, where, DeliveryState.STREAMING, tuple(ids), **_content(Outgoing()))

    def release_messages(self, key: str, where: Address) -> None:
        """Undo `claim_messages`: the messages of the chat stay as they are."""
        mine = (column.bot == where.bot, column.key == key, column.state == DeliveryState.STREAMING.value)
        self.connection.execute(delete(StoredDelivery.table).where(*mine))

    def find_shown(self, where: Address, message_id: int, *, but: str = "") -> Shown | None:
        """Return the newest answer that was put into a message of the chat, but not the one with the key `but`."""
        here = {"bot": where.bot, "connection": where.connection, "chat": where.chat, "only": where.visible_to}
        rows = self.execute(IN_MESSAGE, {**here, "message": message_id})
        shown = (row for row in rows if row.key != but and message_id in json.loads(row.message_ids))
        return next(map(_shown, shown), None)

    def find_newest(self, where: Address, of: str, *, but: str = "") -> Shown | None:
        """Return the newest answer in the chat whose `Outgoing.of` is `of`, but not the one with the key `but`."""
        return next((shown for shown in self._versions(where, of, but) if shown.ids), None)

    def find_version(self, where: Address, of: str) -> Shown | None:
        """Return the newest answer with this `Outgoing.of` that stands in the chat, or will: it may have no id yet."""
        return next((shown for shown in self._versions(where, of) if shown.ids or shown.state in OPEN), None)

    def _versions(self, where: Address, of: str, but: str = "") -> Iterator[Shown]:
        rows = self.execute(VERSIONS, {"b": where.bot, "o": of, "c": where.chat, "u": where.visible_to})
        return (shown for shown in map(_shown, rows) if shown.of == of and shown.key != but)

    def find_as_sent(self, where: Address, turn: str, text: str) -> Outgoing | None:
        """Return the answer of a turn as it was first sent with this text; None if it is not known any more.

        A continued answer, or a version shown again, has several rows; the oldest is used.
        """
        rows = self.execute(AS_SENT, {"b": where.bot, "o": turn, "c": where.chat}).scalars()
        sent = (load_outgoing(row, None) for row in rows)
        return next((said for said in sent if said.text.startswith(text.rstrip())), None)

    def message_ids(self, where: Address, key: str) -> tuple[int, ...]:
        """Return the ids of the messages in which an answer stands."""
        row = self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        return tuple(json.loads(row.message_ids)) if row else ()

    def is_unsent(self, where: Address, key: str) -> bool:
        """Return whether an answer is finished but not sent yet."""
        row = self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        return row is not None and row.state in OPEN

    def count_states(self, bot: int, prefix: str) -> tuple[int, int, int]:
        """Return how many deliveries whose keys begin with `prefix` are sent, are dead, and are neither yet."""
        key = StoredDelivery.key
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)  # a range, so that the index is used
        here = (StoredDelivery.address.bot == bot, key >= prefix, key < after, key.startswith(prefix, autoescape=True))
        query = select(StoredDelivery.state, func.count()).where(*here).group_by(StoredDelivery.state)
        found = {row[0]: row[1] for row in self.connection.execute(query)}
        sent, dead = (found.pop(state.value, 0) for state in (DeliveryState.SENT, DeliveryState.DEAD))
        return sent, dead, sum(found.values())

    def list_unfinished(self, bot: int, place: str | None = None) -> Unfinished:
        """Return what an earlier process has left of all chats, or of one."""
        query, values = (LEFT, {"b": bot}) if place is None else (LEFT_OF_CHAT, _of(bot, place))
        newest, growing, waiting = 0, {}, dict[Address, None]()
        for row in self.connection.execute(query, values):
            newest = row.newest or 0
            if row.state == DeliveryState.STREAMING:
                growing[row.key] = next(iter(json.loads(row.message_ids)), 0)
            elif row.state is not None:
                waiting[address(row)] = None
        now = self.clock.time()
        recent = [row for row in self.execute(RECENT, {"b": bot}) if now - row.at <= MINUTE]
        bursts = Counter(row.chat for row in recent if row.chat > 0 and now - row.at <= BURST)
        busy = {row.chat for row in recent if row.chat < 0} | {to.chat for to in waiting if to.chat < 0}
        busy |= {chat for chat, count in bursts.items() if count >= MANY}
        return Unfinished(newest, growing, list(waiting), {chat for chat in busy if values.get("c", chat) == chat})

    def next_unsent(self, where: Address) -> Delivery | None:
        """Return the oldest delivery of an address that is finished and not sent, None if there is none."""
        found = self._find(_delivery, NEXT, mapping.spot(where))
        if found is None or not found.outgoing.over or found.message_ids:
            return found
        return replace(found, message_ids=self.message_ids(where, found.outgoing.over))

    def list_waiting_addresses(self, bot: int, place: str) -> Sequence[Address]:
        """Return the addresses of a chat that have something to deliver."""
        return [Address(*row) for row in self.execute(WAITING, _of(bot, place))]

    def mark_sending(self, id_: int, marker: int, read: Outgoing | None = None) -> bool:
        """Mark a delivery as being sent. The message will have an id above `marker`.

        False: it was withdrawn since, or does not have the content `read` any more.
        """
        if read is not None:
            stored = self.connection.scalar(select(column.outgoing).where(column.id == id_))
            if stored is None or load_outgoing(stored, None) != read:
                return False
        return self.execute(BEGIN, {"row": id_, "above": marker}).rowcount == 1

    def record_progress(self, id_: int, message_ids: Sequence[int], *, done: int, sent: bool) -> None:
        """Store which messages a delivery stands in and how many of its parts are `done`; `sent`: it was the last."""
        values: dict[str, Any] = {"row": id_, "ids": json.dumps(list(message_ids)), "parts": done}
        if sent:
            self.execute(SENT, values)
        else:  # the next part follows at once
            self.execute(PART, {**values, "above": max(message_ids)})
        self._place(id_, message_ids)

    def postpone_until(self, id_: int, due: float, *, begun: bool, reason: str = "") -> None:
        """Try a delivery again at `due` (Unix seconds), and count an attempt.

        `begun`: it may have been sent, so the next try looks for it first. `reason`: why its group can't be reached.
        """
        state = DeliveryState.SENDING if begun else DeliveryState.PENDING
        self._change(id_, due=due, attempts=column.attempts + 1, state=state.value, reason=reason[:500])

    def dead_letter(self, id_: int, reason: str) -> None:
        """Give a delivery up, with a reason."""
        self._change(id_, state=DeliveryState.DEAD.value, reason=reason[:500])

    def list_with_old_buttons(self, where: Address) -> Sequence[Delivery]:
        """Return the answers above the newest one that show a button of the newest, without that button.

        The newest is the one that stands lowest in the chat. A message that is being written over counts as new.
        """
        newest, found, seen = 0, dict[int, Row[Any]](), set[int]()
        for row in self.execute(LAST_OF_ADDRESS, mapping.spot(where)):
            ids = json.loads(row.message_ids)
            if f'"{Button.NEWEST}' in row.outgoing and ids and ids[-1] not in seen:
                newest = max(newest, ids[-1])
                found[ids[-1]] = row
            seen.update(ids)
        older = [_delivery(row) for id_, row in found.items() if id_ < newest and row.state == DeliveryState.SENT]
        return [replace(one, outgoing=replace(one.outgoing, buttons=one.outgoing.lasting_buttons)) for one in older]

    def replace_outgoing(self, id_: int, outgoing: Outgoing) -> None:
        """Store the content of a delivery anew, the bytes of its file left out."""
        self._change(id_, **_content(outgoing))

    def replace_for_everybody(self, id_: int, instead: Outgoing) -> None:
        """Replace a delivery for one user by another one that everybody in the chat sees, as a new message."""
        self._change(
            id_, only=0, **_content(instead), photo=None, message_ids="[]", done=0, marker=0,
            state=DeliveryState.PENDING.value,
        )  # fmt: skip
        self.connection.execute(delete(Placed.table).where(Placed.delivery == id_))

    def delete_former(self, where: Address, prefix: str, newest: str) -> None:
        """Delete the sent deliveries to an address whose keys begin with `prefix`, except the one with the key
        `newest`.
        """
        own = (
            column.bot == where.bot,
            mapping.at(StoredDelivery.table, where),
            column.key.startswith(prefix, autoescape=True),
        )
        sent = (column.state == DeliveryState.SENT.value, column.key != newest)
        self.connection.execute(delete(StoredDelivery.table).where(*own, *sent))

    def delete_text(self, bot: int, key: str) -> None:
        """Delete the text of an answer that was sent, because it is a secret."""
        sent = (column.bot == bot, column.key == key, column.state == DeliveryState.SENT.value)
        for row in self.connection.execute(select(column.id, column.outgoing).where(*sent)).all():
            empty = replace(load_outgoing(row.outgoing, None), text="")
            self._change(row.id, outgoing=dump_outgoing(empty))

    def keep_unsent(self, key: str, where: Address, outgoing: Outgoing) -> None:
        """Store a message that is not sent, because its address is no chat yet (`NOWHERE`, see `desk/seats.py`)."""
        if self.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none() is None:
            self._insert(key, where, DeliveryState.SENT, (), outgoing=dump_outgoing(outgoing))

    def rewrite_kept(self, where: Address, key: str, outgoing: Outgoing) -> None:
        """Replace the content of a message that `keep_unsent` keeps."""
        kept = update(StoredDelivery.table).where(column.bot == where.bot, column.key == key, column.chat == where.chat)
        self.connection.execute(kept.values(outgoing=dump_outgoing(outgoing)))

    def find_address(self, bot: int, key: str) -> Address | None:
        """Return where a delivery goes, None if there is no such delivery."""
        row = self.connection.execute(select(*PLACE).where(column.bot == bot, column.key == key)).one_or_none()
        return None if row is None else address(row)

    def newest_ids(self, where: Address, prefix: str) -> tuple[int, ...]:
        """Return the ids of the newest delivery in the chat, to an address, whose key begins with `prefix`."""
        stands = (column.key.startswith(prefix, autoescape=True), column.message_ids != "[]")
        query = select(column.message_ids).where(
            column.bot == where.bot, mapping.at(StoredDelivery.table, where), *stands
        )
        found = self.connection.scalar(query.order_by(column.id.desc()).limit(1))
        return tuple(json.loads(found)) if found else ()

    def find_outgoing(self, where: Address, key: str) -> Outgoing | None:
        """Return an answer to an address in any state, without the bytes of its file; None if there is none."""
        query = select(column.outgoing).where(column.bot == where.bot, column.key == key)
        found = self.connection.execute(query).scalar_one_or_none()
        return None if found is None else load_outgoing(found, None)

    def withdraw(self, where: Address, key: str) -> bool:
        """Give up an answer that nobody has begun to send. False: it is sent, or is being sent."""
        gone = update(StoredDelivery.table).where(column.key == key, *_waiting(where))
        values = {"state": DeliveryState.DEAD.value, "reason": WITHDRAWN}
        return self.connection.execute(gone.values(**values)).rowcount == 1

    def rewrite_unsent(self, where: Address, key: str, outgoing: Outgoing) -> bool:
        """Replace the text of an answer that waits and is not being sent. False: it is sent, or is being sent."""
        change = update(StoredDelivery.table).where(column.key == key, *_waiting(where))
        return self.connection.execute(change.values(**_content(outgoing))).rowcount == 1

    def join_waiting(self, where: Address, id_: int) -> Sequence[str]:
        """Append to a delivery the texts that wait behind it, if they may be joined and all fit into one message.
        Returns the keys of the joined deliveries, which count as sent.
        """
        query = select(StoredDelivery.table).where(*_waiting(where), column.id >= id_).order_by(column.id)
        rows = self.connection.execute(query).all()
        if not rows or rows[0].id != id_:
            return ()
        main, taken = load_outgoing(rows[0].outgoing, None), list[Row[Any]]()
        texts = list(main.joins)
        for row in rows[1:]:
            more = load_outgoing(row.outgoing, None)
            if not main.joins or not more.joins or _units([*texts, *more.joins]) > LONGEST_JOINT:
                break
            texts += more.joins
            taken.append(row)
        if taken:
            joint = replace(main, text=JOINT.join(texts), joins=tuple(texts), entities=())
            self._change(id_, outgoing=dump_outgoing(joint))
        for row in taken:
            self._change(row.id, state=DeliveryState.SENT.value, reason=f"joined into {rows[0].key}"[:500])
        return [row.key for row in taken]

    def withdraw_answers(self, where: Address) -> None:
        """Give up the model's answers that wait for an address and are not being sent: a person answers there now."""
        said = select(StoredMessage.id).where(
            StoredMessage.bot == where.bot, StoredMessage.turn == column.key, StoredMessage.role == "assistant"
        )
        gone = update(StoredDelivery.table).where(*_waiting(where), said.exists())
        self.connection.execute(gone.values(state=DeliveryState.DEAD.value, reason=WITHDRAWN))

    def dead_letter_chat(self, bot: int, chat: int) -> None:
        """Give up all deliveries to a chat that can't be reached; in a group, those that keep their place wait."""
        kept = () if chat > 0 else (~column.outgoing.contains(KEEPS_PLACE, autoescape=True),)
        unsent = update(StoredDelivery.table).where(
            column.bot == bot, column.chat == chat, column.state.in_(OPEN), *kept
        )
        self.connection.execute(unsent.values(state=DeliveryState.DEAD.value, reason=GONE))

    def list_message_ids(self, where: Address, first: int, last: int, *, but: int = 0) -> set[tuple[int, int]]:
        """Return (chat id, message id) of the bot's newest messages in the chats from `first` to `last`, without those
        of the delivery `but`.

        Messages that only one user sees are left out. So are the chats of other accounts, which number messages on
        their own: all business chats, or for an address in a business chat all chats but that account's.
        """
        own = (*_within(where.bot, first, last), column.id != but, column.connection == where.connection)
        query = select(column.chat, column.message_ids).where(*own).order_by(column.id.desc()).limit(NEWEST_ROWS)
        return {(chat, id_) for chat, ids in self.connection.execute(query) for id_ in json.loads(ids)}

    def highest_message_id(self, where: Address, first: int, last: int) -> int:
        """Return the highest id of the bot's messages in the chats from `first` to `last`, 0 for none."""
        own = (*_within(where.bot, first, last), column.connection == where.connection)
        query = select(column.marker, column.message_ids).where(*own)
        rows = self.connection.execute(query.order_by(column.id.desc()).limit(NEWEST_ROWS))
        return max((id_ for marker, ids in rows for id_ in (marker, *json.loads(ids))), default=0)

    def _waits(self, where: Address) -> bool:
        """Return whether the chat has something to deliver."""
        return self.execute(WAITS, {"b": where.bot, "c": where.chat}).first() is not None

    def _insert(self, key: str, where: Address, state: DeliveryState, ids: tuple[int, ...], **values: Any) -> None:
        row = {
            **mapping.columns(where), "key": key, "state": state.value, "message_ids": json.dumps(ids), "done": 0,
            "photo": None, "marker": 0, "attempts": 0, "due": 0.0, "at": self.clock.time(), "reason": "", **values,
        }  # fmt: skip
        self._place(self.execute(INSERT, row).one()[0], ids)

    def _place(self, id_: int, ids: Sequence[int]) -> None:
        """Note that a delivery stands in these messages."""
        self.execute_many(ADD_PLACE, [{"row": id_, "message": message} for message in ids])

    def _change(self, id_: int, **values: Any) -> None:
        self.connection.execute(CHANGE.values(**values), {"row": id_})


def _content(outgoing: Outgoing) -> dict[str, str]:
    """The columns of what a delivery says."""
    return {"outgoing": dump_outgoing(outgoing), "of": outgoing.of}


def _units(texts: Sequence[str]) -> int:
    """How long texts are as one message."""
    return len(JOINT.join(texts).encode("utf-16-le", "replace")) // 2


def _waiting(where: Address) -> tuple[ColumnElement[bool], ...]:
    """The deliveries of an address that nobody has begun to send."""
    return (
        column.bot == where.bot,
        mapping.at(StoredDelivery.table, where),
        column.state == DeliveryState.PENDING.value,
    )


def _within(bot: int, first: int, last: int) -> tuple[ColumnElement[bool], ...]:
    """The deliveries in the chats from `first` to `last`; what one member alone sees has ids of its own.

    One chat uses its index; for many chats `+ 0` makes the database walk by id.
    """
    one = (column.bot == bot, column.chat == first)
    return (*(one if first == last else (column.bot + 0 == bot, column.chat.between(first, last))), column.only == 0)


def _of(bot: int, place: str) -> dict[str, Any]:
    """The parameters of `OF_CHAT` for a chat, by its `Address.chat_key`."""
    connection, chat = Address.of_chat_key(place)
    return {"b": bot, "n": connection, "c": chat}


def _delivery(row: Row[Any]) -> Delivery:
    return made(
        Delivery, row, address=address(row), outgoing=load_outgoing(row.outgoing, row.photo),
        state=DeliveryState(row.state), message_ids=tuple(json.loads(row.message_ids)), last_known_id=row.marker,
    )  # fmt: skip


def _shown(row: Row[Any]) -> Shown:
    said = load_outgoing(row.outgoing, None)
    ids, of = tuple(json.loads(row.message_ids)), said.of or row.key
    return Shown(row.key, ids, of, outgoing=said, state=row.state)
