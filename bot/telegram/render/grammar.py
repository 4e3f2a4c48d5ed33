"""The Markdown that language models write, as rules for markdown-it. Begin with `Markdown`.

CommonMark with tables, strikethrough and formulas; without what models never mean and readers would lose text by: raw
HTML, HTML entities, indented code, underlined headings, reference definitions. Emphasis is mended in both directions:
`**Note:**text` is bold although CommonMark says no, and `5*3 and 4*2` is arithmetic although it says yes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, list_block
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize as commonmark_emphasis
from markdown_it.token import Token

from bot.telegram.render import links

MAX_DEPTH = 14  # open block levels; a rich message may nest 16
MAX_EMPHASIS_RUN = 8
MAX_FORMULA_LINES = 40
MAX_FORMULA = 2_000
MAX_COLUMNS = 50  # of a table: each row is filled up to as many cells, however short it is

_DUNDER = re.compile(
    r"__(?:all|annotations|bool|call|cause|class|contains|del|delitem|dict|doc|enter|eq|exit|file|getattr|getitem|hash|"
    r"import|init|iter|len|lt|main|name|new|next|package|post_init|repr|set_name|setattr|setitem|slots|str|version)__(?!\w)"
)


class Markdown(MarkdownIt):
    """The parser: markdown-it with the rules of this module. One is enough: it keeps no state between texts."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": 40})
        self.disable(["code", "html_block", "lheading", "reference", "entity", "html_inline", "fragments_join"])
        self.enable("strikethrough")
        self.block.ruler.at("table", table, {"alt": ["paragraph"]})
        self.block.ruler.enable("table")
        self.block.ruler.before("table", "deep", deep)
        self.block.ruler.before("fence", "formula", formula_block, {"alt": ["paragraph", "blockquote", "list"]})
        self.block.ruler.at("list", listing, {"alt": ["paragraph", "blockquote"]})
        self.inline.ruler.at("emphasis", emphasis)
        self.inline.ruler.before("escape", "formula", formula)
        self.inline.ruler.at("link", link)
        self.inline.ruler.at("image", image)

    def normalizeLink(self, url: str) -> str:
        """Return an address unchanged: `links` needs to compare and show it as it was written."""
        return url

    def validateLink(self, url: str) -> bool:
        """Return whether an address may be a link at all; see `links.is_target`."""
        return links.is_target(url)

    def blocks(self, text: str) -> list[Token]:
        """Return the tokens of the blocks of a text."""
        found: list[Token] = []
        self.block.parse(text, self, {}, found)
        return found

    def inlines(self, text: str) -> list[Token]:
        """Return the tokens of the inline text of a block."""
        return self.inline.parse(text, self, {}, [])


# --- blocks -----------------------------------------------------------------------------------------------------------


def deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Rule: below `MAX_DEPTH` everything is a paragraph, which keeps the text and drops the nesting."""
    if silent or state.level < MAX_DEPTH:
        return False
    line = start + 1
    while line < end and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        line += 1
    state.line = line
    opened = state.push("paragraph_open", "p", 1)
    opened.map = [start, line]
    state.push("inline", "", 0).content = state.getLines(start, line, state.blkIndent, False).strip()
    state.push("paragraph_close", "p", -1)
    return True


def listing(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Rule: CommonMark's list, in which an item may be indented by four blanks, since there is no indented code."""
    if not silent:
        return list_block(state, start, end, silent)
    indent, state.listIndent = state.listIndent, -1
    found = list_block(state, start, end, silent)
    state.listIndent = indent
    return found


def formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Rule: `\[ … \]` and `$$ … $$` on lines of their own, inside which lists and rules are not looked for."""
    opening = _line(state, start)[:2]
    closing = {"\\[": "\\]", "$$": "$$"}.get(opening)
    begin = state.bMarks[start] + state.tShift[start] + 2
    if not closing or state.src.find(closing, begin, begin + MAX_FORMULA) < 0:
        return False
    found: list[str] = []
    for line in range(start, min(end, start + MAX_FORMULA_LINES)):
        if line > start and state.sCount[line] < state.blkIndent:
            return False
        text = _line(state, line)[2 if line == start else 0 :]
        body, closed, rest = text.partition(closing)
        found.append(body)
        if closed:
            source = "\n".join(found).strip()
            if rest.strip() or not _is_tex(source):
                return False
            if not silent:
                state.line = line + 1
                state.push("formula_block", "", 0).content = source
            return True
    return False


def table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Rule: a header with a pipe, a line of dashes, then all following lines with a pipe. Rows of wrong length lose no
    text.
    """
    if start + 1 >= end or state.sCount[start + 1] < state.blkIndent:
        return False
    aligns = delimiters(_line(state, start + 1))
    if not aligns:
        return False
    header = cells(_line(state, start))
    if "|" not in _line(state, start) or (len(header) != len(aligns) and min(len(header), len(aligns)) < 2):
        return False
    width = max(len(header), len(aligns))
    if width > MAX_COLUMNS:
        return False
    if silent:
        return True
    rows, line = [header], start + 2
    while line < end and _continues(state, line, end):
        rows.append(cells(_line(state, line)))
        line += 1
    aligns += ["left"] * (width - len(aligns))
    state.line = line
    state.push("table", "", 0).meta = {"aligns": aligns, "rows": [_fit(row, width) for row in rows]}
    return True


