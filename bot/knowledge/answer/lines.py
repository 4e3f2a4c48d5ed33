"""Cuts a stream of Markdown into sentences, rows of tables and blocks of code with their marks. Begin with `Reader`.

A sentence comes out when its marks are read: when the next sentence or the next line has begun. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.knowledge.answer.marks import Ref, cut, without_begun

LONGEST_LINE = 4_000  # characters that are held; a longer line is cut
BEGINNING = re.compile(
    r"(?:[ \t]*(?:[-*+•‣–—]|\d{1,3}[.)])[ \t]+(?:\[[ xXхХ]\][ \t]+)?|[ \t]*>[ \t]?|[ \t]*#{1,6}[ \t]+)*[ \t]*"
)
FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
RULE = re.compile(r"[ \t]*([-*_=])(?:[ \t]*\1){2,}[ \t]*")
DIVIDER = re.compile(r"[ \t:|]*+-[ \t:|-]*+")  # below the head of a table
FINISHED = (".", "!", "?", "…", ".»", "!»", "?»", ".”")
NOTHING = "|*_` .,;:!?>\t"
# A line that begins so is read when more of it has come, or all.
HELD = re.compile(r"$|[|#`~\[［【\\=>]|\*{1,3}$|\*\*[\[`*]|[-_*][-_*\s]*$|\d{1,3}[.)]?\s*$")


@dataclass(slots=True)
class Unit:
    """A part of an answer that is checked as one: `kind` is "text", "row", "head" (of a table) or "code".

    `gap` is the blank space in front of it, `prefix` the beginning of its line ("- ", "## ").
    """

    kind: str
    text: str
    refs: tuple[Ref, ...] = ()
    gap: str = " "
    prefix: str = ""


@dataclass
class Reader:
    """Reads an answer that arrives in parts of any length."""

    _raw: str = field(default="", init=False)
    _code: list[str] = field(default_factory=list, init=False)  # an open block of code with its first fence
    _prefix: str = field(default="", init=False)
    _begun: bool = field(default=False, init=False)  # the first sentences of this line are read
    _gap: str = field(default="", init=False)
    _retry: int = field(default=0, init=False)  # characters that a line must have before it is read again
    _waiting: Unit | None = field(default=None, init=False)  # its marks, or a table's divider, may be on the next line

    def feed(self, text: str) -> Iterator[Unit]:
        """Take a part; return what is complete now."""
        self._raw += text.replace("\r", "")
        while (end := self._raw.find("\n")) >= 0:
            line, self._raw = self._raw[:end], self._raw[end + 1 :]
            yield from self._line(line)
        yield from self._part()

    def end(self, *, broken: bool = False) -> Iterator[Unit]:
        """Return what is left when the answer has ended; where it is `broken` off, without its last sentence if that
        has neither a mark nor an end.
        """
        rest, self._raw = without_begun(self._raw), ""
        unfinished = bool(rest.strip())
        if rest.strip():
            yield from self._line(rest)
        if self._code and not broken:
            yield self._block()
        last = self._waiting
        if not (broken and unfinished and last and not last.refs and not last.text.endswith(FINISHED)):
            yield from self._release()

    def _release(self) -> Iterator[Unit]:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            yield waiting

    def _part(self) -> Iterator[Unit]:
        """Return the complete sentences of a line that has not ended: all but the last one."""
        if self._code or not self._raw.strip():
            return
        rest = self._without_prefix(self._raw)
        if not self._begun and HELD.match(rest):
            return
        self._begun = True
        self._raw = rest
        yield from self._release()
        if len(rest) < self._retry:  # a long sentence is not read again for each of its letters
            return
        done = 0
        for marked in cut(rest, finished=False):
            done = marked.end
            yield self._unit(marked.text, marked.refs)
        self._raw = rest[done:]
        self._retry = 0 if done else len(rest) + len(rest) // 32
        if len(self._raw) > LONGEST_LINE:
            rest, self._raw = self._raw, ""
            for marked in cut(rest, finished=True):
                yield self._unit(marked.text, marked.refs)

    def _without_prefix(self, line: str) -> str:
        """The text of a line; its beginning ("- ", "> ", "## ") is kept for its first sentence that is sent."""
        if self._begun:
            return line
        found = BEGINNING.match(line)
        end = found.end() if found else 0
        self._prefix = line[:end]
        return line[end:]

    def _line(self, line: str) -> Iterator[Unit]:
        fence = FENCE.match(line) if not self._begun else None
        if self._code:
            opened = FENCE.match(self._code[0])
            if fence and opened and fence[1].startswith(opened[1]) and not line.strip(" \t`~"):
                yield self._block()
            else:
                self._code.append(line)
            return
        if fence:
            yield from self._release()
            self._code = [line]
            return
        if not self._begun and (not line.strip() or RULE.fullmatch(line)):
            self._gap = "\n\n"
            return
        if self._waiting and self._waiting.kind == "row" and DIVIDER.fullmatch(line) and "|" in line:
            self._waiting.kind, self._waiting.text = "head", f"{self._waiting.text}\n{line.strip()}"
            return
        self._retry = 0
        yield from self._sentences(self._without_prefix(line))
        self._begun = False
        self._gap = "\n"

    def _sentences(self, text: str) -> Iterator[Unit]:
        found = cut(text, finished=True)
        if (
            not self._begun and any(one.refs for one in found) and not any(one.text.strip(NOTHING) for one in found)
        ):  # nothing but marks
            if self._waiting is not None:
                more = (ref for one in found for ref in one.refs)
                self._waiting.refs = tuple(dict.fromkeys((*self._waiting.refs, *more)))
            return
        yield from self._release()
        if text.startswith("|"):
            refs = tuple(dict.fromkeys(ref for one in found for ref in one.refs))
            self._waiting = self._unit(" ".join(one.text for one in found), refs)
            self._waiting.kind = "row"
            return
        units = [self._unit(one.text, one.refs) for one in found if one.text.strip(NOTHING)]
        yield from units[:-1]
        if units:
            self._waiting = units[-1]
        if self._waiting and self._waiting.refs:
            yield from self._release()

    def _unit(self, text: str, refs: tuple[Ref, ...]) -> Unit:
        unit = Unit("text", text, refs, gap=self._gap or " ", prefix=self._prefix)
        self._gap, self._prefix = "", ""
        return unit

    def _block(self) -> Unit:
        """The open block of code; marks in it are read, and taken out."""
        first, *lines = self._code
        self._code = []
        found = cut("\n".join(lines), finished=True, code=True)
        unit = Unit("code", "", found[0].refs if found else (), gap=self._gap or "\n", prefix=first.strip())
        unit.text = "\n".join(lines) if not unit.refs else found[0].text
        self._gap = "\n"
        return unit
