"""Logging for the process: one line an event, no secret in any of them, no message text.

`Redaction` looks at the finished line, tracebacks included: a token inside the URL inside a foreign exception is
replaced like any other.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from urllib.parse import quote

TOKEN = re.compile(r"\b\d{6,}:[A-Za-z0-9_-]{30,}")
CONTROL = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127, *range(0x202A, 0x202F))}
NOISY = ("httpx", "httpcore", "aiogram", "aiosqlite", "asyncio", "alembic")


class Redaction(logging.Formatter):
    """Formats a record, then replaces every known secret (also as it stands in a URL) and what looks like a token."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        known = {form for secret in secrets for form in (secret, quote(secret, safe="")) if len(secret) > 3}
        self._secrets = sorted(known, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return TOKEN.sub("***", line).translate(CONTROL)


def configure(level: str, secrets: Iterable[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redaction(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
