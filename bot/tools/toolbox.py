"""The tools that a model is offered, and one step with them: the calls of one response and their results.

Begin with `Toolbox.step`. The calls of a step run at the same time. The output of a tool is untrusted data: it goes to
the model as the result of a call, marked as data, and is left out of the prompts of later turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.ai import Profile, Request, Source, ToolSpec
from bot.errors import ConfigError
from bot.llm import prompt
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.tools.approval_question import approval_question
from bot.tools.tool import Tool, ToolContext, ToolOutput
from bot.types import Message, Text, ToolCall, ToolResult

MOST_STEPS = 6  # in one turn
MOST_CALLS = 8  # in one step
SHORTEST_RESULT = 500  # characters that each result has room for


class Supplier(Protocol):
    """A source of tools that may come and go, such as an MCP server."""

    async def ready(self) -> None:
        """Wait up to some seconds for the tools. Raises nothing."""

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools that can be called now."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that waits for the user's approval. `results` are those of the other calls of its step.

    `question` asks for the approval; "" if the user has been asked.
    """

    call: ToolCall
    results: tuple[ToolResult, ...] = ()
    question: str = ""


@dataclass(slots=True)
class Steps:
    """The tool calls of a turn and their results, as messages that follow the question.

    `sources` are pages that the tools have found. `unsure` names a tool whose call may or may not have been done.
    """

    messages: list[Message] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    pending: Pending | None = None
    unsure: str = ""

    @property
    def count(self) -> int:
        """How many steps the model has taken."""
        return sum(message.role == "assistant" for message in self.messages)

    @property
    def parts(self) -> tuple[ToolCall | ToolResult, ...]:
        """All calls and results in order, as they are stored with the answer."""
        parts = [part for message in self.messages for part in message.parts]
        return tuple(part for part in parts if isinstance(part, ToolCall | ToolResult))

    def add_results(self, results: Sequence[ToolResult]) -> None:
        """Add the results of the last step."""
        self.messages.append(Message("user", tuple(results)))


@dataclass(slots=True)
class Toolbox:
    """The bot's `own` tools and those of `suppliers`. Raises `ConfigError` if two own tools have one name."""

    own: Sequence[Tool] = ()
    suppliers: Sequence[Supplier] = ()

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.own]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"two tools are called {', '.join(twice)}")

    @property
    def tools(self) -> dict[str, Tool]:
        """All tools by name. Own tools hide supplied tools of their name, earlier suppliers hide later ones."""
        supplied = [tool for supplier in self.suppliers for tool in supplier.tools]
        return {tool.name: tool for tool in (*reversed(supplied), *self.own)}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What a model is told of each tool."""
        return tuple(tool.spec for tool in self.tools.values())

    async def ready(self) -> None:
        """Wait some seconds for suppliers that are still starting."""
        if not self.suppliers:
            return
        async with asyncio.TaskGroup() as tasks:
            for supplier in self.suppliers:
                tasks.create_task(supplier.ready())

    # --- requests -----------------------------------------------------------------------------------------------------

    def narrowed(self, profile: Profile, steps: Steps, ratio: prompt.Ratio, language: str) -> Profile:
        """Return the profile with a smaller window: what is left of it besides the tools, and the calls and results in
        `steps`.
        """
        if not (profile.tools and self.tools) and not steps.messages:
            return profile
        beside = prompt.size(self.equipped(Request(()), profile, steps, language))
        return replace(profile, window=profile.window - ratio.tokens(beside))

    def equipped(self, request: Request, profile: Profile, steps: Steps, language: str) -> Request:
        """The request with the tools and `steps`. A model without tool calls gets the results as text."""
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
        """Do the `calls` of a response with this `text`. Returns whether to ask the model again with the results.

        False: the model has used all its steps, or a call waits for the user's approval (`steps.pending`).
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
            question = approval_question(tools[action.name], action.arguments, asker.language)
            steps.pending = Pending(action, tuple(results), question)
            return False
        steps.add_results(results)
        return True

    def _show(self, calls: Sequence[ToolCall], action: ToolCall | None, asker: ToolContext, reply: Reply) -> None:
        """Show the user what the tools are doing, each text once."""
        tools = self.tools
        known = [tools[call.name] for call in calls if call.name in tools and call is not action]
        if doing := dict.fromkeys(tool.progress_text(asker.language) for tool in known if not tool.needs_approval):
            reply.show(" ".join(doing))

    async def _all(self, calls: Sequence[ToolCall], asker: ToolContext) -> dict[str, ToolOutput]:
        """The output of each call, by the id of the call."""
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
    ) -> list[ToolResult]:
        """The results for the model: all of a turn together take at most half of its window."""
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
    """The calls with unique ids, by which results are matched: some models repeat an id."""
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
    """The messages with a rule about untrusted results in the system prompt."""
    rule = instruct(language, "tool.rule")
    if messages and messages[0].role == "system":
        return (Message.of("system", f"{messages[0].text}\n\n{rule}"), *messages[1:])
    return (Message.of("system", rule), *messages)
