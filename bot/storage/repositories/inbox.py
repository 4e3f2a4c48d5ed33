"""The inbox: an update is stored here before Telegram is told that it was received. Also what waits, as figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update

from bot.ports import Received
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, made, one_of
from bot.storage.tables.work import StoredDelivery, StoredJob, StoredUpdate

column = StoredUpdate.table.c
INSERT = Prepared(lambda insert: insert(StoredUpdate.table).on_conflict_do_nothing().returning(column.id))
IS_OPEN = one_of(column.state, ("new", "begun"))
OPEN = (
    select(column.id, column.bot, column.update_id, column.raw, column.attempts, column.at)
    .where(column.bot == bindparam("b"), IS_OPEN)
    .order_by(column.id)
)
OPEN_IN_CHAT = OPEN.where(column.chat == bindparam("place"))
BEGIN = Prepared(
    update(StoredUpdate.table)
    .where(column.id == bindparam("row"), IS_OPEN)
    .values(state="begun", reason=bindparam("by"))
)
# The `reason` of a begun row: what a process does with it, and which one.
WORKED, OPENED, SPARED = "worked on by ", "opened by ", "spared"
MESSAGE = re.compile(r"(-?\d+)/(\d+)/")  # how `once` begins where an update is a message
NEWEST_ROWS = 400
DONE = Prepared(update(StoredUpdate.table).where(column.id == bindparam("row")).values(state="done", raw="", reason=""))


class Inbox(Repository):
    """The inbox: updates from the moment they are accepted until they are done or given up."""

    def add_update(self, bot: int, update_id: int, once: str, raw: str, place: str = "") -> Received | None:
        """Store an update. Returns None when it, or the same event under another update id, is already stored."""
        now = self.clock.time()
        row = {
            "bot": bot, "update_id": update_id, "once": once or None, "raw": raw,
            "state": "new", "attempts": 0, "at": now, "reason": "", "chat": place,
        }  # fmt: skip
        id_ = self.execute(INSERT, row).scalar()
        if id_ is None and self._free(bot, update_id, once):
            id_ = self.execute(INSERT, row).scalar()
        if id_ is None:
            return None
        self.queue.announce_chat(bot, place)
        return Received(id=id_, bot=bot, update_id=update_id, raw=raw, attempts=0, at=datetime.fromtimestamp(now, UTC))

    def _free(self, bot: int, update_id: int, once: str) -> bool:
        """Free an update id that its server uses again, for another event. Returns whether it was freed."""
        query = select(column.id, column.once).where(column.bot == bot, column.update_id == update_id)
        row = self.connection.execute(query).one_or_none()
        if row is None or row.once is None or row.once in _names(once):
            return False
        self.connection.execute(update(StoredUpdate.table).where(column.id == row.id).values(update_id=-row.id))
        return True

    def find_by_once(self, bot: int, once: str) -> int | None:
        """Return the row id of the update with an idempotency key; None once it is no longer remembered."""
        query = select(column.id).where(column.bot == bot, column.once.in_(_names(once))).order_by(column.id.desc())
        return self.connection.scalars(query.limit(1)).one_or_none()

    def list_message_ids(self, bot: int) -> list[tuple[int, int]]:
        """Return chat and id of the messages that the newest updates have brought."""
        newest = select(column.once).where(column.bot + 0 == bot).order_by(column.id.desc()).limit(NEWEST_ROWS)
        found = (MESSAGE.match(once) for once in self.connection.scalars(newest) if once)
        return [(int(one[1]), int(one[2])) for one in found if one]

    def list_messages_of(self, ids: Sequence[int]) -> list[int]:
        """Return the messenger's ids of the messages that these updates have brought, in their order, each once."""
        rows = self.connection.execute(select(column.id, column.once).where(column.id.in_(ids)).order_by(column.id))
        found = (MESSAGE.match(row.once) for row in rows if row.once)
        return list(dict.fromkeys(int(one[2]) for one in found if one))

    def read_raw(self, id_: int) -> str:
        """Return the JSON of an update as it came, "" once it is done."""
        return self.connection.execute(select(column.raw).where(column.id == id_)).scalar_one_or_none() or ""

    def list_open(self, bot: int, place: str | None = None) -> Sequence[Received]:
        """Return the updates that are not done, of all chats or of one, oldest first."""
        rows = self.connection.execute(OPEN if place is None else OPEN_IN_CHAT, {"b": bot, "place": place})
        return [made(Received, row, at=datetime.fromtimestamp(row.at, UTC)) for row in rows]

    def has_new(self, bot: int, place: str) -> bool:
        """Return whether a chat has an update that nobody has begun to work on."""
        new = select(column.id).where(column.bot == bot, column.state == "new", column.chat == place).limit(1)
        return self.connection.execute(new).one_or_none() is not None

    def count_attempts(self, bot: int, place: str | None = None) -> Sequence[int]:
        """After a crash: count an attempt for each update that was being worked on, in all chats or in one.

        Returns their row ids. Where the process died while it opened a file, only the update with that file is charged.
        """
        begun = select(column.id, column.reason).where(column.state == "begun", *_of(bot, place))
        rows = self.connection.execute(begun.order_by(column.id)).all()
        charged = [row.id for row in rows if not self._is_bystander(bot, row.reason)]
        for row in rows:
            if row.reason.startswith(OPENED):  # others that this process had begun may be asked for later
                worked = row.reason.replace(OPENED, WORKED, 1)
                beside = (column.bot == bot, column.state == "begun", column.reason == worked)
                self.connection.execute(update(StoredUpdate.table).where(*beside).values(reason=SPARED))
        interrupted = [row.id for row in rows]
        self.connection.execute(
            update(StoredUpdate.table).where(column.id.in_(interrupted)).values(state="new", reason="")
        )
        self.connection.execute(
            update(StoredUpdate.table).where(column.id.in_(charged)).values(attempts=column.attempts + 1)
        )
        return interrupted

    def _is_bystander(self, bot: int, reason: str) -> bool:
        """Return whether the process died while it opened the file of another update, not of this one."""
        if not reason.startswith(WORKED):
            return reason == SPARED
        other = (column.bot == bot, column.state == "begun", column.reason == reason.replace(WORKED, OPENED, 1))
        return self.connection.execute(select(column.id).where(*other).limit(1)).one_or_none() is not None

    def requeue(self, bot: int, place: str | None = None) -> None:
        """At an orderly stop: make updates that are being worked on new again, without counting an attempt."""
        begun = update(StoredUpdate.table).where(column.state == "begun", *_of(bot, place))
        self.connection.execute(begun.values(state="new", reason=""))

    def mark_begun(self, ids: Sequence[int], *, opening: bool = False) -> None:
        """Mark updates as being worked on, so that a crash is counted against them.

        `opening`: the process is about to open a file that came with them, and a crash meanwhile is counted only
        against them.
        """
        lease = self.queue.lease
        by = f"{OPENED if opening else WORKED}{lease.worker if lease is not None else 'the process'}"
        for id_ in ids:
            self.execute(BEGIN, {"row": id_, "by": by})

    def mark_done(self, ids: Sequence[int]) -> None:
        """Mark updates as done and delete their JSON."""
        for id_ in ids:
            self.execute(DONE, {"row": id_})

    def dead_letter(self, id_: int, reason: str) -> None:
        """Mark an update as dead, with a reason; its JSON is kept for the operator."""
        self.connection.execute(
            update(StoredUpdate.table).where(column.id == id_).values(state="dead", reason=reason[:500])
        )

    def delete_done_before(self, bot: int, before: float) -> int:
        """Delete updates that were done before a time (Unix seconds). Returns how many.

        Telegram numbers updates anew after a week of silence, so they can't be remembered for ever.
        """
        done = (column.bot == bot, column.state == "done", column.at < before)
        return self.connection.execute(delete(StoredUpdate.table).where(*done)).rowcount


