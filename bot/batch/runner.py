"""Works on a run whose requests are asked one by one: at once (`sync`) or for half the price (`async`). Begin with
`BatchRunner.work`.

The state of each request is a row: it is committed as sent before it goes out, and its answer is committed in the
transaction that books it. If a process dies, it is unknown of at most `CONCURRENCY` requests whether the service has
accepted them; these are asked again, at most `MOST_SUBMITS` times. Only one process at a time works on a run: it holds
a lease, which expires unless it is renewed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.ai import AsyncModel, Failed, Model, Pending, Profile, Usage
from bot.batch.requests import asked
from bot.billing import pricing
from bot.concurrency.retry import Backoff
from bot.errors import (
    BadInput,
    BotError,
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.llm import prompt, whole_answer
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import BatchRequest, BatchRun
from bot.types import Address

CONCURRENCY = 10
MOST_SUBMITS = 3
LEASE = 30.0  # seconds
APART = 0.1  # seconds between submits of the asynchronous mode, whose quota is 10 a second
FIRST_POLL, LONGEST_POLL = 10.0, 600.0  # seconds
AGAIN = Backoff(2.0, 300.0)  # while the service is away
REASON = 500  # characters

Watch = Callable[[], None]


class Stopped(BotError):
    """Raised when a run can't go on, for example because the service refuses the key."""


