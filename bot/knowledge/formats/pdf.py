"""Reads PDF by pages: `pages_of`, and `read_pdf` into an outline."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from bot.errors import Unreadable
from bot.knowledge.formats.hyphens import joined_words, words_of
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.tidying import paragraphs


def pages_of(data: bytes) -> Iterator[str]:
    """The text of each page as it stands on its lines. Raises `Unreadable` (locked)."""
    from pypdf import PdfReader

    document = PdfReader(io.BytesIO(data))
    if document.is_encrypted and not document.decrypt(""):
        raise Unreadable("locked")
    for page in document.pages:
        yield page.extract_text()


def read_pdf(data: bytes, outline: Outline) -> None:
    """Read the paragraphs of the pages, with words and lines joined that the printer has divided. Pages without text
    are noted as left out.
    """
    pages = []
    for number, page in enumerate(pages_of(data), 1):
        outline.begin(page=number)  # which bounds the pages
        pages.append(page.replace("\r\n", "\n"))
    known, empty = words_of("\n\n".join(pages)), []
    for number, page in enumerate(pages, 1):
        if not page.strip():
            empty.append(number)
        outline.begin(page=number)
        for paragraph in paragraphs(joined_words(page, known)):
            outline.add(paragraph)
    if empty and len(empty) < len(pages):
        outline.leave_out("no_text", _ranges(empty), is_hidden=False)


def _ranges(numbers: Iterable[int]) -> str:
    """Page numbers for a person: "3-9, 12"."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