def _names(once: str) -> tuple[str, str]:
    """The idempotency key of an event, and the key that earlier versions gave it."""
    return once, once.rpartition("@")[0]


def _of(bot: int, place: str | None) -> tuple[ColumnElement[bool], ...]:
    return (column.bot == bot,) if place is None else (column.bot == bot, column.chat == place)


MOST_OVERDUE = 1000  # overdue rows that are looked at: what is behind them waits for the same reason

OPEN_UPDATE = (StoredUpdate.bot == bindparam("b"), StoredUpdate.state.in_(("new", "begun")))
OPEN_DELIVERY = (StoredDelivery.address.bot == bindparam("b"), StoredDelivery.state.in_(("pending", "sending")))
UPDATES = select(func.count(), func.min(StoredUpdate.at)).where(*OPEN_UPDATE)
DELIVERIES = select(func.count(), func.min(StoredDelivery.at)).where(*OPEN_DELIVERY)
JOBS = select(func.count(), func.min(StoredJob.due)).where(
    StoredJob.address.bot == bindparam("b"), StoredJob.due <= bindparam("now")
)
OPEN_FOR_LONG = (*OPEN_UPDATE, StoredUpdate.at < bindparam("before"))
OVERDUE = Prepared(
    select(StoredUpdate.id, StoredUpdate.chat).where(*OPEN_FOR_LONG).order_by(StoredUpdate.id).limit(MOST_OVERDUE)
)
DEAD_UPDATES = Prepared(
    select(func.count()).where(
        StoredUpdate.bot == bindparam("b"), StoredUpdate.state == "dead", StoredUpdate.at >= bindparam("since")
    )
)
DEAD_DELIVERIES = Prepared(
    select(func.count()).where(
        StoredDelivery.address.bot == bindparam("b"),
        StoredDelivery.state == "dead",
        StoredDelivery.at >= bindparam("since"),
        StoredDelivery.reason != bindparam("gone"),
    )
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows wait, and for how many seconds the oldest of them has."""

    count: int
    oldest: float


class Backlog(Repository):
    """How much waits in the inbox, the outbox and the jobs, and what was given up: for health checks and metrics."""

    def count_waiting(self, bot: int) -> tuple[Waiting, Waiting, Waiting]:
        """Return the updates that are not answered, the finished answers that are not sent, and the jobs that are due.

        `oldest` of the jobs is for how many seconds the first of them has been due.
        """
        now = self.clock.time()
        rows = [self.connection.execute(query, {"b": bot, "now": now}).one() for query in (UPDATES, DELIVERIES, JOBS)]
        updates, deliveries, jobs = (
            Waiting(count, max(now - first, 0.0) if first is not None else 0.0) for count, first in rows
        )
        return updates, deliveries, jobs

    def list_overdue_updates(self, bot: int, seconds: float) -> Sequence[int]:
        """Return the ids of updates that have been open for more than `seconds`, except in chats that a process is
        working on.
        """
        rows = self.execute(OVERDUE, {"b": bot, "before": self.clock.time() - seconds})
        taken = self.queue.list_held_chats(bot)
        return [row for row, place in rows if place not in taken]

    def count_dead(self, bot: int, seconds: float, gone: str) -> int:
        """Return how many updates and deliveries of the last `seconds` were given up.

        Deliveries with the reason `gone`, to chats that can't be reached, are left out.
        """
        values = {"b": bot, "since": self.clock.time() - seconds}
        dead = self.execute(DEAD_UPDATES, values).scalar() or 0
        return dead + (self.execute(DEAD_DELIVERIES, {**values, "gone": gone}).scalar() or 0)
