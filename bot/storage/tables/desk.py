"""The support desk: cases of customers, the topics in which operators see them, relayed messages, what happened.

Times are Unix seconds, 0.0 for none; users are ids, 0 for none.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Index

from bot.storage.rows import AddressCol, Col, Query, Row, address_columns, column
from bot.storage.schema import Id
from bot.types import Address

ADDRESS = ("bot", "connection", "chat", "thread", "only")
BOT, WAITING, HELD, SNOOZED, CLOSED = "bot", "waiting", "held", "snoozed", "closed"  # the owners of a case
CUSTOMER, OPERATOR, NOTE = "customer", "operator", "note"  # who wrote a relayed message
OFFERED, SENT, EDITED, DROPPED = "offered", "sent", "edited", "dropped"  # the states of a draft
ASKED, ON = "asked", "on"  # of a topic: an administrator was asked; its drafts are sent without a person
NOWHERE = 0  # the place of a seat in which a message waits until an operator takes the case


class Case(
    Row,
    table="desk_cases",
    having=(
        Index("ix_desk_cases_owner", "bot", "owner"),
        Index("ix_desk_cases_chat", "bot", "chat", "id"),
        Index("ix_desk_cases_number", "bot", "number"),
        sa.UniqueConstraint(*ADDRESS, "open"),
    ),
):
    """A case: an episode of a customer's conversation that begins with a message and ends when the case is closed.

    It belongs to the bot, or to people once a person was called. The address is the customer's. `spent` is how many
    working seconds the customer had waited in this case before `asked`.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    user: Col[int]
    name: Col[str] = column(sa.String(256))
    language: Col[str] = column(sa.String(16))
    owner: Col[str] = column(sa.String(8), default=BOT)
    holder: Col[int] = column(default=0)
    last_holder: Col[int] = column(default=0)  # who held it last: the next message after the close goes there
    version: Col[int] = column(default=1)
    team: Col[str] = column(sa.String(64), default="")
    reason: Col[str] = column(sa.String(32), default="")  # why a person was asked for: a key of `desk.reason.*`
    opened: Col[float] = column(default=0.0)
    waiting_since: Col[float] = column(default=0.0)
    snoozed_until: Col[float] = column(default=0.0)
    closed: Col[float] = column(default=0.0)
    rating: Col[int] = column(sa.Integer, default=0, is_younger=True)  # stars, 0 for none
    comment: Col[str] = column(default="", is_younger=True)
    priority: Col[int] = column(sa.Integer, default=0, is_younger=True)  # -1 low, 0 normal, 1 high
    tags: Col[str] = column(sa.String(200), default="", is_younger=True)  # words with a space between them
    summary: Col[str] = column(default="", is_younger=True)  # of the conversation before the hand-over
    lines: Col[str] = column(default="", is_younger=True)  # what a programmer's functions know of the customer
    asked: Col[float] = column(default=0.0, is_younger=True)  # the customer's oldest message that waits for an answer
    answered: Col[float] = column(default=0.0, is_younger=True)  # the first answer of a person
    touched: Col[float] = column(
        default=0.0, is_younger=True
    )  # the newest message of either side, while people have it
    spent: Col[float] = column(default=0.0, is_younger=True)
    told: Col[int] = column(sa.Integer, default=0, is_younger=True)  # reminders given: bits of `desk/clocks.py`
    drafts: Col[str] = column(sa.String(8), default="", is_younger=True)  # off, ask, always, auto; "": as its team
    translate: Col[str] = column(sa.String(16), default="", is_younger=True)  # on, off, a language; "": as its team
    number: Col[int] = column(default=0, is_younger=True)  # what people see; 0 until a person is first called
    open: Col[int | None] = column(sa.Integer, default=1)  # NULL once it is closed: an address has one open case

    @property
    def is_for_people(self) -> bool:
        """Whether operators, not the bot, answer the customer now."""
        return self.owner in (WAITING, HELD, SNOOZED)


OPEN_CASE = Query(Case, Case.owner != CLOSED)
NEWEST_CASE = Query(Case, order=[Case.id.desc()])
CASES_BY_WAIT = Query(Case, order=[Case.priority.desc(), Case.waiting_since, Case.id])


class Group(Row, table="desk_groups"):
    """A group in which the operators of a team work, connected by the administrator `by`."""

    bot: Col[int] = column(primary_key=True)
    chat: Col[int] = column(primary_key=True)
    team: Col[str] = column(sa.String(64))
    by: Col[int]
    at: Col[float]


GROUPS = Query(Group, order=[Group.at])


class OperatorDuty(Row, table="desk_operators"):
    """Whether an operator takes cases of a team now. The right to answer customers is the member's role alone.

    `assigned` is when the operator was offered a case last.
    """

    bot: Col[int] = column(primary_key=True)
    user: Col[int] = column(primary_key=True)
    team: Col[str] = column(sa.String(64))
    is_on: Col[bool]
    paused_until: Col[float] = column(default=0.0)
    assigned: Col[float] = column(default=0.0)

    def works(self, now: float) -> bool:
        """Whether the operator takes cases at the Unix time `now`."""
        return self.is_on and self.paused_until <= now


# The operator who was offered a case longest ago comes first.
ON_DUTY = Query(OperatorDuty, OperatorDuty.is_on == 1, order=[OperatorDuty.assigned, OperatorDuty.user])


