"""The outbox: an answer is a row here before it is sent, and stays one until Telegram has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, insert, literal_column, select, update

from bot.ports import Delivery, DeliveryState, Left
from bot.storage.repositories.chats import Chats
from bot.storage.repositories.mapping import Subject, address, columns, dump_outgoing, here, load_outgoing, one_of, spot
from bot.storage.tables.work import Delivery as Table
from bot.texts.catalog import say
from bot.types import Address, Outgoing

OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)
GROWING = (*OPEN, DeliveryState.STREAMING.value)
PLACE_OF = select(Table.id, Table.state, Table.message_ids, Table.marker).where(
    Table.bot == bindparam("b"), Table.key == bindparam("k")
)
LOOK_BACK = 1000  # answers of a chat among which a message is sought
GONE = "the chat can't be reached"
INSERT = insert(Table)
# `+ 0` keeps SQLite from walking through all the chat ever got, in the order of ids, to find the open ones
NEXT = select(Table.__table__).where(here(Table), one_of(Table.state, OPEN)).order_by(Table.id + 0).limit(1)
CHANGE = update(Table).where(Table.id == bindparam("row"))
BEGIN = CHANGE.values(state=DeliveryState.SENDING.value, marker=bindparam("above"))
STANDS = CHANGE.values(message_ids=bindparam("ids"), done=bindparam("parts"))
PART = STANDS.values(state=DeliveryState.SENDING.value, marker=bindparam("above"))
SENT = STANDS.values(state=DeliveryState.SENT.value, photo=None)
OF_CHAT = (Table.connection == bindparam("n"), Table.chat == bindparam("c"))
PLACE = (Table.transport, Table.bot, Table.chat, Table.thread, Table.connection, Table.only)
WAITING = select(*PLACE).where(Table.bot == bindparam("b"), one_of(Table.state, OPEN), *OF_CHAT).distinct()
ANY = Table.__table__.alias()
NEWEST = select(ANY.c.id).where(ANY.c.bot + 0 == bindparam("b")).order_by(ANY.c.id.desc()).limit(1).scalar_subquery()


def _left(*of: ColumnElement[bool]) -> Select[Any]:
    """The newest row, beside each that is not through, or beside nothing."""
    open_ = and_(Table.bot == bindparam("b"), one_of(Table.state, GROWING), *of)
    one = select(literal_column("1").label("one")).subquery()
    found = select(NEWEST.label("newest"), Table.state, Table.key, Table.message_ids, *PLACE)
    return found.select_from(one).join(Table.__table__, open_, isouter=True)


LEFT, LEFT_OF_CHAT = _left(), _left(*OF_CHAT)


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer in the chat: its key in the outbox, the ids of its messages in order, the turn it is of, and itself."""

    key: str
    ids: tuple[int, ...]
    of: str
    outgoing: Outgoing

    @property
    def turn(self) -> str:
        """The turn whose answer it shows, or that put it there: a key may name a part of a turn."""
        return self.outgoing.of or self.key.partition(".")[0]


