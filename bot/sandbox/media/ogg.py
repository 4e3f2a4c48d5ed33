"""Voice notes without a microphone: OggOpus files of silence that carry their words as a tag. Begin with `note`."""

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
