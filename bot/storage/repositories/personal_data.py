"""All data of one person, to export (`export_rows`) and to delete (`delete_person`); and data older than the retention
allows.

In a private chat everything is the person's; in a group it is their questions and the answers to them. Who asked is
told by the row of the question or, in old rows, by the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, or_, select, update

from bot.ports import DeliveryState
from bot.storage.repositories.desk import Seats
from bot.storage.repositories.mapping import Repository, at
from bot.storage.tables.desk import Account, AccountChat, Case, Event, Group, OperatorDuty, Relay
from bot.storage.tables.evaluation import StoredCase, StoredResult
from bot.storage.tables.history import (
    Blob,
    Conversation,
    DocumentPassage,
    Fact,
    Judgement,
    SavedTemplate,
    StoredDocument,
    StoredMessage,
    Summary,
)
from bot.storage.tables.knowledge import Gap, LearnedEntry, TopicChoice, TopicSample
from bot.storage.tables.people import Asked, ChatTopic, KnownChat, KnownUser, Membership
from bot.storage.tables.spending import Expense, PersonalAllowance
from bot.storage.tables.work import (
    AwaitedAnswer,
    Operation,
    RouterState,
    StoredButton,
    StoredDelivery,
    StoredJob,
    StoredUpdate,
)
from bot.types import Address

Rows = list[Mapping[str, Any]]
MANY = 500  # values in one statement
PIECE = 200  # rows that one step of the clean-up removes


class PersonalData(Repository):
    """The data of one person. `user` is also the id of the private chat."""

    # --- to be handed over --------------------------------------------------------------------------------------------

    def export_rows(self, bot: int, user: int) -> dict[str, Rows]:
        """Return all rows of a person by table, without the bytes of files."""
        said = self._messages(bot, user)
        own = self._rows(
            select(Conversation.table).where(Conversation.address.bot == bot, Conversation.address.chat == user)
        )
        own_ids = [row["id"] for row in own]
        in_groups = {row["conversation_id"] for row in said} - set(own_ids)
        own_documents = self._remembered(StoredDocument.table, bot, user, own_ids)
        return {
            "user": self._rows(select(KnownUser.table).where(KnownUser.bot == bot, KnownUser.id == user)),
            "chat": self._rows(select(KnownChat.table).where(KnownChat.bot == bot, KnownChat.id == user)),
            "topics": self._rows(select(ChatTopic.table).where(ChatTopic.bot == bot, ChatTopic.chat == user)),
            "member": self._rows(select(Membership.table).where(Membership.bot == bot, Membership.user == user)),
            "allowance": self._rows(
                select(PersonalAllowance.table).where(PersonalAllowance.bot == bot, PersonalAllowance.user == user)
            ),
            "conversations": [*own, *self._in(Conversation.table, Conversation.id, in_groups)],
            "messages": said,
            "summaries": self._in(Summary.table, Summary.conversation_id, own_ids),
            "facts": self._remembered(Fact.table, bot, user, own_ids),
            "documents": own_documents,
            "passages": self._passages([row["id"] for row in own_documents]),
            "feedback": self._rows(select(Judgement.table).where(Judgement.bot == bot, Judgement.user == user)),
            "templates": self._rows(
                select(SavedTemplate.table).where(SavedTemplate.bot == bot, SavedTemplate.user == user)
            ),
            "topic_choices": self._in(TopicChoice.table, TopicChoice.question_id, {row["id"] for row in said}),
            "topic_samples": self._rows(
                select(TopicSample.table).where(TopicSample.bot == bot, TopicSample.user == user)
            ),
            "evaluation_cases": self._rows(select(StoredCase.table).where(_mine(StoredCase.table, bot, user))),
            "evaluation_results": self._rows(select(StoredResult.table).where(_mine(StoredResult.table, bot, user))),
            "cases": self._rows(select(Case.table).where(_mine(Case.table, bot, user)).order_by(Case.id)),
            "router_states": self._rows(select(RouterState.table).where(_mine(RouterState.table, bot, user))),
            "usage": self._rows(select(Expense.table).where(Expense.bot == bot, Expense.user == user)),
            "operations": self._rows(
                select(Operation.table).where(Operation.address.bot == bot, Operation.user == user)
            ),
            "reminders": [
                {"kind": row.kind, "chat": row.chat, "due": row.due, **json.loads(row.payload)}
                for row in self._jobs(bot, user)
                if row.kind == REMINDER or row.kind.startswith(OF_PROGRAM)
            ],
        }

    def list_files(self, bot: int, user: int) -> Sequence[tuple[int, str, str, int]]:
        """Return id, name, MIME type and size (bytes) of each file of a person."""
        query = select(Blob.id, Blob.name, Blob.mime, func.length(Blob.data)).where(_mine(Blob.table, bot, user))
        return self.connection.execute(query.order_by(Blob.id)).all()

    def read_file(self, bot: int, user: int, id_: int) -> bytes:
        """Return the bytes of a file of a person, empty if there is no such file."""
        query = select(Blob.data).where(_mine(Blob.table, bot, user), Blob.id == id_)
        return bytes(self.connection.scalar(query) or b"")

    def _remembered(self, table: Table[Any], bot: int, user: int, own: Collection[int]) -> Rows:
        """Return a person's rows of a table that names the bot only through the conversation."""
        mine = or_(table.c.user == user, table.c.conversation_id.in_(own))
        return self._rows(select(table).where(mine, _of_bot(table, bot)))

    def _passages(self, of: Sequence[int]) -> Rows:
        """Return the text of documents, in its order, without its vectors."""
        fields = (
            DocumentPassage.id,
            DocumentPassage.document_id,
            DocumentPassage.page,
            DocumentPassage.place,
            DocumentPassage.text,
        )
        query = select(*fields).order_by(DocumentPassage.id)
        return [row for some in _pieces(of) for row in self._rows(query.where(DocumentPassage.document_id.in_(some)))]

    # --- to be removed ------------------------------------------------------------------------------------------------

    def delete_person(self, bot: int, user: int) -> dict[str, int]:
        """Delete the data of a person. Returns the number of deleted rows by the words of `/forget`.

        What stays has no name: rows of the ledger (without the user, so that the sums of the bot stay true), what was
        spent of the budgets of the last days, and the decisions of admins about the person.
        """
        gone = {"messages": 0, "conversations": 0}
        gone["messages"] += self._forget_in_groups(bot, user)
        gone["messages"] += len(
            self._rows(select(StoredMessage.id).where(StoredMessage.bot == bot, StoredMessage.chat == user))
        )
        gone["reminders"] = self._forget_jobs(bot, user)
        gone["feedback"] = self._drop(Judgement.table, _mine(Judgement.table, bot, user))
        self._drop(Gap.table, _mine(Gap.table, bot, user))
        self._drop(Case.table, _mine(Case.table, bot, user))  # with the relays and events of each
        Seats(self.connection, self.clock, self.queue).delete_of_customer(bot, user)
        for column in (Event.who, Relay.author, Group.by):
            self._change(column.table, {column.name: 0}, column.table.c.bot == bot, column == user)
        self._drop(OperatorDuty.table, OperatorDuty.bot == bot, OperatorDuty.user == user)
        own_accounts = select(Account.id).where(Account.bot == bot, Account.user == user)
        theirs = or_(AccountChat.user == user, AccountChat.account.in_(own_accounts))
        for table in (Conversation.table, StoredDelivery.table):
            self._drop(table, table.c.bot == bot, table.c.connection.in_(own_accounts))
        self._drop(AccountChat.table, AccountChat.bot == bot, theirs)
        self._drop(Account.table, Account.bot == bot, Account.user == user)
        self._change(LearnedEntry.table, {"author": 0}, LearnedEntry.bot == bot, LearnedEntry.author == user)
        own = or_(Conversation.address.chat == user, Conversation.address.only == user)
        gone["conversations"] += self._drop(Conversation.table, Conversation.address.bot == bot, own)
        gone["documents"] = self._drop(
            StoredDocument.table, StoredDocument.user == user, _of_bot(StoredDocument.table, bot)
        )
        gone["facts"] = self._drop(Fact.table, Fact.user == user, _of_bot(Fact.table, bot))
        gone["templates"] = self._drop(SavedTemplate.table, SavedTemplate.bot == bot, SavedTemplate.user == user)
        self._drop(TopicSample.table, TopicSample.bot == bot, TopicSample.user == user)
        self._drop(StoredCase.table, _mine(StoredCase.table, bot, user))
        self._drop(StoredResult.table, _mine(StoredResult.table, bot, user))
        mine = (StoredCase.bot == bot, StoredCase.author == user)
        self._change(StoredCase.table, {"author": 0}, *mine)
        gone["files"] = self._drop(Blob.table, _mine(Blob.table, bot, user))
        gone["orders"] = self._drop(Operation.table, _mine(Operation.table, bot, user))
        self._drop(
            StoredDelivery.table,
            StoredDelivery.address.bot == bot,
            or_(StoredDelivery.address.chat == user, StoredDelivery.address.only == user),
        )
        self._drop(StoredButton.table, _mine(StoredButton.table, bot, user))
        self._drop(RouterState.table, _mine(RouterState.table, bot, user))
        self._drop(AwaitedAnswer.table, AwaitedAnswer.bot == bot, AwaitedAnswer.user == user)
        self._forget_inbox(bot, user)
        named = {"user": 0, "turn": ""}
        gone["usage"] = self._change(Expense.table, named, Expense.bot == bot, Expense.user == user)
        self._change(Expense.table, {"chat": 0}, Expense.bot == bot, Expense.chat == user)
        self._change(Asked.table, {"name": ""}, Asked.bot == bot, Asked.subject == user)
        self._drop(KnownUser.table, KnownUser.bot == bot, KnownUser.id == user)
        self._drop(KnownChat.table, KnownChat.bot == bot, KnownChat.id == user)
        self._drop(ChatTopic.table, ChatTopic.bot == bot, ChatTopic.chat == user)
        return gone

    def delete_chat_of_account(self, where: Address) -> None:
        """Delete what was said in a chat of somebody's account, what waits for it, and the drafts for it."""
        chat = (AccountChat.bot == where.bot, AccountChat.account == where.connection)
        self._drop(AccountChat.table, *chat, AccountChat.user == where.chat)
        for table in (Conversation.table, StoredJob.table, StoredDelivery.table):
            self._drop(table, at(table, where))
        self._drop(
            StoredDelivery.table,
            StoredDelivery.address.bot == where.bot,
            StoredDelivery.key.contains(where.key, autoescape=True),
        )
        named = f'"account": "{where.connection}", "customer": {where.chat},'
        self._drop(
            StoredButton.table, StoredButton.bot == where.bot, StoredButton.payload.contains(named, autoescape=True)
        )

    def _forget_in_groups(self, bot: int, user: int) -> int:
        rows = [row for row in self._messages(bot, user) if row["chat"] != user]
        turns = sorted({row["turn"] for row in rows})
        self._unlink(rows)
        for some in _pieces(sorted({row["conversation_id"] for row in rows})):
            # They were made from messages of this person, too; they are made again from those that are left.
            self._drop(Summary.table, Summary.conversation_id.in_(some))
            self._change(Conversation.table, {"title": "", "named_by": ""}, Conversation.id.in_(some))
            others = select(StoredMessage.id).where(StoredMessage.conversation_id.in_(some))
            self._change(Judgement.table, {"prompt": "[]"}, Judgement.message_id.in_(others))
            self._change(StoredMessage.table, {"request": None}, StoredMessage.conversation_id.in_(some))
        for some in _pieces(turns):
            keys = select(StoredDelivery.id, StoredDelivery.key).where(
                StoredDelivery.address.bot == bot, StoredDelivery.address.chat != user
            )
            found = [id_ for id_, key in self.connection.execute(keys) if key.partition(".")[0] in set(some)]
            for ids in _pieces(found):
                self._drop(StoredDelivery.table, StoredDelivery.id.in_(ids))
        return len(rows)

    def _unlink(self, rows: Rows) -> None:
        """Delete messages and attach their replies to the deleted messages' parents. What is left of a conversation is
        not asked as what a server remembers of it, since that has the deleted messages.
        """
        above = {row["id"]: row["parent"] for row in rows}

        def left(id_: int | None) -> int | None:
            while id_ in above:
                id_ = above[id_]
            return id_

        for id_ in above:
            self._change(StoredMessage.table, {"parent": left(id_)}, StoredMessage.parent == id_)
            self._change(Conversation.table, {"head": left(id_)}, Conversation.head == id_)
        for some in _pieces(sorted({row["conversation_id"] for row in rows})):
            here = StoredMessage.conversation_id.in_(some)
            self._change(StoredMessage.table, {"response": None}, here, StoredMessage.response.is_not(None))
        for some in _pieces(sorted(above)):
            self._drop(StoredMessage.table, StoredMessage.id.in_(some))

    def _forget_jobs(self, bot: int, user: int) -> int:
        """Delete the jobs for a person. Returns how many of them were reminders."""
        rows = [row for row in self._jobs(bot, user) if row.kind != SCRUB]
        for some in _pieces([row.id for row in rows]):
            self._drop(StoredJob.table, StoredJob.id.in_(some))
        return sum(row.kind == REMINDER for row in rows)

    def _forget_inbox(self, bot: int, user: int) -> None:
        """Empty dead updates of a person. Those being worked on are emptied when they are done."""
        dead = (StoredUpdate.bot == bot, StoredUpdate.raw != "", StoredUpdate.state == "dead")
        query = select(StoredUpdate.id, StoredUpdate.raw).where(*dead)
        found = [id_ for id_, raw in self.connection.execute(query) if _speaks(raw, user)]
        for some in _pieces(found):
            self._change(StoredUpdate.table, {"raw": "", "once": None}, StoredUpdate.id.in_(some))

    # --- what is kept too long ----------------------------------------------------------------------------------------

    def delete_expired(self, bot: int, before: float, *, private: bool) -> bool:
        """Delete some rows older than `before` (Unix seconds), of private chats or of groups.

        Returns False when there was nothing left to delete.
        """

        def here(table: Table[Any]) -> ColumnElement[bool]:
            return and_(table.c.bot == bot, table.c.chat > 0 if private else table.c.chat < 0)

        def old(table: Table[Any], *more: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
            return (here(table), table.c.at < before, *more)

        fields = (StoredMessage.id, StoredMessage.parent, StoredMessage.conversation_id)
        query = select(*fields).where(*old(StoredMessage.table)).order_by(StoredMessage.id).limit(PIECE)
        rows = self._rows(query)
        self._unlink(rows)
        sent = StoredDelivery.state.in_((DeliveryState.SENT.value, DeliveryState.DEAD.value))
        ended = Operation.state.in_(("done", "failed"))
        empty = Conversation.id.not_in(select(StoredMessage.conversation_id))
        count = (
            len(rows)
            + self._expire(StoredDelivery.table, *old(StoredDelivery.table, sent))
            + self._expire(Blob.table, *old(Blob.table))
        )
        count += self._expire(Operation.table, *old(Operation.table, ended)) + self._expire(Gap.table, *old(Gap.table))
        count += sum(
            self._expire(table, *old(table)) for table in (StoredCase.table, StoredResult.table, RouterState.table)
        )
        ours = select(Conversation.id).where(here(Conversation.table))
        for table in (Summary.table, Fact.table, StoredDocument.table):
            count += self._expire(table, table.c.conversation_id.in_(ours), table.c.at < before)
        return count + self._expire(Conversation.table, *old(Conversation.table, empty)) > 0

    def _expire(self, table: Table[Any], *where: ColumnElement[bool]) -> int:
        return self._drop(table, table.c.id.in_(select(table.c.id).where(*where).order_by(table.c.id).limit(PIECE)))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _messages(self, bot: int, user: int) -> Rows:
        """Return what a person said and was answered, oldest first."""
        paid = select(Expense.turn).where(Expense.bot == bot, Expense.user == user)
        asked = select(StoredMessage.turn).where(StoredMessage.bot == bot, StoredMessage.user == user)
        mine = or_(_mine(StoredMessage.table, bot, user), StoredMessage.turn.in_(paid), StoredMessage.turn.in_(asked))
        fields = [
            column for column in StoredMessage.table.c if column.name != "request"
        ]  # made of the person's other data
        return self._rows(select(*fields).where(StoredMessage.bot == bot, mine).order_by(StoredMessage.id))

    def _jobs(self, bot: int, user: int) -> list[Row[Any]]:
        """Return the jobs of the private chat; in groups those that name the person or do what they ordered."""
        ordered = select(Operation.turn).where(Operation.address.bot == bot, Operation.user == user)
        rows = self.connection.execute(select(StoredJob.table).where(StoredJob.address.bot == bot))
        turns = set(self.connection.scalars(ordered))
        return [row for row in rows if row.chat == user or row.key in turns or _named(row.payload) == user]

    def _rows(self, query: Any) -> Rows:
        return [dict(row._mapping) for row in self.connection.execute(query)]

    def _in(self, table: Table[Any], column: Any, values: Collection[int]) -> Rows:
        pieces = _pieces(sorted(values))
        return [row for some in pieces for row in self._rows(select(table).where(column.in_(some)))]

    def _drop(self, table: Table[Any], *where: ColumnElement[bool]) -> int:
        return self.connection.execute(delete(table).where(*where)).rowcount

    def _change(self, table: Table[Any], values: Mapping[str, Any], *where: ColumnElement[bool]) -> int:
        return self.connection.execute(update(table).where(*where).values(**values)).rowcount


REMINDER = "reminder"
OF_PROGRAM = "own."  # begins the kinds of a programmer's jobs
SCRUB = "scrub"  # the job that cleans the file after somebody was forgotten


def _mine(table: Table[Any], bot: int, user: int) -> ColumnElement[bool]:
    return and_(table.c.bot == bot, or_(table.c.user == user, table.c.chat == user))


def _of_bot(table: Table[Any], bot: int) -> ColumnElement[bool]:
    return and_(table.c.conversation_id.in_(select(Conversation.id).where(Conversation.address.bot == bot)))


def _pieces(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), MANY):
        yield values[first : first + MANY]


def _named(payload: str) -> int:
    found = json.loads(payload).get("user", 0)
    return found if isinstance(found, int) else 0


def _speaks(raw: str, user: int) -> bool:
    """Whether an update that could not be read comes from a person, as far as its JSON shows."""
    return f'"id":{user},' in raw.replace(" ", "") or f'"id":{user}}}' in raw.replace(" ", "")
