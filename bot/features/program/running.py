"""`Running` on the parts of a bot. Each method is described in `extension/running.py`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bot.clock import Clock
from bot.extension.mistakes import check_function
from bot.extension.program import Program
from bot.extension.running import Keyboard, Payer, Receiver, SendState, Sent
from bot.features.program.jobs import Planner
from bot.features.program.messages import Messages
from bot.features.program.models import ProgramModels
from bot.storage.store import Store
from bot.types import Outgoing, User

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProgramStore:
    """`OwnStore`: transactions on the bot's database."""

    _store: Store

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction and return its result after the commit."""
        check_function("store.write", work, ("connection",), is_async=False)
        return await self._store.write(lambda tx: work(tx.connection))

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run `question` in a transaction that changes nothing, and return its result."""
        check_function("store.read", question, ("connection",), is_async=False)
        return await self._store.read(lambda tx: question(tx.connection))


@dataclass(slots=True, kw_only=True)
class RunningBot:
    """`Running`. `state` is set when the lifespans have yielded theirs. `program` is that of the App it belongs to."""

    program: Program
    messages: Messages
    planner: Planner
    models: ProgramModels
    state: Any = field(default_factory=SimpleNamespace)

    @property
    def bot(self) -> int:
        """The messenger's id of the bot."""
        return self.messages.bot

    @property
    def clock(self) -> Clock:
        """The clock of the bot."""
        return self.messages.store.clock

    @property
    def store(self) -> ProgramStore:
        """Transactions on the bot's database."""
        return ProgramStore(self.messages.store)

    async def send(
        self, to: Receiver, what: str | Mapping[str, str] | Outgoing, *, key: str, buttons: Keyboard = ()
    ) -> Sent:  # fmt: skip
        """Store a message, once for its key, and have it delivered."""
        return await self.messages.send(to, what, key, buttons)

    async def sent(self, key: str) -> Sent | None:
        """Return what became of a message."""
        return await self.messages.find(key)

    async def later(
        self, job: str, *, key: str, at: datetime | timedelta, to: int | User | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:  # fmt: skip
        """Plan a run of a job, once for its key."""
        return await self.planner.later(job, key, at, to, data or {})

    async def withdraw(self, job: str, *, key: str) -> bool:
        """Take back a planned run of a job."""
        return await self.planner.withdraw(job, key)

    async def ask(
        self, question: str, schema: type[Any] | None = None, *, user: Payer = None, model: str = "main",
        system: str = "",
    ) -> Any:  # fmt: skip
        """Ask a model for a text, or for an object of a schema."""
        return await self.models.ask(question, schema, user, model, system)

    def stream(
        self, question: str, *, user: Payer = None, model: str = "main", system: str = ""
    ) -> AsyncGenerator[str, None]:
        """Ask a model, and yield pieces of its answer."""
        return self.models.stream(question, user, model, system)


class _Undone(Exception):
    """Ends a transaction whose changes are not wanted; holds what its work has returned."""


@dataclass(frozen=True, slots=True)
class RehearsalStore(ProgramStore):
    """`OwnStore` whose changes are undone."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, undo it, and return its result."""

        def undone(connection: Connection) -> T:
            raise _Undone(work(connection))

        try:
            return await ProgramStore.write(self, undone)
        except _Undone as end:
            return cast(T, end.args[0])


@dataclass(slots=True, kw_only=True)
class Rehearsal(RunningBot):
    """`Running` while cases are asked: it sends, plans and stores nothing, and answers as if it had."""

    @property
    def store(self) -> RehearsalStore:
        """Transactions on the bot's database that change nothing."""
        return RehearsalStore(self.messages.store)

    async def send(
        self, to: Receiver, what: str | Mapping[str, str] | Outgoing, *, key: str, buttons: Keyboard = ()
    ) -> Sent:  # fmt: skip
        """Note a message in the log, and send nothing."""
        log.warning("cases are asked: the message %r is not sent", key)
        return Sent(key, SendState.DELIVERED, is_new=True)

    async def later(
        self, job: str, *, key: str, at: datetime | timedelta, to: int | User | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:  # fmt: skip
        """Note a run of a job in the log, and plan nothing."""
        log.warning("cases are asked: the job %r (%r) is not planned", job, key)
        return True

    async def withdraw(self, job: str, *, key: str) -> bool:
        """Note in the log that a run would be taken back, and leave it."""
        log.warning("cases are asked: the job %r (%r) is not withdrawn", job, key)
        return True