class Deliveries(Subject):
    def add(self, key: str, where: Address, outgoing: Outgoing, *, marker: int = 0) -> None:
        """Put a finished answer into the outbox, once: a second answer under the same key changes nothing.

        Where the answer was already being shown in a message (`place`), it takes over that message. The row is
        SENDING from the start: the send follows at once, and a commit more would only say so; PENDING for a chat that
        is another process's, which is told. `marker`: see `Delivery`.
        """
        held = self.queue.holds(where)
        state = DeliveryState.SENDING if held else DeliveryState.PENDING
        if where.visible_to:
            fallback = say(self._language(where), "alone.cannot")
            outgoing = replace(outgoing, ephemeral=replace(outgoing.ephemeral, public_fallback=fallback))
        finished = {
            "outgoing": dump_outgoing(outgoing),
            "photo": outgoing.file.data if outgoing.file else None,
            "marker": marker,
        }
        row = self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        if row is None:
            self._insert(key, where, state, (), **finished)
        elif row.state == DeliveryState.STREAMING:
            finished["marker"] = max(marker, row.marker)
            self._change(row.id, **finished, state=state.value)
        if not held:
            self.queue.chat(where.bot, where.place)

    def _language(self, where: Address) -> str:
        chats = Chats(self.connection, self.clock, self.queue)
        return chats.choices(where).language or chats.language(where.bot, where.visible_to)

    def place(self, key: str, where: Address, message_id: int, marker: int = 0) -> None:
        """The answer of `key` is being shown in that message, which it takes over, even where it was finished first.

        0: in a message that is about to be sent, so that a crash meanwhile leaves no half answer that nobody seeks; it
        has an id above `marker`.
        """
        row = self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        if row is None:
            ids = (message_id,) if message_id else ()
            self._insert(key, where, DeliveryState.STREAMING, ids, outgoing=dump_outgoing(Outgoing()), marker=marker)
        elif message_id and row.state in GROWING and row.message_ids == "[]":
            self._change(row.id, message_ids=json.dumps([message_id]))

    def placed(self, key: str, where: Address) -> int | None:
        row = self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        ids = json.loads(row.message_ids) if row else [None]
        return ids[0] if ids else 0

    def said(self, key: str, where: Address) -> str | None:
        """The words of an answer that is already in the outbox, whatever became of it."""
        query = select(Table.outgoing).where(Table.bot == where.bot, Table.key == key)
        found = self.connection.execute(query).scalar_one_or_none()
        return None if found is None else load_outgoing(found, None).text

    def over(self, key: str, where: Address, ids: Sequence[int]) -> None:
        """The answer of `key` will be written over these messages, once."""
        if self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none() is None:
            self._insert(key, where, DeliveryState.STREAMING, tuple(ids), outgoing=dump_outgoing(Outgoing()))

    def release(self, key: str, where: Address) -> None:
        """Nothing will be written over those messages after all."""
        mine = (Table.bot == where.bot, Table.key == key, Table.state == DeliveryState.STREAMING.value)
        self.connection.execute(delete(Table).where(*mine))

    def shown(self, where: Address, message_id: int, *, but: str = "") -> Shown | None:
        """What stands in a message of the chat: the newest answer that was put there, `but` not the one of that key."""
        newest = (
            select(Table.key, Table.message_ids, Table.outgoing)
            .where(Table.bot == where.bot, Table.chat == where.chat, Table.only == where.visible_to, Table.key != but)
            .order_by(Table.id.desc())
            .limit(LOOK_BACK)
        )
        for key, ids, outgoing in self.connection.execute(newest):
            if message_id in (found := json.loads(ids)):
                said = load_outgoing(outgoing, None)
                return Shown(key, tuple(found), said.of or key, said)
        return None

    def written(self, where: Address, turn: str, text: str) -> Outgoing | None:
        """The answer of a turn as it first came into the chat with this text; None where that is not known any more.

        One that went on was finished in a later turn, and what was turned back to stands there again: so the oldest.
        """
        chat = select(Table.key, Table.outgoing).where(Table.bot == where.bot, Table.chat == where.chat)
        own = chat.where(Table.key == turn)
        others = chat.where(Table.only == where.visible_to).order_by(Table.id.desc()).limit(LOOK_BACK)
        for query in (own, others):
            for key, outgoing in reversed(self.connection.execute(query).all()):
                said = load_outgoing(outgoing, None)
                if (said.of or key.partition(".")[0]) == turn and said.text.startswith(text.rstrip()):
                    return said
        return None

    def ids(self, where: Address, key: str) -> tuple[int, ...]:
        """The messages in which an answer stands."""
        row = self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        return tuple(json.loads(row.message_ids)) if row else ()

    def waits(self, where: Address, key: str) -> bool:
        """Whether an answer is finished and on its way."""
        row = self.connection.execute(PLACE_OF, {"b": where.bot, "k": key}).one_or_none()
        return row is not None and row.state in OPEN

    def left(self, bot: int, place: str | None = None) -> Left:
        """What an earlier holder of all chats, or of one, has left; asked with one statement."""
        query, values = (LEFT, {"b": bot}) if place is None else (LEFT_OF_CHAT, _of(bot, place))
        newest, growing, waiting = 0, {}, dict[Address, None]()
        for row in self.connection.execute(query, values):
            newest = row.newest or 0
            if row.state == DeliveryState.STREAMING:
                growing[row.key] = next(iter(json.loads(row.message_ids)), 0)
            elif row.state is not None:
                waiting[address(row)] = None
        return Left(newest, growing, list(waiting))

    def next(self, where: Address) -> Delivery | None:
        row = self.connection.execute(NEXT, spot(where)).one_or_none()
        return _delivery(row) if row else None

    def waiting(self, bot: int, place: str) -> Sequence[Address]:
        """The addresses of a chat with something to deliver."""
        return [Address(*row) for row in self.connection.execute(WAITING, _of(bot, place))]

    def begin(self, id_: int, marker: int) -> None:
        self.connection.execute(BEGIN, {"row": id_, "above": marker})

    def progress(self, id_: int, message_ids: Sequence[int], *, done: int, sent: bool) -> None:
        values: dict[str, Any] = {"row": id_, "ids": json.dumps(list(message_ids)), "parts": done}
        if sent:
            self.connection.execute(SENT, values)
        else:  # the next part follows at once
            self.connection.execute(PART, {**values, "above": max(message_ids)})

    def postpone(self, id_: int, due: float, *, begun: bool) -> None:
        state = DeliveryState.SENDING if begun else DeliveryState.PENDING
        self._change(id_, due=due, attempts=Table.attempts + 1, state=state.value)

    def bury(self, id_: int, reason: str) -> None:
        self._change(id_, state=DeliveryState.DEAD.value, reason=reason[:500])

    def publish(self, delivery: Delivery) -> None:
        """What can't be shown to one person alone is not shown: everybody gets its fallback, as a new message."""
        told = Outgoing(delivery.outgoing.ephemeral.public_fallback, plain=True)
        self._change(
            delivery.id, only=0, outgoing=dump_outgoing(told), photo=None, message_ids="[]", done=0, marker=0,
            state=DeliveryState.PENDING.value,
        )  # fmt: skip

    def blank(self, bot: int, key: str) -> None:
        """Forget the words of an answer that was sent: what is secret stands in its chat only."""
        query = select(Table.id, Table.outgoing).where(
            Table.bot == bot, Table.key == key, Table.state == DeliveryState.SENT.value
        )
        for row in self.connection.execute(query).all():
            empty = replace(load_outgoing(row.outgoing, None), text="")
            self._change(row.id, outgoing=dump_outgoing(empty))

    def gone(self, bot: int, chat: int) -> None:
        self.connection.execute(
            update(Table)
            .where(Table.bot == bot, Table.chat == chat, Table.state.in_(OPEN))
            .values(state=DeliveryState.DEAD.value, reason=GONE)
        )

    def known_ids(self, bot: int, chat: int, *, but: int = 0) -> set[int]:
        """The message ids of the chat that are known to be ours, `but` not those of one delivery.

        What one member alone sees has other ids.
        """
        query = (
            select(Table.message_ids)
            .where(Table.bot == bot, Table.chat == chat, Table.only == 0, Table.id != but)
            .order_by(Table.id.desc())
            .limit(200)
        )
        return {id_ for (ids,) in self.connection.execute(query) for id_ in json.loads(ids)}

    def highest(self, bot: int, first: int, last: int) -> int:
        """The highest message id that is known in the chats from `first` to `last`, by their newest deliveries."""
        one = (Table.bot == bot, Table.chat == first)  # by its index; many by the order of all rows: see `NEXT`
        chats = one if first == last else (Table.bot + 0 == bot, Table.chat.between(first, last))
        where = (*chats, Table.only == 0)  # what one member alone sees has ids of its own
        query = select(Table.marker, Table.message_ids).where(*where).order_by(Table.id.desc()).limit(200)
        rows = self.connection.execute(query)
        return max((id_ for marker, ids in rows for id_ in (marker, *json.loads(ids))), default=0)

    def _insert(self, key: str, where: Address, state: DeliveryState, ids: tuple[int, ...], **values: Any) -> None:
        row = {
            **columns(where), "key": key, "state": state.value, "message_ids": json.dumps(ids), "done": 0,
            "photo": None, "marker": 0, "attempts": 0, "due": 0.0, "at": self.clock.time(), "reason": "", **values,
        }  # fmt: skip
        self.connection.execute(INSERT, row)

    def _change(self, id_: int, **values: Any) -> None:
        self.connection.execute(CHANGE.values(**values), {"row": id_})


def _of(bot: int, place: str) -> dict[str, Any]:
    """The values of `OF_CHAT`, for a chat by its `Address.place`."""
    connection, chat = Address.of_place(place)
    return {"b": bot, "n": connection, "c": chat}


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id, row.key, address(row), load_outgoing(row.outgoing, row.photo), DeliveryState(row.state),
        tuple(json.loads(row.message_ids)), row.done, row.marker, row.attempts, row.due,
    )  # fmt: skip
