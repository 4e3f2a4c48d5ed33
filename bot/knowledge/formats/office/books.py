"""Reads e-books (EPUB) and rich text (RTF): `read_epub`, `read_rtf`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote

from bot.errors import Unreadable
from bot.knowledge.formats.office.packages import check_package, parse_xml
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.plain_text import decoded
from bot.knowledge.formats.signs import END, LOWERED, RAISED

ReadHtml = Callable[[str, Outline], str]

# Groups of RTF without groups inside, by the word that says what they are.
GROUP = re.compile(r"\{((?:\\[a-z]+-?\d* ?|\\\*)*\\(super|sub|strike|striked1|strikedl|v|deleted)(?![a-z\d])[^{}]*)\}")
CELLS = {r"\trowd": "\ufdd3", r"\cell": "\ufdd4", r"\row": "\ufdd5"}


def read_epub(data: bytes, outline: Outline, read_html: ReadHtml) -> None:
    """Read the chapters of a book in their order, by number and first heading.

    `read_html` adds the HTML of a chapter to the outline that it is given, and returns its first heading.
    """
    packed = check_package(data)
    if "META-INF/rights.xml" in packed.namelist():
        raise Unreadable("locked")
    (path,) = parse_xml(packed.read("META-INF/container.xml")).xpath("//*[local-name()='rootfile']/@full-path")[:1]
    book = parse_xml(packed.read(path))
    outline.title = outline.title or next((" ".join((one.text or "").split()) for one in book.iter("{*}title")), "")
    files = {item.get("id"): item.get("href") for item in book.iter("{*}item")}
    for number, reference in enumerate(book.iter("{*}itemref"), 1):
        href = unquote(files.get(reference.get("idref")) or "").partition("#")[0]
        chapter = decoded(packed.read(posixpath.normpath(posixpath.join(posixpath.dirname(path), href))))
        heading = read_html(chapter, Outline())
        outline.begin(heading or str(number), chapter=number)
        read_html(chapter, outline)


def read_rtf(data: bytes, outline: Outline) -> None:
    """Read an RTF file, which has no pages and no headings."""
    try:
        from striprtf.striprtf import rtf_to_text
    except ImportError:
        raise Unreadable("missing") from None
    if not data.startswith(b"{\\rtf"):
        raise Unreadable("broken")
    source = GROUP.sub(lambda found: _group(found, outline), data.decode("latin-1"))
    for word, sign in CELLS.items():
        source = re.sub(rf"{re.escape(word)}(?![a-z\d])", rf"\\u{ord(sign) - 65_536}? ", source)
    text = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]
    outline.begin()
    rows = list[list[str]]()
    *with_rows, rest = text.split(CELLS[r"\row"])
    for part in [*with_rows, rest]:
        before, _, row = part.partition(CELLS[r"\trowd"]) if part is not rest else (part, "", "")
        if before.strip():
            outline.add_table(rows)
            rows = []
            for line in before.split("\n"):
                outline.add(line)
        if row:  # Word says \\trowd before a row and once more at its end
            rows.append(row.replace(CELLS[r"\trowd"], "").split(CELLS[r"\cell"])[:-1])
    outline.add_table(rows)


def _group(found: re.Match[str], outline: Outline) -> str:
    """A group whose words stand higher or lower, are struck out or hidden."""
    kind = found[2]
    if kind in ("super", "sub"):
        sign = RAISED if kind == "super" else LOWERED
        begin, end = (f"\\u{ord(one) - 65_536}?" for one in (sign, END))
        words = re.match(r"(?:\\[a-z]+-?\d* ?|\\\*)*", found[1])
        head = words[0] if words else ""
        return f"{{{head}{begin}{found[1][len(head) :]}{end}}}"
    if kind == "v":
        return "" if outline.leave_out("hidden_words") else found[0]
    outline.leave_out("struck", is_hidden=False)
    return ""
