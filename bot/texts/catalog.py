"""Every sentence the bot says, by key and language. Begin with `say`; the sentences are in `en` and `ru`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.texts import en, ru

LANGUAGES = {"en": en.TEXTS, "ru": ru.TEXTS}
PLACE = re.compile(r"\{(\w+)\}")
NAMES = {"en": "English", "ru": "Русский"}


def known(language: str) -> str:
    """Return the bot's language for an IETF tag ("ru-RU" -> "ru"); "en" for languages that the bot does not speak."""
    short = language.partition("-")[0].lower()
    if short in LANGUAGES:
        return short
    return "ru" if short in {"be", "uk", "kk"} else "en"


def say(language: str, key: str, /, **values: object) -> str:
    """Return the sentence `key` in `language` (a tag or ""), with the values put in as they are: they are never read as
    a format.
    """
    return PLACE.sub(lambda place: str(values[place[1]]), LANGUAGES[known(language)][key])


def own(text: str | Mapping[str, str], language: str, /, **values: object) -> str:
    """Return a text that an operator or a programmer has given, in `language`; "" if there is none.

    The text is one string for all languages, or one for each. Braces around a name that is not among the values stay as
    they are.
    """
    if not isinstance(text, str):
        text = text.get(known(language)) or text.get("en") or next(iter(text.values()), "")
    return PLACE.sub(lambda place: str(values.get(place[1], place[0])), text)
