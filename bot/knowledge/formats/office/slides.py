"""Reads PPTX: `read_slides`. Shapes are walked, also those that only newer programs show.

Hidden slides and shapes, the notes of speakers, struck words and comments are left out and said.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from bot.errors import Unreadable
from bot.knowledge.formats.formulas import formula_text
from bot.knowledge.formats.office.elements import find, find_all, name_of, value_of
from bot.knowledge.formats.office.packages import check_package, parse_xml
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, raised
from bot.knowledge.formats.tables import Spanned

UNREAD = ("Fallback", "nvPr", "spPr", "style", "bodyPr", "lstStyle")
TITLES = ("title", "ctrTitle")


def read_slides(data: bytes, outline: Outline) -> None:
    """Read the slides with their tables and diagrams, by number and title."""
    try:
        from pptx import Presentation
    except ImportError:
        raise Unreadable("missing") from None
    check_package(data)
    for number, slide in enumerate(Presentation(io.BytesIO(data)).slides, 1):
        root = slide.element
        if value_of(root, "show") in ("0", "false") and outline.leave_out("hidden_slides", str(number)):
            continue
        shapes = find(root, "cSld", "spTree")
        title = next((_shape_text(one, outline) for one in find_all(shapes, "sp") if _kind(one) in TITLES), "")
        outline.begin(" ".join(title.split()) or str(number), page=number)
        _shapes(shapes, slide.part, outline)
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if notes is not None and notes.text.strip() and not outline.leave_out("notes"):
            outline.add(notes.text)
        _count_comments(slide.part, outline)


def _shapes(parent: Any, part: Any, outline: Outline) -> None:
    """The texts of shapes, also of those in groups, in their order."""
    for shape in parent:
        name = name_of(shape)
        properties = find(shape, f"nv{name[:1].upper()}{name[1:]}Pr", "cNvPr")
        if value_of(properties, "hidden") in ("1", "true") and outline.leave_out("hidden_words"):
            continue
        if name == "AlternateContent":
            _shapes(next(iter(shape), ()), part, outline)
        elif name == "sp":
            outline.add(_shape_text(shape, outline))
        elif name == "tbl":
            outline.add_table(_rows(shape, outline), 1 if value_of(find(shape, "tblPr"), "firstRow") == "1" else None)
        elif name == "relIds":
            _diagram(value_of(shape, "dm"), part, outline)
        elif name not in UNREAD:
            _shapes(shape, part, outline)


def _diagram(link: str, part: Any, outline: Outline) -> None:
    """The words of a diagram (SmartArt), which stand in a part of their own."""
    if link in part.rels and not part.rels[link].is_external:
        for body in find_all(parse_xml(part.rels[link].target_part.blob), "t"):
            if name_of(body) == "t" and len(body):
                outline.add("\n".join(_paragraphs(body, outline)))


def _count_comments(part: Any, outline: Outline) -> None:
    for related in part.rels.values():
        if related.reltype.rpartition("/")[2] == "comments" and not related.is_external:
            for _ in find_all(parse_xml(related.target_part.blob), "cm"):
                outline.leave_out("comments", is_hidden=False)


def _kind(shape: Any) -> str:
    return value_of(find(shape, "nvSpPr", "nvPr", "ph"), "type")


def _shape_text(shape: Any, outline: Outline) -> str:
    body = find(shape, "txBody")
    return "" if body is None else "\n".join(_paragraphs(body, outline))


def _paragraphs(body: Any, outline: Outline) -> Iterator[str]:
    for paragraph in body:
        if name_of(paragraph) == "p":
            yield "".join(_words(paragraph, outline))


def _words(paragraph: Any, outline: Outline) -> Iterator[str]:
    for run in paragraph:
        match name_of(run):
            case "r" | "fld":
                yield _run(run, outline)
            case "br":
                yield "\n"
            case "AlternateContent":
                yield from _words(next(iter(run), ()), outline)
            case "m":
                yield from (formula_text(one) for one in find_all(run, "oMath"))


def _run(run: Any, outline: Outline) -> str:
    found, marks = find(run, "t"), find(run, "rPr")
    text = "" if found is None else found.text or ""
    if value_of(marks, "strike") in ("sngStrike", "dblStrike"):
        outline.leave_out("struck", is_hidden=False)
        return ""
    height = value_of(marks, "baseline").lstrip("0%")
    return lowered(text) if height.startswith("-") else raised(text) if height else text


def _rows(table: Any, outline: Outline) -> Iterator[list[str]]:
    """The rows of a table; a merged cell stands in all places that it covers."""
    above = list[str]()
    for row in find_all(table, "tr"):
        cells = list[str]()
        for cell in row:
            if name_of(cell) != "tc":
                continue
            place = len(cells)
            if value_of(cell, "hMerge") in ("1", "true") and cells:
                cells.append(Spanned(cells[-1]))
            elif value_of(cell, "vMerge") in ("1", "true") and place < len(above):
                cells.append(Spanned(above[place]))
            else:
                cells.append(_shape_text(cell, outline))
        above = cells
        yield cells
