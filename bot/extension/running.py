"""The running bot as a programmer's code sees it: `Running`. `features/program/` has what does it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, overload

from pydantic import BaseModel
from typing_extensions import TypeVar

from bot.clock import Clock
from bot.types import Address, Button, Incoming, Outgoing, User

if TYPE_CHECKING:
    from sqlalchemy import Connection

State_co = TypeVar("State_co", covariant=True, default=Any)
T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)
Payer = int | User | Incoming | None  # who pays for a request: a person, the sender of a message, None: the bot itself
Receiver = int | User | Incoming | Address  # a person, or the chat that a message came from or an address names
Keyboard = Sequence[Sequence[Button]]  # rows of buttons, from the top


class SendState(StrEnum):
    """What became of a message that `Running.send` has stored."""

    WAITING = "waiting"  # it is on disk, and is being sent; also while the messenger is away
    DELIVERED = "delivered"
    BLOCKED = "blocked"  # the person has blocked the bot, or the bot was removed from the group
    FAILED = "failed"  # the messenger has refused it for good: see `Sent.reason`
    FORGOTTEN = "forgotten"  # it was sent or given up, and deleted since by retention or /forget


@dataclass(frozen=True, slots=True)
class Sent:
    """A message under its `key`, as it stood when this value was made. `reason` says why it has failed, "" otherwise.

    `is_new`: the call that returned this has stored the message; False: an earlier call with the key has.
    """

    key: str
    state: SendState
    reason: str = ""
    is_new: bool = False
    wait: Callable[[float | None], Awaitable[Sent]] | None = field(default=None, repr=False, compare=False)

    async def outcome(self, within: float | None = None) -> Sent:
        """Wait until the message is not `WAITING` any more, at most `within` seconds (None: without limit).

        Returns how it stands then, which after `within` seconds may still be `WAITING`.
        """
        return self if self.wait is None else await self.wait(within)


class OwnStore(Protocol):
    """Transactions on the bot's database for tables of your own (`App.metadata`)."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, in another thread, and return its result after the commit.

        `work` may run more than once, so it uses only the connection and values that don't change. If it raises,
        nothing of it is stored. Raises `StorageUnavailable` while the disk or the server is away.
        """
        ...

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run `question` in a transaction that sees one state of the database and changes nothing; return its
        result.
        """
        ...


class Running(Protocol[State_co]):
    """The bot while it runs: what your code sends, plans, asks and stores by itself, without a message at hand.

    `App.lifespan`, jobs and HTTP handlers are handed it; everywhere else it is `App.current`.
    """

    @property
    def state(self) -> State_co:
        """What the function of `App.lifespan` has yielded. If it has yielded nothing, an object that takes any
        attribute (`running.state.pool = ...`).
        """
        ...

    @property
    def bot(self) -> int:
        """The messenger's id of the bot, with which its token begins."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock of the bot: in tests its time is virtual."""
        ...

    @property
    def store(self) -> OwnStore:
        """Transactions on the bot's database, for tables of your own."""
        ...

    async def send(
        self, to: Receiver, what: str | Mapping[str, str] | Outgoing, *, key: str, buttons: Keyboard = ()
    ) -> Sent:
        """Send a message to a person (by id), to the chat of an address, or where an `Incoming` came from. Returns when
        it is on disk.

        A text is Markdown: one for all languages, or one for each (`{"en": "Good morning", "de": "Guten Morgen"}`), of
        which the one in the language that the chat has chosen is sent, else in the person's. The message is delivered
        in the background, after a crash by the next start. Only the first call with a `key` (1-200 characters) sends
        something, for ever and in all processes of the bot; later calls return what became of that message. Raises
        `UnknownUser` for somebody who never wrote to the bot: messengers let no bot begin a conversation.
        """
        ...

    async def sent(self, key: str) -> Sent | None:
        """Return what became of the message with this `key`; None if no call has stored one."""
        ...

    async def later(
        self,
        job: str,
        *,
        key: str,
        at: datetime | timedelta,
        to: int | User | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """Run the job of this name at a time (with a time zone), or after a while. Returns when that is on disk.

        `to` becomes `JobRun.user`, and `data` (values that JSON can hold) `JobRun.data`. Only the first call with the
        `key` (1-200 characters) plans a run, for ever and in all processes; the others return False. Raises
        `ValueError` for a job that the App does not have or a time without a zone, `UnknownUser` as `send` does.
        """
        ...

    async def withdraw(self, job: str, *, key: str) -> bool:
        """Take back the run that `later` has planned with this `key`; one that has begun goes on. The key stays used.

        False: there is none, or it has ended.
        """
        ...

    @overload
    async def ask(self, question: str, *, user: Payer = None, model: str = "main", system: str = "") -> str:
        """Ask a model for a text."""
        ...

    @overload
    async def ask(
        self, question: str, schema: type[S], *, user: Payer = None, model: str = "main", system: str = ""
    ) -> S:
        """Ask a model for an object of a schema."""
        ...

    async def ask(
        self,
        question: str,
        schema: type[Any] | None = None,
        *,
        user: Payer = None,
        model: str = "main",
        system: str = "",
    ) -> Any:
        """Ask a model: returns its answer as a text, or as an object of the pydantic model `schema`.

        `model` is the name of an offered model, "main" for the default of the bot, "helper" for the cheap one. The
        price is held back in the budgets of `user` before the model is asked, and booked for /usage; without a `user`
        the bot itself pays. Raises `LimitReached` when the budget is used up, the model's `ModelError`, and
        `ValueError` for a model that is not offered.
        """
        ...

    def stream(
        self, question: str, *, user: Payer = None, model: str = "main", system: str = ""
    ) -> AsyncGenerator[str, None]:
        """Ask a model and yield pieces of its answer as they come. Arguments and errors are those of `ask`.

        Leaving the loop early ends the request; what was written until then is booked.
        """
        ...


current: ContextVar[Running[Any]] = ContextVar("running")  # the bot whose work the running code is
