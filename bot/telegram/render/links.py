"""Which links may be links, and which must show where they lead. Begin with `link`.

Only http, https, mailto and tel targets become links. A link whose text is plain words ("the manual") stays a text
link: Telegram asks before it opens one and names the address. A text that itself looks like an address, a mention or
a command, but not like the target, is a lie that may survive that question: there the true target is shown behind it.
Addresses of mailto and tel are always shown, as not every client opens them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from markdown_it.common.normalize_url import normalizeLink

from bot.telegram.render.document import Run, text_of

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
_OPEN = frozenset({"http", "https", "mailto", "tel"})
_SHUT = frozenset({"javascript", "vbscript", "file", "ftp", "tg", "ton", "sms", "intent", "data", "blob"})
_HOST = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?|\[[0-9a-f:.]+\]", re.I)
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,20}://|www\.)[^\s<>]+|(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,}(?:[/?#:][^\s<>]*)?", re.I
)
_NAME = re.compile(r"\s*[@/]\w")
_FILE = re.compile(
    r"\.(?:js|mjs|jsx|ts|tsx|json|txt|html?|css|ya?ml|toml|exe|cfg|ini|php|java|cpp|hpp|go|kt|csv|xml|pdf|docx|xlsx)$",
    re.I,
)


def scheme(href: str) -> str:
    found = _SCHEME.match(href)
    return found[1].lower() if found else ""


def is_target(href: str) -> bool:
    """Whether `[text](href)` is meant as a link at all. `handlers[0](event)` is code and stays as it was written."""
    kind = scheme(href)
    return kind in _OPEN or kind in _SHUT or href.startswith(("#", "/", "./", "../"))


def link(runs: list[Run], href: str) -> list[Run]:
    """The runs of a link's text, as they may be shown: linked, with the target behind them, or as text alone."""
    text = text_of(tuple(runs))
    url = _allowed(href)
    if not url:
        return runs if href.startswith("#") or scheme(href) == "data" else [*runs, Run(f" ({href})" if text else href)]
    if not text.strip():
        return [Run(url, url=url)]
    shown = _shown(text, url)
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


def _shown(text: str, url: str) -> str:
    """What must stand behind the text so that nobody is led astray; "" if the text is honest."""
    kind, _, address = url.partition(":")
    if kind.lower() in {"mailto", "tel"}:
        address = unquote(address.partition("?")[0])
        return "" if address.replace("-", "") in re.sub(r"[\s()-]", "", text) else address
    if _NAME.match(text):
        return url
    return url if any(not _same(found[0], url) for found in _ADDRESS.finditer(text)) else ""


def _same(claim: str, url: str) -> bool:
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", claim, flags=re.I)
    if bare == claim and "/" not in claim and _FILE.search(claim):
        return True
    path = bare[len(re.split(r"[/?#]", bare, maxsplit=1)[0]) :].strip("/….,;:!?)")
    return _host(normalizeLink(f"http://{bare}")) == _host(url) and (not path or _spoken(bare) in _spoken(url))


def _spoken(url: str) -> str:
    return (
        unquote(re.sub(r"^[a-z][a-z0-9+.-]*://", "", url, flags=re.I)).removeprefix("www.").rstrip("/….,;:!?)").lower()
    )
