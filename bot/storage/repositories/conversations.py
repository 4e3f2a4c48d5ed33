"""The list of conversations at an address, which one goes on, and the facts and the summary that each has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, or_, select, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, address, at, load_parts, made, spot
from bot.storage.repositories.messages import CURRENT, Messages
from bot.storage.tables.history import (
    NEWEST_SUMMARY,
    SUMMARIES,
    Conversation,
    Fact,
    StoredDocument,
    StoredMessage,
    Summary,
)
from bot.types import Address, Text

LONGEST_TITLE = 128
SOME = 500  # messages that are read at a time in a search
FIRST_WORDS = 40  # characters of the first question that are the title of a conversation without a name
BESIDE = Prepared(
    select(
        or_(
            *(
                exists().where(table.c.conversation_id == bindparam("conversation"))
                for table in (Fact.table, Summary.table)
            )
        ),
        exists().where(StoredDocument.conversation_id == bindparam("conversation")),
    )
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation as a list shows it. `named_by` says who gave the title: "model" or "user"; "" if the title is the
    beginning of the first question.
    """

    id: int
    title: str
    named_by: str
    is_pinned: bool
    is_archived: bool
    at: float
    thread: int = 0


@dataclass(frozen=True, slots=True)
class Beside:
    """What a conversation has besides messages: `memory` (pinned facts or a summary), documents. Most have neither."""

    memory: bool
    documents: bool


class Conversations(Repository):
    """The conversations at an address as /chats lists them: titles, pins, the archive, and which one is current."""

    def find_extras(self, conversation: int) -> Beside:
        """Return whether a conversation has pinned facts or a summary, and whether it has documents."""
        return Beside(*self.execute(BESIDE, {"conversation": conversation}).one())

    def list_conversations(self, where: Address, words: str = "", *, archived: bool = False) -> Sequence[Listed]:
        """Return the conversations that have messages, pinned ones first, then the newest first.

        Outside of all topics (thread 0) they include those of the topics, since a topic may have been deleted.
        `words`: only those that have this text in the title or in a message, in upper or lower case.
        """
        query = (
            select(*FIELDS)
            .where(_within(where), Conversation.head.is_not(None), Conversation.is_archived == archived)
            .order_by(Conversation.is_pinned.desc(), Conversation.chosen.desc(), Conversation.id.desc())
        )
        rows: Iterable[Any] = self.connection.execute(query)
        if words:
            sought = _folded(words)
            said = self._said(where, sought, archived=archived)
            rows = [row for row in rows if row.id in said or sought in _folded(row.title)]
        return [_listed(row) for row in rows]

    def _said(self, where: Address, sought: str, *, archived: bool) -> set[int]:
        """Return the conversations with a message that contains `sought`, which is folded.

        The texts are compared here: SQLite folds the letters A to Z only, and PostgreSQL those of its locale.
        """
        query = (
            select(StoredMessage.conversation_id, StoredMessage.parts)
            .join(Conversation.table, Conversation.id == StoredMessage.conversation_id)
            .where(_within(where), Conversation.is_archived == archived)
        )
        found: set[int] = set()
        for id_, parts in self.connection.execute(query, execution_options={"yield_per": SOME}):
            if id_ not in found and sought in _folded(_words(parts)):
                found.add(id_)
        return found

    def find_conversation(self, where: Address, id_: int) -> Listed | None:
        """Return a conversation of an address, or of a topic if the address names none, by its id; else None."""
        query = select(*FIELDS).where(_within(where), Conversation.id == id_)
        return self._find(_listed, query)

    def find_current(self, where: Address) -> Listed | None:
        """Return the current conversation at an address, which the next message continues; None if there is none."""
        id_ = self.execute(CURRENT, spot(where)).scalar()
        return self.find_conversation(where, id_) if id_ is not None else None

    def find_address(self, id_: int) -> Address | None:
        """Return the address of a conversation, None if there is no such conversation."""
        return self._find(address, select(Conversation.table).where(Conversation.id == id_))

    def make_current(self, where: Address, id_: int) -> None:
        """Make a conversation the current one at an address, and take it out of the archive.

        A conversation of a topic is moved there.
        """
        latest = Messages(self.connection, self.clock, self.queue).next_chosen_time(where)
        self._set(id_, chosen=latest, is_archived=False, thread=where.thread)

    def set_title(self, id_: int, title: str, by: str) -> None:
        """Give a conversation a title. `by` is user or model; a model does not change a title that a user gave."""
        keeps = (Conversation.named_by == "user") & (by == "model")
        values = {"title": case((keeps, Conversation.title), else_=title[:LONGEST_TITLE]), "named_by": by}
        if by == "model":
            values["named_by"] = case((keeps, Conversation.named_by), else_=by)
        self._set(id_, **values)

    def set_pinned(self, id_: int, *, pinned: bool) -> None:
        """Pin a conversation to the top of the list, or unpin it."""
        self._set(id_, is_pinned=pinned)

    def set_archived(self, id_: int, *, archived: bool) -> None:
        """Archive a conversation, so that the next message begins another one; or take it out of the archive."""
        self._set(id_, is_archived=archived, chosen=0.0)

    def _set(self, id_: int, **values: Any) -> None:
        self.connection.execute(update(Conversation.table).where(Conversation.id == id_).values(**values))


