"""Decides which links of a model may be links, and shows where each leads. Begin with `link`.

Only http, https, mailto and tel addresses become links, and no address hides behind words: it stands after them, unless
the words are the address, or the name of its page (Telegram asks before it opens a link, and names the host). So nobody
opens what he has not read, and no text leaks out of a chat by a tap on "here". Other addresses (`tg:`, `javascript:`, a
file) are shown as code, where they do nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from markdown_it.common.normalize_url import normalizeLink

from bot.telegram.render.document import CODE, Run, text_of

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
_OPEN = frozenset({"http", "https", "mailto", "tel"})
_SHUT = frozenset({"javascript", "vbscript", "file", "ftp", "tg", "ton", "sms", "intent", "data", "blob"})
_HOST = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?|\[[0-9a-f:.]+\]", re.I)


def scheme(href: str) -> str:
    """Return the scheme of an address in lower case, "" for none."""
    found = _SCHEME.match(href)
    return found[1].lower() if found else ""


def is_target(href: str) -> bool:
    """Return whether `[text](href)` is meant as a link. `handlers[0](event)` is code and stays as it was written."""
    kind = scheme(href)
    return kind in _OPEN or kind in _SHUT or href.startswith(("#", "/", "./", "../"))


def link(runs: list[Run], href: str) -> list[Run]:
    """Return the runs of a link: linked text, linked text with the address behind it, or text alone."""
    text = text_of(tuple(runs))
    url = _allowed(href)
    if not url:
        return runs if href.startswith("#") or scheme(href) == "data" else [*runs, *_dead(href, bool(text))]
    # As the model wrote it, but for a name that may look like another one.
    address = href.strip() if _host(href.strip()).isascii() else url
    if not text.strip():
        return [Run(address, url=url)]
    shown = _shown(text, address)
    return [replace(run, url=url) for run in runs] + ([Run(f" ({shown})")] if shown else [])


def _allowed(href: str) -> str:
    kind = scheme(href)
    if kind not in _OPEN:
        return ""
    url = normalizeLink(href.strip())
    if kind in {"mailto", "tel"}:
        return url if len(url) > len(kind) + 1 else ""
    return url if _HOST.fullmatch(_host(url)) else ""


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:  # an unclosed bracket of an IPv6 address
        return ""


def _dead(href: str, behind: bool) -> list[Run]:
    return [Run(" ("), Run(href, CODE), Run(")")] if behind else [Run(href, CODE)]


def _shown(text: str, address: str) -> str:
    """Return the address that must stand behind the text of a link; "" if the text shows it already."""
    kind, _, rest = address.partition(":")
    if kind.lower() in {"mailto", "tel"}:
        name = unquote(rest.partition("?")[0])
        return "" if name.replace("-", "") in re.sub(r"[\s()-]", "", text) else name
    return "" if _spoken(text.strip()) == _spoken(address) or _names_page(text, address) else address


def _names_page(text: str, address: str) -> bool:
    """Return whether the words name the page, as in `[Moscow](https://en.wikipedia.org/wiki/Moscow)`, and the address
    has no query.
    """
    parts = urlsplit(address)
    page = unquote(parts.path.rpartition("/")[2]).replace("_", " ").casefold()
    is_bare = not (parts.query or parts.fragment or "@" in parts.netloc) and "xn--" not in parts.netloc
    return is_bare and page == text.strip().casefold() and page.isalnum()


def _spoken(url: str) -> str:
    return (
        unquote(re.sub(r"^[a-z][a-z0-9+.-]*://", "", url, flags=re.I)).removeprefix("www.").rstrip("/….,;:!?)").lower()
    )
