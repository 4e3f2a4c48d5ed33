"""The outbox: an answer is a row here before it is sent, and stays one until Telegram has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from bot.storage.rows import Subject, address, at, columns, dump_outgoing, load_outgoing
from bot.storage.tables import Delivery as Table
from bot.types import Address, Delivery, DeliveryState, Outgoing

OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)
PLACE_OF = select(Table.id, Table.state, Table.message_ids).where(
    Table.bot == bindparam("b"), Table.key == bindparam("k")
)
INSERT = insert(Table)
CHANGE = update(Table).where(Table.id == bindparam("row"))


class Deliveries(Subject):
    async def add(self, key: str, where: Address, outgoing: Outgoing, *, marker: int = 0) -> None:
        """Put a finished answer into the outbox, once: a second answer under the same key changes nothing.

        Where the answer was already being shown in a message (`place`), it takes over that message. The row is
        SENDING from the start: the send follows at once, and a commit more would only say so. `marker`: see `Delivery`.
        """
        finished = {"outgoing": dump_outgoing(outgoing), "photo": outgoing.photo or None, "marker": marker}
        query = select(Table.id, Table.state).where(Table.bot == where.bot, Table.key == key)
        row = (await self.connection.execute(query)).one_or_none()
        if row is None:
            await self._insert(key, where, DeliveryState.SENDING, (), **finished)
        elif row.state == DeliveryState.STREAMING:
            await self._change(row.id, **finished, state=DeliveryState.SENDING.value)

    async def place(self, key: str, where: Address, message_id: int) -> None:
        """The answer of `key` is being shown in that message, which it takes over, even where it was finished first."""
        row = (await self.connection.execute(PLACE_OF, {"b": where.bot, "k": key})).one_or_none()
        if row is None:
            await self._insert(key, where, DeliveryState.STREAMING, (message_id,), outgoing=dump_outgoing(Outgoing()))
        elif row.state in OPEN and row.message_ids == "[]":
            await self._change(row.id, message_ids=json.dumps([message_id]))

    async def placed(self, key: str, where: Address) -> int:
        query = select(Table.message_ids).where(Table.bot == where.bot, Table.key == key)
        ids = json.loads((await self.connection.execute(query)).scalar_one_or_none() or "[]")
        return int(ids[0]) if ids else 0

    async def next(self, where: Address) -> Delivery | None:
        query = select(Table).where(at(Table, where), Table.state.in_(OPEN)).order_by(Table.id).limit(1)
        row = (await self.connection.execute(query)).one_or_none()
        return _delivery(row) if row else None

    async def waiting(self, bot: int) -> Sequence[Address]:
        query = (
            select(Table.transport, Table.bot, Table.chat, Table.thread, Table.connection)
            .where(Table.bot == bot, Table.state.in_(OPEN))
            .distinct()
        )
        return [Address(*row) for row in await self.connection.execute(query)]

    async def newest(self, bot: int) -> int:
        return await self.connection.scalar(select(func.max(Table.id)).where(Table.bot == bot)) or 0

    async def begin(self, id_: int, marker: int) -> None:
        await self._change(id_, state=DeliveryState.SENDING.value, marker=marker)

    async def progress(self, id_: int, message_ids: Sequence[int], *, done: int, sent: bool) -> None:
        values: dict[str, Any] = {"message_ids": json.dumps(list(message_ids)), "done": done}
        if sent:
            values |= {"photo": None, "state": DeliveryState.SENT.value}
        else:  # the next part follows at once
            values |= {"marker": max(message_ids), "state": DeliveryState.SENDING.value}
        await self._change(id_, **values)

    async def postpone(self, id_: int, due: float, *, begun: bool) -> None:
        state = DeliveryState.SENDING if begun else DeliveryState.PENDING
        await self._change(id_, due=due, attempts=Table.attempts + 1, state=state.value)

    async def bury(self, id_: int, reason: str) -> None:
        await self._change(id_, state=DeliveryState.DEAD.value, reason=reason[:500])

    async def gone(self, bot: int, chat: int) -> None:
        await self.connection.execute(
            update(Table)
            .where(Table.bot == bot, Table.chat == chat, Table.state.in_(OPEN))
            .values(state=DeliveryState.DEAD.value, reason="the chat can't be reached")
        )

    async def known_ids(self, bot: int, chat: int) -> set[int]:
        """The message ids of the chat that are known to be ours."""
        query = (
            select(Table.message_ids).where(Table.bot == bot, Table.chat == chat).order_by(Table.id.desc()).limit(200)
        )
        return {id_ for (ids,) in await self.connection.execute(query) for id_ in json.loads(ids)}

    async def _insert(
        self, key: str, where: Address, state: DeliveryState, ids: tuple[int, ...], **values: Any
    ) -> None:
        row = {
            **columns(where), "key": key, "state": state.value, "message_ids": json.dumps(ids), "done": 0,
            "photo": None, "marker": 0, "attempts": 0, "due": 0.0, "at": self.clock.time(), "reason": "", **values,
        }  # fmt: skip
        await self.connection.execute(INSERT, row)

    async def _change(self, id_: int, **values: Any) -> None:
        await self.connection.execute(CHANGE.values(**values), {"row": id_})


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id, row.key, address(row), load_outgoing(row.outgoing, row.photo), DeliveryState(row.state),
        tuple(json.loads(row.message_ids)), row.done, row.marker, row.attempts, row.due,
    )  # fmt: skip
