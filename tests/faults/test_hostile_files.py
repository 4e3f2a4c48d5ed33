"""Files that are made to hurt: the person hears what is wrong, and nobody else notices anything."""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib

import pytest
from opening import refusal
from stage import ANNA, BORIS, Stage
from telegram_side import rows

from bot import process
from bot.child_pool import ChildPool, FileLimits
from bot.reading import pages
from bot.texts.catalog import say

SHORT = FileLimits(memory=160 << 20, cpu=2.0)


def slow_pdf(strings: int = 300_000) -> bytes:
    """Some kilobytes that are read for minutes: one page with so many pieces of text."""
    text = zlib.compress(b"BT /F 9 Tf " + b"(a)Tj " * strings + b"ET")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, part) for number, part in enumerate(parts, 1))
    return b"%PDF-1.4\n" + body + b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF"


def docx_of(body: bytes) -> bytes:
    """A Word document with such a body, packed small."""
    word = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    kind = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    link = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    files = {
        "[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/word/document.xml" ContentType="%b"/></Types>' % kind,
        "_rels/.rels": b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r" Type="%b" Target="word/document.xml"/></Relationships>' % link,
        "word/document.xml": b"<w:document %b><w:body>%b</w:body></w:document>" % (word, body),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


async def opening(stage: Stage, attempts: int = 0) -> None:
    """Wait until a file is being opened. Virtual time stands still meanwhile."""
    while not rows(stage, f"SELECT 1 FROM updates WHERE reason LIKE 'opened%' AND attempts = {attempts}"):
        await asyncio.sleep(0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may take less, for tests that wait until they take too much."""
    monkeypatch.setattr(process, "ChildPool", lambda: ChildPool(SHORT))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("slow.pdf", slow_pdf(), "file.slow"),
        ("large.docx", docx_of(b"<w:p/>" * 2_000_000), "file.heavy"),
        ("deep.docx", docx_of(b"<w:p>" * 5_000 + b"</w:p>" * 5_000), "document.broken"),
    ],
)
async def test_a_file_that_hurts_is_refused_in_one_sentence_while_others_are_answered(
    stage: Stage, short: None, name: str, data: bytes, sentence: str
) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, data, "document", name=name, caption="What does it say?")
    stage.studio.script("Good morning")
    assert await stage.ask("Hello", BORIS) == "Good morning"
    assert await stage.texts(1) == [say("en", sentence, name=name)]
    assert rows(stage, "SELECT state, attempts FROM updates WHERE state != 'done'") == []


async def test_a_stop_does_not_wait_for_a_file(stage: Stage) -> None:
    await stage.start(shutdown_grace=0.0)
    stage.telegram.upload(ANNA, slow_pdf(), "document", name="slow.pdf")
    await opening(stage)
    await stage.stop()
    assert rows(stage, "SELECT state, attempts FROM updates") == [("new", 0)]


async def test_crashes_while_a_file_is_opened_count_against_it_and_nobody_else(stage: Stage) -> None:
    stage.studio.fail_next("completion", hang=True, times=3)
    stage.telegram.upload(ANNA, slow_pdf(), "document", name="slow.pdf")
    stage.telegram.say(BORIS, "Hello")
    for crashes in range(3):
        await stage.start()
        await opening(stage, crashes)
        while len(stage.studio.seen("completion")) == crashes:
            await asyncio.sleep(0)
        await stage.crash()
    stage.studio.script("Good morning")
    await stage.start()
    assert await stage.texts(1) == [say("en", "error.crashed")]
    assert await stage.texts(1, BORIS) == ["Good morning"]


def test_what_unpacks_to_too_much_xml_is_not_parsed() -> None:
    assert refusal(pages, docx_of(b"<w:p/>" * 6_000_000), "x.docx", "") == "long"
