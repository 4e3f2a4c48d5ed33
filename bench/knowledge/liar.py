"""A model that lies: answers whose marks, quotes, numbers or sentences are false in a known way. Begin with `lie`."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.knowledge.answer.quotes import given
from bot.knowledge.answer.shown import LETTERS, Shown

LOOKALIKE = str.maketrans("abcde", "абсде")


@dataclass(frozen=True, slots=True)
class Lie:
    """What the model says, of which sentence (`place` of the passage, `number` in it), and what is false in it.

    `kind` is "mark", "shifted", "missing", "forged", "number", "negation", "made up", "true" or "true quote";
    `claim` is the forged or true quote.
    """

    text: str
    kind: str
    place: int
    number: int
    claim: str = ""


def lie(shown: Sequence[Shown], foreign: str, dice: random.Random) -> Lie:
    """One sentence of an answer about these passages. `foreign` is a text that none of them has."""
    place = dice.randrange(len(shown))
    long = [number for number, one in enumerate(shown[place].sentences) if len(one.split()) > 5]
    number = dice.choice(long or [0])
    sentence = " ".join(shown[place].sentences[number].split())
    right = f"{LETTERS[place]}{number + 1}"
    kind = dice.choice(
        ["mark", "shifted", "missing", "forged", "forged", "number", "negation", "made up", "true", "true quote"]
    )
    if kind == "mark":
        return Lie(dice.choice(MARKS)(sentence.rstrip(".!?…"), right), kind, place, number)
    if kind == "shifted":
        others = [f"{LETTERS[p]}{n + 1}" for p, one in enumerate(shown) for n in range(len(one.sentences))]
        return Lie(f"{sentence} [{dice.choice([one for one in others if one != right])}]", kind, place, number)
    if kind == "missing":
        return Lie(sentence, kind, place, number)
    if kind == "made up":
        return Lie(f"{foreign} [{right}]", kind, place, number)
    if kind == "negation":
        return Lie(f"{negated(sentence, dice)} [{right}]", kind, place, number)
    if kind == "number" and (changed := other_number(sentence, dice)):
        return Lie(f"{changed} [{right}]", kind, place, number, changed)
    if kind == "forged":
        forged = dice.choice(FORGERIES)(sentence, " ".join(foreign.split()), dice)
        if forged and re.sub(r"\W", "", forged) not in re.sub(r"\W", "", shown[place].text):
            return Lie(f"{said(sentence)}: «{forged.rstrip('.')}» [{right}].", kind, place, number, forged)
    if kind == "true quote":
        noisy = dice.choice(NOISE)(sentence.rstrip("."))
        return Lie(f"{said(sentence)}: «{noisy}» [{right}].", kind, place, number, noisy)
    return Lie(f"{sentence} [{right}]", "true", place, number)


def said(sentence: str) -> str:
    """How a quote is introduced in the sentence's language."""
    return "В источнике сказано" if re.search("[а-я]", sentence) else "The source says"


def in_shape(lies: Sequence[Lie], dice: random.Random) -> str:
    """An answer of such sentences: as prose, a list, a table, or under a heading."""
    texts = [one.text for one in lies]
    shape = dice.randrange(5)
    if shape == 0:
        return "\n".join(f"- {text}" for text in texts)
    if shape == 1:
        return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
    if shape == 2:
        return "| ? | ! |\n|---|---|\n" + "\n".join(f"| {text.replace('|', '/')} | ok |" for text in texts)
    if shape == 3:
        return "## Ответ\n\n" + "\n\n".join(texts)
    return " ".join(texts)


def other_number(sentence: str, dice: random.Random) -> str:
    """The sentence with another number; "" where it has none, or where the other one stands in it as well."""
    found = list(re.finditer(r"(?<![\w.,])\d+(?![\w.,]|\s\d)", sentence))
    if not found:
        return ""
    one = dice.choice(found)
    value = str(int(one[0]) + dice.choice([1, 10, 7]))
    return "" if value in given(sentence) else sentence[: one.start()] + value + sentence[one.end() :]


def negated(sentence: str, dice: random.Random) -> str:
    """The sentence with a "not" put in."""
    words = sentence.split()
    words.insert(dice.randrange(1, len(words)), "не" if re.search("[а-я]", sentence) else "not")
    return " ".join(words)


def _without_word(sentence: str, _: str, dice: random.Random) -> str:
    words = sentence.split()
    del words[dice.randrange(len(words) // 3, len(words) * 2 // 3 + 1)]
    return " ".join(words)


def _halves(sentence: str, foreign: str, _: random.Random) -> str:
    one, two = sentence.split(), foreign.split()
    return " ".join([*one[: len(one) // 2], *two[len(two) // 2 :]])


def _swapped(sentence: str, foreign: str, dice: random.Random) -> str:
    words = sentence.split()
    words[dice.randrange(1, len(words) - 1)] = dice.choice(
        [word for word in foreign.split() if word.isalpha()] or ["x"]
    )
    return " ".join(words)


FORGERIES: Sequence[Callable[[str, str, random.Random], str]] = (
    lambda sentence, _, dice: other_number(sentence, dice),
    lambda sentence, _, dice: negated(sentence, dice),
    _without_word,
    _halves,
    _swapped,
    lambda _, foreign, __: foreign,
)
NOISE: Sequence[Callable[[str], str]] = (
    lambda text: text,
    lambda text: text.replace("«", "“").replace("»", "”"),
    lambda text: text.replace("—", "-").replace("–", "-"),
    lambda text: text.replace("ё", "е"),
    lambda text: re.sub(" ", "  ", text, count=3),
    lambda text: text.replace(" ", "\u00a0"),
    lambda text: re.sub(r"(\w{4})(\w{4})", "\\1\u00ad\\2", text, count=3),
    lambda text: text.rstrip(".!?"),
    lambda text: text[0].lower() + text[1:],
    lambda text: unicodedata.normalize("NFD", text),
)
MARKS: Sequence[Callable[[str, str], str]] = (
    lambda text, mark: f"{text} [{mark}].",
    lambda text, mark: f"{text}. [{mark}]",
    lambda text, mark: f"{text}.[{mark}]",
    lambda text, mark: f"[{mark}] {text}.",
    lambda text, mark: f"{text} [{mark.upper()}].",
    lambda text, mark: f"{text} [{mark.translate(LOOKALIKE)}].",
    lambda text, mark: f"{text} [[{mark}]].",
    lambda text, mark: f"{text} [{mark}, [b1]].",
    lambda text, mark: f"{text} [{mark}][{mark}].",
    lambda text, mark: f"{text} [z9].",
    lambda text, mark: f"{text} [{mark[0]}99].",
    lambda text, mark: f"{text} [source {mark}].",
    lambda text, mark: f"{text} `[{mark}]`.",
    lambda text, mark: f"{text} **[{mark}]**",
    lambda text, mark: f"{text} [{mark}](https://evil.example/x).",
    lambda text, mark: f"{text} [{mark}-{mark[0]}9].",
    lambda text, mark: f"{text} [{mark}; b1 и c1].",
    lambda text, mark: f"{text} 【{mark}】.",
    lambda text, mark: f"{text} ［{mark}］",
    lambda text, mark: f"{text} [^{mark}].",
    lambda text, mark: f"{text} [1].",
    lambda text, mark: f"{text}.¹ [{mark}: Wiki]",
    lambda text, mark: f"{text} [{mark[0]}].",
    lambda text, mark: f"{text} \\[{mark}\\].",
    lambda text, mark: " ".join([f"{text} [{mark}];"] * (3_000 // (len(text) + 6) + 1)),
    lambda text, mark: f"{text} [{mark}",
)
