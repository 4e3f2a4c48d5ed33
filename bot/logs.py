"""Logging for the process: one line an event, no secret in any of them, no message text.

`Redaction` looks at the finished line, tracebacks included: a token inside the URL inside a foreign exception is
replaced like any other.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

TOKEN = re.compile(r"(?:(?<=bot)|\b)\d{6,}(?::|%3A)[A-Za-z0-9_-]{30,}")
YANDEX = re.compile(r"\b(?:AQVN[A-Za-z0-9_-]{20,}|t1\.[A-Za-z0-9_=.-]{20,}|y[0-3]_[A-Za-z0-9_-]{20,})")
CONTROLS = (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
WRITTEN_OUT = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in CONTROLS}
NOISY = ("httpx", "httpcore", "aiogram", "aiosqlite", "asyncio", "alembic")


class Redaction(logging.Formatter):
    """Formats a record as one line, a traceback as indented lines below it.

    Every known secret (also as it stands in a URL or a repr) and everything that looks like one is replaced, and what
    could forge another line, move the cursor or turn the text around is written out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        forms = (
            form
            for secret in secrets
            if len(secret) > 3
            for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])
        )
        self._secrets = sorted(set(forms), key=len, reverse=True)

    def formatMessage(self, record: logging.LogRecord) -> str:
        return self._clean(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return "\n".join("  " + self._clean(line) for line in super().formatException(ei).split("\n"))

    def formatStack(self, stack_info: str) -> str:
        return "\n".join("  " + self._clean(line) for line in stack_info.split("\n"))

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return YANDEX.sub("***", TOKEN.sub("***", text)).translate(WRITTEN_OUT)


def configure(level: str, secrets: Iterable[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redaction(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
