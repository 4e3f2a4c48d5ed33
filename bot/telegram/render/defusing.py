"""What Telegram brings to life in a text by itself, made harmless. Begin with `defused`.

The server finds mentions, commands and its own links in every text that a bot sends: a mention rings at somebody, a
command is sent at a tap, a `tg://` link acts inside the app. A model must cause none of that, and none of it is found
inside code. Web and mail addresses stay what they are: they can be read before they are opened.
"""

from __future__ import annotations

import re

from bot.telegram.render.document import CODE, Run

WORD_JOINER = "\u2060"

_ADDRESS = r"https?://[^\s<>]+"  # kept whole: nothing inside comes alive
_LIVE = re.compile(
    rf"{_ADDRESS}|("
    r"(?<![\w@.])@\w{2,}"
    r"|(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@\w{3,})?(?![\w/])"
    r"|\b(?:tg|ton|tonsite)://[^\s<>]+)",
    re.I,
)
_STARTS = re.compile(rf"{_ADDRESS}|((?<![\w@.])@(?=\w{{2}})|\b(?:tg|ton|tonsite):(?=//))", re.I)


def defused(text: str, style: int = 0) -> list[Run]:
    """The text as runs of that style, with everything that would come alive shown as code."""
    found: list[Run] = []
    at = 0
    for live in _LIVE.finditer(text) if not style & CODE else ():
        if live[1] is None:
            continue
        if live.start() > at:
            found.append(Run(text[at : live.start()], style))
        found.append(Run(live[0], style | CODE))
        at = live.end()
    return [*found, Run(text[at:], style)] if at < len(text) else found


def defused_plain(text: str) -> str:
    """The same where nothing can be code: an invisible joiner stands inside. Commands stay: our own help has some."""
    return _STARTS.sub(lambda found: found[0] + WORD_JOINER if found[1] else found[0], text)