@dataclass(slots=True, kw_only=True)
class BatchRunner:
    """Works on the runs of a bot. `model` answers at once, `later` is its asynchronous mode."""

    store: Store
    model: Model
    later: AsyncModel | None = None
    watch: Watch = lambda: None
    _worker: str = field(default_factory=lambda: secrets.token_hex(8), init=False)
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio, init=False)
    _next_submit: float = field(default=0.0, init=False)

    async def work(self, run: BatchRun) -> bool:
        """Work on a run until all its requests have ended, or it was canceled. False: another process works on it.

        Raises `StorageUnavailable` where the database is away; what was answered until then is stored.
        """
        if not await self._hold(run):
            return False
        await self.store.write(lambda tx: _recover(tx, run.id, MOST_SUBMITS))
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while await self._hold(run) and await self._is_open(run):
                await self._begin(run, tasks)
                if not tasks and not await self._wait(run):
                    break
                if tasks:
                    await asyncio.wait(tasks.values(), timeout=LEASE / 3, return_when=asyncio.FIRST_COMPLETED)
                for hash_ in [hash_ for hash_, task in tasks.items() if task.done()]:
                    tasks.pop(hash_).result()
                self.watch()
        except Stopped as error:
            await self._end(run, "stopped", str(error))
            return True
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            await self.store.write(lambda tx: tx.change(run, until=0.0))
        if await self._is_open(run):
            await self._end(run, "done", "")
        return True

    async def _hold(self, run: BatchRun) -> bool:
        return await self.store.write(lambda tx: tx.batches.take_run(run.id, self._worker, LEASE))

    async def _is_open(self, run: BatchRun) -> bool:
        found = await self.store.read(lambda tx: tx.one(BatchRun, bot=run.bot, id=run.id))
        return found is not None and found.state == "running"

    async def _begin(self, run: BatchRun, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Begin as many requests as there are free places, polls first: their answers are paid for already."""

        def pick(tx: Tx) -> tuple[Sequence[BatchRequest], Sequence[BatchRequest]]:
            room = CONCURRENCY - len(tasks)
            running = tx.batches.list_ready(run.id, "running", room + len(tasks))
            polled = [one for one in running if one.hash not in tasks][:room]
            ready = tx.batches.list_ready(run.id, "asked", room - len(polled)) if room > len(polled) else []
            tx.batches.mark_sent(run.id, [one.hash for one in ready])
            return polled, ready

        polled, sent = await self.store.write(pick)
        for one in polled:
            tasks[one.hash] = asyncio.create_task(self._poll(run, one))
        for one in sent:
            ask = self._submit if self.later is not None and run.mode == "async" else self._answer
            tasks[one.hash] = asyncio.create_task(ask(run, one))

    async def _wait(self, run: BatchRun) -> bool:
        """Wait until a request is due. False: all have ended."""
        due = await self.store.read(lambda tx: tx.batches.next_due(run.id))
        if due is None:
            return False
        await self.store.clock.sleep(min(max(due - self.store.clock.time(), APART), LEASE / 3))
        return True

    # --- one request --------------------------------------------------------------------------------------------------

    async def _answer(self, run: BatchRun, one: BatchRequest) -> None:
        try:
            request = asked(one, run.options)
            answer = await whole_answer.ask(self.model, request)
        except BadInput as error:  # its picture is gone
            await self._store(run, one, "failed", str(error))
            return
        except ModelError as error:
            await self._failed(run, one, error)
            return
        size = prompt.size(request)
        usage = answer.usage or Usage(self._ratio.tokens(size), self._ratio.tokens(len(answer.text)))
        self._ratio.learn(size, usage)
        await self._store(run, one, "answered", answer.text, finish=str(answer.finish), usage=usage)

    async def _submit(self, run: BatchRun, one: BatchRequest) -> None:
        clock = self.store.clock
        at = max(self._next_submit, clock.monotonic())
        self._next_submit = at + APART
        await clock.sleep(at - clock.monotonic())
        try:
            operation = await self._async_model.submit(asked(one, run.options))
        except BadInput as error:
            await self._store(run, one, "failed", str(error))
            return
        except ModelError as error:
            await self._failed(run, one, error)
            return
        due = clock.time() + FIRST_POLL
        # Without the service's id on disk the request would be sent, and paid, again.
        await self.store.write_until_stored(lambda tx: tx.change(one, state="running", operation=operation, due=due))

    async def _poll(self, run: BatchRun, one: BatchRequest) -> None:
        now = self.store.clock.time()
        try:
            outcome = await self._async_model.poll(one.operation)
        except ModelDenied as error:
            raise Stopped(f"the service refuses the key: {error}") from None
        except ModelError:
            outcome = Pending()
        if isinstance(outcome, Pending):
            wait = min(max(FIRST_POLL, (now - run.at) / 10), LONGEST_POLL)
            await self.store.write(lambda tx: tx.change(one, due=now + wait))
        elif isinstance(outcome, Failed):
            await self._store(run, one, "refused" if outcome.refused else "failed", outcome.reason)
        else:
            usage = outcome.usage or Usage(0, self._ratio.tokens(len(outcome.text)))
            await self._store(run, one, "answered", outcome.text, finish=str(outcome.finish), usage=usage)

    @property
    def _async_model(self) -> AsyncModel:
        if self.later is None:
            raise Stopped("the model has no asynchronous mode any more")
        return self.later

    async def _failed(self, run: BatchRun, one: BatchRequest, error: ModelError) -> None:
        """Store what a failure means: the request is over, is asked again, or the whole run can't go on."""
        if isinstance(error, ModelDenied):
            await self.store.write(lambda tx: tx.batches.put_back(run.id, one.hash, 0.0))
            raise Stopped(f"the service refuses the key: {error}")
        if isinstance(error, (ModelRefused, ContextOverflow)):
            await self._store(run, one, "refused", str(error))
            return
        may_be_paid = isinstance(error, (OutcomeUnknown, ModelProtocolError)) or not isinstance(error, ModelUnavailable)
        if may_be_paid and one.submits + 1 >= MOST_SUBMITS:
            await self._store(run, one, "failed", f"{type(error).__name__}: {error}")
            return
        retry_after = error.retry_after if isinstance(error, ModelUnavailable) else 0.0
        due = self.store.clock.time() + AGAIN.pause(one.submits + 1, retry_after)
        counted = 0 if may_be_paid else 1
        await self.store.write(lambda tx: tx.batches.put_back(run.id, one.hash, due, uncounted=counted))

    async def _store(
        self, run: BatchRun, one: BatchRequest, state: str, answer: str, *, finish: str = "",
        usage: Usage | None = None,
    ) -> None:  # fmt: skip
        """Store how a request has ended, and book what it cost, in one transaction."""
        profile, mode = self.model.profile, pricing.LATER if run.mode == "async" else pricing.SYNC

        def end(tx: Tx) -> None:
            now = tx.one(BatchRequest, run=run.id, hash=one.hash)
            if now is None or now.state not in ("sent", "running"):
                return  # forgotten meanwhile
            cost = _book(tx, run, self.model.name, profile, usage, mode) if usage is not None else 0
            tokens = usage or Usage()
            tx.change(
                now,
                state=state,
                answer=answer if state == "answered" else answer[:REASON],
                finish=finish,
                prompt=tokens.prompt,
                completion=tokens.completion,
                cost=cost,
            )

        # It is paid for: a full disk must not make the run ask, and pay, again.
        await self.store.write_until_stored(end)

    async def _end(self, run: BatchRun, state: str, reason: str) -> None:
        def end(tx: Tx) -> None:
            close_run(tx, run, state, reason)

        await self.store.write(end)


def close_run(tx: Tx, run: BatchRun, state: str, reason: str = "") -> None:
    """End a run, and settle the reservation of its price by what its answers have cost."""
    _, cost = tx.batches.spent(run.id)
    tx.budgets.settle_reservation(run.held, cost)
    tx.change(run, state=state, reason=reason[:REASON], ended=tx.clock.time(), held=0)


def _recover(tx: Tx, run: int, most: int) -> None:
    """Decide about requests that a worker had sent when it died: ask again, or give up."""
    for one in tx.batches.list_ready(run, "sent", 1_000_000):
        if one.submits >= most:
            tx.change(one, state="failed", answer="whether it was answered is not known")
        else:
            tx.batches.put_back(run, one.hash, 0.0, uncounted=0)


def _book(tx: Tx, run: BatchRun, name: str, profile: Profile, usage: Usage, mode: str) -> int:
    where = Address("telegram", run.bot, run.user)
    return pricing.book_answer(tx, where, run.user, f"batch-{run.id}", name, profile, usage, mode)
