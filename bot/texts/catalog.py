"""Every sentence the bot says, by key and language. Begin with `say`; the sentences are in `en.py` and `ru.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.texts import en, ru

LANGUAGES = {"en": en.TEXTS, "ru": ru.TEXTS}
PLACE = re.compile(r"\{(\w+)\}")
NAMES = {"en": "English", "ru": "Русский"}


def known(language: str) -> str:
    """The language the bot speaks for an IETF tag ("ru-RU" -> "ru"); English for those it does not know."""
    short = language.partition("-")[0].lower()
    if short in LANGUAGES:
        return short
    return "ru" if short in {"be", "uk", "kk"} else "en"


def say(language: str, key: str, /, **values: object) -> str:
    """The sentence `key` in `language` (a tag or ""). Values are put in as they are: foreign text is never a format."""
    return PLACE.sub(lambda place: str(values[place[1]]), LANGUAGES[known(language)][key])


def own(text: str | Mapping[str, str], language: str, /, **values: object) -> str:
    """A sentence of the operator's or a programmer's own: one for all languages, or one for each. "": there is none.

    What stands in braces and is no value stays as it is.
    """
    if not isinstance(text, str):
        text = text.get(known(language)) or text.get("en") or next(iter(text.values()), "")
    return PLACE.sub(lambda place: str(values.get(place[1], place[0])), text)
