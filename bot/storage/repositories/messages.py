"""Conversations and their messages: a tree for each, of which the branch that ends in `head` is shown.

An edited question and a regenerated answer are versions of one place in the chat: `versions` lists the answers in it,
`show` moves the head to the branch of another one. `path` is a branch as the model reads it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, func, insert, literal, or_, select, update

from bot.ai import Source
from bot.storage.engines.dialects import connector
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.files.blobs import Blobs
from bot.storage.repositories.mapping import (
    Repository,
    at,
    columns,
    dump_parts,
    here,
    load_parts,
    load_request,
    made,
    spot,
)  # fmt: skip
from bot.storage.tables.history import Conversation, Judgement, StoredMessage
from bot.storage.tables.people import KnownUser
from bot.types import Address, Image, Part, Role, Text
from bot.types import Message as Said

CURRENT = Prepared(
    select(Conversation.id, Conversation.head)
    .where(here(Conversation.table))
    .order_by(Conversation.chosen.desc(), Conversation.id.desc())
    .limit(1)
)
HEAD = Prepared(select(Conversation.head).where(Conversation.id == bindparam("conversation")))
FIELDS = StoredMessage.table.c[
    "id",
    "conversation_id",
    "turn",
    "role",
    "parts",
    "ending",
    "parent",
    "place",
    "model",
    "sources",
    "user",
    "persona",
    "response",
]
ADD = Prepared(lambda insert: insert(StoredMessage.table).on_conflict_do_nothing().returning(StoredMessage.id))
MOVE_HEAD = Prepared(
    update(Conversation.table).where(Conversation.id == bindparam("conversation")).values(head=bindparam("tip"))
)
FOUND = Prepared(
    select(StoredMessage.id).where(
        StoredMessage.conversation_id == bindparam("conversation"),
        StoredMessage.turn == bindparam("t"),
        StoredMessage.role == bindparam("r"),
    )
)
LATER = 0.001  # seconds
OPEN = "open"  # the ending of a question without an answer, below which a button asks the model
QUESTION, ANSWER = StoredMessage.table.alias(), StoredMessage.table.alias()


def _walk() -> Any:
    """From a message up to the root of its tree, at most `most` steps."""
    walk = (
        select(StoredMessage.id, StoredMessage.parent, literal(1).label("steps"))
        .where(StoredMessage.id == bindparam("tip"))
        .cte("walk", recursive=True)
    )
    up = select(StoredMessage.id, StoredMessage.parent, walk.c.steps + 1).join(walk, StoredMessage.id == walk.c.parent)
    return walk.union_all(up.where(walk.c.steps < bindparam("most")))


WALK = _walk()
PATH = Prepared(
    select(*FIELDS, KnownUser.name)
    .join(WALK, StoredMessage.id == WALK.c.id)
    .join(KnownUser.table, (KnownUser.bot == StoredMessage.bot) & (KnownUser.id == StoredMessage.user), isouter=True)
    .order_by(WALK.c.steps.desc())
)
GET = Prepared(select(*FIELDS).where(StoredMessage.id == bindparam("message")))
SAME_PLACE = and_(
    bindparam("place", type_=BigInteger) != 0,
    QUESTION.c.place == bindparam("place", type_=BigInteger),
    QUESTION.c.parent.is_not_distinct_from(bindparam("p", type_=BigInteger)),
)
ANSWERS = Prepared(
    select(ANSWER.c.id)
    .join(QUESTION, ANSWER.c.parent == QUESTION.c.id)
    .where(QUESTION.c.conversation_id == bindparam("conversation"), QUESTION.c.role == "user")
    .where(or_(QUESTION.c.id == bindparam("q"), SAME_PLACE))
    .where(ANSWER.c.conversation_id == bindparam("conversation"), ANSWER.c.role == "assistant")
    .order_by(ANSWER.c.id)
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A stored message. `ending` is how an answer ended (stop, length, stopped, cut), or `OPEN` for a question.

    `place` is the transport's id of a question, `speaker` the name of the user who asked it. `persona` and `response`
    are those of an answer (see `tables.history`).
    """

    id: int
    conversation: int
    turn: str
    message: Said
    ending: str = ""
    parent: int | None = None
    place: int = 0
    model: str = ""
    sources: tuple[Source, ...] = ()
    speaker: str = ""
    user: int = 0
    persona: str = ""
    response: str | None = None

    @property
    def text(self) -> str:
        """All text of the message."""
        return self.message.text

    @property
    def words(self) -> str:
        """The text that the user typed: the first part. Notes about files that came with it are later parts."""
        first = self.message.parts[0] if self.message.parts else None
        return first.text if isinstance(first, Text) else ""


