"""Shows text that Telegram would turn into mentions, commands or its own links as code. Begin with `defused`.

The server finds these in every text that a bot sends: a mention notifies a person, a command is sent at a tap, a
`tg://` link acts inside the app. A model must cause none of that, and the server finds nothing inside code. Web and
mail addresses stay links: they can be read before they are opened.
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
    """Return the text as runs of the given style, in which mentions, commands and Telegram's links are code."""
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
    """Return a plain text in which an invisible joiner breaks mentions and links. Commands stay, because the bot's own
    help has some.
    """
    return _STARTS.sub(lambda found: found[0] + WORD_JOINER if found[1] else found[0], text)
