"""Reads HTML into blocks, by rules and not by guessing: `read_html_page`, and `add_fragment` for HTML in Markdown.

What is read is `main` or the only `article`, else the body; what leads elsewhere or is not shown is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.knowledge.sources.outline import Outline
from bot.knowledge.sources.tidying import one_line

CUT = (
    "script, style, template, noscript, nav, aside, footer, body > header, iframe, svg, canvas, dialog, button, "
    "select, textarea, [hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo], "
    '[style*="display:none"], [style*="display: none"], [style*="visibility:hidden"], [style*="visibility: hidden"]'
)
MAINS = ("main", "[role=main]", "article")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
WHOLE = ("ul", "ol", "table")  # one block, or one for each row, unless they only lay out the page
LAYOUT = ", ".join((*HEADINGS, "table"))
INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr", "img", "input",
}  # fmt: skip
PERMALINKS = ("", "#", "¶", "§", "🔗")  # the words of links that a heading has to itself
MOST_COLUMNS, MOST_ROWS = 1_000, 20_000
LONGEST_HEADING = 1_000
DEEPEST = 8  # lists in lists that are indented


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """A page: `canonical` is the address that it says is its own, `has_password` whether it asks for a password."""

    outline: Outline
    language: str
    canonical: str
    has_password: bool


def read_html_page(text: str, url: str = "") -> HtmlPage:
    """The blocks of a page and what it says of itself. `url` is where it comes from."""
    page = LexborHTMLParser(text)
    root, canonical, title = page.css_first("html"), page.css_first('link[rel="canonical"]'), page.css_first("title")
    said = (canonical.attributes.get("href") or "") if canonical else ""
    language = (root.attributes.get("lang") or "") if root else ""
    has_password = page.css_first('input[type="password"]') is not None
    name = one_line(title.text()) if title else ""
    outline = Outline()
    _add(outline, page)
    outline.title = outline.title or name
    return HtmlPage(outline, language, urljoin(url, said) if said else "", has_password)


def add_fragment(outline: Outline, text: str) -> None:
    """Add HTML that stands between other blocks."""
    _add(outline, LexborHTMLParser(text))


def _add(outline: Outline, page: LexborHTMLParser) -> None:
    for unread in page.css(CUT):
        unread.decompose()
    mains = next((found for name in MAINS if len(found := page.css(name)) == 1), None)
    root = mains[0] if mains else page.body
    if root is None:
        return
    line: list[str] = []

    def flush() -> None:
        outline.add("".join(line))
        line.clear()

    waiting: list[LexborNode | None] = [root]  # None: a paragraph ends here; no recursion, since pages may be deep
    while waiting:
        if (node := waiting.pop()) is None:
            flush()
            continue
        tag = node.tag or ""
        if node.is_text_node:
            line.append(_flat(node))
        elif tag == "br":
            line.append("\n")
        elif tag in HEADINGS:
            flush()
            anchor = _anchor(node)
            for link in node.css("a"):
                if link.text().strip() in PERMALINKS:
                    link.decompose()
            outline.heading(int(tag[1]), _words(node)[:LONGEST_HEADING], anchor)
        elif tag == "pre":
            flush()
            outline.add(node.text(), code=True)
        elif tag in WHOLE and not _lays_out(node):
            flush()
            if tag == "table":
                outline.add_table(_rows(node))
            else:
                outline.add("\n".join(_items(node)), code=True)
        else:
            if tag not in INLINE:
                flush()
                waiting.append(None)
            waiting += list(node.iter(include_text=True))[::-1]
    flush()


def _lays_out(node: LexborNode) -> bool:
    """Whether a list or table has headings or tables in it, so that it is no list or table of values."""
    return any(found.mem_id != node.mem_id for found in node.css(LAYOUT))


def _anchor(heading: LexborNode) -> str:
    named = heading.css_first("[id], a[name]")  # the heading itself or a link in it
    if named is not None:
        return named.attributes.get("id") or named.attributes.get("name") or ""
    parent = heading.parent
    return (parent.attributes.get("id") or "") if parent is not None and parent.tag in ("section", "div") else ""


def _walk(node: LexborNode) -> Iterator[tuple[LexborNode, bool, int]]:
    """All nodes inside: at their beginning (True) and end, with the number of lists that they stand in."""
    waiting: list[tuple[LexborNode, bool, int]] = [(one, True, 0) for one in node.iter(include_text=True)][::-1]
    while waiting:
        one, begins, depth = waiting.pop()
        yield one, begins, depth
        if begins and not one.is_text_node:
            waiting.append((one, False, depth))
            inner = min(depth + (one.tag in ("ul", "ol")), DEEPEST)
            waiting += [(child, True, inner) for child in one.iter(include_text=True)][::-1]


def _words(node: LexborNode) -> str:
    """The words of a heading or a cell, with a space where a line ends."""
    return "".join(
        _flat(one) if one.is_text_node else "" if one.tag in INLINE else " " for one, _, _ in _walk(node)
    ).strip()


def _items(node: LexborNode) -> Iterator[str]:
    """The lines of a list, with the lists in it."""
    lines: list[str] = [""]
    numbers: dict[int, int] = {}
    for one, begins, depth in _walk(node):
        if one.is_text_node:
            lines[-1] += _flat(one)
        elif one.tag == "li" and begins:
            parent = one.parent
            key = parent.mem_id if parent is not None else 0
            numbers[key] = numbers.get(key, 0) + 1
            is_numbered = parent is not None and parent.tag == "ol"
            lines.append("  " * depth + (f"{numbers[key]}. " if is_numbered else "- "))
        elif one.tag not in INLINE and lines[-1].strip(" -.0123456789"):
            lines.append("  " * (depth + 1))
    for line in lines:
        if line.strip():
            yield line[: len(line) - len(line.lstrip())] + " ".join(line.split())


def _rows(table: LexborNode) -> Iterator[list[str]]:
    """The cells of a table; one that spans rows stands in each of them."""
    spans: dict[int, tuple[int, str]] = {}  # by column: rows that follow, text
    for row in islice(table.css("tr"), MOST_ROWS):
        cells: list[str] = []

        def spanned(cells: list[str] = cells) -> None:
            while (left := spans.get(len(cells), (0, "")))[0] > 0:
                spans[len(cells)] = (left[0] - 1, left[1])
                cells.append(left[1])

        for cell in islice((one for one in row.iter() if one.tag in ("td", "th")), MOST_COLUMNS):
            spanned()
            text, rows = _words(cell), _number(cell.attributes.get("rowspan"))
            for column in range(_number(cell.attributes.get("colspan"))):
                if rows > 1:
                    spans[len(cells)] = (rows - 1, text if not column else "")
                cells.append(text if not column else "")
        spanned()
        yield cells


def _number(said: str | None) -> int:
    return min(max(int(said), 1), 100) if said and said.isdecimal() else 1


def _flat(node: LexborNode) -> str:
    return re.sub(r"\s+", " ", node.text_content or "")
