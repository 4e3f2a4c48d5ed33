"""The one way to handle an update: a decorated function whose transaction is the turn. Begin with `Feature`.

    class Greeting(Feature):
        @command("/greet")
        def greet(self, tx: Tx, turn: Turn) -> Answer:
            return Answer(turn.say("greeting"), choices=[Choice("Again", "greet.again", {"count": 2})])

        @press("greet.again")
        def again(self, tx: Tx, turn: Turn, count: int) -> Answer: ...

A function reads, decides and writes in `tx`, and returns how the turn ends. Both are committed together, then the
answer is delivered. What a button or a question was given comes as arguments. A function is `async (turn, reply, …)`
only where it waits for a slow or paid service; it returns how the turn ends, or a function of the last transaction.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from bot.errors import ProgramError
from bot.extension.arguments import model_of
from bot.handlers import ButtonHandler, Command, Handlers, Section
from bot.outbox import Effect, Outcome, Page, Writer, end_question, end_turn, finish, finish_turn
from bot.ports import Reply
from bot.storage.engines.job_notify import Queue
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Kind, Permission

F = TypeVar("F", bound=Callable[..., Any])
MARK = "govorun_handles"


@dataclass(frozen=True, slots=True)
class Turn(Incoming):
    """An update as its handler sees it. `action` is the button that was pressed, or the question that it answers."""

    action: ButtonPress | None = None

    @property
    def pressed(self) -> ButtonPress:
        """The button of a turn that is a press."""
        assert self.action is not None  # noqa: S101  the handler of a press has one
        return self.action

    def say(self, key: str, /, **values: object) -> str:
        """A sentence of the catalog, in the language of the turn."""
        return say(self.language, key, **values)


def turn_of(incoming: Incoming, action: ButtonPress | None = None) -> Turn:
    """The turn of an update."""
    return Turn(**{one.name: getattr(incoming, one.name) for one in fields(Incoming)}, action=action)


@dataclass(frozen=True, slots=True)
class Question:
    """The model answers `asked` in this turn, as if the user had written it. `then` runs in the transaction that begins
    the answer.
    """

    asked: Incoming
    then: Effect | None = None


@dataclass(frozen=True, slots=True)
class After:
    """The turn ends with `outcome`. `do` runs after the commit and the delivery: what it does can't be taken back, such
    as to cancel something at a service. A crash before it has run loses it.
    """

    outcome: Outcome
    do: Callable[[], Awaitable[None] | None]


class Instead(Enum):
    """What a handler returns that does not end the turn."""

    NOT_MINE = auto()  # the message does not answer the question that was asked: it is one like any other
    ENDED = auto()  # an async handler has ended the turn itself


NOT_MINE, ENDED = Instead.NOT_MINE, Instead.ENDED


class Again:
    """A job is to run again at the Unix time `due`. Without it a job is done."""

    def __init__(self, due: float) -> None:
        self.due = due


Result = Outcome | Question | After | Instead


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a decorator has said of a function: what it handles, and the options of that."""

    table: str
    names: tuple[Any, ...]
    options: Mapping[str, Any]


def command(
    *words: str,
    requires: Permission = Permission.TALK,
    in_menu: bool | Callable[[Any], bool] = True,
    is_notice: bool = False,
    ephemeral: bool = False,
    about: str | Mapping[str, str] = "",
) -> Callable[[F], F]:
    """Handle a command that has the names `words`; `turn.rest` is what stands after the name. The options are those of
    `Command`. `in_menu` may be a function of the feature.
    """
    options = {
        "requires": requires,
        "in_menu": in_menu,
        "is_notice": is_notice,
        "ephemeral": ephemeral,
        "about": about,
    }
    return _marking("commands", words, options)


def press(
    *actions: str,
    requires: Permission = Permission.TALK,
    once: bool = False,
    has_toast: bool = False,
    changes_members: bool = False,
) -> Callable[[F], F]:
    """Handle the presses of buttons with these actions (`Choice`), whose payload comes as arguments.

    `once`: a button that was handled is dead. `has_toast`: the toast of the outcome is shown. `changes_members`: the
    transaction is one of the `directory` of the feature, so that the answer comes when the change is in force.
    """
    options = {"requires": requires, "once": once, "has_toast": has_toast, "changes_members": changes_members}
    return _marking("presses", actions, options)


