"""Every text that the code itself gives to a model, by key and language. Begin with `instruct`.

The texts are in `en.py` and `ru.py`. The language is the one of the chat, so that a model is not asked in two languages
at once. What a tool says about itself (description, complaints about arguments) stands with the tool, in English.
"""

from __future__ import annotations

from bot.prompts import en, ru
from bot.texts.catalog import PLACE, known

PROMPTS = {"en": en.PROMPTS, "ru": ru.PROMPTS}


def instruct(language: str, key: str, /, **values: object) -> str:
    """The prompt `key` in `language` with `values` in place of the {names}.

    `language` is an IETF tag, or "" for English; a language that a programmer has added is answered in English, too.
    """
    prompts = PROMPTS.get(known(language), PROMPTS["en"])
    return PLACE.sub(lambda place: str(values[place[1]]), prompts[key])