FIRST = (
    select(StoredMessage.parts)
    .where(StoredMessage.conversation_id == Conversation.id, StoredMessage.role == "user")
    .order_by(StoredMessage.id)
    .limit(1)
    .scalar_subquery()
)
FIELDS = (
    *Conversation.table.c["id", "title", "named_by", "is_pinned", "is_archived", "chosen", "thread"],
    FIRST.label("first"),
)


def _listed(row: Any) -> Listed:
    return made(Listed, row, title=row.title or _beginning(row.first), at=row.chosen)


def _within(where: Address) -> ColumnElement[bool]:
    """The condition that a conversation belongs to an address; outside of all topics those of the topics do, too."""
    if where.thread:
        return at(Conversation.table, where)
    return and_(
        Conversation.address.bot == where.bot,
        Conversation.address.chat == where.chat,
        Conversation.address.connection == where.connection,
        Conversation.address.only == where.visible_to,
    )


def _beginning(parts: str | None) -> str:
    words = " ".join(part.text for part in load_parts(parts or "[]") if isinstance(part, Text)).split()
    text = " ".join(words)
    return text if len(text) <= FIRST_WORDS else text[: FIRST_WORDS - 1] + "…"


def _words(parts: str) -> str:
    return "\n".join(str(part.get("text", "")) for part in json.loads(parts))


def _folded(text: str) -> str:
    """The text without the difference between upper and lower case, in any alphabet."""
    return text.casefold().replace("ё", "е")


class Memory(Repository):
    """Facts that were pinned to a conversation, and the versions of its summary."""

    def add_summary(self, conversation: int, text: str, upto: int, author: str) -> None:
        """Add a version of the summary; older ones stay."""
        last = self.one(NEWEST_SUMMARY, conversation_id=conversation)
        version = last.version + 1 if last is not None else 1
        self.add(
            Summary(
                conversation_id=conversation,
                version=version,
                text=text,
                upto=upto,
                author=author,
                at=self.clock.time(),
            )
        )

    def list_summaries(self, conversation: int) -> Sequence[Summary]:
        """Return the versions of the summary, oldest first, each once: a version that was shown again is no new one."""
        found: dict[tuple[str, int, str], Summary] = {}
        for one in self.all(SUMMARIES, conversation_id=conversation):
            found.setdefault((one.text, one.upto, one.author), one)
        return list(found.values())

    def place_of_summary(self, conversation: int) -> tuple[int, int]:
        """Return which version of the summary counts, from 1, and how many there are; (0, 0) without a summary."""
        versions, newest = self.list_summaries(conversation), self.one(NEWEST_SUMMARY, conversation_id=conversation)
        places = [place for place, one in enumerate(versions, 1) if newest is not None and _is_same(one, newest)]
        return (places[0], len(versions)) if places else (0, 0)

    def step_summary(self, conversation: int, step: int) -> None:
        """Make the next older (`step` -1) or newer (1) version of the summary the valid one, if there is one."""
        (place, count), versions = self.place_of_summary(conversation), self.list_summaries(conversation)
        if 1 <= place + step <= count:
            one = versions[place + step - 1]
            self.add_summary(conversation, one.text, one.upto, one.author)


def _is_same(one: Summary, other: Summary) -> bool:
    return (one.text, one.upto, one.author) == (other.text, other.upto, other.author)
