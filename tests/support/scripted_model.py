"""A `Model` that says what a test tells it to: texts, calls of tools, errors; and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from bot.ai import Answered, Chunk, Finish, Profile, Request, Usage
from bot.errors import ModelError
from bot.llm.routing import ModelOption, Routing
from bot.types import ToolCall

USAGE = Usage(80, 20)


def call(name: str, id_: str = "", /, **arguments: Any) -> ToolCall:
    return ToolCall(id_ or f"{name}-1", name, arguments)


class ScriptedModel:
    """Each answer is a text, an error, or a list of calls that may begin with a text."""

    def __init__(self, *answers: str | ModelError | list[Any], **profile: Any) -> None:
        self.name = "scripted"
        self.profile = Profile(**{"window": 32_000, "tools": True, **profile})
        self.answers = deque(answers)
        self.requests: list[Request] = []
        self.slow = 0.0  # seconds before an answer
        self.pace = 0.0  # seconds before each of its words

    @property
    def routing(self) -> Routing:
        return Routing([ModelOption("scripted", "Scripted", self)])

    @property
    def results(self) -> Mapping[str, str]:
        """What the model was told in its last request that its calls came to, by their ids."""
        parts = [part for message in self.requests[-1].messages for part in message.parts]
        return {part.id: part.content for part in parts if hasattr(part, "content") and hasattr(part, "id")}

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        self.requests.append(request)
        answer = self.answers.popleft() if self.answers else "I have nothing more to say."
        if isinstance(answer, ModelError):
            raise answer
        if self.slow:
            await asyncio.sleep(self.slow)
        calls = tuple(part for part in answer if isinstance(part, ToolCall))
        text = answer if isinstance(answer, str) else "".join(part for part in answer if isinstance(part, str))
        for word in text.split(" "):
            if self.pace:
                await asyncio.sleep(self.pace)
            yield Chunk(f"{word} " if word != text.split(" ")[-1] else word)
        yield Chunk(finish=Finish.TOOLS if calls else Finish.STOP, usage=USAGE, tool_calls=calls)


class LaterModel:
    """The asynchronous mode of a model: each request is answered by the next of the texts, and then by the last."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.submitted: list[Request] = []

    async def submit(self, request: Request) -> str:
        self.submitted.append(request)
        return str(len(self.submitted))

    async def poll(self, operation: str) -> Answered:
        return Answered(self.answers[min(int(operation), len(self.answers)) - 1], usage=Usage(100, 20))

    async def cancel(self, operation: str) -> bool:
        return True
