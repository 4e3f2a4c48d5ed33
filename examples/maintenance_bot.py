"""Middleware: a bot that can be closed for an hour, and a command that only some people see before the others.

python examples/maintenance_bot.py
"""

from __future__ import annotations

from govorun import Answer, App, Incoming, Next, Reply

app = App(system_prompt="You sell tea.")
closed = False
TESTERS = {1001}
CLOSED = {"en": "We are back at 10.", "ru": "Вернёмся к 10 часам.", "de": "Ab 10 Uhr sind wir wieder da."}


@app.middleware
async def maintenance(incoming: Incoming, reply: Reply, next: Next) -> Answer:
    if closed and not incoming.text.startswith("/open"):
        return CLOSED.get(incoming.language, CLOSED["en"])
    return await next(incoming, reply)


@app.middleware
async def only_testers_brew(incoming: Incoming, reply: Reply, next: Next) -> Answer:
    if incoming.text.startswith("/brew") and incoming.user.id not in TESTERS:
        return "Soon!"
    return await next(incoming, reply)


@app.command("brew", "Brew a cup")
async def brew(incoming: Incoming, reply: Reply) -> str:
    return "Three minutes, please."


@app.command("close", owners_only=True)
async def close(incoming: Incoming, reply: Reply) -> str:
    global closed
    closed = True
    return "Closed."


@app.command("open", owners_only=True)
async def reopen(incoming: Incoming, reply: Reply) -> str:
    global closed
    closed = False
    return "Open."


if __name__ == "__main__":
    app.run()
