"""Tools: functions that a model may call. Begin with `Tool.of`, which makes a tool of a typed function.

    async def weather(city: str, days: int = 1) -> str:
        \"\"\"The weather forecast for a city.

        city: its name, in any language
        \"\"\"

    Tool.of(weather)

An error in a tool becomes a sentence for the model, never an exception: see `Tool.call`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from bot.ai import Source, ToolSpec
from bot.clock import Clock, SystemClock
from bot.errors import BadInput, BotError, UserError
from bot.llm.json_schema import Signature
from bot.prompts.catalog import instruct
from bot.telemetry import tracing
from bot.texts.catalog import PLACE, own, say
from bot.types import Address

log = logging.getLogger(__name__)

DEADLINE = 20.0  # seconds
LONGEST_RESULT = 16_000  # characters of a tool's output that the model gets
LONGEST_ARGUMENTS = 10_000  # characters of a call that needs approval: the user has to read them
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Who calls a tool, and where. A function with a parameter of this type gets it; the model does not see it.

    `zone` is the IANA name of the user's time zone, "" if unknown. `turn` is the id of the turn.
    """

    address: Address
    user: int = 0
    language: str = ""
    zone: str = ""
    clock: Clock = field(default_factory=SystemClock)
    turn: str = ""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a tool. `sources` are listed below the answer.

    `failed`: the text says why there is no result. `unsure`: the tool may have done its work all the same.
    """

    text: str
    sources: tuple[Source, ...] = ()
    failed: bool = False
    unsure: bool = False


Run = Callable[[Mapping[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool. `run` gets the model's arguments and the caller; `parameters` is the JSON schema of the arguments.

    `needs_approval`: it changes something outside the conversation, so each call waits for the user's approval.
    `deadline` is in seconds. `doing` is shown during a call: a text for each language, or a key in `texts`. `check`
    raises `BadInput` for wrong arguments, without side effects. `asks` is the question before a call that needs
    approval: a sentence in Markdown for each language, with names of parameters in braces ("Lend {title} to you?").
    Without it the question is made of the `title` (else the name) and the arguments. `about` is a regular expression
    for the questions that it may help with, in whatever case, where answers come from sources only; without it the
    words of its name and description tell. Raises `ValueError` for a wrong name, schema, sentence or expression.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Run
    needs_approval: bool = False
    deadline: float = DEADLINE
    doing: Mapping[str, str] | str = ""
    check: Callable[[Mapping[str, Any]], object] | None = None
    asks: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} can't be a tool's name: 1-64 of a-z A-Z 0-9 _ - are expected")
        if self.parameters.get("type") != "object":
            raise ValueError(f"{self.name}: the parameters must be the JSON schema of an object")
        try:
            re.compile(self.about)
        except re.error as error:
            raise ValueError(f"{self.name}: about={self.about!r} is no regular expression: {error}") from None
        for sentence in self.asks.values():
            if unknown := set(PLACE.findall(sentence)) - set(self.parameters.get("properties", {})):
                raise ValueError(f"{self.name}: {sentence!r} names {sorted(unknown)}, which are no parameters")

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        name: str = "",
        needs_approval: bool = False,
        deadline: float = DEADLINE,
        doing: Mapping[str, str] | str = "",
        asks: Mapping[str, str] | None = None,
        title: str = "",
        about: str = "",
    ) -> Tool:
        """Make a tool of a typed function with a docstring.

        The function returns a text, a `ToolOutput`, or any value that JSON can hold. A function that is not async runs
        in a thread of its own and can't be stopped. Raises `TypeError` or `ValueError` if the function can't be
        described to a model.
        """
        signature = Signature.of(function, ToolContext)
        run = _runs(function, signature)
        name = name or function.__name__
        return cls(
            name,
            signature.description,
            signature.parameters,
            run,
            needs_approval,
            deadline,
            doing,
            signature.read,
            asks or {},
            title,
            about,
        )

    @property
    def spec(self) -> ToolSpec:
        """What a model is told of the tool."""
        return ToolSpec(self.name, self.description, self.parameters)

    def progress_text(self, language: str) -> str:
        """What the user is shown during a call."""
        if isinstance(self.doing, str):
            return say(language, self.doing or "tool.doing", tool=self.name)
        return own(self.doing, language)

    def refuses(self, arguments: Mapping[str, Any], language: str = "") -> str:
        """Why a call with these arguments is refused before the user is asked to approve it; "" if it is not."""
        if len(json.dumps(dict(arguments), ensure_ascii=False, default=str)) > LONGEST_ARGUMENTS:
            reason = instruct(language, "tool.arguments.long", limit=LONGEST_ARGUMENTS)
            return instruct(language, "tool.refused", tool=self.name, reason=reason)
        try:
            if self.check is not None:
                self.check(arguments)
        except BadInput as error:
            return instruct(language, "tool.refused", tool=self.name, reason=error)
        return ""

    async def call(self, arguments: Mapping[str, Any], asker: ToolContext) -> ToolOutput:
        """Call the tool. The output, or the reason of a failure, is in words for the model. Raises nothing."""
        named = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": self.name}
        with tracing.span(f"execute_tool {self.name}", attributes=named) as traced:
            found = await self._called(arguments, asker)
            if found.failed:
                tracing.mark_failed(traced, "failed")
        return replace(found, text=_cut(found.text, asker.language))

    async def _called(self, arguments: Mapping[str, Any], asker: ToolContext) -> ToolOutput:
        def failed(key: str, **values: object) -> ToolOutput:
            text = instruct(asker.language, key, tool=self.name, **values)
            return ToolOutput(text, failed=True, unsure=key != "tool.refused")

        try:
            async with asyncio.timeout(self.deadline):
                return _found(await self.run(arguments, asker), asker.language)
        except TimeoutError:
            log.warning("tool %s was late: more than %g s", self.name, self.deadline)
            return failed("tool.late", seconds=f"{self.deadline:g}")
        except UserError as error:
            return failed("tool.refused", reason=own(error.said, asker.language))
        except BotError as error:
            log.warning("tool %s failed: %s: %s", self.name, type(error).__name__, error)
            return failed("tool.unavailable")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # the boundary around code that is not ours
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # the turn was cancelled, not something inside the tool
            log.exception("tool %s failed", self.name)
            return failed("tool.failed")


def _runs(function: Callable[..., Any], signature: Signature) -> Run:
    async def run(arguments: Mapping[str, Any], asker: ToolContext) -> Any:
        values = signature.read(arguments)
        if signature.context:
            values[signature.context] = asker
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        return await in_thread(lambda: function(**values))

    return run


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run a function in a daemon thread, which can't keep the process from ending if it hangs."""
    done, context = Future[Any](), contextvars.copy_context()
    done.set_running_or_notify_cancel()  # who waits for it may be cancelled, the function can't

    def thread() -> None:
        try:
            done.set_result(context.run(work))
        # a future can't hold StopIteration; SystemExit would only end the thread
        except (StopIteration, SystemExit) as raised:
            done.set_exception(RuntimeError(f"the tool raised {type(raised).__name__}"))
        except Exception as raised:  # the boundary around code that is not ours
            done.set_exception(raised)

    threading.Thread(target=thread, name="tool", daemon=True).start()
    return await asyncio.wrap_future(done)


def _found(result: Any, language: str) -> ToolOutput:
    if isinstance(result, ToolOutput):
        return result
    if result is None:
        return ToolOutput(instruct(language, "tool.done"))
    if isinstance(result, str):
        return ToolOutput(result)
    return ToolOutput(json.dumps(result, ensure_ascii=False, default=str))


def _cut(text: str, language: str) -> str:
    mark = "\n" + instruct(language, "tool.cut")
    return text if len(text) <= LONGEST_RESULT else text[: LONGEST_RESULT - len(mark)] + mark