def _continues(state: StateBlock, line: int, end: int) -> bool:
    if state.sCount[line] < state.blkIndent or "|" not in _line(state, line):
        return False
    terminators: Any = state.md.block.ruler.getRules("blockquote")
    return not any(rule(state, line, end, True) for rule in terminators)


def delimiters(line: str) -> list[str]:
    """Return the alignments that a line such as `|:--|--:|` gives; nothing for any other line."""
    if not ("|" in line or ":" in line) or not _DELIMITER_LINE.fullmatch(line):
        return []
    return [_ALIGN[cell.startswith(":"), cell.endswith(":")] for cell in cells(line)]


def cells(line: str) -> list[str]:
    r"""Return the cells of a row. `\|` is a pipe inside a cell, even in code."""
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    if "\\|" not in line:
        return [cell.strip() for cell in line.split("|")]
    return [cell.replace("\\|", "|").strip() for cell in _BARE_PIPE.split(line)]


def _fit(row: list[str], width: int) -> list[str]:
    if len(row) > width:
        return [*row[: width - 1], " | ".join(row[width - 1 :])]
    return row + [""] * (width - len(row))


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


_DELIMITER_LINE = re.compile(r"[ \t]*+\|?[ \t]*+:?-++:?(?>(?:[ \t]*+\|[ \t]*+:?-++:?)*)[ \t]*+\|?[ \t]*+")
_BARE_PIPE = re.compile(r"(?<!\\)\|")
_ALIGN = {(False, False): "left", (True, False): "left", (True, True): "center", (False, True): "right"}


# --- inlines ----------------------------------------------------------------------------------------------------------


def emphasis(state: StateInline, silent: bool) -> bool:
    """Rule: CommonMark's emphasis, except that `**Note:**text` is bold and `5*3 and 4*2` is not emphasis."""
    start, source = state.pos, state.src
    marker = source[start]
    if silent or marker not in "*_":
        return False
    end = start + 1
    while end < state.posMax and source[end] == marker:
        end += 1
    dunder = _DUNDER.match(source, start) if marker == "_" and end == start + 2 else None
    if dunder or end - start > MAX_EMPHASIS_RUN:
        state.pos = dunder.end() if dunder else end
        state.append_pending(source[start : state.pos])
        return True
    known = len(state.delimiters)
    commonmark_emphasis(state, silent)
    if marker == "*":
        before = source[start - 1] if start else " "
        after = source[end] if end < state.posMax else " "
        opens, closes = flanks(before, after, end - start)
        for delimiter in state.delimiters[known:]:
            delimiter.open = delimiter.open if opens is None else opens
            delimiter.close = delimiter.close if closes is None else closes
    return True


def flanks(before: str, after: str, length: int) -> tuple[bool | None, bool | None]:
    """Return whether a run of stars between two characters opens and closes emphasis; None leaves it to CommonMark."""
    if before.isalnum() and after.isalnum() and (length == 1 or after.isdigit()):
        prose = not before.isdigit() and not (before.isascii() and after.isascii())
        return False, None if prose else False
    if length >= 2:
        return not after.isspace(), not before.isspace()
    return None, None


def link(state: StateInline, _: bool) -> bool:
    """Rule: `[text](target)`, in linear time, because all brackets of a text are paired in one pass."""
    start, source = state.pos, state.src
    if source[start] != "[" or state.linkLevel:
        return False
    close, target = _bracketed(state, start)
    if not target:
        return False
    stop = state.posMax
    state.push("link_open", "a", 1).attrs = {"href": target[0]}
    state.pos, state.posMax = start + 1, close
    state.linkLevel += 1
    state.md.inline.tokenize(state)
    state.linkLevel -= 1
    state.push("link_close", "a", -1)
    state.pos, state.posMax = target[1], stop
    return True


