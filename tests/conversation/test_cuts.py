"""A model's answer cut after every byte, in five framings: never passed off as whole, from the wire to the chat.

See P6, F70 in docs/promises.md.

Two of the framings look like an orderly end to every HTTP client. `CUTS=all` tries each byte of the recorded answer
over a real connection (95,505 of them, about ten minutes); without it the bytes are chosen so that each kind of place
is among them.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.ai import Finish, Request
from bot.config.settings import Settings
from bot.errors import ModelProtocolError, ModelUnavailable, StreamCut
from bot.http.client import Http
from bot.http.framing import LineSplitter
from bot.providers.yandex import wire
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.telegram.server_facade import buttons_of, text_of
from bot.telegram.render import parse, pieces
from bot.types import Message
from tests.support.raw_server import Play, RawServer, answer, chunked, serve, until_close
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import QUESTION, said
from tests.support.virtual import VirtualClock

pytestmark = pytest.mark.wire("tcp")

STREAM = (Path(__file__).parents[1] / "recordings" / "completion_stream.ndjson").read_bytes()
LINES = STREAM.splitlines(keepends=True)
WHOLE = json.loads(LINES[-1])["result"]["alternatives"][0]["message"]["text"]
LAST = len(STREAM) - len(LINES[-1])  # where the line begins that makes the answer whole
FRAMINGS: dict[str, Callable[[bytes], Play]] = {
    "reset": lambda data: chunked([data] if data else [], end="reset"),
    "fin in chunked": lambda data: chunked([data] if data else [], end="fin"),
    "fin in close-delimited": until_close,
    "short content-length": lambda data: until_close(data, length=len(STREAM) + 1),
    "clean end": lambda data: chunked([data] if data else []),
}
ASK = Request((Message.of("user", "hi"),))


def places() -> list[int]:
    """Where to cut: around every end of a line, all along the beginning and the end, and here and there."""
    if os.environ.get("CUTS") == "all":
        return list(range(len(STREAM) + 1))
    ends = [sum(map(len, LINES[:count])) for count in range(len(LINES) + 1)]
    near = {end + step for end in ends for step in (-2, -1, 0, 1)}
    chosen = {*range(0, 40, 5), *range(LAST, len(STREAM), 97), *range(len(STREAM) - 12, len(STREAM)), *near}
    return sorted(place for place in chosen if 0 <= place <= len(STREAM))


@pytest.mark.sweep
def test_after_every_byte_the_reader_knows_whether_the_answer_is_whole() -> None:
    splitter, reader = LineSplitter(), wire.StreamReader()
    so_far = pickle.dumps(reader)  # changes with a line; `deepcopy` of it takes ten times as long
    for told, byte in enumerate(STREAM, 1):
        for line in splitter.feed(bytes([byte])):
            reader.feed(line)
            so_far = pickle.dumps(reader)
        cut_here(pickle.loads(pickle.dumps(splitter)), pickle.loads(so_far), told)


def cut_here(splitter: LineSplitter, reader: wire.StreamReader, told: int) -> None:
    """Only the end of the last line's object makes the answer whole."""
    for line in splitter.rest():
        reader.feed(line)
    try:
        reader.end()
    except StreamCut:
        assert told < len(STREAM) - 1
    else:
        assert told >= len(STREAM) - 1


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_no_cut_answer_is_passed_off_as_whole_over_a_connection(framing: str) -> None:
    async with serve(answer(200)) as server, Http() as http:
        given: dict[str, Any] = {"yc_api_key": "AQVN-secret", "yc_folder_id": "b1g", "yc_llm_url": server.url}
        model = YandexStudio(
            settings=Settings(_env_file=None, **given), http=http, clock=VirtualClock(), random=Random(1)
        ).text()
        for place in places():
            server.script[:] = [FRAMINGS[framing](STREAM[:place])]
            text, finish = "", None
            try:
                async with aclosing(model.stream(ASK)) as chunks:
                    async for chunk in chunks:
                        text, finish = text + chunk.text, chunk.finish or finish
            except (ModelUnavailable, ModelProtocolError):
                assert finish is None, f"cut after {place} bytes"
            else:
                assert place >= len(STREAM) - 1, f"cut after {place} bytes: passed off as whole"
                assert finish is Finish.STOP
            assert WHOLE.startswith(text)


POINTS = [len(LINES[0]), len(LINES[0]) + len(LINES[1]), len(STREAM) // 2, LAST, len(STREAM) - 2]


def plays(server: RawServer, *script: Play) -> None:
    server.script[:] = script


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_cut_answer_is_begun_anew_in_the_same_message(stage: Stage, framing: str) -> None:
    async with serve(answer(200)) as server:
        await stage.start(yc_llm_url=server.url, telegram_chat_rate=0)
        for number, point in enumerate(POINTS, 1):
            plays(server, FRAMINGS[framing](STREAM[:point]), FRAMINGS["clean end"](STREAM))
            text = await stage.ask("hello")
            assert squeezed(text) == squeezed(rendered(WHOLE))
            assert len(said(stage)) == number
            assert [button["text"] for button in buttons_of(said(stage)[-1])] == ["↻"]


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_that_is_cut_each_time_is_kept_marked_and_can_be_tried_again(
    stage: Stage, framing: str
) -> None:
    async with serve(answer(200)) as server:
        await stage.start(yc_llm_url=server.url, telegram_chat_rate=0)
        for point in POINTS:
            plays(server, FRAMINGS[framing](STREAM[:point]))
            text = await stage.ask("hello")
            assert text.endswith("\n\ninterrupted: the connection to the model broke")
            kept = squeezed(text.removesuffix("interrupted: the connection to the model broke"))
            assert kept
            assert squeezed(rendered(WHOLE)).startswith(kept[:20])
            plays(server, FRAMINGS["clean end"](STREAM))
            before = len(said(stage))
            await stage.press("Try again")
            last = squeezed(rendered(WHOLE))
            await stage.until(lambda last=last: squeezed(stage.telegram.texts(ANNA)[-1]) == last or None)  # type: ignore[misc]
            assert len(said(stage)) == before


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_in_a_group_the_growing_message_becomes_the_marked_half(stage: Stage, framing: str) -> None:
    async with serve(FRAMINGS[framing](STREAM[:LAST])) as server:
        await stage.start(yc_llm_url=server.url)
        stage.telegram.say(TEAM, QUESTION, ANNA)
        await stage.until(lambda: "interrupted" in "".join(stage.telegram.texts(TEAM)) or None)
        (message,) = said(stage, TEAM)
        assert text_of(message).endswith("interrupted: the connection to the model broke")
        assert [button["text"] for button in buttons_of(message)] == ["Try again", "Continue"]


def rendered(markdown: str) -> str:
    return "".join(piece.text for piece in pieces(parse(markdown), 1_000_000))


def squeezed(text: str) -> str:
    return "".join(text.split())
