"""Cuts a growing answer where it can be shown. Begin with `draft`.

CommonMark closes open code blocks, lists and quotes by itself, so a draft only holds back what is unfinished at its
very end: a marker, a fence or table line that is still being written, emphasis, code, a link or a formula that has
begun in the last line. Nothing is held for longer than its line or `MAX_HELD` characters (a formula and the address of
a link may be longer), so a star that is never closed does not stop the stream.
"""

from __future__ import annotations

import re

from bot.telegram.render.document import Document
from bot.telegram.render.entities import LIMIT, Piece, pieces
from bot.telegram.render.grammar import brackets, find_formula, find_target, flanks
from bot.telegram.render.parsing import parse

MAX_HELD = 80
MAX_HELD_LINK = 2_000
MAX_HELD_FORMULA = 400
MAX_READ = 3_000  # characters at the end of a line that are read for what is unfinished

Pairs = dict[int, int]  # closing bracket by opening one

_PREFIX = r"[ \t>]*+(?>(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*)[ \t>]*+"  # of quotes and list items, around a block
_FENCE = re.compile(rf"^{_PREFIX}(`{{3,}}|~{{3,}})([^\n]*)", re.M)
_MARKER_LINE = re.compile(
    rf"{_PREFIX}(?:#{{1,6}}|[-+*_=~`|:][-+*_=~`|: \t]*+|\d{{1,9}}[.)]|\[[ xX]?\]?|\\|\${{1,2}})?[ \t]*"
)
_TABLE_LINE = re.compile(r"[ \t>]*\|")
_DELIMITER_LINE = re.compile(r"[ \t>]*[|:-][|: \t-]*")
_MARKS = re.compile(r"[\\`*_~\[!$<]")
_AUTOLINK = re.compile(r"<(?:https?:|mailto:|tel:)[^\s<>]*$|<h?t?t?p?s?$", re.I)
_HALF_TARGET = re.compile(r"\(\s*(?:<[^<>\n]*|[^\s<]\S*(?:\s+(?:\"[^\"]*\"?|'[^']*'?)?)?)?")
_DISPLAY = re.compile(r"^[ \t>]*(\\\[|\$\$)", re.M)


def draft(markdown: str) -> str:
    """Return the longest beginning of an unfinished text that shows no broken markup."""
    fence = _open_fence(markdown)
    if fence is not None:
        return _inside_fence(markdown, fence)
    text = _without_unfinished_line(_without_open_display(markdown))
    start = max(text.rfind("\n") + 1, len(text) - MAX_READ)
    held = text[: start + _held(text[start:])]
    if held != text:
        held = _without_unfinished_line(held)
    return _without_lone_header(held)


def tail(source: Document | str, limit: int = LIMIT) -> Piece:
    """Return the last message of a text that is too long for one, as a draft shows it; "" for no text."""
    found = pieces(parse(source) if isinstance(source, str) else source, limit)
    return found[-1] if found else Piece("")


# --- lines ------------------------------------------------------------------------------------------------------------


def _open_fence(text: str) -> re.Match[str] | None:
    """Return the fence that is open at the end of `text`, if any."""
    opened: re.Match[str] | None = None
    if "```" not in text and "~~~" not in text:
        return None
    for found in _FENCE.finditer(text):
        if opened is None:
            opened = found if found[1][0] == "~" or "`" not in found[2] else None
        elif found[1].startswith(opened[1]) and not found[2].strip():
            opened = None
    return opened


def _inside_fence(text: str, fence: re.Match[str]) -> str:
    """Return code as it comes, without the unfinished line of the fence or of what may close it."""
    if not text[fence.end() :].strip():
        return text[: fence.start()].rstrip("\n")
    start = text.rfind("\n") + 1
    line = text[start:].lstrip(" \t>")
    return text[: start - 1] if line and not line.strip(fence[1][0]) else text


def _without_unfinished_line(text: str) -> str:
    """Return the text without its last line, if that can't be parsed yet: it is a marker without text, or a row of a
    table.
    """
    start = text.rfind("\n") + 1
    line = text[start:]
    if not line or not (_MARKER_LINE.fullmatch(line) or _TABLE_LINE.match(line) or _is_half_delimiter(text, start)):
        return text
    return text[:start].rstrip("\n")


def _is_half_delimiter(text: str, start: int) -> bool:
    """Return whether the last line may become the dashes below a table header without outer bars."""
    above = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start]
    return "|" in above and _DELIMITER_LINE.fullmatch(text, start) is not None


def _without_lone_header(text: str) -> str:
    """Hold back the header of a table until the line of dashes below it has come."""
    start = text.rstrip("\n").rfind("\n") + 1
    line = text[start:].rstrip("\n")
    if not _TABLE_LINE.match(line) or text.endswith("\n\n"):
        return text
    before = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start].strip()
    return text if before and _TABLE_LINE.match(before) else text[:start].rstrip("\n")


