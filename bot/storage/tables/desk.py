"""The support desk: cases of customers, the topics in which operators see them, relayed messages, what happened."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.tables.base import Addressed, Id, declare_table

ADDRESS = ("bot", "connection", "chat", "thread", "only")


class CaseColumns(Addressed):
    """A case: an episode of a customer's conversation that begins with a message and ends when the case is closed. The
    columns of the address are the customer's.

    `number` is what people see: each bot counts its cases from 1 on, when people first have them (0: they never had).
    `holder` and `last_holder` are users (0: none). `asked` is when the customer wrote the oldest message that has no
    answer, `answered` when a person answered first, `touched` when either side wrote last. `spent` is how many working
    seconds the customer had waited in this case before `asked`; `told` says which reminders were given
    (`desk/clocks.py`). Times are Unix seconds, 0.0 for none.
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
    number: Named[int] = Column(sa.BigInteger, server_default="0")
    open: Named[int | None] = Column(sa.Integer)  # 1, or NULL once it is closed: an address has one open case


desk_cases = declare_table(
    "desk_cases",
    CaseColumns,
    Index("ix_desk_cases_owner", "bot", "owner"),
    Index("ix_desk_cases_chat", "bot", "chat", "id"),
    Index("ix_desk_cases_number", "bot", "number"),
    sa.UniqueConstraint(*ADDRESS, "open"),
)


class GroupColumns(TypedColumns):
    """A group in which the operators of a team work, connected by the administrator `by`."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    chat: Named[int] = Column(sa.BigInteger, primary_key=True)
    team: Named[str] = Column(sa.String(64))
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


desk_groups = declare_table("desk_groups", GroupColumns)


class OperatorColumns(TypedColumns):
    """The duty of an operator: whether the operator takes cases now (`is_on`, and not before `paused_until`).

    `assigned` is when the operator was offered a case last. The right to answer customers is not here but in `members`.
    Times are Unix seconds, 0.0 for none.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    team: Named[str] = Column(sa.String(64))
    is_on: Named[int] = Column(sa.Integer)
    paused_until: Named[float] = Column(sa.Float)
    assigned: Named[float] = Column(sa.Float)


desk_operators = declare_table("desk_operators", OperatorColumns)


class SeatColumns(Addressed):
    """A seat: the topic `topic` of the chat `place`, in which operators see the customer whose address the row has.

    The chat is a group, or the private chat of one operator; 0 means that nobody sees the customer yet, and that what
    the customer writes waits. A topic that is not made yet, or was deleted, has the negative id of the row as its
    number. `flat`: the chat has no topics, so operators see the customer in the chat itself.
    """

    id: Named[int] = Column(Id, primary_key=True)
    place: Named[int] = Column(sa.BigInteger)
    topic: Named[int] = Column(sa.BigInteger)
    title: Named[str] = Column(sa.String(128))
    flat: Named[int] = Column(sa.Integer, server_default="0")


desk_seats = declare_table(
    "desk_seats",
    SeatColumns,
    sa.UniqueConstraint("bot", "place", "topic"),
    sa.UniqueConstraint(*ADDRESS, "place"),
)


class RelayColumns(TypedColumns):
    """A message of a customer or an operator, relayed once: where it was written (`chat`, `message`) and how it reaches
    the other side.

    `delivery` is the key of the delivery that brings it there, "" for a note, which stays among operators; `part` is
    its place among the messages that this delivery brings together. `side` is who wrote it: customer, operator, or
    note. If the message was translated, `for_team` is its text in the operators' language; the conversation has the
    text in the customer's language.
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


desk_relays = declare_table(
    "desk_relays",
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


desk_events = declare_table(
    "desk_events",
    EventColumns,
    Index("ix_desk_events_case", "case_id"),
    Index("ix_desk_events_at", "bot", "at"),
)


class DraftColumns(TypedColumns):
    """An answer that a model has written for operators, shown by the delivery `key`, and what became of it.

    `question` is the id (`messages`) of the customer's message that it answers, `seen` the time of the newest message
    of the customer that the model had read. `quotes` is JSON. `sent` is the text that the customer got instead,
    `automatic` whether the draft was sent without a decision of a person. `label` is the topic of the question.
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


desk_drafts = declare_table(
    "desk_drafts",
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


desk_automatic = declare_table("desk_automatic", AutomaticColumns)


class AccountColumns(TypedColumns):
    """The accounts in whose chats the bot answers: business connections. `user` is the owner, `place` the owner's chat
    with the bot.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    id: Named[str] = Column(sa.String(128), primary_key=True)
    user: Named[int] = Column(sa.BigInteger)
    place: Named[int] = Column(sa.BigInteger)
    may_reply: Named[int] = Column(sa.Integer)


desk_accounts = declare_table("desk_accounts", AccountColumns)


class AccountChatColumns(TypedColumns):
    """A chat of a connected account with the customer `user`.

    `heard` is when the customer wrote last, `owned` when the owner of the account wrote last (Unix times; 0.0 for
    never, or if it does not count any more). `version` grows with every change. `noticed`: the customer was told that a
    bot answers.
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


desk_account_chats = declare_table("desk_account_chats", AccountChatColumns)
