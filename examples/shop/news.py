"""Step 5: what the bot says and does by itself, and a sign on the door."""

from __future__ import annotations

import os

from govorun import Answer, HttpRequest, Incoming, JobRun, Next, Reply, Running

from .app import app
from .catalog import LAMPS


@app.daily("9:00", zone="user", otherwise="Europe/Moscow")
async def lamp_of_the_day(run: JobRun) -> str:
    name = list(LAMPS)[run.at.day % len(LAMPS)]
    return f"Good morning! Today's lamp is **{name}**: {LAMPS[name]} coins."


@app.http.post("/order-shipped")
async def order_shipped(request: HttpRequest, running: Running) -> dict[str, bool]:
    order = await request.json()
    text = f"Your lamp **{order['lamp']}** is on its way."
    sent = await running.send(order["customer"], text, key=f"shipped-{order['order']}")
    return {"first": sent.is_new}


@app.middleware
async def closed(incoming: Incoming, reply: Reply, next: Next) -> Answer:
    if os.environ.get("SHOP_CLOSED"):
        return "We are closed today."
    return await next(incoming, reply)