def _without_open_display(text: str) -> str:
    r"""Hold back a `\[` or `$$` at the start of a line that is not closed yet."""
    found = list(_DISPLAY.finditer(text, max(0, len(text) - MAX_HELD_FORMULA)))
    last = found[-1] if found else None
    if last is None or (last.start() and text[last.start() - 1] != "\n"):
        return text
    closing = "\\]" if last[1] == "\\[" else "$$"
    if closing in text[last.end() :] or "\n\n" in text[last.end() :]:
        return text
    opened = text.count("$$", 0, last.start(1)) % 2 if closing == "$$" else 0
    return text if opened else text[: last.start()].rstrip("\n")


# --- inlines ----------------------------------------------------------------------------------------------------------


def _held(line: str) -> int:
    """Return the position in the last line where the unfinished part begins; its length if all of it can be shown."""
    open_runs: list[tuple[int, str, int]] = []  # position, marker, length
    at, size = 0, len(line)
    pairs = brackets(line) if "[" in line else {}
    while found := _MARKS.search(line, at):
        at, mark = found.start(), found[0]
        if mark in "*_~":
            at = _emphasis(line, at, open_runs)
            continue
        after = _SCANNERS[mark](line, at, pairs)
        if after > size:
            open_runs.append((at, mark, 0))
            break
        at = after
    return min(
        (position for position, mark, _ in open_runs if size - position <= _PATIENCE.get(mark, MAX_HELD)), default=size
    )


def _emphasis(line: str, at: int, open_runs: list[tuple[int, str, int]]) -> int:
    """Read a run of markers, close and note the emphasis that it ends and begins, and return the position behind it."""
    mark, end = line[at], at
    while end < len(line) and line[end] == mark:
        end += 1
    length = end - at
    opens, closes = _flanks(line, at, end)
    if closes:
        length = _close(open_runs, mark, length)
    if length and (opens or end == len(line)) and not (mark == "~" and length < 2 and end < len(line)):
        open_runs.append((at, mark, length))
    return end


def _close(open_runs: list[tuple[int, str, int]], mark: str, length: int) -> int:
    for index in range(len(open_runs) - 1, -1, -1):
        position, opened, size = open_runs[index]
        if opened != mark or not length:
            continue
        used = min(size, length)
        del open_runs[index:]
        length -= used
        if size > used:
            open_runs.append((position, mark, size - used))
    return length


def _flanks(line: str, at: int, end: int) -> tuple[bool, bool]:
    before = line[at - 1] if at else " "
    after = line[end] if end < len(line) else " "
    opens, closes = flanks(before, after, end - at) if line[at] == "*" else (None, None)
    inside_word = line[at] == "_" and before.isalnum() and after.isalnum()
    can_open = not after.isspace() and not inside_word
    can_close = not before.isspace() and not inside_word
    return can_open if opens is None else opens, can_close if closes is None else closes


def _escape(line: str, at: int, _: Pairs) -> int:
    if line[at + 1 : at + 2] in {"(", "["}:
        found = find_formula(line, at, len(line))
        if found:
            return found[2]
        closed = line.find("\\)" if line[at + 1] == "(" else "\\]", at)
        return at + 2 if closed > 0 else len(line) + 1
    return at + 2


def _dollar(line: str, at: int, _: Pairs) -> int:
    found = find_formula(line, at, len(line))
    if found:
        return found[2]
    if line.startswith("$$", at):
        return at + 2 if line.find("$$", at + 2) > 0 else len(line) + 1
    return at + 1


def _code(line: str, at: int, _: Pairs) -> int:
    end = at
    while end < len(line) and line[end] == "`":
        end += 1
    closing = re.compile(rf"(?<!`)`{{{end - at}}}(?!`)").search(line, end)
    return closing.end() if closing else len(line) + 1


def _link(line: str, at: int, pairs: Pairs) -> int:
    """Return the position behind `[text](target)`, or behind the bracket if no link can follow."""
    close = pairs.get(at, -1)
    if close + 1 == len(line) or (close < 0 and len(line) - at <= MAX_HELD):
        return len(line) + 1
    if close < 0 or line[close + 1] != "(":
        return at + 1
    target = find_target(line, close + 1)
    if target:
        return target[1]
    return len(line) + 1 if _HALF_TARGET.fullmatch(line, close + 1) else at + 1


def _image(line: str, at: int, pairs: Pairs) -> int:
    return _link(line, at + 1, pairs) if line.startswith("![", at) else at + 1


def _angle(line: str, at: int, _: Pairs) -> int:
    return len(line) + 1 if _AUTOLINK.match(line, at) else at + 1


_SCANNERS = {"\\": _escape, "$": _dollar, "`": _code, "[": _link, "!": _image, "<": _angle}
_PATIENCE = {"[": MAX_HELD_LINK, "!": MAX_HELD_LINK, "\\": MAX_HELD_FORMULA}