def awaited(*actions: str, changes_members: bool = False) -> Callable[[F], F]:
    """Handle the answer in words to a question of `Ask`, whose payload comes as arguments. It may return `NOT_MINE`."""
    return _marking("awaits", actions, {"changes_members": changes_members})


def section(
    name: str,
    *,
    value: Callable[[Any, Tx, Incoming], str] = lambda _self, _tx, _turn: "",
    offered: Callable[[Any, Incoming], bool] = lambda _self, _turn: True,
) -> Callable[[F], F]:
    """Show a page of the settings panel: the function returns a `Page`. The options are those of `Section`, as methods
    of the feature.
    """
    return _marking("sections", (name,), {"value": value, "offered": offered})


def job(*kinds: str) -> Callable[[F], F]:
    """Do jobs of these kinds in a transaction, `(tx, job) -> Again | None`; its answers in the outbox are delivered.
    A job that was cancelled or moved meanwhile is left alone. To come back it returns `Again`: a job of its own kind
    and key, added by itself, would be deleted with it.

    A function `async (job)` does all that itself, and deletes the job.
    """
    return _marking("jobs", kinds, {})


def kind(*kinds: Kind) -> Callable[[F], F]:
    """Handle updates that are neither messages nor presses."""
    return _marking("kinds", kinds, {})


class Feature:
    """A feature: its decorated methods are its handlers. A dataclass whose fields are the parts of `core.Core` that it
    needs: a `store`; an `assistant` if it returns a `Question`; `wake_jobs` if it adds jobs; `deliver` if it answers in
    jobs, or elsewhere than in the turn's own chat.
    """

    if TYPE_CHECKING:

        @property
        def store(self) -> Writer:
            """The database, or what runs transactions on it."""

    @classmethod
    def of(cls, core: object) -> Self:
        """Make it of the parts of a bot (`core.Core`) that its fields name. Raises `TypeError` if one is missing."""
        return cls(**{one.name: getattr(core, one.name) for one in fields(cls) if hasattr(core, one.name)})  # type: ignore[arg-type]

    def feature(self) -> Handlers:
        """Return the handlers of all decorated methods, in the order in which they are written: menus show it."""
        found: dict[str, dict[Any, Any]] = {one.name: {} for one in fields(Handlers)}
        for name in dict.fromkeys(name for one in reversed(type(self).__mro__) for name in vars(one)):
            for mark in getattr(getattr(type(self), name), MARK, ()):
                handler = getattr(_Method(self, getattr(self, name), mark.options), mark.table)()
                found[mark.table] |= dict.fromkeys(mark.names, handler)
        return Handlers(**found)


def _marking(table: str, names: tuple[Any, ...], options: Mapping[str, Any]) -> Callable[[F], F]:
    def mark(function: F) -> F:
        vars(function).setdefault(MARK, []).append(_Mark(table, names, options))
        return function

    return mark


