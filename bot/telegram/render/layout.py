"""Lays a document out as one long text with marks on it, before it is cut into messages. Begin with `lay_out`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from bot.telegram.render import tables
from bot.telegram.render.document import (
    BOLD,
    CODE,
    FORMULA,
    ITALIC,
    STRIKE,
    Block,
    Code,
    Document,
    Folded,
    Formula,
    Heading,
    Item,
    List,
    Paragraph,
    Quote,
    Rule,
    Run,
    Runs,
    Table,
)

RULE = "———"
_STYLES = ((BOLD, "bold"), (ITALIC, "italic"), (STRIKE, "strikethrough"))
_NESTING = {"blockquote": 0, "expandable_blockquote": 0, "pre": 1, "text_link": 1}


@dataclass(frozen=True, slots=True)
class Mark:
    """An entity, with its position in code points of the whole text."""

    start: int
    end: int
    type: str
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Layout:
    """The whole text with its marks. `borders` are positions between blocks; `note` is where the bot's own line begins,
    0 for none.
    """

    text: str
    marks: list[Mark]
    borders: list[int]
    note: int
    verbatim: list[tuple[int, int]]

    def is_verbatim(self, position: int) -> bool:
        """Return whether indentation matters at a position: inside a code block."""
        index = bisect_right(self.verbatim, (position, 1 << 60)) - 1
        return index >= 0 and position < self.verbatim[index][1]


def lay_out(document: Document, note: str = "") -> Layout:
    """Return the layout of a document. A blank line stands between blocks, a newline between a heading and its text."""
    canvas = _Canvas()
    canvas.write_blocks(document.blocks, "", "\n\n")
    at = 0
    if note:
        canvas.write("\n\n" if canvas.size else "")
        at = canvas.size
        canvas.write_runs((Run(note, ITALIC),), "")
    marks = sorted(canvas.marks, key=lambda mark: (mark.start, -mark.end, _NESTING.get(mark.type, 2)))
    verbatim = [(mark.start, mark.end) for mark in marks if mark.type == "pre"]
    return Layout(text="".join(canvas.parts), marks=marks, borders=canvas.borders, note=at, verbatim=verbatim)


class _Canvas:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.marks: list[Mark] = []
        self.borders: list[int] = []
        self.quoted = False

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)

    def mark(self, start: int, type: str, **extra: str) -> None:
        if start < self.size:
            self.marks.append(Mark(start, self.size, type, extra))

    # --- blocks ---

    def write_blocks(self, blocks: tuple[Block, ...], indent: str, gap: str) -> None:
        before: Block | None = None
        for block in blocks:
            if before is not None:
                self._part(before, block, indent, gap)
            self._write_block(block, indent)
            before = block

    def _part(self, before: Block, block: Block, indent: str, gap: str) -> None:
        leads = isinstance(before, Heading) or self.parts[-1].endswith(":")
        if gap == "\n\n" and not indent and not leads:
            self.borders.append(self.size)
        flush = isinstance(block, Code | Formula | Quote | Table)
        self.write(("\n" if isinstance(before, Heading) else gap) + ("" if flush else indent))

    def _write_block(self, block: Block, indent: str) -> None:
        match block:
            case Paragraph(runs):
                self.write_runs(runs, indent)
            case Heading(_, runs):
                self.write_runs(runs, indent, BOLD)
            case Code(text, language):
                self._write_pre(text, language)
            case Formula(text):
                self._write_formula(text)
            case Rule():
                self.write(RULE)
            case Quote(blocks):
                self._write_quote(blocks)
            case Folded(runs):
                start = self.size
                self.write_runs(runs, "")
                self.mark(start, "expandable_blockquote")
            case List():
                self._write_list(block, indent)
            case Table():
                self._write_table(block)

    def _write_pre(self, text: str, language: str = "") -> None:
        start = self.size
        self.write(text)
        self.mark(start, "pre", **({"language": language} if language else {}))

    def _write_formula(self, text: str) -> None:
        if "\n" in text:
            self._write_pre(text, "latex")
        else:
            self.write_runs((Run(text, CODE),), "")

    def _write_quote(self, blocks: tuple[Block, ...]) -> None:
        start, outer, self.quoted = self.size, self.quoted, True
        self.write_blocks(blocks, "", "\n\n")
        self.quoted = outer
        if not outer:  # Telegram's quotes do not nest
            self.mark(start, "blockquote")

    def _write_list(self, block: List, indent: str) -> None:
        for index, item in enumerate(block.items):
            if index:
                self.write("\n" if block.tight else "\n\n")
                if not block.tight and not indent:
                    self.borders.append(self.size - 2)
                self.write(indent)
            self._write_item(item, indent)

    def _write_item(self, item: Item, indent: str) -> None:
        box = "" if item.checked is None else "☑ " if item.checked else "☐ "
        marker = f"{item.marker} {box}" if item.marker else box or "• "
        starts_line = bool(item.blocks) and isinstance(item.blocks[0], Code | Quote | Table)
        self.write(marker.rstrip() + "\n" if starts_line else marker if item.blocks else marker.rstrip())
        self.write_blocks(item.blocks, indent + "   " if item.marker else indent + "  ", "\n")

    def _write_table(self, table: Table) -> None:
        grid = tables.grid(table)
        if grid:
            self._write_pre(grid)
            return
        for index, line in enumerate(tables.lines(table)):
            self.write("\n" if index else "")
            self.write_runs(line, "")

    # --- inlines ---

    def write_runs(self, runs: Runs, indent: str, style: int = 0) -> None:
        """Write runs so that marks nest: to end a mark, those inside it are closed and opened again."""
        opened: list[tuple[str, str, int]] = []
        for run in runs:
            wanted = _looks(run, style)
            keep = 0
            while keep < len(opened) and opened[keep][:2] in wanted:
                keep += 1
            self._close(opened, keep)
            known = {look[:2] for look in opened}
            opened += [(*look, self.size) for look in wanted if look not in known]
            self.write(run.text.replace("\n", "\n" + indent) if indent else run.text)
        self._close(opened, 0)

    def _close(self, opened: list[tuple[str, str, int]], keep: int) -> None:
        while len(opened) > keep:
            type, url, start = opened.pop()
            self.mark(start, type, **({"url": url} if url else {}))


def _looks(run: Run, style: int) -> list[tuple[str, str]]:
    """Return the styles that Telegram accepts together: code allows no other, and a link has precedence over code."""
    style |= run.style
    if style & (CODE | FORMULA):
        return [("text_link", run.url)] if run.url else [("code", "")]
    looks = [("text_link", run.url)] if run.url else []
    return looks + [(type, "") for flag, type in _STYLES if style & flag]
