"""The list of sources below an answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from bot.ai import Source
from bot.http.framing import host_of
from bot.texts.catalog import say

MOST = 10
LONGEST_TITLE = 80
DROPPED = re.compile(r"\b\w+://\S*|[\[\]<>`\\]")  # a title has no links of its own
MARKS = re.compile(r"([*_#|~$!&()])")


def under(text: str, sources: Sequence[Source], language: str) -> str:
    """The text (Markdown) with a list of its sources below, each once."""
    return _with_list(text, "sources", sources, language)


def beside(text: str, sources: Sequence[Source], language: str) -> str:
    """An answer from the knowledge base (Markdown) with what else was found for it, apart from what it quotes: pages
    that a model or a tool has found on the web, then files that a service has searched.
    """
    web = [one for one in sources if web_address(one.url)]
    files = [one for one in sources if one not in web]
    return _with_list(_with_list(text, "sources.web", web, language), "sources.files", files, language)


def _with_list(text: str, heading: str, sources: Sequence[Source], language: str) -> str:
    lines = _listed(sources, language)
    if not lines:
        return text
    return f"{text.rstrip()}\n\n**{say(language, heading)}:**\n" + "\n".join(lines)


def named_page(language: str, name: str, page: int, place: str = "") -> str:
    """How a page is cited: "report.pdf, p. 3", in Russian "report.pdf, с. 3", with a `place` "sales.xlsx, March".

    `page` 0 without a place: the name alone.
    """
    if place:
        return f"{name}, {place}"
    return say(language, "document.page", name=name, page=page) if page else name


def _listed(sources: Sequence[Source], language: str) -> list[str]:
    """The lines `1. [title](address)`; a page of a document has no address.

    The point is escaped, because an answer with a Markdown list can't be streamed as a draft.
    """
    lines = [line for line in dict.fromkeys(_line(source, language) for source in sources) if line][:MOST]
    return [rf"{number}\. {line}" for number, line in enumerate(lines, 1)]


def plain_title(title: str) -> str:
    """A title without links of its own, in one line, escaped for Markdown."""
    return MARKS.sub(r"\\\1", " ".join(DROPPED.sub(" ", title).split())[:LONGEST_TITLE])


def _line(source: Source, language: str) -> str:
    title = plain_title(source.title)
    address = web_address(source.url)
    if not address:
        return named_page(language, title, source.page, MARKS.sub(r"\\\1", source.place))
    return f"[{title or host_of(address)}]({address})"


def web_address(url: str) -> str:
    """A web address, quoted for Markdown; "" if `url` is no web address."""
    found = url.strip()
    return quote(found, safe=SAFE) if found.startswith(("https://", "http://")) and host_of(found) else ""


SAFE = "%/:?#[]@!$&'*+,;=~-._"
