"""Tables of your own in the bot's database, a state that lives as long as the bot, and a model asked by code.

python examples/orders.py
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from govorun import App, Incoming, Reply, Running


@dataclass
class Shop:
    """What is open while the bot runs: here a price list, in a real shop a pool of connections."""

    prices: dict[str, int] = field(default_factory=dict)


class Order(BaseModel):
    drink: str
    cups: int


app = App[Shop]()
orders = sa.Table(
    "shop_orders",
    app.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer", sa.BigInteger, index=True),
    sa.Column("drink", sa.String(40)),
    sa.Column("cups", sa.Integer),
)


@app.lifespan
async def shop(running: Running[Shop]) -> AsyncIterator[Shop]:
    yield Shop(prices={"tea": 2, "coffee": 3})


@app.command("order", {"en": "Order something", "ru": "Заказать"})
async def order(incoming: Incoming, reply: Reply) -> str:
    running = app.current
    wish = await running.ask(incoming.rest, Order, user=incoming, model="helper", system="What is ordered?")
    row = {"customer": incoming.user.id, "drink": wish.drink, "cups": wish.cups}
    await running.store.write(lambda connection: connection.execute(sa.insert(orders), row))
    return f"{wish.cups} × {wish.drink}: {running.state.prices[wish.drink] * wish.cups} coins"


@app.exports
def shop_orders(connection: sa.Connection, user: int) -> Sequence[dict[str, Any]]:
    found = connection.execute(sa.select(orders).where(orders.c.customer == user))
    return [dict(row) for row in found.mappings()]


@app.forgets
def forget_orders(connection: sa.Connection, user: int) -> None:
    connection.execute(sa.delete(orders).where(orders.c.customer == user))


if __name__ == "__main__":
    app.run()
