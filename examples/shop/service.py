"""Step 3: tools that the model calls by itself, and what it is told about the customer."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import delete

from govorun import Tool, ToolContext

from .app import app
from .catalog import LAMPS, lamps_of, orders

Lamp = Annotated[str, "its name, as in the catalog"]


@app.tool
async def price(lamp: Lamp) -> str:
    """What a lamp costs."""
    return f"{LAMPS[lamp]} coins" if lamp in LAMPS else f"There is no such lamp; there are {', '.join(LAMPS)}."


async def return_lamp(lamp: Lamp, asker: ToolContext) -> str:
    """Take a lamp back that the customer has ordered, and give the money back."""
    order = delete(orders).where(orders.c.customer == asker.user, orders.c.lamp == lamp)
    await app.current.store.write(lambda connection: connection.execute(order))
    return f"{lamp} is taken back."


app.tool(
    Tool.of(return_lamp, needs_approval=True, asks={"en": "Return the lamp {lamp}?", "ru": "Вернуть лампу {lamp}?"})
)


@app.instructions
async def who_asks(asker: ToolContext) -> str:
    return f"The customer has ordered: {', '.join(await lamps_of(asker.user)) or 'nothing yet'}."
