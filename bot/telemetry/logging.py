"""Logging for the process: one line an event, without secrets and without message texts. Begin with `configure`.

`Redaction` replaces secrets in the finished line, tracebacks included: also a token inside the URL inside the exception
of a library. A line that is about a turn names it (`turn_log.current`), and the bot, if there are several.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from bot.telemetry import tracing, turn_log

TOKEN = re.compile(r"(?:(?<=bot)|\b)\d{6,}(?::|%3A)[A-Za-z0-9_-]{30,}")
YANDEX = re.compile(r"\b(?:AQVN[A-Za-z0-9_-]{20,}|t1\.[A-Za-z0-9_=.-]{20,}|y[0-3]_[A-Za-z0-9_-]{20,})")
CONTROLS = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
WRITTEN_OUT = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in CONTROLS}
NOISY = (
    "httpx",
    "httpcore",
    "aiogram",
    "aiosqlite",
    "asyncio",
    "alembic",
    "psycopg",
    "procrastinate",
    "mcp",
    "client",
    "httpx2",
    "httpcore2",  # the package mcp, which calls the logger of a module `client`
)
NOISIER = ("psycopg.pool",)  # it warns at every try to reach a server whose absence is told already
LIBRARIES = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib", "stdlib"))
bot: ContextVar[str] = ContextVar("bot", default="")  # which of several bots of the process is at work
STANDARD_STREAMS = 3  # the numbers below it are standard input, output and error


class Redaction(logging.Formatter):
    """Formats a record as one line, and its traceback as indented lines below it.

    Known secrets (also as they stand in a URL or a repr) and texts that look like tokens become `***`. Control
    characters, which could forge a line or move the cursor, become escapes such as `\\x1b`.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s%(about)s: %(message)s")
        forms = (
            form
            for secret in secrets
            if len(secret) > 3
            for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])
        )
        self._secrets = sorted(set(forms), key=len, reverse=True)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without secrets and control characters."""
        turn = turn_log.current.get().name
        about = [
            *([f"bot {name}"] if (name := bot.get()) else []),
            *([f"turn {turn}"] if turn else []),
            *([f"trace {trace}"] if (trace := tracing.current_ids()[0]) else []),
        ]
        record.about = f" [{', '.join(about)}]" if about else ""
        return self.clean(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the traceback without secrets."""
        return "\n".join("  " + self.clean(line) for line in super().formatException(ei).split("\n"))

    def formatStack(self, stack_info: str) -> str:
        """Return the stack without secrets."""
        return "\n".join("  " + self.clean(line) for line in stack_info.split("\n"))

    def clean(self, text: str) -> str:
        """Return a text without secrets and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return YANDEX.sub("***", TOKEN.sub("***", text)).translate(WRITTEN_OUT)


class JsonLines(Redaction):
    """Formats a record as one line of JSON, redacted like a line of `Redaction`.

    The fields are `time` (UTC), `level`, `logger`, `message`; if there are any `bot`, `turn`, `trace_id` and
    `span_id`, `error`, `stack`; and those that came with the record as `extra={"fields": {...}}`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        row: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if name := bot.get():
            row["bot"] = self.clean(name)
        if turn := turn_log.current.get().name:
            row["turn"] = turn
        trace, span = tracing.current_ids()
        if trace:
            row["trace_id"], row["span_id"] = trace, span
        row["message"] = self.clean(record.getMessage())
        for field, value in getattr(record, "fields", {}).items():
            row[field] = self.clean(value) if isinstance(value, str) else value
        if record.exc_info:
            row["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            row["stack"] = self.formatStack(record.stack_info)
        return json.dumps(row, ensure_ascii=False)


SHAPES = {"text": Redaction, "json": JsonLines}


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record is logged: at the level DEBUG only what the bot and code that is no installed library say."""
    ours = record.name.partition(".")[0] == "bot" or not record.pathname.startswith(LIBRARIES)
    return ours or record.levelno > logging.DEBUG


def configure(level: str, secrets: Iterable[str], shape: Literal["text", "json"] = "text") -> None:
    """Log to standard error from now on, in one of `SHAPES`. Lines that can't be written (disk full) are dropped."""
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr) if sys.stderr else logging.NullHandler()
    handler.setFormatter(SHAPES[shape](secrets))
    handler.addFilter(is_worth_a_line)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in NOISIER:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let the program inside run with standard streams that are closed or lead to a full disk.

    Closed streams are opened on /dev/null: otherwise a file of ours could get the number of standard error, and a
    library that prints would write into it. What can't be flushed at the end is dropped: it is no failure of the bot.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < STANDARD_STREAMS:
        pass
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(number, stream.fileno())
            except AttributeError:  # it was closed at the start: then there is none
                continue
        os.close(number)
