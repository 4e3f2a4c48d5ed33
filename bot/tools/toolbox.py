"""The tools that a model is offered, and one step with them: what it calls for, and what comes of it.

Begin with `Toolbox.step`. Calls of one step run together. What a tool returns is data from outside: it goes to the
model as the result of a call, marked as such, and is never repeated in the prompts of later turns.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.ai import Profile, Request, Source, ToolSpec
from bot.llm import prompt
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.tools.tool import Tool, ToolContext, ToolOutput
from bot.types import Message, Text, ToolCall, ToolResult

MOST_STEPS = 6  # in one turn
MOST_CALLS = 8  # in one step
SHORTEST_RESULT = 500  # characters that each result has room for


class Supplier(Protocol):
    """Where tools come from that may come and go (a server). `ready` may take some seconds, and never fails."""

    async def ready(self) -> None: ...

    @property
    def tools(self) -> Sequence[Tool]: ...


@dataclass(frozen=True, slots=True)
class Pending:
    """An action that waits for the user's tap. `results` are what the other calls of its step have found."""

    call: ToolCall
    results: tuple[ToolResult, ...] = ()


@dataclass(slots=True)
class Steps:
    """What the model called for in this turn and what came of it, as messages that follow the question.

    `unsure` names an action of which nobody knows whether it was done.
    """

    messages: list[Message] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    pending: Pending | None = None
    unsure: str = ""

    @property
    def count(self) -> int:
        return sum(message.role == "assistant" for message in self.messages)

    @property
    def parts(self) -> tuple[ToolCall | ToolResult, ...]:
        """All calls and results, in order: what is kept with the answer."""
        parts = [part for message in self.messages for part in message.parts]
        return tuple(part for part in parts if isinstance(part, ToolCall | ToolResult))

    def found(self, results: Sequence[ToolResult]) -> None:
        self.messages.append(Message("user", tuple(results)))


