"""The statements of the outbox, built once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, and_, bindparam, insert, literal_column, select, update

from bot.ports import DeliveryState
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories import mapping
from bot.storage.repositories.mapping import one_of
from bot.storage.rows import COLUMNS
from bot.storage.tables.desk import Seat
from bot.storage.tables.work import Placed, StoredDelivery

column = StoredDelivery.table.c
OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)
GROWING = (*OPEN, DeliveryState.STREAMING.value)
IN_TOPIC = and_(Seat.customer.bot == bindparam("b"), Seat.place == bindparam("c"), Seat.topic == bindparam("t"))
HOLD_TOPIC = Prepared(update(Seat.table).where(IN_TOPIC).values(topic=Seat.topic))
KEYED = (column.bot == bindparam("b"), column.key == bindparam("k"))
PLACE_OF = Prepared(select(*column["id", "state", "message_ids", "marker"]).where(*KEYED))
NEWEST_ROWS = 200  # of the outbox, in which message ids are looked for
MINUTE = 60.0  # seconds in which a group takes a number of messages
BURST, MANY = 5.0, 3  # so many messages to a private chat in so many seconds leave no room for more at once
LAST = 20  # deliveries to an address, in which old buttons are looked for
GONE = "the chat can't be reached"
JOINT = "\n\n"  # between texts that are sent as one message
LONGEST_JOINT = 4096  # UTF-16 units of it
WITHDRAWN = "a person has taken over"
KEEPS_PLACE = '"keeps_place": true'  # in the JSON of an `Outgoing`, where quotes of texts are escaped
INSERT = Prepared(insert(StoredDelivery.table).returning(column.id))
PLACED = {name: column[name] for name in ("bot", "connection", "chat", "only")}
MESSAGE = sa.cast(bindparam("message"), sa.BigInteger)
ADD_PLACE = Prepared(
    lambda insert: (
        insert(Placed.table)
        .from_select(
            [*PLACED, "message", "delivery"],
            select(*PLACED.values(), MESSAGE, column.id).where(column.id == bindparam("row")),
        )
        .on_conflict_do_nothing()
    )
)
ANSWER = column["key", "message_ids", "outgoing", "state"]
IN_MESSAGE = Prepared(
    select(*ANSWER)
    .join(Placed.table, Placed.delivery == column.id)
    .where(*(Placed.table.c[name] == bindparam(name) for name in (*PLACED, "message")))
    .order_by(column.id.desc())
)
# both sides of this OR, and `+ 0`, keep SQLite from reading all deliveries of the chat to find these few
OF = sa.or_(*(and_(column.bot == bindparam("b"), one == bindparam("o")) for one in (column.of, column.key)))
OF_HERE = (OF, column.chat + 0 == bindparam("c"))
VERSIONS = Prepared(select(*ANSWER).where(*OF_HERE, column.only == bindparam("u")).order_by((column.id + 0).desc()))
AS_SENT = Prepared(select(column.outgoing).where(*OF_HERE).order_by(column.id + 0))
# `+ 0` keeps SQLite from reading all deliveries of the chat by id to find the open ones
NEXT = Prepared(
    select(StoredDelivery.table)
    .where(mapping.here(StoredDelivery.table), one_of(column.state, OPEN))
    .order_by(column.id + 0)
    .limit(1)
)
CHANGE = update(StoredDelivery.table).where(column.id == bindparam("row"))
BEGIN = Prepared(
    CHANGE.where(one_of(column.state, OPEN)).values(state=DeliveryState.SENDING.value, marker=bindparam("above"))
)
STANDS = CHANGE.values(message_ids=bindparam("ids"), done=bindparam("parts"))
PART = Prepared(STANDS.values(state=DeliveryState.SENDING.value, marker=bindparam("above")))
SENT = Prepared(STANDS.values(state=DeliveryState.SENT.value, photo=None))
OF_CHAT = (column.connection == bindparam("n"), column.chat == bindparam("c"))
PLACE = StoredDelivery.table.c[COLUMNS]
WAITING = Prepared(select(*PLACE).where(column.bot == bindparam("b"), one_of(column.state, OPEN), *OF_CHAT).distinct())
LAST_OF_ADDRESS = Prepared(
    select(StoredDelivery.table)
    .where(column.bot == bindparam("at_bot"), mapping.here(StoredDelivery.table))
    .order_by(column.id.desc())
    .limit(LAST)
)
WAITING_FOR = (column.bot == bindparam("b"), one_of(column.state, OPEN), column.chat == bindparam("c"))
WAITS = Prepared(select(column.id).where(*WAITING_FOR).limit(1))
ANY = StoredDelivery.table.alias()
RECENT = Prepared(
    select(column.chat, column.at).where(column.bot + 0 == bindparam("b")).order_by(column.id.desc()).limit(NEWEST_ROWS)
)
NEWEST = select(ANY.c.id).where(ANY.c.bot + 0 == bindparam("b")).order_by(ANY.c.id.desc()).limit(1).scalar_subquery()


def _left(*of: ColumnElement[bool]) -> Select[Any]:
    """Every unfinished delivery, plus the id of the newest row (also when none is unfinished)."""
    open_ = and_(column.bot == bindparam("b"), one_of(column.state, GROWING), *of)
    one = select(literal_column("1").label("one")).subquery()
    found = select(NEWEST.label("newest"), column.state, column.key, column.message_ids, *PLACE)
    return found.select_from(one).join(StoredDelivery.table, open_, isouter=True).order_by(column.id)


LEFT, LEFT_OF_CHAT = _left(), _left(*OF_CHAT)
