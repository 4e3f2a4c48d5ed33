"""Text out of bytes: `decoded`, which takes any input, and `is_pointer`."""

from __future__ import annotations

import codecs
import re

from bot.errors import Unreadable

SAMPLE = 20_000  # characters by which an encoding is guessed
POINTER = re.compile(
    rb"\s*version https?://(?:git-lfs|hawser)\.github\.com/spec/v\d\s+(?:ext-\S+ \S+\s+)*oid sha256:"  # Git LFS
    rb"|\s*/?(?:\.\./)*(?:\.git/)?annex/objects/\S+\s*\Z"  # git-annex
)


def decoded(data: bytes, charset: str = "") -> str:
    """A text in UTF-8, UTF-16 with a byte order mark, or a Russian encoding of eight bits, which is guessed.

    `charset` is what is said of the text; "" or an unknown one says nothing. UTF-8 that was cut in a character, or has
    a wrong byte here and there, is still UTF-8. Raises `Unreadable` for binary data.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise Unreadable("broken")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
    wrong = text.count("\N{REPLACEMENT CHARACTER}")
    if len(text) - len(text.encode("ascii", "ignore")) - wrong > 10 * wrong:
        return text.rstrip("\N{REPLACEMENT CHARACTER}")
    try:
        return data.decode(charset, "replace") if charset else _eight_bits(data)
    except LookupError:
        return _eight_bits(data)


def _eight_bits(data: bytes) -> str:
    """The text in that Russian encoding which makes the most of its small frequent letters."""
    texts = [data.decode(name, "replace") for name in ("cp1251", "koi8-r", "cp866")]
    return max(texts, key=lambda text: sum(map(text[:SAMPLE].count, "оеаинтсрвл")))


def is_pointer(data: bytes) -> bool:
    """Whether a file only says where its content is kept: a pointer of Git LFS or git-annex."""
    return POINTER.match(data[:1_024]) is not None
