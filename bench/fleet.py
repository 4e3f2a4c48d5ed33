"""`python -m bench.fleet`: what many processes on PostgreSQL carry. Begin with `SCENARIOS` at the foot.

A server from the wheel that waits for its disk, webhook and worker processes as they are started by their users, and
the lightest Telegram and model there can be (`doubles`). All of them and who asks share the machine: `cores` says how
much of it each has used, so that one can reckon what it would be with more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from bench.crew import crew
from bench.doubles import FIRST_MESSAGE, TOKEN, Doubles, Question
from bench.figures import Figures, percentile
from bench.fill import fill
from bench.postgres import TEMPLATE, Server, started
from bench.process import TICK
from bot.sandbox.bot_process import BotProcess
from bot.storage.maintenance import migrations

CONFIGURATION = """
max_connections = 300
max_pred_locks_per_transaction = 256
max_wal_size = 4GB
"""
SECRET = "a-secret-of-the-bench"
FIRST_USER = 5_000_000
CONNECTIONS = 40  # that Telegram keeps to a webhook
PATIENCE = 60.0
Row = Figures


@dataclass(frozen=True, slots=True)
class Load:
    """`people` at once or `rate` questions a second, for `seconds`; an answer takes `answer` seconds."""

    webhooks: int = 1
    workers: int = 2
    people: int = 100
    rate: float = 100.0
    seconds: float = 10.0
    answer: float = 0.0
    chats: int = 10_000
    messages: int = 500_000


class Client(asyncio.Protocol):
    """A connection to a webhook: one request at a time, as Telegram makes them."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._status: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_result(int(data[9:12]))  # HTTP/1.1 200: the answer has no body

    def connection_lost(self, exc: Exception | None) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_exception(ConnectionError("the webhook has hung up"))

    async def post(self, body: bytes) -> int:
        assert self._transport is not None
        self._status = asyncio.get_running_loop().create_future()
        self._transport.write(
            b"POST /hook HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"X-Telegram-Bot-Api-Secret-Token: %b\r\nContent-Length: %d\r\n\r\n" % (SECRET.encode(), len(body)) + body
        )
        return await self._status


@dataclass
class Fleet:
    """Processes, the world around them, and who asks. `free` are connections to the webhooks that nobody uses."""

    doubles: Doubles
    postmaster: int
    processes: dict[str, BotProcess]
    url: str
    free: asyncio.Queue[Client] = field(default_factory=asyncio.Queue)
    numbers: Iterator[int] = field(default_factory=count)

    async def ask(self, chat: int) -> Question:
        """Post a question and wait until it is accepted. Raises `RuntimeError` when it is not."""
        number, place = next(self.numbers), next(self.doubles.ids)  # one line of ids, as private chats have it
        question = self.doubles.questions[number] = Question(0.0)
        person = {"id": chat, "is_bot": False, "first_name": f"P{chat}", "language_code": "en"}
        message = {
            "message_id": place, "from": person, "date": int(time.time()), "text": f"ask{number} what is it?",
            "chat": {"id": chat, "type": "private", "first_name": f"P{chat}"},
        }  # fmt: skip
        client = await self.free.get()
        question.posted = time.monotonic()
        status = await client.post(json.dumps({"update_id": number, "message": message}).encode())
        question.accepted = time.monotonic()
        self.free.put_nowait(client)
        if status != 200:
            raise RuntimeError(f"the webhook has answered {status}")
        return question

    async def answered(self, chat: int) -> Question:
        question = await self.ask(chat)
        await asyncio.wait_for(question.done.wait(), PATIENCE)
        return question

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each kind of process has used."""
        found = {"world": sum(os.times()[:2])}
        for name, process in self.processes.items():
            kind = name.rstrip("0123456789")
            found[kind] = found.get(kind, 0.0) + _cpu(int(process.state()["pid"]))
        server = Path(f"/proc/{self.postmaster}")
        children = (server / "task" / str(self.postmaster) / "children").read_text().split()
        found["postgres"] = _cpu(self.postmaster, ended=True) + sum(_cpu(int(child)) for child in children)
        return found


def _cpu(process: int, *, ended: bool = False) -> float:
    """`ended`: with that of its children which have ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11 : 15 if ended else 13])) / TICK


@asynccontextmanager
async def fleet(server: Server, load: Load, out: Path, url: str = "") -> AsyncIterator[Fleet]:
    """A fleet on a database of its own, or on the one at `url`, which stays."""
    doubles = Doubles(load.answer)
    database = url or server.create()
    world, hands = await doubles.start(), crew(load.webhooks, load.workers)
    ports = [hand.port for hand in hands.values() if hand.port]
    given = {name: str(value).format(world=world, port=ports[0], database=database) for name, value in ENV.items()}
    processes: dict[str, BotProcess] = {}
    try:
        for name, hand in hands.items():
            folder = out / name
            folder.mkdir(parents=True, exist_ok=True)
            command = (sys.executable, "-m", "bot", "run", "--role", hand.role)
            processes[name] = BotProcess(folder, {**given, **hand.settings}, lambda: None, command)
            await processes[name].start()
        newest = server.execute("SELECT coalesce(max(update_id), 0) FROM updates", database)[0][0]
        doubles.ids = count(FIRST_MESSAGE + newest)
        found = Fleet(doubles, server.process(), processes, database, numbers=count(max(newest, 0) + 1))
        for place in range(CONNECTIONS * load.webhooks):
            found.free.put_nowait(await _connected(ports[place % load.webhooks]))
        yield found
    finally:
        for process in processes.values():
            await process.control("kill")
        await doubles.close()
        if not url:
            server.drop(database)


