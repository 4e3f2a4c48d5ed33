"""Jobs: something every morning where each person is, and something once at a time that a person names.

python examples/morning_digest.py
"""

from __future__ import annotations

from datetime import timedelta

from govorun import App, Incoming, JobRun, Reply, UserError

app = App()


@app.daily("9:00", zone="user", otherwise="Europe/Moscow")
async def digest(run: JobRun) -> str:
    return f"Good morning! Today is {run.at:%A}."


@app.job
async def tea_is_ready(run: JobRun) -> str:
    return f"Your {run.data['tea']} is ready."


@app.command("brew", {"en": "Tell me when my tea is ready", "ru": "Сказать, когда заварится чай"})
async def brew(incoming: Incoming, reply: Reply) -> str:
    if not incoming.rest:
        raise UserError("Which tea?")
    data = {"tea": incoming.rest}
    await app.current.later("tea_is_ready", key=incoming.id, at=timedelta(minutes=4), to=incoming.user, data=data)
    return "Four minutes."


if __name__ == "__main__":
    app.run()