def image(state: StateInline, _: bool) -> bool:
    """Rule: `![description](target)`."""
    start = state.pos + 1
    if not state.src.startswith("![", state.pos):
        return False
    close, target = _bracketed(state, start)
    if not target:
        return False
    token = state.push("image", "img", 0)
    token.attrs, token.content = {"src": target[0]}, state.src[start + 1 : close]
    state.pos = target[1]
    return True


def _bracketed(state: StateInline, start: int) -> tuple[int, tuple[str, int] | None]:
    if "brackets" not in state.env:
        state.env["brackets"] = brackets(state.src)
    pairs: dict[int, int] = state.env["brackets"]
    close = pairs.get(start, -1)
    if close < 0 or close + 1 >= state.posMax:
        return -1, None
    target = find_target(state.src, close + 1)
    return close, target if target and target[1] <= state.posMax and links.is_target(target[0]) else None


def find_target(source: str, at: int) -> tuple[str, int] | None:
    """Return the address of `(address "title")` at position `at` and the position behind it; None for anything else."""
    found = _TARGET.match(source, at)
    if not found:
        return None
    address = found[1].removeprefix("<").removesuffix(">")
    return _ESCAPED.sub(r"\1", address), found.end()


def brackets(source: str) -> dict[int, int]:
    """Return the closing square bracket of each opening one, outside of code spans and escapes."""
    found = list(_BRACKET.finditer(source))
    ticks: dict[int, list[int]] = {}
    for mark in found:
        if mark[0][0] == "`":
            ticks.setdefault(len(mark[0]), []).append(mark.start())
    pairs: dict[int, int] = {}
    opened: list[int] = []
    at = 0
    for mark in found:
        if mark.start() < at:
            continue
        if mark[0] == "[":
            opened.append(mark.start())
        elif mark[0] == "]" and opened:
            pairs[opened.pop()] = mark.start()
        elif mark[0][0] == "`":
            same = ticks[len(mark[0])]
            after = bisect_right(same, mark.start())
            at = same[after] + len(mark[0]) if after < len(same) else at
    return pairs


def formula(state: StateInline, silent: bool) -> bool:
    r"""Rule: `\( … \)`, `\[ … \]`, `$$ … $$` inside a text, and `$ … $` if it is clearly TeX."""
    at, source = state.pos, state.src
    if source[at] not in "\\$":
        return False
    found = find_formula(source, at, state.posMax)
    if not found:
        return False
    start, end, after = found
    if not silent:
        state.push("formula", "", 0).content = " ".join(source[start:end].split())
    state.pos = after
    return True


def find_formula(source: str, at: int, stop: int) -> tuple[int, int, int] | None:
    """Return start and end of the TeX that opens at `at`, and the position behind its closing delimiter."""
    opening = source[at : at + 2]
    closing = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}.get(opening)
    if closing is None:
        return _dollar(source, at, stop) if source[at] == "$" else None
    end = source.find(closing, at + 2, min(stop, at + MAX_FORMULA))
    if end < 0 or not _is_tex(source[at + 2 : end].strip()):
        return None
    return at + 2, end, end + 2


def _dollar(source: str, at: int, stop: int) -> tuple[int, int, int] | None:
    if at and (source[at - 1].isalnum() or source[at - 1] == "$"):
        return None
    end = source.find("$", at + 1, min(stop, at + 200))
    if end < 0 or (end + 1 < stop and (source[end + 1].isalnum() or source[end + 1] == "$")):
        return None
    return (at + 1, end, end + 1) if _is_clear_tex(source[at + 1 : end]) else None


def _is_tex(text: str) -> bool:
    r"""Return whether the text of `\[ … \]` is TeX: it has signs or digits, or is very short. Else it is escaped
    brackets.
    """
    return bool(text) and (_SIGNS.search(text) is not None or len(text) <= 3) and "`" not in text


def _is_clear_tex(text: str) -> bool:
    if not text or text != text.strip() or "`" in text or "\n" in text or _WORDS.search(_TEXT_COMMAND.sub("", text)):
        return False
    return _CLEAR.search(text) is not None or (len(text) == 1 and text.isalpha())


_BRACKET = re.compile(r"\\.|`+|[\[\]]")
_TARGET = re.compile(
    r"""\([ \t]*(<[^<>\n]*>|[^\s()<][^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)"""
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_SIGNS = re.compile(r"[\\^_=+*/<>{}\d-]")
_TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf)\{[^}]*\}")
_WORDS = re.compile(r"[\u0400-\u04ff]")  # Cyrillic: prose between two prices
_CLEAR = re.compile(r"\\[A-Za-z]+|\^|(?<![A-Za-z_])[A-Za-z]_[\w{]|[A-Za-z)\d}]\s*(?:=|<|>)\s*[-A-Za-z(\d{\\]")
