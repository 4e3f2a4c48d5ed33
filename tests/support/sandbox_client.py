"""What the tests of the sandbox share: a plain Bot API client and small pictures.

The fixtures `manual_clock`, `telegram` and `client` stand at the foot.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.virtual import VirtualClock

ANNA, TEAM = 1001, -1001000000001
KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}


class Client:
    """Calls methods with form fields as the bot's library does: nested values as JSON, booleans as words."""

    def __init__(self, url: str, token: str) -> None:
        self.base = f"{url}/bot{token}/"
        self.files = f"{url}/file/bot{token}/"
        self.session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self.session.close()

    async def call(self, method: str, files: dict[str, bytes] | None = None, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        form = aiohttp.FormData()
        for name, value in params.items():
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        for name, data in (files or {}).items():
            form.add_field(name, io.BytesIO(data), filename="file.bin")
        async with self.session.post(self.base + method, data=form) as response:
            body: dict[str, Any] = await response.json()
            assert body["ok"] == (response.status == 200)
            return body

    async def ok(self, method: str, files: dict[str, bytes] | None = None, **params: Any) -> Any:
        """The result of a call that must succeed."""
        body = await self.call(method, files, **params)
        assert body["ok"], body
        return body["result"]

    async def refused(self, method: str, files: dict[str, bytes] | None = None, **params: Any) -> str:
        """The description of a call that must fail."""
        body = await self.call(method, files, **params)
        assert not body["ok"], body
        return str(body["description"])

    async def updates(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.ok("getUpdates", **params)
        return found


def png(width: int, height: int) -> bytes:
    """A white picture with a true header."""
    rows = zlib.compress(b"".join(b"\0" + b"\xff" * width for _ in range(min(height, 4))))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def jpeg_header(width: int, height: int) -> bytes:
    """The beginning of a JPEG: enough to tell its size."""
    app = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    return b"\xff\xd8" + app + frame + b"\xff\xd9"


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def manual_clock() -> VirtualClock:
    return VirtualClock(by_hand=True)


@pytest.fixture
async def telegram(manual_clock: VirtualClock) -> AsyncIterator[Telegram]:
    telegram = Telegram(clock=manual_clock, limits=False, topics=True, seed=1)
    await telegram.start()
    yield telegram
    await telegram.close()


@pytest.fixture
async def client(telegram: Telegram) -> AsyncIterator[Client]:
    client = Client(telegram.url, telegram.token)
    yield client
    await client.close()
