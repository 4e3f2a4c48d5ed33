"""A support desk with a long past: `python -m bench.desk`. How long does the edit of an old message take, and a start?

One customer's case is multiplied in SQL: 100,000 cases with 1,000,000 relayed messages, all in one group. Then the
customers edit messages, and the bot, the sandbox's Telegram and this program share one process: what is measured is
more than the bot's own part.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.maintenance import migrations
from bot.testing.stage import ANNA, Stage, opened
from bot.texts.catalog import say

OLGA, BOT = 1003, "@govorun_sandbox_bot"
EDITS = 20
SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
FAR = 10_000_000  # ids beyond all that people of the bench get
NEW = f"{FAR} + i"
CASE = f"{FAR} + 1 + (i - 1) / {{each}}"  # each has so many relays
COPIES: dict[str, tuple[str, dict[str, str]]] = {  # in this order: rows refer to rows of the tables above
    "desk_cases": ("{cases}", {"id": NEW, "chat": NEW, "owner": "'closed'", "open": "NULL", "closed": "one.opened"}),
    "desk_seats": ("{cases}", {"id": NEW, "chat": NEW, "topic": NEW}),
    "deliveries": ("{relays}", {"id": NEW, "key": NEW, "thread": CASE, "message_ids": f"'[' || ({NEW}) || ']'"}),
    "placed": ("{relays}", {"message": NEW, "delivery": NEW}),
    "desk_relays": ("{relays}", {"id": NEW, "case_id": CASE, "message": NEW, "delivery": NEW}),
}


def multiply(path: Path, cases: int, relays: int) -> None:
    """Copy the newest row of each table of `COPIES` so many times."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, (count, changes) in COPIES.items():
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            words = {"cases": cases, "relays": relays, "each": relays // cases}
            values = ", ".join(changes.get(name, f'one."{name}"').format(**words) for name in columns)
            newest = "delivery" if table == "placed" else "id"
            one = f'(SELECT * FROM "{table}" WHERE {_of_customer(table)} ORDER BY {newest} DESC LIMIT 1) AS one'
            names = ", ".join(f'"{name}"' for name in columns)
            series = SERIES.format(count=count.format(**words))
            connection.execute(f'INSERT INTO "{table}" ({names}) {series} SELECT {values} FROM n, {one}')


def _of_customer(table: str) -> str:
    """Which row of a table belongs to the customer's relayed message."""
    relayed = "(SELECT delivery FROM desk_relays WHERE side = 'customer' ORDER BY id DESC LIMIT 1)"
    match table:
        case "deliveries":
            return f"key = {relayed}"
        case "placed":
            return f"delivery = (SELECT id FROM deliveries WHERE key = {relayed})"
        case "desk_relays":
            return "side = 'customer'"
        case _:
            return "1"


async def conversation(stage: Stage) -> list[dict[str, object]]:
    """A group is connected, a customer calls and is answered, and writes messages. Returns these."""
    stage.telegram.person("Olga", "en", OLGA)
    group = stage.telegram.group("Support", [OLGA], is_forum=True)["id"]
    stage.telegram.promote(group)
    await stage.ask(f"/desk{BOT}", group, OLGA)
    await pressed(stage, group, say("en", "desk.group.use"))
    connected = say("en", "desk.group.connected")
    await shown(stage, group, connected)
    await stage.ask("/human", ANNA)
    await pressed(stage, group, say("en", "desk.take"))
    await stage.until(lambda: "Olga" in str(stage.telegram.transcript(group)[-1]) or None)
    written = []
    for number in range(EDITS):  # one by one: texts that wait for a topic would be joined
        written.append(dict(stage.telegram.say(ANNA, f"text {number}")))
        await shown(stage, group, f"text {number}")
    return written


async def shown(stage: Stage, group: int, text: str) -> None:
    """Wait until a message of the group begins with a text."""
    await stage.until(lambda: any(one.startswith(text) for one in stage.telegram.texts(group)) or None)


async def pressed(stage: Stage, group: int, label: str) -> None:
    def is_there() -> bool | None:
        shown = [button["text"] for one in stage.telegram.transcript(group) for button in buttons_of(one)]
        return label in shown or None

    await stage.until(is_there)
    await stage.press(label, group, OLGA)


async def measure(cases: int, relays: int) -> None:
    """Print how long a start and the edits take, without and with the past."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = folder / "template.db"
        await migrations.upgrade(f"sqlite+aiosqlite:///{template}")
        (folder / "desk").mkdir()
        async with opened(
            folder,
            template,
            desk=folder / "desk",
            owners=frozenset({OLGA}),
            telegram_rate=0.0,
            telegram_chat_rate=0.0,
            user_rate=0.0,
        ) as stage:
            await stage.start()
            written = await conversation(stage)
            for past in (False, True):
                await stage.stop()
                if past:
                    begun = time.perf_counter()
                    multiply(folder / "govorun.db", cases, relays)
                    print(f"{cases:,} cases with {relays:,} messages made in {time.perf_counter() - begun:.0f} s")
                begun = time.perf_counter()
                await stage.start()
                started = time.perf_counter() - begun
                took = [await edited(stage, message, f"{past} {message['text']}") for message in written]
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                edits = f"edit {1000 * statistics.median(took):.1f} ms (worst {1000 * max(took):.1f})"
                print(
                    f"{'with' if past else 'without'} a past: start {started:.2f} s, {edits}, at most {memory:.0f} MB"
                )


async def edited(stage: Stage, message: dict[str, object], text: str) -> float:
    """Let the customer edit a message. Returns the seconds until operators see it."""
    begun = time.perf_counter()
    stage.telegram.edit(ANNA, int(str(message["message_id"])), text, ANNA)
    group = max(stage.telegram.state.chats, key=lambda chat: stage.telegram.state.chats[chat].is_forum)
    await shown(stage, group, text)
    return time.perf_counter() - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--relays", type=int, default=1_000_000)
    options = parser.parse_args()
    from bot.testing.virtual_loop import VirtualLoop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(measure(options.cases, options.relays))
