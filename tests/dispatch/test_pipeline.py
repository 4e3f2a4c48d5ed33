"""Between the transport and the commands: order, errors, and what is given up."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from itertools import pairwise
from typing import Any, Literal

import pytest
from sqlalchemy import text

from bot.access.policy import Access, Decision
from bot.clock import SystemClock
from bot.concurrency.lease import Lease, Tasks, current
from bot.dispatch.admission import Admission
from bot.dispatch.conversation_queue import ConversationQueue
from bot.dispatch.error_boundary import MOST_ATTEMPTS, ErrorBoundary
from bot.dispatch.lanes import Lanes
from bot.dispatch.pipeline import pipeline
from bot.errors import LimitReached, NotAllowed, Refused, StorageUnavailable
from bot.ports import Handler, Reply
from bot.storage.store import Store, Tx
from bot.telemetry.incidents import IncidentLog
from bot.telemetry.turn_log import TurnLogs
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Kind, Outgoing, User
from tests.support.stage import ANNA, BORIS, Stage


class Silence:
    """A way back that nobody hears; `toasts` are what was said about presses."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.finished = 0
        self.toasts: list[str] = []

    def begin(self, mode: str = "", over: int = 0, quote: int = 0) -> None: ...

    def append(self, text: str) -> None: ...

    def replace(self, text: str) -> None: ...

    def complete(self) -> None: ...

    @property
    def shown(self) -> str:
        return ""

    async def finish(self) -> None:
        self.finished += 1

    async def close(self) -> None: ...

    async def acknowledge(self, text: str = "") -> None:
        self.toasts.append(text)

    def show(self, doing: str) -> None: ...

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None: ...

    async def fetch(self, attachment: Attachment) -> bytes:
        raise Refused("there is no file")

    def show_only_to(self, user: int) -> None: ...

    async def open_ephemeral(self) -> bool:
        return False

    async def is_admin(self, user: int) -> bool:
        return False


# --- in order ---------------------------------------------------------------------------------------------------------


async def test_a_conversation_is_worked_on_in_its_order_and_others_do_not_wait() -> None:
    """P3."""
    order: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(0.01 if incoming.text == "slow" else 0)
        order.append(f"{incoming.address.chat} {incoming.text}")

    await _through(handler, _said(1, "slow"), _said(1, "second"), _said(2, "quick"), _said(1, "third"))
    assert order == ["2 quick", "1 slow", "1 second", "1 third"]


async def test_threads_and_presses_have_queues_of_their_own() -> None:
    order: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(0.01 if incoming.text == "slow" else 0)
        order.append(incoming.text)

    press = _said(1, "press", Kind.BUTTON)
    await _through(handler, _said(1, "slow"), press, _said(1, "stop", Kind.STOP), _said(1, "topic", thread=5))
    assert sorted(order[:3]) == ["press", "stop", "topic"]
    assert order[3] == "slow"


async def test_an_edit_of_a_question_that_waits_replaces_it_and_both_updates_are_done() -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(0)
        seen.append((incoming.text, incoming.ids))

    await _through(
        handler,
        _said(1, "first", message=1),
        _said(1, "second", message=2),
        _said(1, "second, but better", Kind.EDIT, message=2),
        _said(1, "second, even better", Kind.EDIT, message=2),
        _said(1, "first, too late", Kind.EDIT, message=1),
    )
    assert [text for text, _ in seen] == ["first", "second, even better", "first, too late"]
    assert len(seen[1][1]) == 3


async def test_a_drain_gives_up_what_waits_and_cancels_what_is_too_slow() -> None:
    ended: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(3600 if incoming.text == "for ever" else 0.01)
        ended.append(incoming.text)

    async with asyncio.TaskGroup() as tasks:
        handle, queue = _queue(handler, tasks)
        for incoming in (_said(1, "running"), _said(1, "waiting"), _said(2, "for ever")):
            await handle(incoming, Silence(incoming.address))
        assert queue.lanes.size
        await queue.drain(0.1)
    assert ended == ["running"]
    assert not queue.lanes.size


async def test_work_that_a_lost_lease_ends_before_it_began_leaves_no_queue_behind_in_which_others_wait() -> None:
    done: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        done.append(incoming.text)

    async def look() -> None: ...

    async with Tasks() as tasks:
        handle, _ = _queue(handler, tasks)
        lease = Lease(lock="chat:42:/1", job=1, worker=1, attempts=0, clock=SystemClock(), look=look, seen=0.0)
        token = current.set(lease)
        for text in ("lost", "lost too"):
            await handle(_said(1, text), Silence(Address("telegram", 42, 1)))
        lease.lose()
        current.reset(token)
        await asyncio.wait(lease.tasks)
        await handle(_said(1, "taken up again"), Silence(Address("telegram", 42, 1)))
    assert done == ["taken up again"]


