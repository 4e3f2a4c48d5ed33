"""Splits bytes into lines and parses JSON, whatever a server sends: divided characters, endless lines, broken JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from bot.errors import ModelProtocolError

LINE = 1 << 20  # bytes
LONGEST_WAIT = 3600.0  # seconds that a server is believed


class LineSplitter:
    """Splits a stream of bytes into lines of text, wherever the bytes were divided on their way.

    Unlike `str.splitlines` it divides at LF and CR LF only: U+2028 or U+000B inside a JSON string ends nothing. Invalid
    UTF-8 becomes U+FFFD, a byte order mark at the start is dropped. Raises `ModelProtocolError` for a line of more than
    `limit` bytes.
    """

    def __init__(self, limit: int = LINE) -> None:
        self._limit = limit
        self._open = bytearray()
        self._first = True

    def feed(self, data: bytes) -> list[str]:
        """Add bytes and return the lines that are complete now, without their ends."""
        *whole, tail = data.split(b"\n")
        lines = []
        for part in whole:
            if self._open:
                part = bytes(self._open) + part
                self._open.clear()
            lines.append(self._text(part))
        self._open += tail
        self._check(len(self._open))
        return lines

    def rest(self) -> list[str]:
        """Return what follows the last line end as a list of one line; an empty list if nothing does."""
        part = bytes(self._open)
        self._open.clear()
        return [self._text(part)] if part else []

    def _text(self, line: bytes) -> str:
        self._check(len(line))
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        return line.removesuffix(b"\r").decode("utf-8", "replace")

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ModelProtocolError(f"a line is longer than {self._limit} bytes")


def parse_json(raw: str | bytes) -> Any:
    """Parse JSON bytes or text. Raises `ModelProtocolError`. Strings may hold halves of surrogate pairs: see
    `whole_text`.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelProtocolError("the answer is not JSON") from None


def dump_json(value: Any) -> bytes:
    """Write `value` as compact JSON in UTF-8. Text that is not valid Unicode goes as U+FFFD."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole_text(text).encode()


def whole_text(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone halves as U+FFFD: databases and sockets raise on halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def number(value: Any) -> int | None:
    """Return a non-negative integer that a server gave as a number or a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1 << 53 else None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object, else an empty object."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the JSON objects in `value` if it is a list, else an empty list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds to wait that the header Retry-After gives (seconds, or a date; `now` is Unix time); 0 without
    the header.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value[:1].isdigit() else (http_date(value) or 0.0) - now
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def http_date(value: str) -> float | None:
    """Return the Unix time of a date in a header, None for a value that is no date."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def ascii_host(host: str) -> str:
    """Return the one way to write a host: in Punycode and small letters, without a dot at its end."""
    host = host.lower().rstrip(".")
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def host_of(url: str) -> str:
    """Return the host of an address, "" for a text that is no address."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
