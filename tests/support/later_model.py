"""A model that answers later, as AI Studio's operations do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from bot.ai import Answered, AsyncModel, Failed, Pending, Request, Usage


class Slow:
    """A model that answers later: `outcomes` are what polls find, the last one for ever; `refusals` meet submits."""

    def __init__(self, *outcomes: Pending | Answered | Failed) -> None:
        self.outcomes = deque(outcomes or [Answered("an answer", usage=Usage(100, 20))])
        self.refusals: deque[Exception] = deque()
        self.submitted: list[Request] = []
        self.polled: list[float] = []
        self.cancelled: list[str] = []
        self.hangs = False
        self.released = asyncio.Event()

    async def submit(self, request: Request) -> str:
        self.submitted.append(request)
        if self.hangs:
            await self.released.wait()
        if self.refusals:
            raise self.refusals.popleft()
        return f"operation-{len(self.submitted)}"

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        self.polled.append(asyncio.get_running_loop().time())
        return self.outcomes.popleft() if len(self.outcomes) > 1 else self.outcomes[0]

    async def cancel(self, operation: str) -> bool:
        self.cancelled.append(operation)
        return True


def only(slow: Slow, name: str = "yandexgpt") -> Callable[[str], AsyncModel | None]:
    return lambda asked: slow if asked == name else None
