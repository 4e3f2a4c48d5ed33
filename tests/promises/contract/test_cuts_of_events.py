"""Recorded answers of the compatible API cut after every byte, in five framings: never passed off as whole (P6, F70).

`CUTS=all` tries each byte over a real connection; without it the bytes are chosen so that each kind of place is among
them. That the reader itself knows it after each byte is in `test_openai_wire.py`.
"""

from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.ai import Finish, Request, ToolSpec
from bot.config.settings import Settings
from bot.errors import ModelProtocolError, ModelUnavailable
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.types import Message, ToolCall
from tests.support.raw_server import Play, answer, chunked, serve, until_close
from tests.support.virtual import VirtualClock

RECORDINGS = Path(__file__).parents[2] / "recordings"
NAMES = sorted(path.name for path in RECORDINGS.glob("*.sse"))
FRAMINGS = ["reset", "fin in chunked", "fin in close-delimited", "short content-length", "clean end"]
ASK = Request((Message.of("user", "hi"),), tools=(ToolSpec("calculator", "", {"type": "object"}),))


def framed(framing: str, data: bytes, size: int) -> Play:
    pieces = [data] if data else []
    return {
        "reset": chunked(pieces, end="reset"),
        "fin in chunked": chunked(pieces, end="fin"),
        "fin in close-delimited": until_close(data),
        "short content-length": until_close(data, length=size + 1),
        "clean end": chunked(pieces),
    }[framing]


def finished(stream: bytes) -> int:
    """Where the event ends that makes the answer whole."""
    return stream.index(b"\n", stream.index(b'"finish_reason":"'))


def places(stream: bytes) -> list[int]:
    """Around the ends of the last events, at the beginning, and here and there."""
    if os.environ.get("CUTS") == "all":
        return list(range(len(stream) + 1))
    end = finished(stream)
    near = {place + step for place in (end, stream.rfind(b"\n\n", 0, end)) for step in (-2, -1, 0, 1, 2)}
    return sorted(
        place
        for place in {
            *range(0, 30, 10),
            *range(0, end, end // 12),
            *range(end, len(stream), 61),
            len(stream) - 3,
            *near,
        }
        if place >= 0
    )


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", NAMES)
async def test_no_cut_answer_is_passed_off_as_whole_over_a_connection(name: str, framing: str) -> None:
    stream = (RECORDINGS / name).read_bytes()
    given: dict[str, Any] = {"yc_api_key": "AQVN-secret", "yc_folder_id": "b1g", "model": "qwen3-235b-a22b-fp8"}
    async with serve(answer(200)) as server, Http() as http:
        settings = Settings(_env_file=None, yc_openai_url=server.url, **given)
        studio = YandexStudio(settings=settings, http=http, clock=VirtualClock(), random=Random(1))
        for place in places(stream):
            server.script[:] = [framed(framing, stream[:place], len(stream))]
            finish, calls = await outcome(studio)
            if place < finished(stream):
                assert finish is None, f"cut after {place} bytes: passed off as whole"
                assert calls == []
            elif place > finished(stream) + 1 and framing != "reset":  # a reset may take what was sent before it along
                assert finish is not None, f"cut after {place} bytes: half thrown away"
                assert bool(calls) == ("call" in name and "then" not in name)


async def outcome(studio: YandexStudio) -> tuple[Finish | None, list[ToolCall]]:
    finish: Finish | None = None
    calls: list[ToolCall] = []
    try:
        async with aclosing(studio.text().stream(ASK)) as chunks:
            async for chunk in chunks:
                finish = chunk.finish or finish
                calls += chunk.tool_calls
    except (ModelUnavailable, ModelProtocolError):
        pass
    return finish, calls
