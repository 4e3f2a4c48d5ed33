"""A model of which a test knows every word that it ever gave. Begin with `Brain`."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal

from bot.ai import Chunk, Finish, Profile, Request, Usage
from bot.errors import ModelRefused, ModelUnavailable, StreamCut
from bot.types import Message

TOKEN = re.compile(r"\bq\d+\b")  # the one word of a question
WORD = re.compile(r"\ba(\d+)w(\d+)\b")  # number of the answer, number of the word in it

Ending = Literal["whole", "length", "filtered", "cut", "down", "refused", "empty"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How an answer goes: so many pieces of so many words, a pause before each, and how it ends."""

    ending: Ending = "whole"
    pieces: int = 3
    words: int = 2
    pause: float = 0.3


@dataclass(slots=True)
class Asked:
    """One request. `shown` is what the chat showed at that moment, as the world tells; `given` are the words given out,
    `token` is the question that it answers.
    """

    number: int
    messages: tuple[Message, ...]
    token: str
    shown: list[str]
    given: int = 0
    finish: Finish | None = None
    usage: Usage | None = None


@dataclass
class Brain:
    """A `Model`. Its answer number 7 to the question q3 is "re q3 a7w0 a7w1 …": every word exists once in the world."""

    look: Callable[[str], list[str]]
    plans: deque[Plan] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    name: str = "brain"
    profile: Profile = field(default_factory=lambda: Profile(window=1_000_000, max_tokens=2_000))

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        token = TOKEN.findall(request.messages[-1].text)[-1]
        asked = Asked(len(self.asked), request.messages, token, self.look(token))
        self.asked.append(asked)
        plan = self.plans.popleft() if self.plans else Plan()
        await asyncio.sleep(plan.pause)
        if plan.ending == "down":
            raise ModelUnavailable("503")
        if plan.ending == "refused":
            raise ModelRefused("400: may violate the terms")
        pieces = 0 if plan.ending == "empty" else plan.pieces
        for number in range(pieces):
            text = "".join(f"a{asked.number}w{asked.given + word} " for word in range(plan.words))
            asked.given += plan.words
            yield Chunk(text if number else f"re {token} {text}")
            await asyncio.sleep(plan.pause)
        if plan.ending == "cut":
            raise StreamCut("reset")
        asked.finish = FINISHES.get(plan.ending, Finish.STOP)
        asked.usage = Usage(int(sum(len(message.text) for message in request.messages) / 2.5), asked.given)
        yield Chunk("", finish=asked.finish, usage=asked.usage)


FINISHES = {"length": Finish.LENGTH, "filtered": Finish.FILTERED}