class Messages(Repository):
    """Conversations as trees of messages, and the branch of each that is shown."""

    # --- conversations ------------------------------------------------------------------------------------------------

    def find_current_conversation(self, address: Address) -> int | None:
        """Return the id of the current conversation at an address, None if there is none."""
        found: int | None = self.execute(CURRENT, spot(address)).scalar()
        return found

    def current_conversation(self, address: Address) -> int:
        """Return the id of the current conversation at an address; begin one if there is none."""
        return self.current_tip(address)[0]

    def current_tip(self, address: Address) -> tuple[int, int]:
        """Return the ids of an address's current conversation, begun if need be, and its head (0: no message)."""
        row = self.execute(CURRENT, spot(address)).one_or_none()
        return (row.id, row.head or 0) if row is not None else (self.begin_conversation(address), 0)

    def begin_conversation(self, address: Address) -> int:
        """Begin a conversation at an address and return its id. Its prompts contain nothing of older ones."""
        row = {**columns(address), "at": self.clock.time(), "chosen": self.next_chosen_time(address)}
        return int(self.connection.execute(insert(Conversation.table).returning(Conversation.id), row).scalar_one())

    def next_chosen_time(self, address: Address) -> float:
        """Return a time for `chosen` that is later than all others at an address, whatever the clock says."""
        query = select(func.max(Conversation.chosen)).where(at(Conversation.table, address))
        return max(self.clock.time(), (self.connection.scalar(query) or 0.0) + LATER)

    def find_head(self, conversation: int) -> int | None:
        """Return the id of the last message of the shown branch, None if there is none."""
        found: int | None = self.execute(HEAD, {"conversation": conversation}).scalar()
        return found

    # --- what is said -------------------------------------------------------------------------------------------------

    def add_message(
        self, conversation: int, address: Address, turn: str, role: Role, parts: tuple[Part, ...],
        *, parent: int | None = None, ending: str = "", user: int = 0, place: int = 0, model: str = "",
        sources: Sequence[Source] = (), request: bytes | None = None, persona: str = "", response: str | None = None,
    ) -> Remembered:  # fmt: skip
        """Add a message after `parent` (None: after the head; 0: as a root) and make it the head.

        `request` is what a model was asked for an answer (`dump_request`), `persona` the label of the persona that
        wrote it, `response` its id at the model's server. Images are stored as blobs.
        A second message with this turn and role is not added: the first one is returned.
        """
        if any(isinstance(part, Image) for part in parts) and not self._is_there(conversation, turn, role):
            parts = Blobs(self.connection, self.clock, self.queue).store_images(address, user, parts)
        before = self.find_head(conversation) if parent is None else parent or None
        row = {
            "conversation_id": conversation, "bot": address.bot, "chat": address.chat, "turn": turn, "role": role,
            "parts": dump_parts(parts), "ending": ending, "at": self.clock.time(), "user": user, "place": place,
            "parent": before, "model": model, "request": request, "persona": persona,
            "sources": _sources(sources), "response": response,
        }  # fmt: skip
        added = self.execute(ADD, row).scalar()
        if added is None:
            said = self._there(conversation, turn, role)
        else:
            said = Remembered(
                id=added, conversation=conversation, turn=turn, message=Said(role, parts), ending=ending, parent=before,
                place=place, model=model, sources=tuple(sources), user=user, persona=persona, response=response,
            )  # fmt: skip
        self.move_head(conversation, said.id)
        return said

    def _there(self, conversation: int, turn: str, role: Role) -> Remembered:
        id_ = self.execute(FOUND, {"conversation": conversation, "t": turn, "r": role}).one()[0]
        return _remembered(self.execute(GET, {"message": id_}).one())

    def _is_there(self, conversation: int, turn: str, role: Role) -> bool:
        return self.execute(FOUND, {"conversation": conversation, "t": turn, "r": role}).scalar() is not None

    def move_head(self, conversation: int, tip: int | None) -> None:
        """Make a message the head of a conversation, which the next message follows; None: no message."""
        self.execute(MOVE_HEAD, {"conversation": conversation, "tip": tip})

    def extend_answer(self, answer: Remembered, parts: tuple[Part, ...], request: bytes | None) -> None:
        """Store a continued answer with these parts, its ending, its sources and its response, and make it the head of
        its conversation.
        """
        values = {
            "parts": dump_parts(parts), "ending": answer.ending, "request": request,
            "sources": _sources(answer.sources), "response": answer.response,
        }  # fmt: skip
        change = update(StoredMessage.table).where(StoredMessage.id == answer.id).values(**values)
        self.move_head(self.connection.execute(change.returning(StoredMessage.conversation_id)).scalar_one(), answer.id)

    def replace_text(self, message: int, text: str) -> None:
        """Store a message as if it had said only this text."""
        parts = dump_parts((Text(text),))
        self.connection.execute(update(StoredMessage.table).where(StoredMessage.id == message).values(parts=parts))
        self._forget_responses(message)

    def set_ending(self, message: int, ending: str) -> None:
        """Mark a question as `OPEN` (unanswered), which keeps it out of later prompts; "" removes the mark."""
        self.connection.execute(update(StoredMessage.table).where(StoredMessage.id == message).values(ending=ending))

    def insert_answer(self, answer: Remembered) -> None:
        """Put an answer that came late between its question and the messages that followed this question meanwhile."""
        followed = (StoredMessage.parent == answer.parent, StoredMessage.role == "user")
        self.connection.execute(update(StoredMessage.table).where(*followed).values(parent=answer.id))
        self._forget_responses(answer.parent)

    def _forget_responses(self, message: int | None) -> None:
        """Drop the responses of a message and of all later ones: the server remembers what was before the change."""
        here = select(StoredMessage.conversation_id).where(StoredMessage.id == message).scalar_subquery()
        those = (
            StoredMessage.conversation_id == here,
            StoredMessage.id >= message,
            StoredMessage.response.is_not(None),
        )
        self.connection.execute(update(StoredMessage.table).where(*those).values(response=None))

    def find_request(self, message: int) -> dict[str, Any] | None:
        """Return what the model was asked for an answer, as JSON; None if that is not known."""
        request = self.connection.scalar(select(StoredMessage.request).where(StoredMessage.id == message))
        return load_request(request, self._find_parts) if request is not None else None

    def _find_parts(self, ids: set[int]) -> dict[int, tuple[Part, ...]]:
        rows = self.connection.execute(select(StoredMessage.id, StoredMessage.parts).where(StoredMessage.id.in_(ids)))
        return {id_: load_parts(parts) for id_, parts in rows}

    # --- branches -----------------------------------------------------------------------------------------------------

    def list_newest(self, conversation: int, most: int) -> Sequence[Remembered]:
        """Return the newest `most` messages of the shown branch, oldest first."""
        tip = self.find_head(conversation)
        return self.list_branch(tip, most) if tip is not None else []

    def list_branch(self, tip: int, most: int) -> Sequence[Remembered]:
        """Return the newest `most` messages of the branch that ends in `tip`, oldest first."""
        rows: Iterable[Any] = self.execute(PATH, {"tip": tip, "most": most})
        return [_remembered(row, row.name or "") for row in rows]

    def list_since(self, address: Address, at_least: float, most: int) -> Sequence[tuple[Remembered, float]]:
        """Return the newest `most` messages of all branches at an address from this moment on, each with its moment,
        oldest first.
        """
        ids = select(Conversation.id).where(at(Conversation.table, address))
        query = select(*FIELDS, StoredMessage.at).where(
            StoredMessage.conversation_id.in_(ids), StoredMessage.at >= at_least
        )
        rows = self.connection.execute(query.order_by(StoredMessage.id.desc()).limit(most)).all()
        return [(_remembered(row), row.at) for row in reversed(rows)]

    def find_message(self, message: int) -> Remembered | None:
        """Return a message by its id, None if there is none."""
        return self._find(_remembered, GET, {"message": message})

    def find_of_turn(self, address: Address, turn: str, role: Role) -> Remembered | None:
        """Return the newest message with this turn and role in the conversations of an address."""
        return self._newest((at(Conversation.table, address),), StoredMessage.turn == turn, StoredMessage.role == role)

    def find_in_chat(self, where: Address, turn: str, role: Role) -> Remembered | None:
        """Return the newest message with this turn and role in the conversations of a chat and its topics."""
        chat = (Conversation.address.bot == where.bot, Conversation.address.chat == where.chat)
        return self._newest(chat, StoredMessage.turn == turn, StoredMessage.role == role)

    def find_question_at(self, address: Address, place: int) -> Remembered | None:
        """Return the newest version of the question in the chat message with the id `place`; None if there is none."""
        here = (StoredMessage.bot == address.bot, StoredMessage.chat == address.chat, StoredMessage.place == place)
        return self._newest((at(Conversation.table, address),), *here, StoredMessage.role == "user") if place else None

    def find_at(self, address: Address, place: int) -> Remembered | None:
        """Return the newest question or answer in the chat message with the id `place`; None if there is none."""
        here = (StoredMessage.bot == address.bot, StoredMessage.chat == address.chat, StoredMessage.place == place)
        return self._newest((at(Conversation.table, address),), *here) if place else None

    def highest_place(self, where: Address) -> int:
        """Return the highest id of a message in the chats of an account, 0 for none."""
        mine = (Conversation.address.bot == where.bot, Conversation.address.connection == where.connection)
        ids = select(Conversation.id).where(*mine)
        return (
            self.connection.scalar(select(func.max(StoredMessage.place)).where(StoredMessage.conversation_id.in_(ids)))
            or 0
        )

    def list_versions(self, answer: Remembered) -> Sequence[int]:
        """Return the ids of all versions of an answer, to its question or to edits of it, oldest first."""
        question = self.find_message(answer.parent) if answer.parent is not None else None
        if question is None or question.message.role != "user":
            return [answer.id]
        return self.list_answers(question)

    def list_answers(self, question: Remembered) -> Sequence[int]:
        """Return the ids of the answers to a question and to its other versions, oldest first."""
        values = {
            "conversation": question.conversation, "q": question.id, "p": question.parent, "place": question.place,
        }  # fmt: skip
        return self.execute(ANSWERS, values).scalars()

    def show_branch(self, message: Remembered) -> None:
        """Show the branch that leads through a message, down to the newest message after it."""
        tip = message.id
        newer = select(StoredMessage.id).where(
            StoredMessage.conversation_id == message.conversation, StoredMessage.parent == bindparam("p")
        )
        while (
            child := self.connection.scalar(newer.order_by(StoredMessage.id.desc()).limit(1), {"p": tip})
        ) is not None:
            tip = child
        self.move_head(message.conversation, tip)

    def _newest(self, those: Iterable[ColumnElement[bool]], *what: Any) -> Remembered | None:
        ids = select(Conversation.id).where(*those)
        query = select(*FIELDS).where(StoredMessage.conversation_id.in_(ids), *what)
        return self._find(_remembered, query.order_by(StoredMessage.id.desc()).limit(1))


