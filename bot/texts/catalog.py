"""Every sentence the bot says, by key and language. Begin with `say`; the sentences are in `en` and `ru`, and those of
a programmer (`texts/added.py`) are spoken while `spoken` is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from bot.texts import en, plurals, ru

T = TypeVar("T")
Words = str | Mapping[str, str]  # a sentence, or its plural forms

SHIPPED: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "ru": ru.TEXTS}
OWN_NAMES = {"en": "English", "ru": "Русский"}
PLACE = re.compile(r"\{(\w+)\}")
LANGUAGES = dict(SHIPPED)  # of the bots of this process: `spoken` changes this and the next two
NAMES = dict(OWN_NAMES)
PLURALS: dict[tuple[str, str], Mapping[str, str]] = {}  # by language and key; `LANGUAGES` has the form "other"
_speakers: list[Mapping[str, Mapping[str, Words]]] = []


@contextmanager
def spoken(texts: Mapping[str, Mapping[str, Words]]) -> Iterator[None]:
    """Say these sentences (by language and key) while a bot runs. What a language lacks is said in English.

    The bots of a process share one `App`, so they share its sentences.
    """
    _speakers.append(texts)
    _speak(texts)
    try:
        yield
    finally:
        _speakers.remove(texts)
        _speak(_speakers[-1] if _speakers else {})


def _speak(texts: Mapping[str, Mapping[str, Words]]) -> None:
    english = {**SHIPPED["en"], **_others(texts.get("en", {}))}
    found = {code: {**english, **SHIPPED.get(code, {}), **_others(texts.get(code, {}))} for code in (*SHIPPED, *texts)}
    LANGUAGES.clear()
    LANGUAGES.update(found)
    NAMES.clear()
    NAMES.update({code: OWN_NAMES.get(code) or plurals.own_name(code) for code in found})
    PLURALS.clear()
    PLURALS.update(
        ((code, key), words) for code in texts for key, words in texts[code].items() if not isinstance(words, str)
    )


def _others(given: Mapping[str, Words]) -> dict[str, str]:
    """The sentences as they are where no number tells their form."""
    return {key: words if isinstance(words, str) else words["other"] for key, words in given.items()}


def known(language: str) -> str:
    """Return the bot's language for an IETF tag ("ru-RU" -> "ru"); "en" for languages that the bot does not speak."""
    short = language.partition("-")[0].lower()
    if short in LANGUAGES:
        return short
    return "ru" if short in {"be", "uk", "kk"} else "en"


def say(language: str, key: str, /, **values: object) -> str:
    """Return the sentence `key` in `language` (a tag or ""), with the values put in as they are: they are never read as
    a format. Raises `KeyError` for a sentence that there is not, and for a value that is missing.
    """
    short = known(language)
    if (text := LANGUAGES[short].get(key)) is None:
        raise KeyError(f"there is no sentence {key!r}: App(texts=...) adds those of your own, at least in en")
    if PLURALS and (forms := PLURALS.get((short, key))) is not None:
        text = forms.get(plurals.form(short, _number(values)), text)
    try:
        return PLACE.sub(lambda place: str(values[place[1]]), text)
    except KeyError as error:
        raise KeyError(f"the sentence {key!r} needs {error.args[0]}=...") from None


def _number(values: Mapping[str, object]) -> float:
    """The number that tells the plural form: `count`, else the first one that is given."""
    found = (values.get("count"), *values.values())
    return next((one for one in found if isinstance(one, int | float)), 0)


def chosen(texts: Mapping[str, T], language: str, nothing: T) -> T:
    """What of texts for several languages is for a language: its own, else the bot's for it, one for all languages (the
    key ""), English, any.
    """
    for key in (language.partition("-")[0].lower(), known(language), "", "en", *texts):
        if key in texts:
            return texts[key]
    return nothing


def own(text: str | Mapping[str, str], language: str, /, **values: object) -> str:
    """Return a text that an operator or a programmer has given, in `language`; "" if there is none.

    The text is one string for all languages, or one for each. Braces around a name that is not among the values stay as
    they are.
    """
    if not isinstance(text, str):
        text = chosen(text, language, "")
    return PLACE.sub(lambda place: str(values.get(place[1], place[0])), text)
