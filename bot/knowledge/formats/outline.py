"""Collects the blocks of an article under their headings: `Outline`. All readers of formats write into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.errors import Unreadable
from bot.knowledge.formats.signs import spelled
from bot.knowledge.formats.tables import table_rows
from bot.knowledge.formats.tidying import one_line, tidy
from bot.knowledge.passages import Block

MOST_PAGES = 1_500
MOST_CHARACTERS = 1_000_000
MOST_NAMED = 5  # names of what was left out that are told


class Outline:
    """An article while it is read. The first heading of level 1 before all text becomes the title, if there is none.

    `reads_hidden`: what the author of a document hid is read, too. `left_out` has what was not read: names or "" by
    kind. `begin` and `add` raise `Unreadable` for more than `MOST_PAGES` and `MOST_CHARACTERS` if `is_bounded`.
    """

    def __init__(self, title: str = "", *, reads_hidden: bool = False, is_bounded: bool = False) -> None:
        self.title = title
        self.blocks: list[Block] = []
        self.left_out: dict[str, list[str]] = {}
        self.reads_hidden = reads_hidden
        self.is_bounded = is_bounded
        self._above: list[tuple[int, str, str]] = []  # level, text, anchor
        self._page = self._pages = self._characters = 0

    def heading(self, level: int, text: str, anchor: str = "") -> None:
        """Begin a section; level 1 is the outermost."""
        if not (text := one_line(spelled(text))):
            return
        if level == 1 and not self.title and not self.blocks and not self._above:
            self.title = text
            return
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        self._above.append((level, text, anchor))

    def begin(self, name: str = "", *, page: int = 0, chapter: int = 0, is_only: bool = False) -> None:
        """Begin a page, a slide (`page` is its number), a chapter or a sheet (`is_only`: there is no other)."""
        self._pages += 1
        if self.is_bounded and self._pages > MOST_PAGES:
            raise Unreadable("long")
        self._page = page
        if not is_only:
            self.heading(2, name)

    def add(self, text: str, *, code: bool = False) -> None:
        """Add a paragraph, a list, a row or a piece of code to the section. Blank text is left out."""
        if (text := tidy(spelled(text), code=code)).strip():
            self.count(text)
            anchor = self._above[-1][2] if self._above else ""
            self.blocks.append(Block(text, tuple(heading for _, heading, _ in self._above), self._page, anchor))

    def add_table(self, rows: Iterable[Sequence[str]], heads: int | None = None) -> None:
        """Add a table, each row a block; `heads` is how many rows are marked as its head (see `table_rows`)."""
        for row in table_rows(rows, heads):
            self.add(row)

    def leave_out(self, kind: str, name: str = "", *, is_hidden: bool = True) -> bool:
        """Note that something is not read, and return True; False if hidden things are read and it `is_hidden`."""
        if is_hidden and self.reads_hidden:
            return False
        self.left_out.setdefault(kind, []).append(one_line(name))
        return True

    def troubles(self) -> tuple[str, ...]:
        """What was left out, as reasons of a `Trouble`: the kind with a few names, else with the count."""
        return tuple(f"{kind}:{_named(names)}" for kind, names in sorted(self.left_out.items()))

    def count(self, text: str) -> None:
        """Count the characters of a text that is added."""
        self._characters += len(text)
        if self.is_bounded and self._characters > MOST_CHARACTERS:
            raise Unreadable("long")


def _named(names: Sequence[str]) -> str:
    shown = [name for name in dict.fromkeys(names) if name]
    if not shown:
        return str(len(names))
    return ", ".join(shown[:MOST_NAMED]) + (", …" if len(shown) > MOST_NAMED else "")
