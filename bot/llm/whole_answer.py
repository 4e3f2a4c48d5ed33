"""A model's answer as one value, for callers that do not show it while it is written."""

from __future__ import annotations

from contextlib import aclosing

from bot.ai import Answered, Finish, Model, Request
from bot.errors import ModelProtocolError, ModelRefused
from bot.telemetry import tracing

LONGEST_ANSWER = 200_000  # characters


async def ask(model: Model, request: Request) -> Answered:
    """Ask a model and return the whole answer.

    Raises the model's `ModelError`s, `ModelRefused` for an answer that the service's filter has withheld.
    """
    text, finish, usage = "", Finish.STOP, None
    async with aclosing(tracing.model_stream(model, request)) as chunks:
        async for chunk in chunks:
            text = chunk.text if chunk.replaces else text + chunk.text
            finish, usage = chunk.finish or finish, chunk.usage or usage
            if chunk.finish is Finish.FILTERED:
                raise ModelRefused(f"{model.name} refused the question")
            if len(text) > LONGEST_ANSWER:
                raise ModelProtocolError(f"{model.name}: the answer is longer than {LONGEST_ANSWER} characters")
    return Answered(text, finish, usage)
