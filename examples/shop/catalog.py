"""Step 2: a command, buttons below its answer, and a table of orders in the bot's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, insert, select

from govorun import Button, Incoming, Outgoing, Reply, UserError

from .app import app

LAMPS = {"Moon": 40, "Firefly": 15, "Lighthouse": 90}  # name: price

orders = Table(
    "shop_orders",
    app.metadata,
    Column("id", Integer, primary_key=True),
    Column("press", Text, unique=True),
    Column("customer", BigInteger, index=True),
    Column("lamp", Text),
)


@app.command("catalog", {"en": "What we sell", "ru": "Что у нас есть"})
async def catalog(incoming: Incoming, reply: Reply) -> Outgoing:
    lines = "\n".join(f"- **{name}**: {price} coins" for name, price in LAMPS.items())
    return Outgoing(lines, buttons=[[Button(name, "buy", lamp=name) for name in LAMPS]])


@app.press("buy", once=True)
async def buy(incoming: Incoming, reply: Reply, lamp: str) -> str:
    def order(connection: Connection) -> None:
        # After a crash the function is called again for the press: its order is there already.
        if connection.scalar(select(orders.c.id).where(orders.c.press == incoming.id)) is None:
            connection.execute(insert(orders).values(press=incoming.id, customer=incoming.user.id, lamp=lamp))

    await app.current.store.write(order)
    return f"**{lamp}** is yours. Where shall we send it? /deliver"


@app.command("orders", {"en": "What you have ordered", "ru": "Ваши заказы"})
async def show_orders(incoming: Incoming, reply: Reply) -> str:
    lamps = await lamps_of(incoming.user.id)
    if not lamps:
        raise UserError("You have ordered nothing yet: /catalog")
    return ", ".join(lamps)


async def lamps_of(customer: int) -> Sequence[str]:
    ordered = select(orders.c.lamp).where(orders.c.customer == customer).order_by(orders.c.id)
    return await app.current.store.read(lambda connection: connection.scalars(ordered).all())


@app.exports
def shop_orders(connection: Connection, user: int) -> Sequence[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(select(orders).where(orders.c.customer == user)).mappings()]


@app.forgets
def forget_orders(connection: Connection, user: int) -> None:
    connection.execute(delete(orders).where(orders.c.customer == user))