@dataclass(slots=True)
class Toolbox:
    own: Sequence[Tool] = ()
    suppliers: Sequence[Supplier] = ()

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.own]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tools are called {', '.join(twice)}")

    @property
    def tools(self) -> dict[str, Tool]:
        """By name. A supplier can't take the name of a tool of ours, nor of an earlier supplier's."""
        supplied = [tool for supplier in self.suppliers for tool in supplier.tools]
        return {tool.name: tool for tool in (*reversed(supplied), *self.own)}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self.tools.values())

    async def ready(self) -> None:
        """Wait some seconds for those that are still starting."""
        if not self.suppliers:
            return
        async with asyncio.TaskGroup() as tasks:
            for supplier in self.suppliers:
                tasks.create_task(supplier.ready())

    # --- requests -----------------------------------------------------------------------------------------------------

    def narrowed(self, profile: Profile, steps: Steps, ratio: prompt.Ratio, language: str) -> Profile:
        """The profile with the window that is left beside the tools and what they have found."""
        if not (profile.tools and self.tools) and not steps.messages:
            return profile
        beside = prompt.size(self.equipped(Request(()), profile, steps, language))
        return replace(profile, window=profile.window - ratio.tokens(beside))

    def equipped(self, request: Request, profile: Profile, steps: Steps, language: str) -> Request:
        """The request with the tools, and with what was found so far. A model without tools gets none."""
        if not profile.tools or not (abilities := self.specs):
            told = [_as_text(message) for message in steps.messages if message.role == "user"]
            return replace(request, messages=tuple(prompt.merged([*request.messages, *told])))
        over = steps.count >= MOST_STEPS
        messages = (*_ruled(request.messages, language), *steps.messages)
        return replace(request, messages=messages, tools=abilities, choice="none" if over else "")

    # --- one step -----------------------------------------------------------------------------------------------------

    async def step(
        self, steps: Steps, text: str, calls: Sequence[ToolCall], asker: ToolContext, reply: Reply, profile: Profile
    ) -> bool:
        """Do what the model called for after it had said `text`. Whether it is to be asked again.

        False: it has had all its steps, or an action waits for the user's tap (`steps.pending`).
        """
        if steps.count >= MOST_STEPS:
            return False
        calls = _distinct(calls[:MOST_CALLS])
        said = (Text(text),) if text.strip() else ()
        tools = self.tools
        action = next((call for call in calls if _is_action(tools.get(call.name), call)), None)
        steps.messages.append(Message("assistant", (*said, *calls)))
        self._show(calls, action, asker, reply)
        found = await self._all([call for call in calls if call is not action], asker)
        steps.sources += [source for one in found.values() for source in one.sources]
        results = self._results(found, steps, profile, asker.language)
        if action is not None:
            steps.pending = Pending(action, tuple(results))
            return False
        steps.found(results)
        return True

    def _show(self, calls: Sequence[ToolCall], action: ToolCall | None, asker: ToolContext, reply: Reply) -> None:
        """Say what is being done, each thing once."""
        tools = self.tools
        known = [tools[call.name] for call in calls if call.name in tools and call is not action]
        if doing := dict.fromkeys(tool.progress_text(asker.language) for tool in known if not tool.needs_approval):
            reply.show(" ".join(doing))

    async def _all(self, calls: Sequence[ToolCall], asker: ToolContext) -> dict[str, ToolOutput]:
        """What each call came to, by its id."""
        async with asyncio.TaskGroup() as tasks:
            running = {call.id: tasks.create_task(self._one(call, asker)) for call in calls}
        return {call.id: running[call.id].result() for call in calls}

    async def _one(self, call: ToolCall, asker: ToolContext) -> ToolOutput:
        tool = self.tools.get(call.name)
        if tool is None:
            names = ", ".join(self.tools) or instruct(asker.language, "tool.missing.all")
            text = instruct(asker.language, "tool.missing", tool=repr(call.name[:64]), names=names)
            return ToolOutput(text, failed=True)
        if tool.needs_approval:
            wrong = tool.refuses(call.arguments, asker.language)
            return ToolOutput(wrong or instruct(asker.language, "tool.one_at_a_time"), failed=True)
        return await tool.call(call.arguments, asker)

    def _results(
        self, found: Mapping[str, ToolOutput], steps: Steps, profile: Profile, language: str
    ) -> list[ToolResult]:  # fmt: skip
        """Results as the model gets them: all together fill at most half of what it can read."""
        called = {part.id: part.name for part in steps.parts if isinstance(part, ToolCall)}
        used = sum(len(part.content) for part in steps.parts if isinstance(part, ToolResult))
        room = int(profile.window * prompt.FIRST_RATIO / 2) - used
        each = max(room // max(len(found), 1), SHORTEST_RESULT)
        results = [result(call, called[call], one, each, language) for call, one in found.items()]
        if results and steps.count >= MOST_STEPS:
            last = f"{results[-1].content}\n{instruct(language, 'tool.last_step')}"
            results[-1] = replace(results[-1], content=last)
        return results


def result(call: str, name: str, found: ToolOutput, most: int, language: str) -> ToolResult:
    """What the model is told in `language` of a tool's output: `most` characters of it, without invisible letters."""
    text = prompt.HIDDEN.sub(r"\1", found.text).strip() or instruct(language, "tool.nothing")
    text = text if len(text) <= most else f"{text[:most]}\n{instruct(language, 'tool.left_out')}"
    return ToolResult(call, name, text if found.failed else f"{instruct(language, 'tool.data', tool=name)}\n{text}")


def _distinct(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """With ids of their own: results are matched by them, and some models call two things by one."""
    seen = Counter[str]()
    found = []
    for call in calls:
        seen[call.id] += 1
        found.append(call if seen[call.id] == 1 else replace(call, id=f"{call.id}-{seen[call.id]}"))
    return found


def _is_action(tool: Tool | None, call: ToolCall) -> bool:
    return tool is not None and tool.needs_approval and not tool.refuses(call.arguments)


def _as_text(message: Message) -> Message:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    return Message.of("user", "\n\n".join(f"{part.name}: {part.content}" for part in results))


def _ruled(messages: Sequence[Message], language: str) -> tuple[Message, ...]:
    """With the rule about what tools return, in the system prompt."""
    rule = instruct(language, "tool.rule")
    if messages and messages[0].role == "system":
        return (Message.of("system", f"{messages[0].text}\n\n{rule}"), *messages[1:])
    return (Message.of("system", rule), *messages)


def described(call: ToolCall) -> str:
    """A call as a person reads it before it is done: everything is there, and nothing can pass for something else."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False, default=str)}" for name, value in call.arguments.items()]
    return "\n".join(_visible(line) for line in (call.name, *lines))


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