async def _connected(port: int) -> Client:
    """Raises `TimeoutError` when nobody listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return (await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port))[1]
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)


# --- what happens -----------------------------------------------------------------------------------------------------


async def keep(fleet: Fleet, load: Load, one: Callable[[int], Awaitable[Question]]) -> list[Question]:
    """Everybody does it again and again until the time is over; what came of it."""
    end, found = time.monotonic() + load.seconds, []

    async def person(number: int) -> None:
        stride = max(load.chats // load.people, 1)
        while time.monotonic() < end:
            found.append(await one(FIRST_USER + 1 + number * stride))

    async with asyncio.TaskGroup() as people:
        for number in range(load.people):
            people.create_task(person(number))
    return found


async def flow(fleet: Fleet, load: Load) -> list[Question]:
    """So many a second, whoever has been answered: each of another person, as long as there are any."""
    tasks, begun = [], time.monotonic()
    for number in range(int(load.rate * load.seconds)):
        await asyncio.sleep(max(begun + number / load.rate - time.monotonic(), 0.0))
        tasks.append(asyncio.create_task(fleet.answered(FIRST_USER + 1 + number % load.chats)))
    return list(await asyncio.gather(*tasks))


async def warmed(fleet: Fleet, load: Load) -> None:
    await keep(fleet, replace(load, seconds=min(load.seconds / 4, 3.0)), fleet.answered)


@contextmanager
def watched(fleet: Fleet, found: Row) -> Iterator[None]:
    """Adds to `found` how many cores each kind of process has used meanwhile."""
    cpu, begun = fleet.cpu(), time.monotonic()
    yield
    seconds = time.monotonic() - begun
    found |= {f"cores: {name}": (used - cpu.get(name, 0.0)) / seconds for name, used in fleet.cpu().items()}
    found["seconds"] = seconds


async def accept(server: Server, load: Load, out: Path, url: str = "") -> Row:
    """Webhooks alone: how many updates a second are on disk and confirmed."""
    found: Row = {}
    async with fleet(server, replace(load, workers=0), out, url) as ships:
        await keep(ships, replace(load, seconds=min(load.seconds / 4, 2.0)), ships.ask)
        with watched(ships, found):
            asked = await keep(ships, load, ships.ask)
        stored = server.execute("SELECT count(*) FROM updates WHERE state = 'new'", ships.url)[0][0]
        if stored != len(ships.doubles.questions):
            raise RuntimeError(f"{len(ships.doubles.questions)} updates were accepted, and {stored} are there")
    waits = [question.accepted - question.posted for question in asked]
    rate = len(asked) / (found["seconds"] or 1.0)
    return {"accepted a second": rate, **_spread("accept", waits), **found}


async def through(server: Server, load: Load, out: Path, url: str = "") -> Row:
    """People who ask again as soon as they are answered: how many answers a second."""
    found: Row = {}
    async with fleet(server, load, out, url) as ships:
        await warmed(ships, load)
        with watched(ships, found):
            asked = await keep(ships, load, ships.answered)
        _insist_on_one_answer(ships)
        return {"answers a second": len(asked) / (found["seconds"] or 1.0), **_times(asked), **found}


async def delay(server: Server, load: Load, out: Path, url: str = "") -> Row:
    """So many questions a second: how long until the model is asked."""
    found: Row = {}
    async with fleet(server, load, out, url) as ships:
        await warmed(ships, replace(load, people=20))
        with watched(ships, found):
            asked = await flow(ships, load)
        _insist_on_one_answer(ships)
        return {"answers a second": len(asked) / (found["seconds"] or 1.0), **_times(asked), **found}


async def carry(server: Server, load: Load, out: Path, url: str = "") -> Row:
    """One worker, and people who read answers that take their time: what a second of an answer costs."""
    load = replace(load, workers=1, answer=load.answer or 5.0)
    found: Row = {}
    async with fleet(server, load, out, url) as ships:
        await warmed(ships, load)
        ships.doubles.calls.clear()
        with watched(ships, found):
            asked = await keep(ships, load, ships.answered)
        _insist_on_one_answer(ships)
        calls = sum(ships.doubles.calls.values()) / len(asked)
        cpu = (found["cores: worker"] or 0.0) * (found["seconds"] or 0.0) * 1_000 / len(asked)
    return {
        "people": load.people,
        "answer s": load.answer,
        "calls an answer": calls,
        "worker's CPU an answer ms": cpu,
        "worker's CPU a second of an answer ms": cpu / load.answer,
        "answers a second": len(asked) / (found["seconds"] or 1.0),
        **_times(asked),
        **found,
    }


async def large(server: Server, load: Load, out: Path, url: str = "") -> Row:
    """The three on a database where only those who talk have a history, and on one that many others have filled."""
    found: Row = {}
    few = replace(load, chats=load.people, messages=load.messages * load.people // load.chats)
    for name, size in (("small", few), ("large", load)):
        begun = time.monotonic()
        url = await filled(server, size, out)
        found[f"filled in s, {name}"] = time.monotonic() - begun
        found[f"MB, {name}"] = server.execute("SELECT pg_database_size(current_database()) / 1048576", url)[0][0]
        for scenario in (through, delay, accept):
            for figure, value in (await scenario(server, size, out, url)).items():
                found[f"{scenario.__name__}: {figure}, {name}"] = value
        server.drop(url)
    for name in [name.removesuffix(", small") for name in found if name.endswith(", small")]:
        small, big = found.get(f"{name}, small"), found.get(f"{name}, large")
        if small and big:
            found[f"{name}, large / small"] = big / small
    return found


async def filled(server: Server, load: Load, out: Path) -> str:
    """A database in which everybody has talked: its address."""
    url = server.create()
    async with fleet(server, replace(load, workers=1), out, url) as ships:
        await ships.answered(FIRST_USER)
        await asyncio.sleep(1.0)  # what is written after an answer
    await asyncio.to_thread(fill, url, FIRST_USER + 1, load.chats, load.messages)
    return url


def _insist_on_one_answer(fleet: Fleet) -> None:
    wrong = [number for number, question in fleet.doubles.questions.items() if question.answers != 1]
    if wrong and not fleet.doubles.seconds:
        raise RuntimeError(f"{len(wrong)} questions were not answered once, the first is {wrong[0]}")


def _times(asked: list[Question]) -> Row:
    return {
        **_spread("accept", [question.accepted - question.posted for question in asked]),
        **_spread("post to model", [question.asked - question.posted for question in asked]),
        **_spread("accept to model", [max(question.asked - question.accepted, 0.0) for question in asked]),
        **_spread("post to answer", [question.sent - question.posted for question in asked]),
    }


def _spread(name: str, seconds: list[float]) -> Row:
    return {f"{name} p50 ms": percentile(seconds, 0.5), f"{name} p95 ms": percentile(seconds, 0.95)}


async def measure(names: list[str], load: Load, out: Path) -> dict[str, Row]:
    """Each scenario on a server of its own. Raises `RuntimeError` when something was lost or doubled."""
    results: dict[str, Row] = {}
    for name in names:
        with started(CONFIGURATION) as server:
            server.execute(f"CREATE DATABASE {TEMPLATE}")
            await asyncio.to_thread(asyncio.run, migrations.upgrade(server.url(TEMPLATE)))
            shutil.rmtree(out / name, ignore_errors=True)
            results[name] = await SCENARIOS[name](server, load, out / name)
        print(f"\n### {name}\n", *(f"{key:40} {_shown(value)}" for key, value in results[name].items()), sep="\n")
        (out / "fleet.json").write_text(json.dumps(results, indent=1) + "\n")
    return results


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("scenario", nargs="*", default=["accept", "through", "delay"], help=", ".join(SCENARIOS))
    parser.add_argument("--out", type=Path, default=Path("results"), help="where figures and logs go")
    for name in Load.__dataclass_fields__:
        default = getattr(Load(), name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{default} unless said")
    options = vars(parser.parse_args())
    names, out = options.pop("scenario"), options.pop("out").absolute()
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"there is no scenario {', '.join(unknown)}")
    asyncio.run(measure(names, Load(**options), out))


ENV = {
    "BOT_TOKEN": TOKEN,
    "TELEGRAM_API_URL": "{world}",
    "YC_API_KEY": "bench-key",
    "YC_FOLDER_ID": "b1gbenchbenchbenchbe",
    "YC_LLM_URL": "{world}",
    "YC_CONCURRENCY": 1000,
    "WEBHOOK_URL": "http://127.0.0.1:{port}/hook",
    "WEBHOOK_SECRET": SECRET,
    "DATABASE_URL": "{database}",
    "ACCESS": "open",
    "USER_RATE": 0,
    "QUEUE_SIZE": 10_000,
    "TELEGRAM_RATE": 0,  # what Telegram lets through is not what is measured
    "TELEGRAM_CHAT_RATE": 0,
    "SUMMARIES": "false",  # questions of the bot's own, which nobody waits for
    "NAME_CHATS": "false",
}
SCENARIOS: dict[str, Callable[[Server, Load, Path], Awaitable[Row]]] = {
    "accept": accept, "through": through, "delay": delay, "carry": carry, "large": large,
}  # fmt: skip


if __name__ == "__main__":
    main()
