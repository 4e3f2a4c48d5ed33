"""The lightest world there can be around a fleet: Telegram and the model in one small server. Begin with `Doubles`.

The sandbox checks what it is told and takes a millisecond for it; here a request costs a twentieth of that, so that
what is measured is the fleet. Nothing is checked but which question is answered, and how often.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

BOT, TOKEN = 42, "42:a-token-of-the-bench"
ASK, MARK, CHAT = re.compile(rb"ask(\d+)"), re.compile(rb"q(\d+)z"), re.compile(rb"chat_id=(\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"
FIRST_MESSAGE = 1_000_000_000  # past all that a filled database knows
PIECES = 10.0  # a second, of an answer that takes time


@dataclass(slots=True)
class Question:
    """When it was posted and accepted, when the model was asked, when the whole answer was sent (monotonic)."""

    posted: float
    accepted: float = 0.0
    asked: float = 0.0
    sent: float = 0.0
    answers: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Doubles:
    """`seconds` is how long the model writes an answer; 0: it stands there at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.questions: dict[int, Question] = {}
        self.calls: Counter[str] = Counter()
        self.ids: Iterator[int] = count(FIRST_MESSAGE)
        self.webhook = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.get_running_loop().create_server(lambda: Peer(self), "127.0.0.1", 0, backlog=1000)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def telegram(self, method: str, body: bytes) -> Any:
        """The result of a call of the Bot API."""
        self.calls[method] += 1
        match method:
            case "getMe":
                return {"id": BOT, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
            case "getWebhookInfo":
                return {"url": self.webhook, "has_custom_certificate": False, "pending_update_count": 0}
            case "setWebhook":
                self.webhook = "set"
            case "sendMessage" | "sendRichMessage" | "editMessageText":
                self._seen(body)
                chat = int(found[1]) if (found := CHAT.search(body)) else 0
                return {"message_id": next(self.ids), "date": int(time.time()), "chat": {"id": chat, "type": "private"}}
        return True

    def _seen(self, body: bytes) -> None:
        if found := MARK.search(body):
            question = self.questions[int(found[1])]
            question.answers += 1
            question.sent = question.sent or time.monotonic()
            question.done.set()

    def asked(self, body: bytes) -> int:
        """Note that the model is asked. Returns the number of the question, 0 for the bot's own check at its start."""
        numbers = ASK.findall(body)
        if not numbers:
            return 0
        number = int(numbers[-1])
        question = self.questions[number]
        question.asked = question.asked or time.monotonic()
        return number


class Peer(asyncio.Protocol):
    """One connection: requests of HTTP/1.1 with a length, one after the other."""

    def __init__(self, world: Doubles) -> None:
        self.world = world
        self._given = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._given += data
        while (head := self._given.find(END)) >= 0:
            length = int(found[1]) if (found := LENGTH.search(self._given, 0, head + 2)) else 0
            end = head + len(END) + length
            if len(self._given) < end:
                return
            path = self._given[: self._given.find(b"\r\n")].split()[1]
            body, self._given = self._given[head + len(END) : end], self._given[end:]
            self._answer(path, body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path.startswith(b"/bot"):
            method = path.rpartition(b"/")[2].decode()
            self._write(json.dumps({"ok": True, "result": self.world.telegram(method, body)}).encode())
        elif self.world.seconds:
            self._stream(f"q{self.world.asked(body)}z ")
        else:
            self._write(line(f"q{self.world.asked(body)}z", last=True))

    def _write(self, body: bytes) -> None:
        self._send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    def _stream(self, mark: str) -> None:
        """The answer grows by five words ten times a second; its mark comes last, so that only the whole one counts."""
        self._send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        loop, pieces = asyncio.get_running_loop(), max(int(self.world.seconds * PIECES), 1)
        begun = loop.time()

        def piece(number: int) -> None:
            last = number == pieces
            text = "word and word and word " * number
            data = line(text + mark if last else text, last=last)
            self._send(b"%x\r\n%b\r\n" % (len(data), data) + (b"0\r\n\r\n" if last else b""))
            if not last:
                loop.call_at(begun + (number + 1) / PIECES, piece, number + 1)

        loop.call_at(begun + 1 / PIECES, piece, 1)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def line(text: str, *, last: bool) -> bytes:
    """A line of the native stream: the whole text so far."""
    status = "ALTERNATIVE_STATUS_FINAL" if last else "ALTERNATIVE_STATUS_PARTIAL"
    found = {
        "alternatives": [{"message": {"role": "assistant", "text": text}, "status": status}],
        "usage": {"inputTextTokens": "20", "completionTokens": "10", "totalTokens": "30"},
        "modelVersion": "bench",
    }
    return json.dumps({"result": found}).encode() + b"\n"