async def test_what_comes_during_a_drain_does_not_overtake_what_waited() -> None:
    ended: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(0.2 if incoming.text == "running" else 0)
        ended.append(incoming.text)

    async with asyncio.TaskGroup() as tasks:
        handle, queue = _queue(handler, tasks)
        for incoming in (_said(1, "running"), _said(1, "waiting")):
            await handle(incoming, Silence(incoming.address))
        draining = tasks.create_task(queue.drain(10))
        await asyncio.sleep(0)
        for incoming in (_said(1, "late"), _said(2, "elsewhere"), _said(1, "stop", Kind.STOP)):
            await handle(incoming, Silence(incoming.address))
        await draining
    assert sorted(ended) == ["running", "stop"]


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_an_error_for_the_user_is_said_and_the_update_is_done(stage: Stage) -> None:
    for error in (NotAllowed("not for you"), LimitReached("too much")):
        said, open_ = await _bounded(stage, _raising(error))
        assert said == [str(error)]
        assert open_ == []


async def test_a_bug_is_said_under_a_code_that_stands_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    said, open_ = await _bounded(stage, _raising(RuntimeError("a secret detail")))
    code = re.sub(r".*\(code (\w+)\).*", r"\1", said[0])
    assert said == [say("en", "error.bug", code=code)]
    assert open_ == []
    assert any(code in record.getMessage() and record.exc_info for record in caplog.records)


async def test_storage_that_is_not_there_is_waited_for_and_nothing_is_lost(stage: Stage) -> None:
    tries: list[float] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        tries.append(stage.clock.monotonic())
        if len(tries) < 8:
            raise StorageUnavailable("the disk is full")
        raise NotAllowed("here again")

    said, _ = await _bounded(stage, handler)
    assert said == ["here again"]
    waits = [round(later - earlier) for earlier, later in pairwise(tries)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]


async def test_what_crashed_the_process_three_times_is_given_up(stage: Stage) -> None:
    handled: list[str] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        handled.append(incoming.id)
        raise NotAllowed("handled")

    for attempts in (0, MOST_ATTEMPTS - 1):
        assert (await _bounded(stage, handler, attempts=attempts))[0] == ["handled"]
    said, open_ = await _bounded(stage, handler, attempts=MOST_ATTEMPTS)
    assert said == [say("en", "error.crashed")]
    assert open_ == []
    assert len(handled) == 2


async def test_what_went_wrong_is_said_in_the_language_chosen_in_the_chat(stage: Stage) -> None:
    where = Address("telegram", 42, 1)
    async with Store.open(stage.settings.database_url, stage.clock) as store:

        def choose(tx: Tx) -> None:
            tx.chats.record_seen(where, User(7, "Anna", "en"), private=True)
            tx.chats.store_choices(where, language="ru")

        await store.write(choose)
    said, _ = await _bounded(stage, _raising(ValueError("a bug")))
    assert said[0].startswith(say("ru", "error.bug", code="")[:20])
    said, _ = await _bounded(stage, _raising(ValueError("a bug")), attempts=MOST_ATTEMPTS)
    assert said == [say("ru", "error.crashed")]


async def test_a_failing_press_is_acknowledged(stage: Stage) -> None:
    async with Store.open(stage.settings.database_url, stage.clock) as store:
        incoming = _said(1, "", Kind.BUTTON)
        reply = Silence(incoming.address)
        await _boundary(store)(incoming, reply, _raising(NotAllowed("no")))
    assert reply.toasts == [""]
    assert reply.finished == 1


async def test_cancelling_passes_through(stage: Stage) -> None:
    async def handler(_incoming: Incoming, _reply: Reply) -> None:
        await asyncio.sleep(3600)

    async with Store.open(stage.settings.database_url, stage.clock) as store:
        incoming = _said(1, "hello")
        task = asyncio.ensure_future(_boundary(store)(incoming, Silence(incoming.address), handler))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_row_that_always_kills_the_process_is_given_up_and_the_rest_goes_on(stage: Stage) -> None:
    """The crash is a process that ends while the model is asked."""
    stage.studio.fail_next("completion", hang=True, times=MOST_ATTEMPTS)
    stage.telegram.say(ANNA, "poison")
    for crashes in range(MOST_ATTEMPTS):
        await stage.start()
        async with asyncio.timeout(20):
            while len(stage.prompts()) <= crashes:
                await asyncio.sleep(0.2)
        await stage.crash()
    await stage.start()
    assert await stage.texts(1) == [say("en", "error.crashed")]
    stage.studio.script("well", "well too")
    assert await stage.ask("hello", BORIS) == "well"
    assert await stage.ask("hello") == "well too"


