"""Unpacks gzip data up to a size: `unpacked`."""

from __future__ import annotations

import io
import zlib

from bot.errors import FetchFailed

GZIP = b"\x1f\x8b"
MAX_PARTS = 1_000  # of one file; each costs time, even an empty one
PIECE = 1 << 16  # bytes that are unpacked at once


def unpacked(data: bytes, largest: int) -> bytes:
    """Return the content of gzip data, which may consist of several parts. Raises `FetchFailed` for more than `largest`
    bytes, and for data that is broken or has more than `MAX_PARTS` parts.
    """
    found, place = io.BytesIO(), 0
    if data and not data.startswith(GZIP):
        raise FetchFailed("broken")
    try:
        for _ in range(MAX_PARTS):
            if not data.startswith(GZIP, place):
                return found.getvalue()
            place = _add_part(found, data, place, largest)
    except zlib.error:
        raise FetchFailed("broken") from None
    raise FetchFailed("broken")


def _add_part(found: io.BytesIO, data: bytes, place: int, largest: int) -> int:
    """Unpack the part that begins at `place`. Returns where it ends."""
    part = zlib.decompressobj(31)
    while not part.eof:
        piece = part.unconsumed_tail or data[place : place + PIECE]
        if not piece:
            raise FetchFailed("broken")
        if not part.unconsumed_tail:
            place += len(piece)
        found.write(part.decompress(piece, PIECE))
        if found.tell() > largest:
            raise FetchFailed("too_long")
    return place - len(part.unused_data)
