"""Seats: the topics in which operators see customers, and the groups that are connected to the desk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from bot.ports import DeliveryState
from bot.storage.engines.dialects import insert_or_update, whole_part
from bot.storage.repositories.jobs import Jobs
from bot.storage.repositories.mapping import Repository, address, at, columns, one_of
from bot.storage.tables.desk import desk_groups, desk_seats
from bot.storage.tables.work import deliveries
from bot.types import Address, Job

NEWEST_TOPICS = 200
TEN_MINUTES = 600.0  # seconds
NOWHERE = 0  # the place of a seat in which a message waits until an operator takes the case
BOARD = "desk.board"  # the job that writes the board of a group whose operators have seats of their own
ERASE = "desk.erase"  # the job that deletes the topic of a customer who wants to be forgotten
CONNECT = insert_or_update(desk_groups, ("bot", "chat"), ("team", "by", "at"))
AT_TOPIC = select(desk_seats).where(
    desk_seats.c.bot == bindparam("b"), desk_seats.c.place == bindparam("c"), desk_seats.c.topic == bindparam("t")
)
GROUPS = (
    select(desk_groups.c.chat, desk_groups.c.team).where(desk_groups.c.bot == bindparam("b")).order_by(desk_groups.c.at)
)
OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)
UNREACHED = (
    select(deliveries.c.id, deliveries.c.reason)
    .where(
        deliveries.c.bot == bindparam("b"),
        one_of(deliveries.c.state, OPEN),
        deliveries.c.chat == bindparam("c"),
        deliveries.c.reason != "",
    )
    .order_by(deliveries.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Seat:
    """The topic in which operators see a customer: the number `topic` in the chat `place`.

    `place` is a group, the private chat of an operator, or 0 (`NOWHERE`: nobody sees the customer yet). `topic` is
    negative until the topic is made. With `flat` the chat has no topics, and operators see the customer in the chat
    itself.
    """

    id: int
    customer: Address
    place: int
    topic: int
    title: str
    flat: bool = False

    @property
    def address(self) -> Address:
        """The topic as an address of the outbox."""
        return Address(self.customer.transport, self.customer.bot, self.place, self.topic)


class Seats(Repository):
    """The connected groups of operators, and the topics in which they see customers."""

    def connect_group(self, bot: int, chat: int, team: str, by: int) -> None:
        """Connect a group to the desk, as the group of a team's operators. `by` is the administrator who did it."""
        row = {"bot": bot, "chat": chat, "team": team, "by": by, "at": self.clock.time()}
        self.connection.execute(CONNECT(self.connection), row)

    def list_groups(self, bot: int) -> Sequence[tuple[int, str]]:
        """Return the chat and the team of each connected group, the oldest first."""
        return [(row.chat, row.team) for row in self.connection.execute(GROUPS, {"b": bot})]

    def find_unreached(self, bot: int, chat: int) -> tuple[int, str] | None:
        """Return the oldest delivery that waits because its group can't be reached, and why; None if none does."""
        row = self.connection.execute(UNREACHED, {"b": bot, "c": chat}).first()
        return None if row is None else (row.id, row.reason)

    def connected_by(self, bot: int, chat: int) -> int:
        """Return the administrator who has connected a group, 0 if it is not connected."""
        query = select(desk_groups.c.by).where(desk_groups.c.bot == bot, desk_groups.c.chat == chat)
        return self.connection.scalar(query) or 0

    def seat_of(self, customer: Address, place: int, title: str) -> Seat:
        """Return the seat of a customer in a chat. If there is none, one is added; its topic is made with the first
        delivery.
        """
        if (found := self.find_in(customer, place)) is not None:
            return found
        row = {**columns(customer), "place": place, "topic": 0, "title": title[:128]}
        id_ = self.connection.execute(insert(desk_seats).returning(desk_seats.c.id), row).scalar_one()
        self.connection.execute(update(desk_seats).where(desk_seats.c.id == id_).values(topic=-id_))
        return Seat(id=id_, customer=customer, place=place, topic=-id_, title=title[:128])

    def find_seats(self, customer: Address) -> Sequence[Seat]:
        """Return the seats of a customer in all groups, the newest first."""
        query = select(desk_seats).where(at(desk_seats, customer)).order_by(desk_seats.c.id.desc())
        return [_seat(row) for row in self.connection.execute(query)]

    def find_seat(self, where: Address) -> Seat | None:
        """Return the seat in a topic of a group; None if no customer is seen there."""
        return self._find(_seat, AT_TOPIC, {"b": where.bot, "c": where.chat, "t": where.thread})

    def find_in(self, customer: Address, place: int) -> Seat | None:
        """Return the seat of a customer in one chat, None if there is none."""
        return self._find(_seat, select(desk_seats).where(at(desk_seats, customer), desk_seats.c.place == place))

    def list_flat(self, bot: int, place: int) -> Sequence[Seat]:
        """Return the seats in a chat that has no topics."""
        flat = (desk_seats.c.bot == bot, desk_seats.c.place == place, desk_seats.c.flat == 1)
        return [
            _seat(row) for row in self.connection.execute(select(desk_seats).where(*flat).order_by(desk_seats.c.id))
        ]

    def make_flat(self, seat: Seat, *, flat: bool) -> None:
        """Set whether a customer is seen in the chat itself (`flat`, as the chat has no topics) or a topic is to be
        made.
        """
        self.connection.execute(update(desk_seats).where(desk_seats.c.id == seat.id).values(flat=int(flat)))

    def move_topic(self, where: Address, topic: int) -> Address:
        """Give a seat and everything that waits for it another topic; 0: the topic is gone and is to be made again.

        Returns the new address; the old one if it is no seat's.
        """
        seat = self.find_seat(where)
        if seat is None:
            return where
        new = topic or -seat.id
        self.connection.execute(update(desk_seats).where(desk_seats.c.id == seat.id).values(topic=new))
        here = (deliveries.c.bot == where.bot, deliveries.c.chat == where.chat, deliveries.c.thread == where.thread)
        self.connection.execute(update(deliveries).where(*here).values(thread=new))
        begun = (deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.message_ids == "[]")
        waits = update(deliveries).where(*here[:2], deliveries.c.thread == new, *begun)
        self.connection.execute(waits.values(state=DeliveryState.PENDING.value))  # it was the topic that was begun
        return Address(where.transport, where.bot, where.chat, new)

    def list_newest_topics(self, bot: int, place: int) -> Sequence[int]:
        """Return the numbers of the newest topics of a group in which customers are seen."""
        here = (desk_seats.c.bot == bot, desk_seats.c.place == place, desk_seats.c.topic > 0)
        newest = select(desk_seats.c.topic).where(*here).order_by(desk_seats.c.topic.desc()).limit(NEWEST_TOPICS)
        return self.connection.scalars(newest).all()

    def busiest(self, bot: int, chat: int, since: float) -> float:
        """Return how many messages a minute the bot sent to a group in the busiest ten minutes since a Unix time."""
        slot = whole_part(self.connection, deliveries.c.at / TEN_MINUTES)
        here = (deliveries.c.bot == bot, deliveries.c.chat == chat, deliveries.c.at >= since)
        sent = (deliveries.c.state == DeliveryState.SENT.value, deliveries.c.reason.not_like("joined into %"))
        counts = select(func.count().label("messages")).where(*here, *sent).group_by(slot).subquery()
        return (self.connection.scalar(select(func.max(counts.c.messages))) or 0) / 10

    def change_group(self, bot: int, old: int, new: int) -> None:
        """Give a group and the seats in it the id of the supergroup that it became."""
        gone = delete(desk_groups).where(desk_groups.c.bot == bot, desk_groups.c.chat == new)
        if any(chat == old for chat, _ in self.list_groups(bot)):
            self.connection.execute(gone)
        for table, column in ((desk_groups, desk_groups.c.chat), (desk_seats, desk_seats.c.place)):
            here = (table.c.bot == bot, column == old)
            self.connection.execute(update(table).where(*here).values({column: new}))

    def delete_of_customer(self, bot: int, user: int) -> None:
        """Delete the seats of a customer's private chat with all that waits for them, and add the jobs that clean up
        after them.

        One job deletes the topics in the chats of operators; another writes the boards again, without the customer.
        """
        for chat, _ in self.list_groups(bot):
            where, due = Address("telegram", bot, chat), self.clock.time()
            Jobs(self.connection, self.clock, self.queue).add_job(Job(BOARD, f"{chat}.{due}", where, due=due))
        mine = (desk_seats.c.bot == bot, desk_seats.c.chat == user)
        for seat in [_seat(row) for row in self.connection.execute(select(desk_seats).where(*mine))]:
            here = (deliveries.c.bot == bot, deliveries.c.chat == seat.place, deliveries.c.thread == seat.topic)
            shown = self.connection.scalars(select(deliveries.c.message_ids).where(*here)) if seat.flat else ()
            payload = {"messages": [id_ for ids in shown for id_ in json.loads(ids)]}
            self.connection.execute(delete(deliveries).where(*here))
            if seat.topic > 0 or seat.flat:
                erase = Job(ERASE, seat.address.key, seat.address, payload)
                Jobs(self.connection, self.clock, self.queue).add_job(erase)
        self.connection.execute(delete(desk_seats).where(*mine))


def _seat(row: Any) -> Seat:
    return Seat(
        id=row.id, customer=address(row), place=row.place, topic=row.topic, title=row.title, flat=bool(row.flat)
    )
