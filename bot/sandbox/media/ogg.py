"""Voice notes without a microphone: an Ogg file of silence that carries its words as a comment. Begin with `note`."""

from __future__ import annotations

import re
import struct

FRAME = b"\xf8\xff\xfe"  # 20 ms of silence in Opus, one channel
RATE = 48_000
A_SECOND = 50  # frames
LETTERS = 15.0  # a second, as people speak
SERIAL = 1
WORDS = b"WORDS="


def note(text: str, seconds: float = 0.0) -> bytes:
    """A voice note that the sandbox's recognition hears as `text`; as long as speaking it takes, or so many seconds."""
    length = seconds or max(len(text) / LETTERS, 1.0)
    comment = WORDS + text.encode()
    tags = b"OpusTags" + struct.pack("<I", 7) + b"sandbox" + struct.pack("<II", 1, len(comment)) + comment
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE, 0, 0)
    pages = [_page(0, 2, 0, [head]), *_long_page(1, tags)]
    left, position = max(round(length * A_SECOND), 1), 0
    while left:
        count = min(left, A_SECOND)
        left, position = left - count, position + count * RATE // A_SECOND
        pages.append(_page(len(pages), 0 if left else 4, position, [FRAME] * count))
    return b"".join(pages)


def words(data: bytes) -> str | None:
    """What a note of the sandbox says; None for one that somebody has really spoken."""
    start = data.find(b"OpusTags")
    place = data.find(WORDS, start)
    if start < 0 or place < 0:
        return None
    (size,) = struct.unpack("<I", data[place - 4 : place])
    return data[place + len(WORDS) : place + size].decode("utf-8", "replace")


def seconds(data: bytes) -> float:
    """How long an Ogg file is, by the position of its last page."""
    last = [found.start() for found in re.finditer(b"OggS", data)][-1:]
    if not last or len(data) < last[0] + 14:
        return 0.0
    position: int = struct.unpack("<q", data[last[0] + 6 : last[0] + 14])[0]
    return max(position, 0) / RATE


def _long_page(number: int, packet: bytes) -> list[bytes]:
    """A packet of at most 65,025 bytes: what fits one page."""
    return [_page(number, 0, 0, [packet[:65_000]])]


def _page(number: int, flags: int, position: int, packets: list[bytes]) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, SERIAL, number, 0) + bytes([len(lacing)]) + lacing
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _crc(data: bytes) -> int:
    """Ogg's own: polynomial 0x04c11db7, not reflected, beginning with 0."""
    value = 0
    for byte in data:
        value = (value << 8) & 0xFFFFFFFF ^ TABLE[value >> 24 ^ byte]
    return value


def _entry(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


TABLE = [_entry(number) for number in range(256)]
