"""Files that are made to hurt whoever opens them: small to send, and endless, huge or broken once they are opened.

Begin with `files`, which makes as many as are wanted: each shape once, then damaged copies of them.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import Image

WORD = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
WORD_TYPE = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
RELATION = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
MIMES = {"png": "image/png", "webp": "image/webp", "gif": "image/gif", "mp4": "video/mp4"}


@dataclass(frozen=True, slots=True)
class Hostile:
    name: str
    data: bytes

    @property
    def kind(self) -> Literal["document", "video_note"]:
        """As which Telegram sends it."""
        return "video_note" if self.name.endswith(".mp4") else "document"

    @property
    def mime(self) -> str:
        return MIMES.get(self.name.rpartition(".")[2], "")


def files(count: int, seed: int = 1) -> list[Hostile]:
    chance, made = random.Random(seed), [Hostile(name, make()) for name, make in SHAPES.items()]
    while len(made) < count:
        made.append(_damaged(chance.choice(made[: len(SHAPES)]), len(made), chance))
    return made[:count]


def _damaged(file: Hostile, number: int, chance: random.Random) -> Hostile:
    """A copy with bytes changed, cut short, or under the name of another kind."""
    data = bytearray(file.data[: 1 << 20])
    for _ in range(chance.choice((0, 1, 20))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    ending = chance.choice(("", ".pdf", ".docx", ".html", ".txt", ".png"))
    return Hostile(f"{number}-{file.name}{ending}" if chance.random() < 0.3 else f"{number}-{file.name}", bytes(data))


# --- documents --------------------------------------------------------------------------------------------------------


def slow_pdf(strings: int = 300_000) -> bytes:
    """Some kilobytes that take minutes: one page with so many pieces of text."""
    return pdf(b"BT /F 9 Tf " + b"(a)Tj " * strings + b"ET")


def pdf(content: bytes, contents: bytes = b"4 0 R", kids: bytes = b"3 0 R") -> bytes:
    """A page of such a content stream, packed."""
    packed = zlib.compress(content)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count 1 >>" % kids,
        b"<< /Type /Page /Parent 2 0 R /Contents %b /Resources << /Font << /F 5 0 R >> >> >>" % contents,
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, part) for number, part in enumerate(parts, 1))
    return b"%PDF-1.4\n" + body + b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF"


def docx(body: bytes, before: bytes = b"", **others: bytes) -> bytes:
    """A Word document with such a body; `before` stands before the root element of its XML."""
    types = (
        b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/word/document.xml" ContentType="%b"/></Types>' % WORD_TYPE
    )
    links = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r" Type="%b" Target="word/document.xml"/></Relationships>' % RELATION
    )
    document = b"%b<w:document %b><w:body>%b</w:body></w:document>" % (before, WORD, body)
    parts = {"[Content_Types].xml": types, "_rels/.rels": links, "word/document.xml": document, **others}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return out.getvalue()


def _laughs() -> bytes:
    entities = b"".join(b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    return docx(b"<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>", b'<!DOCTYPE x [<!ENTITY l0 "ha">%b]>' % entities)


def _paragraph(text: bytes) -> bytes:
    return b'<w:p><w:r><w:t xml:space="preserve">%b</w:t></w:r></w:p>' % text


# --- pictures and recordings ------------------------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large as that."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    rows = zlib.compress(bytes(min(width * height * 4, 100 << 20)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _picture(kind: str, side: int, frames: int = 1) -> bytes:
    out, picture = io.BytesIO(), Image.new("RGB", (side, side), "navy")
    more = {"save_all": True, "append_images": [picture] * (frames - 1)} if frames > 1 else {}
    picture.save(out, kind, **more)
    return out.getvalue()


def _boxes(count: int) -> bytes:
    """An MP4 whose boxes lie in each other."""
    box = b""
    for _ in range(count):
        box = struct.pack(">I", len(box) + 8) + b"moov" + box
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + box


def _wave(seconds: int) -> bytes:
    """Silence, which says that it goes on for ever."""
    sound = bytes(8_000 * seconds)
    riff = struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE")
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8_000, 8_000, 1, 8)
    return riff + shape + struct.pack("<4sI", b"data", 0xFFFFFFFF) + sound


SHAPES: dict[str, Callable[[], bytes]] = {
    "blanks.txt": lambda: b"x" + b" " * 300_000 + b"y",
    "tabs.csv": lambda: b"\t" * 300_000 + b";",
    "lines.md": lambda: b"\n \n" * 300_000,
    "tags.html": lambda: b"<a " * 60_000,
    "comments.html": lambda: b"<!--" * 60_000,
    "deep.html": lambda: b"<div>" * 200_000,
    "deep.xml": lambda: b"<a>" * 300_000,
    "paragraphs.docx": lambda: docx(b"<w:p/>" * 2_000_000),
    "more.docx": lambda: docx(b"<w:p/>" * 15_000_000),
    "blanks.docx": lambda: docx(_paragraph(b" " * 1_000_000 + b"y")),
    "deep.docx": lambda: docx(b"<w:p>" * 50_000 + b"</w:p>" * 50_000),
    "laughs.docx": _laughs,
    "cells.docx": lambda: docx(b"<w:tbl>" + b"<w:tr>" + b"<w:tc><w:p/></w:tc>" * 20_000 + b"</w:tr></w:tbl>"),
    "media.docx": lambda: docx(_paragraph(b"a"), **{"word/media/a.bin": bytes(90 << 20)}),
    "slow.pdf": slow_pdf,
    "blanks.pdf": lambda: pdf(b"BT /F 9 Tf (" + b" " * 200_000 + b"y)Tj ET"),
    "contents.pdf": lambda: pdf(b"q " * 20_000, b"[" + b"4 0 R " * 1_000 + b"]"),
    "circle.pdf": lambda: pdf(b"BT ET", kids=b"2 0 R " * 50),
    "unpacked.pdf": lambda: pdf(bytes(300 << 20)),
    "stack.pdf": lambda: pdf(b"[" * 200_000),
    "large.png": lambda: png_of(30_000, 30_000),
    "full.png": lambda: png_of(4_900, 5_000),
    "wide.png": lambda: png_of(25_000_000, 1),
    "full.webp": lambda: _picture("WEBP", 4_999),
    "frames.gif": lambda: _picture("GIF", 600, 400),
    "boxes.mp4": lambda: _boxes(100_000),
    "long.mp4": lambda: _wave(1_800),
    "noise.mp4": lambda: random.Random(2).randbytes(1 << 20),
}


def normal() -> Iterator[Hostile]:
    """Files as people send them, for ever: they must be read meanwhile."""
    line = b"BT /F 11 Tf 50 %d Td (The quick brown fox number %d) Tj ET "
    page = b"".join(line % (800 - 14 * number, number) for number in range(50))
    while True:
        yield Hostile("report.pdf", pdf(page))
        yield Hostile("letter.docx", docx(_paragraph(b"Dear friend, all is well.") * 200))
        yield Hostile("notes.txt", b"Bread, milk and honey.\n" * 2_000)
        yield Hostile("photo.png", _picture("PNG", 1_200))
