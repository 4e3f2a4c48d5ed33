"""Functions that a programmer puts around the model: what it is told, what happens before it answers, and after.

`Hooks` calls them. Whichever way an answer is asked for (a message, an edit, "try again", /later, a draft for an
operator), the functions are called.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.errors import HookFailed, UserError
from bot.texts.catalog import own
from bot.tools.tool import ToolContext

log = logging.getLogger(__name__)

T = TypeVar("T")
DEADLINE = 20.0  # seconds of one function


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done with a question before a model answers it.

    `passages` are texts that the model is given to answer from, `model` is the name of the model that answers this
    once. With a `refusal` no model is asked: the person gets this text, and the question leaves the conversation.
    """

    passages: Sequence[str] = ()
    model: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is done with an answer before it is sent.

    `text` replaces it, `note` is a line below it. A `refusal` is sent in its place, and the question leaves the
    conversation, so that no model reads either.
    """

    text: str | None = None
    note: str = ""
    refusal: str = ""


Instructions = Callable[[ToolContext], Awaitable[str]]
BeforeAnswer = Callable[[ToolContext, str], Awaitable[Preparation | None]]
AfterAnswer = Callable[[ToolContext, str, str], Awaitable[Review | None]]


@dataclass(slots=True)
class Hooks:
    """The functions around the model, in the order in which they were added. `holds`: no answer is shown before the
    functions of `after` have looked at it.
    """

    instructions: list[Instructions] = field(default_factory=list)
    before: list[BeforeAnswer] = field(default_factory=list)
    after: list[AfterAnswer] = field(default_factory=list)
    holds: bool = False

    async def prepare(self, asker: ToolContext, question: str) -> tuple[str, Preparation]:
        """What the model is told about the asker, and what all functions want to be done with the question. The first
        refusal ends it. Raises `HookFailed`.
        """
        told, passages, model = list[str](), list[str](), ""
        try:
            for instruct in self.instructions:
                told.append(await _called(instruct, asker))
            for function in self.before:
                wish = await _called(function, asker, question) or Preparation()
                if wish.refusal:
                    return "", wish
                passages += wish.passages
                model = wish.model or model
        except UserError as error:
            return "", Preparation(refusal=own(error.said, asker.language))
        return "\n\n".join(filter(None, told)), Preparation(passages=passages, model=model)

    async def review(self, asker: ToolContext, question: str, answer: str) -> Review:
        """What all functions want to be done with an answer: each sees what the one before has left. The first refusal
        ends it. Raises `HookFailed`.
        """
        text, notes = answer, list[str]()
        try:
            for function in self.after:
                found = await _called(function, asker, question, text) or Review()
                if found.refusal:
                    return found
                text = text if found.text is None else found.text
                notes.append(found.note)
        except UserError as error:
            return Review(refusal=own(error.said, asker.language))
        return Review(text=None if text == answer else text, note="; ".join(filter(None, notes)))


async def _called(function: Callable[..., Awaitable[T]], *given: Any) -> T:
    """What a function returns. Raises `HookFailed`, and the `UserError` of a function, whose text is a refusal."""
    name = getattr(function, "__name__", "a function")
    try:
        async with asyncio.timeout(DEADLINE):
            return await function(*given)
    except UserError:
        raise
    except Exception as error:  # the boundary around code that is not ours
        log.exception("the function %s around the model has failed", name)
        cause = "".join(traceback.format_exception_only(error)).strip()
        raise HookFailed(f"{name} has failed: {cause}") from error
