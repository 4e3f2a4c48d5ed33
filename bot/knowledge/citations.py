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
    lines = _listed(sources, language)
    if not lines:
        return text
    return f"{text.rstrip()}\n\n**{say(language, 'sources')}:**\n" + "\n".join(lines)


def _listed(sources: Sequence[Source], language: str) -> list[str]:
    """The lines `1. [title](address)`; a page of a document has no address.

    The point is escaped, because an answer with a Markdown list can't be streamed as a draft.
    """
    lines = [line for line in dict.fromkeys(_line(source, language) for source in sources) if line][:MOST]
    return [rf"{number}\. {line}" for number, line in enumerate(lines, 1)]


def _line(source: Source, language: str) -> str:
    title = " ".join(DROPPED.sub(" ", source.title).split())[:LONGEST_TITLE]
    title = MARKS.sub(r"\\\1", title)
    address = _address(source.url)
    if not address:
        return say(language, "document.page", name=title, page=source.page) if source.page else title
    return f"[{title or host_of(address)}]({address})"


def _address(url: str) -> str:
    """A web address, quoted for Markdown; "" if `url` is no web address."""
    found = url.strip()
    return quote(found, safe=SAFE) if found.startswith(("https://", "http://")) and host_of(found) else ""


SAFE = "%/:?#[]@!$&'*+,;=~-._"
