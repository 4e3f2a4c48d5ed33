"""The inbox: every update is here before Telegram is told that we have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, bindparam, delete, select, update

from bot.ports import Received
from bot.storage.engines.dialects import upsert
from bot.storage.repositories.mapping import Subject, one_of
from bot.storage.tables.work import updates

column = updates.c
INSERT = upsert(lambda insert: insert(updates).on_conflict_do_nothing().returning(column.id))
IS_OPEN = one_of(column.state, ("new", "begun"))
OPEN = (
    select(column.id, column.bot, column.update_id, column.raw, column.attempts, column.at)
    .where(column.bot == bindparam("b"), IS_OPEN)
    .order_by(column.id)
)
OPEN_IN_CHAT = OPEN.where(column.chat == bindparam("place"))
BEGIN = update(updates).where(column.id == bindparam("row"), IS_OPEN).values(state="begun", reason=bindparam("by"))
# Begun rows say in `reason` what was done with them: worked on, or a file opened that came with them, and by whom.
WORKED, OPENED, SPARED = "worked on by ", "opened by ", "spared"
DONE = update(updates).where(column.id == bindparam("row")).values(state="done", raw="", reason="")


class Updates(Subject):
    def add(self, bot: int, update_id: int, once: str, raw: str, place: str = "") -> Received | None:
        """Keep an update; None when it, or the same thing under another id, is already here."""
        now = self.clock.time()
        row = {
            "bot": bot, "update_id": update_id, "once": once or None, "raw": raw,
            "state": "new", "attempts": 0, "at": now, "reason": "", "chat": place,
        }  # fmt: skip
        id_ = self.connection.execute(INSERT(self.connection), row).scalar_one_or_none()
        if id_ is None and self._free(bot, update_id, once):
            id_ = self.connection.execute(INSERT(self.connection), row).scalar_one_or_none()
        if id_ is not None:
            self.queue.chat(bot, place)
        return None if id_ is None else Received(id_, bot, update_id, raw, 0, datetime.fromtimestamp(now, UTC))

    def _free(self, bot: int, update_id: int, once: str) -> bool:
        """Whether the number is now another update's: a server has begun its numbers anew. What had it gives it up."""
        query = select(column.id, column.once).where(column.bot == bot, column.update_id == update_id)
        row = self.connection.execute(query).one_or_none()
        if row is None or row.once is None or row.once in _names(once):
            return False
        self.connection.execute(update(updates).where(column.id == row.id).values(update_id=-row.id))
        return True

    def find(self, bot: int, once: str) -> int | None:
        """The id of the row of what happened, by its name."""
        query = select(column.id).where(column.bot == bot, column.once.in_(_names(once))).order_by(column.id.desc())
        return self.connection.scalars(query.limit(1)).one_or_none()

    def raw(self, id_: int) -> str:
        """The update as it came; "" when it is done."""
        return self.connection.execute(select(column.raw).where(column.id == id_)).scalar_one_or_none() or ""

    def open(self, bot: int, place: str | None = None) -> Sequence[Received]:
        """What is not done, of all chats or of one, oldest first."""
        query = OPEN if place is None else OPEN_IN_CHAT
        return [
            Received(row.id, row.bot, row.update_id, row.raw, row.attempts, datetime.fromtimestamp(row.at, UTC))
            for row in self.connection.execute(query, {"b": bot, "place": place})
        ]

    def waits(self, bot: int, place: str) -> bool:
        """Whether there is something in a chat that nobody has begun to work on."""
        new = select(column.id).where(column.bot == bot, column.state == "new", column.chat == place).limit(1)
        return self.connection.execute(new).one_or_none() is not None

    def count_attempts(self, bot: int, place: str | None = None) -> Sequence[int]:
        """At a start, of all or of the work on one chat: count a crash against what was being done. Returns the rows.

        Where a file was being opened by the process that died, only the update it came with is counted against.
        """
        begun = select(column.id, column.reason).where(column.state == "begun", *_of(bot, place))
        rows = self.connection.execute(begun.order_by(column.id)).all()
        charged = [row.id for row in rows if not self._is_bystander(bot, row.reason)]
        for row in rows:
            if row.reason.startswith(OPENED):  # others that this process had begun may be asked for later
                beside = column.reason == row.reason.replace(OPENED, WORKED, 1)
                self.connection.execute(
                    update(updates).where(column.bot == bot, column.state == "begun", beside).values(reason=SPARED)
                )
        interrupted = [row.id for row in rows]
        self.connection.execute(update(updates).where(column.id.in_(interrupted)).values(state="new", reason=""))
        self.connection.execute(update(updates).where(column.id.in_(charged)).values(attempts=column.attempts + 1))
        return interrupted

    def _is_bystander(self, bot: int, reason: str) -> bool:
        """Whether its process was opening a file of another update when it died."""
        if not reason.startswith(WORKED):
            return reason == SPARED
        opened = select(column.id).where(
            column.bot == bot, column.state == "begun", column.reason == reason.replace(WORKED, OPENED, 1)
        )
        return self.connection.execute(opened.limit(1)).one_or_none() is not None

    def park(self, bot: int, place: str | None = None) -> None:
        """At an orderly stop: what is being worked on goes on later, and that is no crash."""
        self.connection.execute(
            update(updates).where(column.state == "begun", *_of(bot, place)).values(state="new", reason="")
        )

    def begin(self, ids: Sequence[int], *, opening: bool = False) -> None:
        """From now on a crash counts against them. `opening`: a file that came with them, which then is to blame."""
        lease = self.queue.lease
        by = f"{OPENED if opening else WORKED}{lease.worker if lease is not None else 'the process'}"
        for id_ in ids:
            self.connection.execute(BEGIN, {"row": id_, "by": by})

    def done(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            self.connection.execute(DONE, {"row": id_})

    def bury(self, id_: int, reason: str) -> None:
        """A row that can't be worked on; its raw update is kept for the operator."""
        self.connection.execute(update(updates).where(column.id == id_).values(state="dead", reason=reason[:500]))

    def forget(self, bot: int, before: float) -> int:
        """Delete what was finished before that time: update ids begin anew after a week of silence."""
        result = self.connection.execute(
            delete(updates).where(column.bot == bot, column.state == "done", column.at < before)
        )
        return result.rowcount


def _names(once: str) -> tuple[str, str]:
    """The name of what happened, and the one that the version before gave it."""
    return once, once.rpartition("@")[0]


def _of(bot: int, place: str | None) -> tuple[ColumnElement[bool], ...]:
    return (column.bot == bot,) if place is None else (column.bot == bot, column.chat == place)
