"""The support desk: cases of customers, the topics in which operators see them, relayed messages, what happened."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, Table, TypedColumns

from bot.storage.tables.base import METADATA, Addressed, Id

ADDRESS = ("bot", "connection", "chat", "thread", "only")


class CaseColumns(Addressed):
    """An episode of a customer's conversation, whose columns of an address it has. The numbers that people see are ids.

    `holder` and `last_holder` are users (0: none). `asked` is the time of the customer's oldest message that waits for
    an answer, `answered` that of the first answer of a person, `touched` that of the newest message of either side.
    `spent` are the working seconds that customers have waited for the desk in this case before `asked`, `told` which
    reminders were given (`desk/clocks.py`). Times are Unix seconds, 0.0 for none.
    """

    id: Named[int] = Column(Id, primary_key=True)
    user: Named[int] = Column(sa.BigInteger)
    name: Named[str] = Column(sa.String(256))
    language: Named[str] = Column(sa.String(16))
    owner: Named[str] = Column(sa.String(8))  # bot, waiting, held, snoozed, closed
    holder: Named[int] = Column(sa.BigInteger)
    last_holder: Named[int] = Column(sa.BigInteger)
    version: Named[int] = Column(sa.BigInteger)
    team: Named[str] = Column(sa.String(64))
    reason: Named[str] = Column(sa.String(32))
    opened: Named[float] = Column(sa.Float)
    waiting_since: Named[float] = Column(sa.Float)
    snoozed_until: Named[float] = Column(sa.Float)
    closed: Named[float] = Column(sa.Float)
    rating: Named[int] = Column(sa.Integer, server_default="0")  # stars, 0 for none
    comment: Named[str] = Column(sa.Text, server_default="")
    priority: Named[int] = Column(sa.Integer, server_default="0")  # -1 low, 0 normal, 1 high
    tags: Named[str] = Column(sa.String(200), server_default="")  # words with a space between them
    summary: Named[str] = Column(sa.Text, server_default="")  # of the conversation before the hand-over
    lines: Named[str] = Column(sa.Text, server_default="")  # what a programmer's functions know of the customer
    asked: Named[float] = Column(sa.Float, server_default="0")
    answered: Named[float] = Column(sa.Float, server_default="0")
    touched: Named[float] = Column(sa.Float, server_default="0")
    spent: Named[float] = Column(sa.Float, server_default="0")
    told: Named[int] = Column(sa.Integer, server_default="0")
    drafts: Named[str] = Column(sa.String(8), server_default="")  # when drafts are written; "": as its team has it
    translate: Named[str] = Column(sa.String(16), server_default="")  # on, off or the operators' language; "": as above
    open: Named[int | None] = Column(sa.Integer)  # 1, or NULL once it is closed: an address has one open case


desk_cases = Table(
    "desk_cases",
    METADATA,
    CaseColumns,
    Index("ix_desk_cases_owner", "bot", "owner"),
    Index("ix_desk_cases_chat", "bot", "chat", "id"),
    sa.UniqueConstraint(*ADDRESS, "open"),
)


class GroupColumns(TypedColumns):
    """A group in which the operators of a team work, connected by the administrator `by`."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    chat: Named[int] = Column(sa.BigInteger, primary_key=True)
    team: Named[str] = Column(sa.String(64))
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


desk_groups = Table("desk_groups", METADATA, GroupColumns)


class OperatorColumns(TypedColumns):
    """Whether an operator takes cases now (`is_on`, and not before `paused_until`), and when the newest one was offered
    to the operator (`assigned`). Rights stand in `members`. Times are Unix seconds, 0.0 for none.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    team: Named[str] = Column(sa.String(64))
    is_on: Named[int] = Column(sa.Integer)
    paused_until: Named[float] = Column(sa.Float)
    assigned: Named[float] = Column(sa.Float)


desk_operators = Table("desk_operators", METADATA, OperatorColumns)


class SeatColumns(Addressed):
    """The topic `topic` of the chat `place`, in which operators see the customer whose address the row has. The chat is
    a group, or the private chat of an operator who has a seat of the own; 0: nobody sees the customer yet, and what is
    written waits.

    A topic that is not made yet, or was deleted, has the negative id of the row as its number. `flat`: the chat has no
    topics, so the customer is seen in the chat itself.
    """

    id: Named[int] = Column(Id, primary_key=True)
    place: Named[int] = Column(sa.BigInteger)
    topic: Named[int] = Column(sa.BigInteger)
    title: Named[str] = Column(sa.String(128))
    flat: Named[int] = Column(sa.Integer, server_default="0")


desk_seats = Table(
    "desk_seats",
    METADATA,
    SeatColumns,
    sa.UniqueConstraint("bot", "place", "topic"),
    sa.UniqueConstraint(*ADDRESS, "place"),
)


class RelayColumns(TypedColumns):
    """A message of a customer or an operator: where it was written (`chat`, `message`), and the key of the delivery
    that brings it to the other side; "" for a note, which stays where it is.

    `side` is who wrote it: customer, operator, or note. One message is relayed once. `part` is its place among the
    texts that one delivery brings together. `for_team` are the words in the operators' language, where the message was
    translated; the conversation has them in the customer's.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    case_id: Named[int] = Column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    side: Named[str] = Column(sa.String(8))
    chat: Named[int] = Column(sa.BigInteger)
    message: Named[int] = Column(sa.BigInteger)
    delivery: Named[str] = Column(sa.String(80))
    part: Named[int] = Column(sa.Integer, server_default="0")
    author: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)
    for_team: Named[str] = Column(sa.Text, server_default="")


