"""Models of a programmer that are wrong: what the user is told, and what is left of the budget."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bot import App, Chunk, Finish, Incoming, ModelUnavailable, Profile, Reply, Request
from bot.testing.tg import Tg

CHUNKS: list[Any] = []


class Echo:
    name = "echo"
    profile = Profile(window=8_000)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        for chunk in CHUNKS:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


@pytest.fixture
def bot_app() -> App[Any]:
    app = App[Any](user_daily_tokens=5000, model="echo")
    app.model("echo", Echo())

    @app.command("ask")
    async def ask(incoming: Incoming, reply: Reply) -> str:
        return await app.current.ask("Say something", user=incoming)

    return app


async def test_an_error_in_a_model_of_ones_own_costs_nothing_and_is_not_the_models_fault(tg: Tg) -> None:
    ann = tg.user("Ann")
    for wrong in (
        [KeyError("choices")],
        [ModelUnavailable("503")],
        [Chunk(text=5)],  # type: ignore[arg-type]
    ):
        CHUNKS[:] = wrong
        told = (await ann.say("hello")).text
        is_away = isinstance(wrong[0], ModelUnavailable)
        assert told.startswith("The model does not answer now" if is_away else "Something went wrong"), wrong
        assert (await ann.say("/ask")).text.startswith(told[:20]), wrong
        assert "5000 of 5000 tokens left" in (await ann.say("/usage")).text, wrong
    CHUNKS[:] = [Chunk(text="ok"), Chunk(finish=Finish.STOP)]
    assert (await ann.say("hello")).text == "ok"


async def test_a_stream_that_ends_without_a_finish_was_cut(tg: Tg) -> None:
    ann = tg.user("Ann")
    CHUNKS[:] = [Chunk(text="Once upon")]
    assert "Once upon\n\n" in (await ann.say("tell me a tale")).text
    assert (await ann.say("/ask")).text.startswith("The model does not answer now")
