"""Reads HTML into blocks, by rules and not by guessing: `read_html_page`, and `add_fragment` for HTML in Markdown.

What is read is `main` or the only `article`, else the body; what leads elsewhere or is not shown is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.knowledge.formats.formulas import joined_formula
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, note_mark, raised, spelled
from bot.knowledge.formats.tables import Cell, filled, table_rows
from bot.knowledge.formats.tidying import one_line

CUT = (
    "script, style, template, noscript, nav, aside, footer, body > header, iframe, svg, canvas, dialog, annotation, "
    "select, textarea, [hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo], "
    '[style*="display:none"], [style*="display: none"], [style*="visibility:hidden"], [style*="visibility: hidden"]'
)
STRUCK = 'del, s, strike, [style*="line-through"]'
FORMULAS = "msup, msub, mfrac, msqrt"
MAINS = ("main", "[role=main]", "article")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
WHOLE = ("ul", "ol", "table")  # one block, or one for each row, unless they only lay out the page
LAYOUT = ", ".join(HEADINGS)
INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr", "img", "input", "button", "math", "mi", "mn", "mo", "mrow", "mtext",
}  # fmt: skip
PERMALINKS = ("", "#", "¶", "§", "🔗")  # the words of links that a heading has to itself
LONGEST_HEADING = 1_000
FEW_WORDS = 300  # characters of a page that only leads to another one
REFRESH = re.compile(r"\s*[0-5](?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*)?[\"']?([^\s\"']+)", re.IGNORECASE)
LONGEST_CANONICAL = 2_000
DEEPEST = 8  # lists in lists that are indented


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """A page: `canonical` is the address that it says is its own, `has_password` whether it asks for a password."""

    outline: Outline
    language: str
    canonical: str
    has_password: bool
    leads_to: str = ""  # where a page without words of its own sends its readers


def read_html_page(text: str, url: str = "") -> HtmlPage:
    """The blocks of a page and what it says of itself. `url` is where it comes from."""
    page = LexborHTMLParser(text)
    root, canonical, title = page.css_first("html"), page.css_first('link[rel="canonical"]'), page.css_first("title")
    said = (canonical.attributes.get("href") or "")[:LONGEST_CANONICAL] if canonical else ""
    language = (root.attributes.get("lang") or "") if root else ""
    has_password = page.css_first('input[type="password"]') is not None
    name = one_line(title.text()) if title else ""
    outline = Outline()
    _add(outline, page)
    outline.title = outline.title or name
    leads_to = _refreshed(page) if sum(len(block.text) for block in outline.blocks) < FEW_WORDS else ""
    own = urljoin(url, said) if said else ""
    return HtmlPage(outline, language, canonical=own, has_password=has_password, leads_to=leads_to)


def _refreshed(page: LexborHTMLParser) -> str:
    """The address to which a page sends its readers at once, "" for none."""
    for meta in page.css("meta[http-equiv]"):
        if (meta.attributes.get("http-equiv") or "").lower() == "refresh":
            found = REFRESH.match(meta.attributes.get("content") or "")
            return found[1] if found is not None else ""
    return ""


def add_fragment(outline: Outline, text: str) -> None:
    """Add HTML that stands between other blocks."""
    _add(outline, LexborHTMLParser(text))


def add_chapter(text: str, outline: Outline) -> str:
    """Add a chapter of an e-book. Returns its first heading."""
    page = LexborHTMLParser(text)
    heading = page.css_first(", ".join(HEADINGS))
    _add(outline, page)
    return one_line(spelled(heading.text())) if heading is not None else ""


def _add(outline: Outline, page: LexborHTMLParser) -> None:
    _prepare(outline, page)
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
                outline.add(" ".join(_words(one) for one in node.iter() if one.tag == "caption"))
                outline.add_table(*filled(_rows(node)))
            else:
                outline.add("\n".join(_items(node)), code=True)
        else:
            if tag not in INLINE:
                flush()
                waiting.append(None)
            waiting += list(node.iter(include_text=True))[::-1]
    flush()


def _prepare(outline: Outline, page: LexborHTMLParser) -> None:
    """Cut what is not read, and write out what the marks of other words mean."""
    for unread in page.css(CUT):
        unread.decompose()
    for struck in page.css(STRUCK):
        if struck.text().strip():
            outline.leave_out("struck", is_hidden=False)
        struck.decompose()
    for button in page.css("button"):
        if not _is_in_words(button):
            button.decompose()
    for picture in page.css("img[alt]"):
        if _is_in_words(picture):
            picture.replace_with(picture.attributes.get("alt") or "")
    for formula in reversed(page.css(FORMULAS)):
        formula.replace_with(joined_formula(formula.tag or "", [one.text() for one in formula.iter()]))
    for mark in reversed(page.css("sup, sub")):
        text = mark.text()
        if mark.css_first("a") is not None:
            mark.replace_with(note_mark(text))
        else:
            mark.replace_with(raised(text) if mark.tag == "sup" else lowered(text))
    for quote in reversed(page.css("q")):
        quote.insert_before("«")
        quote.insert_after("»")


def _is_in_words(node: LexborNode) -> bool:
    """Whether something stands in a sentence, and not alone as a part of the page."""
    around = node.parent
    return around is not None and any(one.is_text_node and _flat(one).strip() for one in around.iter(include_text=True))


def _lays_out(node: LexborNode) -> bool:
    """Whether a list or table is none of values: it has headings in it, or a list has a table, or a table that is not
    marked as a table of values has another one.
    """
    tables = sum(found.mem_id != node.mem_id for found in node.css("table"))
    return bool(node.css(LAYOUT)) or (tables > 0 and not (node.tag == "table" and _has_heads(node)))


def _has_heads(table: LexborNode) -> bool:
    return any(cell.tag == "th" for row in _own_rows(table) for cell in row.iter())


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
            numbers[key] = _number_of(one, parent, numbers.get(key))
            is_numbered = parent is not None and parent.tag == "ol"
            lines.append("  " * depth + (f"{numbers[key]}. " if is_numbered else "- "))
        elif one.tag not in INLINE and lines[-1].strip(" -.0123456789"):
            lines.append("  " * (depth + 1))
    for line in lines:
        if line.strip():
            yield line[: len(line) - len(line.lstrip())] + " ".join(line.split())


def _number_of(item: LexborNode, parent: LexborNode | None, before: int | None) -> int:
    """The number of an item of a list: its own, the next one, or where the list begins."""
    own = item.attributes.get("value") or ""
    begins = (parent.attributes.get("start") or "") if parent is not None and before is None else ""
    said = own if own.isdecimal() else begins
    return int(said) if said.isdecimal() and len(said) < 10 else (before or 0) + 1


def _rows(table: LexborNode) -> list[list[Cell]]:
    return [[_cell(one) for one in row.iter() if one.tag in ("td", "th")] for row in _own_rows(table)]


def _own_rows(table: LexborNode) -> Iterator[LexborNode]:
    """The rows of a table without those of tables in it."""
    for part in table.iter():
        if part.tag == "tr":
            yield part
        elif part.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in part.iter() if row.tag == "tr")


def _cell(cell: LexborNode) -> Cell:
    for inner in reversed(cell.css("table")):
        inner.replace_with(" ".join(table_rows(*filled(_rows(inner)))))
    columns, rows = (_number(cell.attributes.get(name)) for name in ("colspan", "rowspan"))
    parent = cell.parent.parent if cell.parent is not None else None
    is_head = cell.tag == "th" or (parent is not None and parent.tag == "thead")
    return Cell(_words(cell), columns, rows, is_head)


def _number(said: str | None) -> int:
    return min(max(int(said), 1), 100) if said and said.isdecimal() else 1


def _flat(node: LexborNode) -> str:
    return re.sub(r"\s+", " ", node.text_content or "")