async def test_a_full_disk_loses_no_question(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written was not confirmed to Telegram either: it comes again when there is room."""
    app = await stage.start()
    await stage.ask("hello")
    await _room(app.store, 0)
    stage.telegram.say(ANNA, "x" * 3_000)
    await _fill(app.store)
    stage.telegram.say(ANNA, "the question " + "y" * 3_000)
    await asyncio.sleep(20)
    await _room(app.store, 10_000)
    stage.studio.answer(lambda messages: "answered")
    await stage.until(lambda: "the question" in str(stage.prompts()[-1]) or None if stage.prompts() else None)
    assert "full" in caplog.text
    assert not any(record.levelno >= logging.CRITICAL for record in caplog.records)


async def test_a_clean_up_that_finds_the_database_locked_does_not_end_the_bot(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("are you there?")
    await app.store.write(lambda tx: tx.connection.execute(text("PRAGMA busy_timeout=0")))
    other = sqlite3.connect(stage.settings.database_url.partition("///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop: Any = asyncio.get_running_loop()
    loop.now += 3600
    await asyncio.sleep(1)
    other.execute("ROLLBACK")
    other.close()
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"


# --- access -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "user", "allowed"),
    [
        (Kind.MESSAGE, 1, True),
        (Kind.MESSAGE, 2, False),
        (Kind.EDIT, 2, False),
        (Kind.BUTTON, 2, False),
        (Kind.STOP, 2, False),
        (Kind.MESSAGE, 0, False),
        (Kind.BUTTON, 0, False),
        (Kind.STOP, 0, True),
        (Kind.BLOCKED, 0, True),
        (Kind.UNBLOCKED, 0, True),
        (Kind.MIGRATED, 0, True),
    ],
)
async def test_a_closed_bot_lets_in_owners_and_what_nobody_in_person_did(
    kind: Kind, user: int, *, allowed: bool
) -> None:
    passed: list[Incoming] = []

    async def handler(incoming: Incoming, _reply: Reply) -> None:
        passed.append(incoming)

    async def refuse(incoming: Incoming, _reply: Reply, _decision: Decision) -> None:
        refused.append(incoming)

    refused: list[Incoming] = []
    incoming = _said(1, "", kind, user=user)
    await Admission(access=Access(owners=frozenset({1})), refuse=refuse)(incoming, Silence(incoming.address), handler)
    assert (passed, refused) == (([incoming], []) if allowed else ([], [incoming]))


# --- what several need ------------------------------------------------------------------------------------------------


def _said(
    chat: int, text: str, kind: Kind = Kind.MESSAGE, *, thread: int = 0, message: int = 0, user: int = 7
) -> Incoming:
    number = next(NUMBERS)
    address = Address("telegram", 42, chat, thread)
    return Incoming(str(number), address, User(user, "Anna", "en"), kind, text, ids=(number,), message_id=message)


NUMBERS = iter(range(1, 10**9))


def _raising(error: Exception) -> Handler:
    async def handler(_incoming: Incoming, _reply: Reply) -> None:
        raise error

    return handler


def _queue(handler: Handler, tasks: asyncio.TaskGroup) -> tuple[Handler, ConversationQueue]:
    queue = ConversationQueue(lanes=Lanes(), tasks=tasks, turns=TurnLogs(clock=SystemClock()))
    return pipeline([queue], handler), queue


def _boundary(store: Store) -> ErrorBoundary:
    return ErrorBoundary(store=store, incidents=IncidentLog(store.clock))


async def _through(handler: Handler, *incomings: Incoming) -> None:
    async with asyncio.TaskGroup() as tasks:
        handle, _ = _queue(handler, tasks)
        for incoming in incomings:
            await handle(incoming, Silence(incoming.address))


async def _bounded(stage: Stage, handler: Handler, attempts: int = 0) -> tuple[list[str], list[Any]]:
    """One update through the boundary: what was said, and which updates are still open."""
    where = Address("telegram", 42, 1)
    async with Store.open(stage.settings.database_url, stage.clock) as store:
        row = await store.write(lambda tx: tx.inbox.add_update(42, next(NUMBERS), "", "{}"))
        assert row is not None
        incoming = Incoming(str(row.id), where, User(7, "Anna", "en"), ids=(row.id,), attempts=attempts)
        await _boundary(store)(incoming, Silence(where), handler)
        delivery, open_ = await store.read(lambda tx: (tx.outbox.next_unsent(where), tx.inbox.list_open(42)))
        assert delivery is not None
        await store.write(lambda tx: tx.outbox.dead_letter(delivery.id, "seen"))
        return [_words(delivery.outgoing)], list(open_)


def _words(outgoing: Outgoing) -> str:
    assert outgoing.plain
    return outgoing.text


async def _room(store: Store, pages: int) -> None:
    def work(tx: Tx) -> None:
        count = tx.connection.execute(text("PRAGMA page_count")).scalar_one()
        tx.connection.execute(text(f"PRAGMA max_page_count={count + pages}"))

    await store.write(work)


async def _fill(store: Store) -> None:
    """Use up what free pages there are."""
    try:
        for number in range(10_000):
            await store.write(lambda tx, number=number: tx.inbox.add_update(1, number, "", "z" * 2_000))  # type: ignore[misc]
    except StorageUnavailable:
        return
    raise AssertionError("the disk is not full")