class Seat(
    Row,
    table="desk_seats",
    having=(sa.UniqueConstraint("bot", "place", "topic"), sa.UniqueConstraint(*ADDRESS, "place")),
):
    """The topic in which operators see a customer: the number `topic` in the chat `place`.

    `place` is a group, the private chat of an operator, or 0 (`NOWHERE`: nobody sees the customer yet). A topic that is
    not made yet, or was deleted, has the negative id of the row as its number. With `flat` the chat has no topics, and
    operators see the customer in the chat itself.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    customer: AddressCol = address_columns()
    place: Col[int]
    topic: Col[int] = column(default=0)
    title: Col[str] = column(sa.String(128))
    flat: Col[bool] = column(default=False, is_younger=True)

    @property
    def address(self) -> Address:
        """The topic as an address of the outbox."""
        return Address(self.customer.transport, self.customer.bot, self.place, self.topic)


SEATS = Query(Seat, order=[Seat.id])
NEWEST_SEATS = Query(Seat, order=[Seat.id.desc()])
NEWEST_TOPICS = Query(Seat, Seat.topic > 0, order=[Seat.topic.desc()])


class Relay(
    Row,
    table="desk_relays",
    having=(
        sa.UniqueConstraint("bot", "chat", "message"),
        Index("ix_desk_relays_delivery", "bot", "delivery"),
        Index("ix_desk_relays_case", "case_id"),
    ),
):
    """A message of a customer or an operator, relayed once: where it was written, and how it reaches the other side.

    `delivery` is the key of the delivery that brings it there, "" for a note, which stays among operators; `part` is
    its place among the messages that this delivery brings together.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    case_id: Col[int] = column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    side: Col[str] = column(sa.String(8))
    chat: Col[int]
    message: Col[int]
    delivery: Col[str] = column(sa.String(80), default="")
    part: Col[int] = column(sa.Integer, default=0, is_younger=True)
    author: Col[int]
    at: Col[float]
    for_team: Col[str] = column(default="", is_younger=True)  # the text in the operators' language, if translated


RELAYS = Query(Relay, order=[Relay.id])


class Event(
    Row,
    table="desk_events",
    having=(Index("ix_desk_events_case", "case_id"), Index("ix_desk_events_at", "bot", "at")),
):
    """What happened to a case. Rows are only added; the desk's figures are computed from them.

    `who` is a user, 0 for the bot; `detail` is a word that belongs to the event: a reason, a team, a tag.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    case_id: Col[int] = column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    who: Col[int] = column(default=0)
    what: Col[str] = column(sa.String(16))
    detail: Col[str] = column(sa.String(200), default="")
    at: Col[float]


EVENTS = Query(Event, order=[Event.id])
NEWEST_EVENT = Query(Event, order=[Event.id.desc()])


class Draft(
    Row,
    table="desk_drafts",
    having=(
        sa.UniqueConstraint("bot", "key"),
        Index("ix_desk_drafts_case", "case_id"),
        Index("ix_desk_drafts_label", "bot", "label", "id"),
    ),
):
    """An answer that a model has written for operators, shown by the delivery `key`, and what became of it.

    `question` is the id (`messages`) of the customer's message that it answers, `seen` the time of the newest message
    of the customer that the model had read. `quotes` is JSON. `sent` is the text that the customer got instead,
    `automatic` whether the draft was sent without a decision of a person. `label` is the topic of the question.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    case_id: Col[int] = column(Id, sa.ForeignKey("desk_cases.id", ondelete="CASCADE"))
    key: Col[str] = column(sa.String(80))
    question: Col[int] = column(Id)
    seen: Col[float]
    text: Col[str]
    quotes: Col[str] = column(default="[]")
    label: Col[str] = column(sa.String(64), default="")
    model: Col[str] = column(sa.String(64), default="")
    state: Col[str] = column(sa.String(8), default=OFFERED)
    sent: Col[str] = column(default="")
    automatic: Col[bool] = column(default=False)
    at: Col[float] = column(default=0.0)

    @property
    def alone(self) -> str:
        """The key of the delivery that brings the draft to the customer if no person decides about it."""
        return f"{self.key}.alone"[-80:]


NEWEST_DRAFT = Query(Draft, order=[Draft.id.desc()])
NEWEST_DECIDED = Query(Draft, Draft.state != OFFERED, order=[Draft.id.desc()])


class AutomaticTopic(Row, table="desk_automatic"):
    """A topic whose drafts are sent without a person (`ON`), or for which an administrator was asked (`ASKED`)."""

    bot: Col[int] = column(primary_key=True)
    label: Col[str] = column(sa.String(64), primary_key=True)
    state: Col[str] = column(sa.String(8))


class Account(Row, table="desk_accounts"):
    """An account in whose chats the bot answers: the id of the business connection, its owner, the owner's private chat
    with the bot.
    """

    bot: Col[int] = column(primary_key=True)
    id: Col[str] = column(sa.String(128), primary_key=True)
    user: Col[int]
    place: Col[int]
    may_reply: Col[bool]

    @property
    def address(self) -> Address:
        """The owner's private chat."""
        return Address("telegram", self.bot, self.place)


class AccountChat(Row, table="desk_account_chats"):
    """A chat of a connected account with the customer `user`.

    `heard` is when the customer wrote last, `owned` when the owner of the account wrote last (0.0 also if that does not
    count any more). `version` grows with every change. `noticed`: the customer was told that a bot answers.
    """

    bot: Col[int] = column(primary_key=True)
    account: Col[str] = column(sa.String(128), primary_key=True)
    user: Col[int] = column(primary_key=True)
    name: Col[str] = column(sa.String(256), default="")
    language: Col[str] = column(sa.String(16), default="")
    version: Col[int] = column(sa.Integer, default=0)
    heard: Col[float] = column(default=0.0)
    owned: Col[float] = column(default=0.0)
    noticed: Col[bool] = column(default=False)

    @property
    def address(self) -> Address:
        """The chat as an address of the outbox."""
        return Address("telegram", self.bot, self.user, connection=self.account)
