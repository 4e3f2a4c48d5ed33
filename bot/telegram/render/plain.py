"""The simplest way to send an answer: the model's text, unformatted, after Telegram has refused entities too."""

from __future__ import annotations

import re

from bot.telegram.render.cleaning import clean
from bot.telegram.render.cutting import cut
from bot.telegram.render.defusing import defused_plain


def plain(markdown: str, note: str = "", limit: int = 4_096) -> list[str]:
    """Return the text as it was written, in parts of at most `limit` UTF-16 units; `note` ends the last part."""
    text, note = defused_plain(clean(markdown).strip()), clean(note).strip()
    whole = f"{text}\n\n{note}" if text and note else text or note
    together = len(whole) - len(note) if text and note and len(note) < limit // 2 else 1 << 60
    borders = [found.start() for found in re.finditer("\n\n", text)]
    return [whole[start:end] for start, end in cut(whole, limit, borders=borders, together=together)]
