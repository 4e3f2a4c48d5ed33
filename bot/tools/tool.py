"""Tools: what a model may call. Begin with `Tool.of`, which makes one from a typed function.

    async def weather(city: str, days: int = 1) -> str:
        \"\"\"The weather forecast for a city.

        city: its name, in any language
        \"\"\"

    Tool.of(weather)

What goes wrong in a tool is a sentence for the model, never an exception: see `Tool.call`.
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
from dataclasses import dataclass, field, replace
from typing import Any

from bot.ai import Source, ToolSpec
from bot.clock import Clock, SystemClock
from bot.errors import BadInput, BotError, UserError
from bot.llm.json_schema import Signature
from bot.prompts.catalog import instruct
from bot.telemetry import tracing
from bot.texts.catalog import say
from bot.types import Address

log = logging.getLogger(__name__)

DEADLINE = 20.0  # seconds
LONGEST_RESULT = 16_000  # characters that a model is shown of what a tool found
LONGEST_ARGUMENTS = 10_000  # characters: a person has to read those of an action before it is done
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Who asks, and where. A tool that has a parameter of this type gets it; the model doesn't see that parameter.

    `zone` is the IANA name of the user's time zone, "" where he has told none. `turn` names the question.
    """

    address: Address
    user: int = 0
    language: str = ""
    zone: str = ""
    clock: Clock = field(default_factory=SystemClock)
    turn: str = ""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool returns that has more to tell than a text: `sources` are listed under the answer.

    `failed`: the text says why there is no result; `unsure`: what the tool does may have been done all the same.
    """

    text: str
    sources: tuple[Source, ...] = ()
    failed: bool = False
    unsure: bool = False


Run = Callable[[Mapping[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Tool:
    """`run` gets the arguments as the model gave them, and who asks.

    `needs_approval`: it changes something outside of this conversation, so it is done only after the user's tap. `deadline` is in
    seconds. `doing` is shown meanwhile: a text for each language, or the key of one in `texts`. `check` raises
    `BadInput` for arguments that are wrong, without doing anything.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Run
    needs_approval: bool = False
    deadline: float = DEADLINE
    doing: Mapping[str, str] | str = ""
    check: Callable[[Mapping[str, Any]], object] | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} can't be a tool's name: 1-64 of a-z A-Z 0-9 _ - are expected")
        if self.parameters.get("type") != "object":
            raise ValueError(f"{self.name}: the parameters must be the JSON schema of an object")

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        name: str = "",
        needs_approval: bool = False,
        deadline: float = DEADLINE,
        doing: Mapping[str, str] | str = "",
    ) -> Tool:
        """Make a tool from a typed function with a docstring.

        It returns a text, a `Found`, or anything that JSON can hold. One that is not async runs in a thread of its own,
        where it can't be stopped. Raises `TypeError` or `ValueError` where it can't be described to a model.
        """
        signature = Signature.of(function, ToolContext)
        run = _runs(function, signature)
        name = name or function.__name__
        return cls(
            name, signature.description, signature.parameters, run, needs_approval, deadline, doing, signature.read
        )

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.parameters)

    def progress_text(self, language: str) -> str:
        """What is shown while it works."""
        if isinstance(self.doing, str):
            return say(language, self.doing or "tool.doing", tool=self.name)
        return self.doing.get(language) or self.doing.get("en") or next(iter(self.doing.values()))

    def refuses(self, arguments: Mapping[str, Any], language: str = "") -> str:
        """What is wrong with the arguments of an action, before anybody is asked whether to do it; "": nothing."""
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
        """What it found, or why not, in words for the model: it may correct itself, or tell the user."""
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
            return failed("tool.refused", reason=error)
        except BotError as error:
            log.warning("tool %s failed: %s: %s", self.name, type(error).__name__, error)
            return failed("tool.unavailable")
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # the boundary around code that is not ours
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # it is the turn that was cancelled, not something inside of the tool
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
    """Run it in a thread that nobody waits for at the end: one that hangs must not keep the bot from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(result: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def thread() -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = context.run(work)
        except (StopIteration, SystemExit) as raised:  # no future takes the one, and the other ends only this thread
            error = RuntimeError(f"the tool raised {type(raised).__name__}")
        except Exception as raised:  # the boundary around code that is not ours
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=thread, name="tool", daemon=True).start()
    return await done


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
