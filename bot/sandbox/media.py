"""Voice notes without a microphone, and what the header of a picture says. Begin with `note` and `picture_header`.

A note is an OggOpus file of silence that carries its words as a tag.
"""

from __future__ import annotations

import io
import struct

from mutagen import MutagenError
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus

RATE = 48_000
HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE, 0, 0)  # one channel
NO_TAGS = b"OpusTags" + struct.pack("<II", 0, 0)
FRAME = b"\xf8\xff\xfe"  # 20 ms of silence in Opus, one channel
A_SECOND = 50  # frames
LETTERS = 15.0  # a second, as people speak


def note(text: str, seconds: float = 0.0) -> bytes:
    """A voice note that the sandbox recognises as `text`. `seconds` is its length; 0: as long as speaking takes."""
    length = max(round((seconds or max(len(text) / LETTERS, 1.0)) * A_SECOND), 1)
    sound = [[FRAME] * min(length - start, A_SECOND) for start in range(0, length, A_SECOND)]
    pages, position = [], 0
    for number, packets in enumerate([[HEAD], [NO_TAGS], *sound]):
        page = OggPage()
        page.sequence, page.packets = number, packets
        position += packets.count(FRAME) * RATE // A_SECOND
        page.position = position
        pages.append(page)
    pages[0].first = pages[-1].last = True
    out = io.BytesIO(b"".join(page.write() for page in pages))
    file = OggOpus(out)
    file["words"] = text
    file.save(out)
    return out.getvalue()


def words(data: bytes) -> str | None:
    """What a note of the sandbox says; None for one that somebody has really spoken."""
    try:
        found = OggOpus(io.BytesIO(data)).get("words")
    except MutagenError:
        return None
    return str(found[0]) if found else None


def picture_header(data: bytes) -> tuple[str, int, int]:
    """Format ("JPEG", "PNG", "GIF", "WebP" or "?"), width and height in pixels; zeros if the size cannot be read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        return "PNG", *struct.unpack(">II", data[16:24])
    if data.startswith(b"GIF8") and len(data) >= 10:
        return "GIF", *struct.unpack("<HH", data[6:10])
    if data.startswith(b"\xff\xd8"):
        return "JPEG", *_jpeg_size(data)
    return ("WebP" if data[8:12] == b"WEBP" else "?"), 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in {0x01, *range(0xD0, 0xD8)}:
            place += 2
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0