desk_relays = Table(
    "desk_relays",
    METADATA,
    RelayColumns,
    sa.UniqueConstraint("bot", "chat", "message"),
    Index("ix_desk_relays_delivery", "bot", "delivery"),
    Index("ix_desk_relays_case", "case_id"),
)


class EventColumns(TypedColumns):
    """What happened to a case. Rows are only added; the desk's figures are computed from them.

    `who` is a user, 0 for the bot; `detail` is a word that belongs to the event: a reason, a team, a tag.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    case_id: Named[int] = Column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    who: Named[int] = Column(sa.BigInteger)
    what: Named[str] = Column(sa.String(16))
    detail: Named[str] = Column(sa.String(200))
    at: Named[float] = Column(sa.Float)


desk_events = Table(
    "desk_events",
    METADATA,
    EventColumns,
    Index("ix_desk_events_case", "case_id"),
    Index("ix_desk_events_at", "bot", "at"),
)


class DraftColumns(TypedColumns):
    """An answer that a model has written for operators, as the delivery `key` shows it, and what became of it.

    `question` is the customer's message that it answers (an id of `messages`), `seen` the time of the newest message of
    the customer that it knows. `quotes` are JSON; `sent` is what the customer got in its place, `automatic` whether no
    person has decided on it. `label` is the topic of the question.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    case_id: Named[int] = Column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    key: Named[str] = Column(sa.String(80))
    question: Named[int] = Column(Id)
    seen: Named[float] = Column(sa.Float)
    text: Named[str] = Column(sa.Text)
    quotes: Named[str] = Column(sa.Text)
    label: Named[str] = Column(sa.String(64))
    model: Named[str] = Column(sa.String(64))
    state: Named[str] = Column(sa.String(8))  # offered, sent, edited, dropped
    sent: Named[str] = Column(sa.Text)
    automatic: Named[int] = Column(sa.Integer)
    at: Named[float] = Column(sa.Float)


desk_drafts = Table(
    "desk_drafts",
    METADATA,
    DraftColumns,
    sa.UniqueConstraint("bot", "key"),
    Index("ix_desk_drafts_case", "case_id"),
    Index("ix_desk_drafts_label", "bot", "label", "id"),
)


class AutomaticColumns(TypedColumns):
    """A topic whose drafts may be sent without a person (`state` on), or for which an administrator was asked."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    label: Named[str] = Column(sa.String(64), primary_key=True)
    state: Named[str] = Column(sa.String(8))  # asked, on


desk_automatic = Table("desk_automatic", METADATA, AutomaticColumns)


class AccountColumns(TypedColumns):
    """The accounts in whose chats the bot answers: business connections. `user` is the owner, `place` the owner's chat
    with the bot.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    id: Named[str] = Column(sa.String(128), primary_key=True)
    user: Named[int] = Column(sa.BigInteger)
    place: Named[int] = Column(sa.BigInteger)
    may_reply: Named[int] = Column(sa.Integer)


desk_accounts = Table("desk_accounts", METADATA, AccountColumns)


class AccountChatColumns(TypedColumns):
    """The chats of accounts. `user` is the customer, `heard` when the customer has last written, `owned` when the owner
    has last written (Unix times, 0.0 for never or no more). `version` grows with every change. `noticed`: the customer
    has been told that a bot answers.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    account: Named[str] = Column(sa.String(128), primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    name: Named[str] = Column(sa.String(256))
    language: Named[str] = Column(sa.String(16))
    version: Named[int] = Column(sa.Integer)
    heard: Named[float] = Column(sa.Float)
    owned: Named[float] = Column(sa.Float)
    noticed: Named[int] = Column(sa.Integer)


desk_account_chats = Table("desk_account_chats", METADATA, AccountChatColumns)
