"""Words as they are compared: their stems, so that «возврата» finds «возврат». Pure; begin with `stems`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache

WORD = re.compile(r"\w+")
RUSSIAN = re.compile("[а-я]")
DIGIT = re.compile(r"\d")
TELLS_NOTHING = """
а без более больше будет будто бы был была были было быть в вам вас вдруг ведь во вот впрочем все всегда
всего всех всю вы где да даже два для до другой его ее ей ему если есть еще ж же за зачем здесь и из или
им иногда их к как какая какой когда конечно который кто куда ли лучше между меня мне много может можно
мой моя мы на над надо наконец нас не него нее ней нельзя нет ни нибудь никогда ним них ничего но ну о об
один он она они опять от перед по под после потом потому почти при про раз разве с сам свою себе себя
сейчас со совсем так такой там тебя тем теперь то тогда того тоже только том тот три тут ты у уж уже
хорошо хоть чего чем через что чтоб чтобы чуть эти этого этой этом этот эту я a about an and are as at be
been but by can could did do does for from had has have he her here him his how i if in into is it its
may me might must my no not of on or our shall she should so than that the their them then there these
they this those to us was we were what when where which who whom why will with would you your
"""
STOP = frozenset(TELLS_NOTHING.split())


def stems(text: str, *, stop: bool = False) -> list[str]:
    """The stems of the words of a text, in its order. `stop`: also of words such as "the", which tell nothing.

    Words with a digit stay as they are, and ё is е, because people write both.
    """
    words = (word for word in WORD.findall(text.lower().replace("ё", "е")) if stop or word not in STOP)
    return [word if DIGIT.search(word) else _stem(word) for word in words]


@lru_cache(100_000)  # a language has few forms: this is nine of ten words, and most of the time
def _stem(word: str) -> str:
    return _stemmer("russian" if RUSSIAN.search(word) else "english")(word)


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    import snowballstemmer

    found: Callable[[str], str] = snowballstemmer.stemmer(language).stemWord
    return found