def _remembered(row: Any, speaker: str = "") -> Remembered:
    return made(
        Remembered, row, conversation=row.conversation_id, message=Said(row.role, load_parts(row.parts)),
        sources=tuple(Source(**source) for source in json.loads(row.sources)), speaker=speaker,
    )  # fmt: skip


def _sources(sources: Sequence[Source]) -> str:
    return json.dumps([asdict(source) for source in sources], ensure_ascii=False)


def export_judgements(url: str, bots: Collection[int]) -> Iterator[dict[str, Any]]:
    """Read all judgements of these bots, oldest first, while they may be running."""
    query = (
        select(Judgement.table, *StoredMessage.table.c["parts", "sources", "turn", "conversation_id", "persona"])
        .join(StoredMessage.table, StoredMessage.id == Judgement.message_id)
        .where(Judgement.bot.in_(bots))
        .order_by(Judgement.id)
    )
    with connector(url, writer=False).connect() as connection:
        for row in connection.execute(query):
            text = "\n".join(part.text for part in load_parts(row.parts) if hasattr(part, "text"))
            asked = json.loads(row.prompt)
            request = asked if isinstance(asked, dict) else {"messages": asked}  # earlier versions stored a list
            same = {name: getattr(row, name) for name in ("value", "sign", "model", "persona", "bot", "chat", "user")}
            yield {
                "at": datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"),
                **same,
                "turn": row.turn,
                "conversation": row.conversation_id,
                "prompt": request.pop("messages", []),
                "request": request,
                "answer": text,
                "sources": json.loads(row.sources),
            }
