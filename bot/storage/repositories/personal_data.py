"""Everything of one person: to be handed over (`of`), and to be removed (`forget`). And what is kept too long.

Of a private chat everything is the person's. Of a group, the own questions and the answers to them; whose a question
was is told by its row or, where that is silent, by the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Row, delete, func, or_, select, update

from bot.ports import DeliveryState
from bot.storage.repositories.mapping import Subject
from bot.storage.tables.history import Blob, Conversation, Document, Fact, Feedback, Message, Passage, Summary
from bot.storage.tables.people import Application, Chat, Member, User
from bot.storage.tables.spending import Allowance, UsageRow
from bot.storage.tables.work import Awaited, ButtonRow, Delivery, Job, Operation, Update

Rows = list[Mapping[str, Any]]
MANY = 500  # values in one statement
PIECE = 200  # rows that one step of the clean-up removes


class Belongings(Subject):
    """`user` is also the number of the private chat."""

    # --- to be handed over --------------------------------------------------------------------------------------------

    def of(self, bot: int, user: int) -> dict[str, Rows]:
        """Everything but the bytes of files, by table."""
        messages = self._messages(bot, user)
        conversations = sorted({row["conversation_id"] for row in messages})
        here = self._rows(select(Conversation.__table__).where(Conversation.bot == bot, Conversation.chat == user))
        groups = self._in(Conversation, Conversation.id, set(conversations) - {row["id"] for row in here})
        inside = [row["id"] for row in here]
        documents = self._remembered(Document, bot, user, inside)
        return {
            "user": self._rows(select(User.__table__).where(User.bot == bot, User.id == user)),
            "chat": self._rows(select(Chat.__table__).where(Chat.bot == bot, Chat.id == user)),
            "member": self._rows(select(Member.__table__).where(Member.bot == bot, Member.user == user)),
            "allowance": self._rows(select(Allowance.__table__).where(Allowance.bot == bot, Allowance.user == user)),
            "conversations": [*here, *groups],
            "messages": messages,
            "summaries": self._in(Summary, Summary.conversation_id, inside),
            "facts": self._remembered(Fact, bot, user, inside),
            "documents": documents,
            "passages": self._passages([row["id"] for row in documents]),
            "feedback": self._rows(select(Feedback.__table__).where(Feedback.bot == bot, Feedback.user == user)),
            "usage": self._rows(select(UsageRow.__table__).where(UsageRow.bot == bot, UsageRow.user == user)),
            "operations": self._rows(select(Operation.__table__).where(Operation.bot == bot, Operation.user == user)),
            "reminders": [_plain(row) for row in self._jobs(bot, user) if row.kind == REMINDER],
        }

    def files(self, bot: int, user: int) -> Sequence[tuple[int, str, str, int]]:
        """(id, name, mime, bytes) of each file."""
        query = select(Blob.id, Blob.name, Blob.mime, func.length(Blob.data)).where(_mine(Blob, bot, user))
        return [(id_, name, mime, size) for id_, name, mime, size in self.connection.execute(query.order_by(Blob.id))]

    def file(self, bot: int, user: int, id_: int) -> bytes:
        query = select(Blob.data).where(_mine(Blob, bot, user), Blob.id == id_)
        return bytes(self.connection.scalar(query) or b"")

    def _remembered(self, table: Any, bot: int, user: int, conversations: Collection[int]) -> Rows:
        """Rows that know their bot only through their conversation."""
        mine = or_(table.user == user, table.conversation_id.in_(conversations))
        return self._rows(select(table.__table__).where(mine, _of_bot(table, bot)))

    def _passages(self, documents: Sequence[int]) -> Rows:
        """The text of documents, in its order, without the vectors that it is found by."""
        fields = (Passage.id, Passage.document_id, Passage.page, Passage.text)
        query = select(*fields).order_by(Passage.id)
        pieces = _pieces(documents)
        return [row for some in pieces for row in self._rows(query.where(Passage.document_id.in_(some)))]

    # --- to be removed ------------------------------------------------------------------------------------------------

    def forget(self, bot: int, user: int) -> dict[str, int]:
        """Remove everything, and count it by what people call it.

        What stays are numbers without a name: the ledger (as nobody's, so that the bot's sums stay true), what the
        person has used of the budgets of these days, and what an admin has decided about the person.
        """
        gone = {"messages": 0, "conversations": 0}
        gone["messages"] += self._forget_in_groups(bot, user)
        gone["messages"] += self._count(Message, Message.bot == bot, Message.chat == user)
        gone["reminders"] = self._forget_jobs(bot, user)
        gone["feedback"] = self._drop(Feedback, Feedback.bot == bot, or_(Feedback.user == user, Feedback.chat == user))
        own = or_(Conversation.chat == user, Conversation.only == user)
        gone["conversations"] += self._drop(Conversation, Conversation.bot == bot, own)
        gone["documents"] = self._drop(Document, Document.user == user, _of_bot(Document, bot))
        gone["facts"] = self._drop(Fact, Fact.user == user, _of_bot(Fact, bot))
        gone["files"] = self._drop(Blob, _mine(Blob, bot, user))
        gone["orders"] = self._drop(Operation, _mine(Operation, bot, user))
        self._drop(Delivery, Delivery.bot == bot, or_(Delivery.chat == user, Delivery.only == user))
        self._drop(ButtonRow, _mine(ButtonRow, bot, user))
        self._drop(Awaited, Awaited.bot == bot, Awaited.user == user)
        self._forget_inbox(bot, user)
        named = {"user": 0, "turn": ""}
        gone["usage"] = self._change(UsageRow, named, UsageRow.bot == bot, UsageRow.user == user)
        self._change(UsageRow, {"chat": 0}, UsageRow.bot == bot, UsageRow.chat == user)
        self._change(Application, {"name": ""}, Application.bot == bot, Application.subject == user)
        self._drop(User, User.bot == bot, User.id == user)
        self._drop(Chat, Chat.bot == bot, Chat.id == user)
        return gone

    def _forget_in_groups(self, bot: int, user: int) -> int:
        rows = [row for row in self._messages(bot, user) if row["chat"] != user]
        turns = sorted({row["turn"] for row in rows})
        self._unlink(rows)
        conversations = sorted({row["conversation_id"] for row in rows})
        for some in _pieces(conversations):
            # Made from what others and this person said together: made anew from what is left.
            self._drop(Summary, Summary.conversation_id.in_(some))
            self._change(Conversation, {"title": "", "named_by": ""}, Conversation.id.in_(some))
            others = select(Message.id).where(Message.conversation_id.in_(some))
            self._change(Feedback, {"prompt": "[]"}, Feedback.message_id.in_(others))
        for some in _pieces(turns):
            keys = select(Delivery.id, Delivery.key).where(Delivery.bot == bot, Delivery.chat != user)
            found = [id_ for id_, key in self.connection.execute(keys) if key.partition(".")[0] in set(some)]
            for ids in _pieces(found):
                self._drop(Delivery, Delivery.id.in_(ids))
        return len(rows)

    def _unlink(self, rows: Rows) -> None:
        """Delete messages; what went on from them goes on from what they went on from."""
        above = {row["id"]: row["parent"] for row in rows}

        def left(id_: int | None) -> int | None:
            while id_ in above:
                id_ = above[id_]
            return id_

        for id_ in above:
            self._change(Message, {"parent": left(id_)}, Message.parent == id_)
            self._change(Conversation, {"head": left(id_)}, Conversation.head == id_)
        for some in _pieces(sorted(above)):
            self._drop(Message, Message.id.in_(some))

    def _forget_jobs(self, bot: int, user: int) -> int:
        """Whatever is to be done for the person later. The number of those that are reminders."""
        jobs = [row for row in self._jobs(bot, user) if row.kind != SCRUB]
        for some in _pieces([row.id for row in jobs]):
            self._drop(Job, Job.id.in_(some))
        return sum(row.kind == REMINDER for row in jobs)

    def _forget_inbox(self, bot: int, user: int) -> None:
        """Updates that were set aside keep what came; those that are being worked on are emptied when they are done."""
        query = select(Update.id, Update.raw).where(Update.bot == bot, Update.raw != "", Update.state == "dead")
        found = [id_ for id_, raw in self.connection.execute(query) if _speaks(raw, user)]
        for some in _pieces(found):
            self._change(Update, {"raw": "", "once": None}, Update.id.in_(some))

    # --- what is kept too long ----------------------------------------------------------------------------------------

    def expire(self, bot: int, before: float, *, private: bool) -> bool:
        """Remove a piece of what is older, in private chats or in groups. False: there was nothing left."""

        def kind(table: Any) -> ColumnElement[bool]:
            side: ColumnElement[bool] = table.chat > 0 if private else table.chat < 0
            return side

        old = select(Message.id, Message.parent).where(Message.bot == bot, kind(Message), Message.at < before)
        rows: Rows = [dict(row._mapping) for row in self.connection.execute(old.order_by(Message.id).limit(PIECE))]
        self._unlink(rows)
        count = len(rows)
        over = (DeliveryState.SENT.value, DeliveryState.DEAD.value)
        ended = Operation.state.in_(("done", "failed"))
        count += self._expire(
            Delivery, Delivery.bot == bot, kind(Delivery), Delivery.at < before, Delivery.state.in_(over)
        )
        count += self._expire(Blob, Blob.bot == bot, kind(Blob), Blob.at < before)
        count += self._expire(Operation, Operation.bot == bot, kind(Operation), Operation.at < before, ended)
        here = select(Conversation.id).where(Conversation.bot == bot, kind(Conversation))
        for table in (Summary, Fact, Document):
            count += self._expire(table, table.conversation_id.in_(here), table.at < before)
        empty = Conversation.id.not_in(select(Message.conversation_id))
        count += self._expire(
            Conversation, Conversation.bot == bot, kind(Conversation), Conversation.at < before, empty
        )
        return count > 0

    def _expire(self, table: Any, *where: ColumnElement[bool]) -> int:
        return self._drop(table, table.id.in_(select(table.id).where(*where).order_by(table.id).limit(PIECE)))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _messages(self, bot: int, user: int) -> Rows:
        """What the person said and was answered, oldest first."""
        paid = select(UsageRow.turn).where(UsageRow.bot == bot, UsageRow.user == user)
        asked = select(Message.turn).where(Message.bot == bot, Message.user == user)
        mine = or_(Message.chat == user, Message.user == user, Message.turn.in_(paid), Message.turn.in_(asked))
        return self._rows(select(Message.__table__).where(Message.bot == bot, mine).order_by(Message.id))

    def _jobs(self, bot: int, user: int) -> list[Row[Any]]:
        """Those of the private chat; in groups those that name the person, or do what the person has ordered."""
        ordered = select(Operation.turn).where(Operation.bot == bot, Operation.user == user)
        rows = self.connection.execute(select(Job.__table__).where(Job.bot == bot))
        turns = set(self.connection.scalars(ordered))
        return [row for row in rows if row.chat == user or row.key in turns or _named(row.payload) == user]

    def _rows(self, query: Any) -> Rows:
        return [dict(row._mapping) for row in self.connection.execute(query)]

    def _in(self, table: Any, column: Any, values: Collection[int]) -> Rows:
        pieces = _pieces(sorted(values))
        return [row for some in pieces for row in self._rows(select(table.__table__).where(column.in_(some)))]

    def _count(self, table: Any, *where: ColumnElement[bool]) -> int:
        return len(self.connection.execute(select(table.id).where(*where)).all())

    def _drop(self, table: Any, *where: ColumnElement[bool]) -> int:
        result: CursorResult[Any] = self.connection.execute(delete(table).where(*where))
        return result.rowcount

    def _change(self, table: Any, values: Mapping[str, Any], *where: ColumnElement[bool]) -> int:
        result: CursorResult[Any] = self.connection.execute(update(table).where(*where).values(**values))
        return result.rowcount


REMINDER = "reminder"
SCRUB = "scrub"  # the job that cleans the file after somebody was forgotten


def _mine(table: Any, bot: int, user: int) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = (table.bot == bot) & or_(table.user == user, table.chat == user)
    return mine


def _of_bot(table: Any, bot: int) -> ColumnElement[bool]:
    found: ColumnElement[bool] = table.conversation_id.in_(select(Conversation.id).where(Conversation.bot == bot))
    return found


def _pieces(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), MANY):
        yield values[first : first + MANY]


def _named(payload: str) -> int:
    found = json.loads(payload).get("user", 0)
    return found if isinstance(found, int) else 0


def _plain(row: Row[Any]) -> Mapping[str, Any]:
    return {"kind": row.kind, "chat": row.chat, "due": row.due, **json.loads(row.payload)}


def _speaks(raw: str, user: int) -> bool:
    """Whether an update that nobody could read comes from that person, as far as can be seen."""
    return f'"id":{user},' in raw.replace(" ", "") or f'"id":{user}}}' in raw.replace(" ", "")