@dataclass(slots=True)
class _Method:
    """A decorated method of a feature: makes it a handler of one table of `Handlers`."""

    feature: Any
    run: Callable[..., Any]
    options: Mapping[str, Any]
    _arguments: type[BaseModel] | None = None

    def commands(self) -> Command:
        async def run(incoming: Incoming, reply: Reply, _rest: str) -> None:
            await self._handle(turn_of(incoming), reply)

        options = dict(self.options)
        if callable(options["in_menu"]):
            options["in_menu"] = options["in_menu"](self.feature)
        return Command(run, **options)

    def presses(self) -> ButtonHandler:
        async def run(incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
            await self._handle(turn_of(incoming, action), reply)

        return ButtonHandler(run, self.options["requires"], self.options["has_toast"])

    def awaits(self) -> Callable[[Incoming, Reply, ButtonPress], Awaitable[bool]]:
        async def run(incoming: Incoming, reply: Reply, action: ButtonPress) -> bool:
            return await self._handle(turn_of(incoming, action), reply, ends_question=True) is not NOT_MINE

        return run

    def kinds(self) -> Callable[[Incoming, Reply], Awaitable[None]]:
        async def run(incoming: Incoming, reply: Reply) -> None:
            await self._handle(turn_of(incoming), reply)

        return run

    def sections(self) -> Section:
        def page(tx: Tx, incoming: Incoming) -> Page:
            shown: Page = self.run(tx, turn_of(incoming))
            return shown

        return Section(page=page, **{name: partial(one, self.feature) for name, one in self.options.items()})

    def jobs(self) -> Callable[[Job], Awaitable[None]]:
        if inspect.iscoroutinefunction(self.run):
            do_itself: Callable[[Job], Awaitable[None]] = self.run
            return do_itself

        def run(tx: Tx, due: Job) -> Queue:
            now = tx.jobs.find_job(due.address.bot, due.kind, due.key)
            if now is None or now.due != due.due:  # cancelled, or done already
                return tx.queue
            again = self.run(tx, now)
            self._insist(deliver=tx.queue.answered)
            if isinstance(again, Again):
                tx.jobs.reschedule(due, again.due)
            else:
                tx.jobs.delete_done(due)
            return tx.queue

        async def do(due: Job) -> None:
            left = await self.feature.store.write(lambda tx: run(tx, due))
            if left.answered:
                self.feature.deliver(due.key, list(left.answered))

        return do

    async def _handle(self, turn: Turn, reply: Reply, *, ends_question: bool = False) -> Result:
        """Run the method, commit what it has done with the end of the turn, deliver. Returns what it has returned."""
        try:
            arguments = self._read(turn.action)
        except ValidationError:  # a button of an older version
            await reply.acknowledge(turn.say("old.button" if turn.private else "old.button.group"))
            await finish(self.feature.store, reply, lambda tx: finish_turn(tx, turn))
            return None
        is_async = inspect.iscoroutinefunction(self.run)
        found = await self.run(turn, reply, **arguments) if is_async else None
        if isinstance(found, Instead):
            return found

        def end(tx: Tx) -> tuple[Result, Incoming, Queue]:
            result = self.run(tx, turn, **arguments) if not is_async else found(tx) if callable(found) else found
            outcome = result.outcome if isinstance(result, After) else result
            where: Incoming = turn
            if not isinstance(outcome, Question | Instead):
                if ends_question and tx.buttons.find_awaited(turn.address, turn.user.id) == turn.action:
                    end_question(tx, turn)
                where = end_turn(tx, turn, outcome)
            if turn.action is not None and self.options.get("once"):
                tx.buttons.expire_button(turn.action.key)
            self._insist(wake_jobs=tx.queue.has_jobs, deliver=_others(tx.queue, turn, where))
            return result, where, tx.queue

        writer: Writer = self.feature.directory if self.options.get("changes_members") else self.feature.store
        result, where, left = await writer.write(end)
        if left.has_jobs:
            self.feature.wake_jobs()
        if others := _others(left, turn, where):
            self.feature.deliver("", others)
        outcome = result.outcome if isinstance(result, After) else result
        if isinstance(outcome, Question):
            await self.feature.assistant.answer(outcome.asked, reply, last=True, then=outcome.then)
        elif not isinstance(outcome, Instead):
            if where.address != reply.address:
                reply.show_only_to(where.address.visible_to)
            await reply.finish()
        if self.options.get("has_toast"):
            await reply.acknowledge(getattr(outcome, "toast", ""))
        if isinstance(result, After) and (waits := result.do()) is not None:
            await waits
        return result

    def _insist(self, **needed: object) -> None:
        """Raise `ProgramError`, so that nothing is committed, if the feature lacks what has to follow the commit."""
        for name, is_needed in needed.items():
            if is_needed and not hasattr(self.feature, name):
                raise ProgramError(f"{self.run.__qualname__}: {type(self.feature).__name__} needs a field {name}")

    def _read(self, action: ButtonPress | None) -> dict[str, Any]:
        """The arguments of the method, out of what a button or question was given. Raises `ValidationError`."""
        if self._arguments is None:
            self._arguments = model_of(self.run.__qualname__, self.run)
        names = self._arguments.model_fields
        if action is None or not names:
            return {}
        read = self._arguments.model_validate({name: one for name, one in action.payload.items() if name in names})
        return {name: getattr(read, name) for name in names}


def _others(left: Queue, turn: Turn, where: Incoming) -> list[Address]:
    """The chats with answers of a turn, except for its own."""
    return [one for one in left.answered if one not in (turn.address, where.address)]
