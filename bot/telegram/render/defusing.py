"""Shows text that Telegram would turn into mentions, commands or its own links as code. Begin with `defused`.

The server finds these in every text that a bot sends: a mention notifies a person, a command is sent at a tap, a
`tg://` link acts inside the app. A model must cause none of that, and the server finds nothing inside code. Web and
mail addresses stay links: they can be read before they are opened.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.telegram.render.document import CODE, FORMULA, Run

WORD_JOINER = "\u2060"

# A web address that the server finds, so that nothing inside comes alive: kept whole. It ends before a bracket.
_ADDRESS = (
    r"https?://(?:[^\W_]{1,50}(?:-[^\W_]{1,50})*\.)+(?:xn--[a-z0-9]{2,59}|[^\W\d_]{2,63})(?![\w@~-])"
    r"(?::[1-9]\d{0,3}(?!\d))?(?!:/)(?:[/?#][^\s<>\"«»()\[\]{}\u2000-\u206f]*)?"
)
_LIVE = re.compile(
    rf"{_ADDRESS}|("
    r"(?<!\w)@\w{2,}"
    r"|(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@\w{3,})?(?![\w/<>])"
    r"|(?<!\w)\w*?(?:tg|ton|tonsite)://[^\s<>]*[^\s<>.,;:!?)])",
    re.I,
)
_STARTS = re.compile(rf"{_ADDRESS}|((?<!\w)@(?=\w{{2}})|(?:tg|ton|tonsite):(?=//))", re.I)


def defused(text: str, style: int = 0) -> list[Run]:
    """Return the text as runs of the given style, in which mentions, commands and Telegram's links are code."""
    return defused_runs([Run(text, style)])


def defused_runs(runs: list[Run]) -> list[Run]:
    """Return the runs with their mentions, commands and Telegram's links as code.

    They are looked for in the whole text: the server finds a mention in `@**name**`, too.
    """
    spans = [live.span(1) for live in _LIVE.finditer("".join(run.text for run in runs)) if live[1] is not None]
    found: list[Run] = []
    start = index = 0
    for run in runs if spans else ():
        at, end = start, start + len(run.text)
        while not run.style & (CODE | FORMULA) and index < len(spans) and spans[index][0] < end:
            first, last = max(spans[index][0], at), min(spans[index][1], end)
            if first > at:
                found.append(replace(run, text=run.text[at - start : first - start]))
            if last > first:
                found.append(replace(run, text=run.text[first - start : last - start], style=run.style | CODE))
            at = max(last, at)
            if spans[index][1] > end:  # the next run has the rest of it
                break
            index += 1
        if at < end:
            found.append(replace(run, text=run.text[at - start :]))
        start = end
    return found if spans else runs


def defused_plain(text: str) -> str:
    """Return a plain text in which an invisible joiner breaks mentions and links. Commands stay, because the bot's own
    help has some.
    """
    return _STARTS.sub(lambda found: found[0] + WORD_JOINER if found[1] else found[0], text)
