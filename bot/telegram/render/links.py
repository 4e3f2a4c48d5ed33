"""Decides which links of a model may be links, and shows where each leads. Begin with `link`.

Only web addresses that Telegram's server takes become links (it refuses a whole message for one that it does not take),
and no address hides behind words: it stands after them, unless the words are the address, or the name of its page
(Telegram asks before it opens a link, and names the host). So nobody opens what he has not read, and no text leaks out
of a chat by a tap on "here". A mail address or a telephone number stands after its words as text, in which Telegram
finds it. Other addresses (`http://localhost`, `tg:`, `javascript:`, a file) are shown as code, where they do nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from markdown_it.common.normalize_url import normalizeLink

from bot.telegram.render.cleaning import clean
from bot.telegram.render.document import CODE, Run, text_of

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
_OPEN = frozenset({"http", "https", "mailto", "tel"})
_SHUT = frozenset({"javascript", "vbscript", "file", "ftp", "tg", "ton", "sms", "intent", "data", "blob"})
# What Telegram's server takes: a host with a dot or an IPv6 address, and a port from 1 to 65535.
_WEB = re.compile(
    r"https?://(?:(?:[\w.!$,~*'();&+=:-]|%[0-9a-f]{2})*@)?(?:(?:[\w-]+\.)+[\w-]*|\[([0-9a-f:.]+)\])"
    r"(?::(0*[0-9]{1,5}))?(?:[/?#].*)?",
    re.I | re.S,
)


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
    text, href = text_of(tuple(runs)).strip(), href.strip()
    kind, url = scheme(href), _allowed(href)
    if kind in {"mailto", "tel"}:
        name = _name(href)
        return runs if not name or _has_name(text, name) else _behind(runs, Run(name))
    if not url:
        return runs if href.startswith("#") or kind == "data" or text == href else _behind(runs, Run(href, CODE))
    # As the model wrote it, but for a name that may look like another one.
    address = href if _host(href).isascii() else url
    if not text:
        return [Run(address, url=url)]
    shown = [Run(f" ({address})")] if _spoken(text) != _spoken(address) and not _names_page(text, address) else []
    return [replace(run, url=url) for run in runs] + shown


def _allowed(href: str) -> str:
    """Return an address in the form in which a link has it; "" for one that the server would refuse."""
    url = normalizeLink(href)
    found = _WEB.fullmatch(url)
    if not found or (found[2] and not 0 < int(found[2]) < 1 << 16):
        return ""
    try:
        return url if ip_address(found[1] or "::") else ""
    except ValueError:
        return ""


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:  # an unclosed bracket of an IPv6 address
        return ""


def _behind(runs: list[Run], address: Run) -> list[Run]:
    return [*runs, Run(" ("), address, Run(")")] if runs else [address]


def _name(href: str) -> str:
    """Return the mail address or the number in a `mailto:` or `tel:` address."""
    return clean(unquote(href.partition(":")[2].partition("?")[0])).strip()


def _has_name(text: str, name: str) -> bool:
    return name.replace("-", "") in re.sub(r"[\s()-]", "", text)


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
