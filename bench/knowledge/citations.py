"""`python -m bench.knowledge.citations --data FOLDER`: what gets through of the answers of a model that lies.

The sources are paragraphs of XQuAD, four at a time, in Russian and in English. What is sent is judged by rules of its
own, not by the checker's.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.knowledge.liar import Lie, in_shape, lie
from bot.knowledge.answer.checker import Checker, Piece
from bot.knowledge.answer.forms import is_greeting
from bot.knowledge.answer.shown import Shown
from bot.knowledge.sentences import spans

MARK = re.compile(r"[\[［【]\s*[\^\\]?\s*[a-zа-яё]\s?\d", re.IGNORECASE)
TYPOGRAPHY = str.maketrans({**dict.fromkeys('«»“”„"', '"'), **dict.fromkeys("‘’", "'"), **dict.fromkeys("‐‑‒–—−", "-"),
                            "\u00ad": None, "ё": "е", "Ё": "Е", "…": "..."})  # fmt: skip
SHOWN = 4  # passages of an answer


def compared(text: str) -> str:
    """A text as this judge compares it."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFC", text).translate(TYPOGRAPHY))
    return " ".join(text.split()).casefold().strip(" \"'.,;:!?")


def answers(
    texts: Sequence[str], count: int, dice: random.Random, most: int = SHOWN
) -> Iterator[tuple[list[Shown], list[Lie], str]]:
    """So many answers of one to four sentences: what was shown (so many passages), what is false, and the answer."""
    for _ in range(count):
        *some, other = dice.sample(range(len(texts)), most + 1)
        shown = [Shown(one, f"T{one}", "", tuple(texts[one][a:b] for a, b in spans(texts[one]))) for one in some]
        foreign = dice.choice([texts[other][a:b].strip() for a, b in spans(texts[other])])
        lies = [lie(shown, foreign, dice) for _ in range(dice.randint(1, 4))]
        yield shown, lies, in_shape(lies, dice)


def checked(shown: Sequence[Shown], answer: str, dice: random.Random) -> list[Piece]:
    """What is sent of an answer that comes in parts of random length."""
    checker, sent, at = Checker(shown), list[Piece](), 0
    while at < len(answer):
        size = dice.choice([1, 3, 7, 40])
        sent += checker.feed(answer[at : at + size])
        at += size
    return [*sent, *checker.end()]


def judge(shown: Sequence[Shown], lies: Sequence[Lie], sent: Sequence[Piece], counts: Counter[str]) -> None:
    """Count what must not have been sent, and what was lost."""
    for piece in sent:
        bare = piece.text.strip("| ").split("|")[0].strip()
        counts["sent"] += 1
        counts["with a mark left in it"] += bool(MARK.search(piece.text))
        valid = piece.quotes and all(shown[one.place].text[one.start : one.end].strip() for one in piece.quotes)
        counts["without a valid mark"] += not (
            valid or bare in {"Ответ", "?"} or bare.endswith(":") or is_greeting(bare)
        )
    for one in lies:
        whole = compared(one.claim or one.text.rpartition(" [")[0])
        own = compared(shown[one.place].sentences[one.number])
        quoted = [
            (
                compared(piece.text),
                [compared(shown[quote.place].text[quote.start : quote.end]) for quote in piece.quotes],
            )
            for piece in sent
        ]
        held = [quotes for text, quotes in quoted if whole and whole in text]
        counts[one.kind] += 1
        if one.kind == "forged":
            said = [quotes for text, quotes in quoted if f'"{whole}' in text]  # as a quote, not as the model's words
            wrong = [quotes for quotes in said if not any(whole in quote for quote in quotes)]
            counts["forged quotes sent"] += bool(wrong)
        elif one.kind == "number":
            counts["changed numbers sent"] += any(compared(one.claim) in text for text, _ in quoted)
        elif one.kind in {"shifted", "missing", "true", "mark"}:
            there = [quotes for text, quotes in quoted if own in text]
            counts[f"{one.kind}: right or gone"] += all(any(own in quote for quote in quotes) for quotes in there)
            counts[f"{one.kind}: kept"] += bool(there)
        elif one.kind in {"true quote", "negation"}:
            counts[f"{one.kind}: kept"] += bool(held)
        elif one.kind == "made up":
            counts["made up: sent"] += bool(held)


def measure(options: argparse.Namespace) -> bool:
    """Print the table for each language; return whether the goals are reached."""
    reached = True
    for language in ("ru", "en"):
        data = json.loads((options.data / f"xquad.{language}.json").read_text("utf-8"))
        texts = [one["text"] for one in data["paras"]]
        dice, counts = random.Random(options.seed), Counter[str]()
        spent, sentences = 0.0, 0
        for shown, lies, answer in answers(texts, options.answers, dice):
            begun = time.thread_time()
            sent = checked(shown, answer, dice)
            spent += time.thread_time() - begun
            sentences += len(lies)
            judge(shown, lies, sent, counts)
        never = ("without a valid mark", "with a mark left in it", "forged quotes sent", "changed numbers sent")
        lost = 100 - 100 * counts["true quote: kept"] / counts["true quote"]
        right = 100 * counts["shifted: right or gone"] / counts["shifted"]
        reached = reached and not any(counts[one] for one in never) and lost <= 0.5 and right >= 95
        print(f"{language}: {options.answers} answers, {sentences} sentences, {1000 * spent / sentences:.2f} ms each")
        for one in never:
            print(f"  {one}: {counts[one]} (goal 0)")
        print(f"  true quotes lost: {lost:.2f} % (goal <= 0.5)")
        print(f"  shifted marks at the right sentence or gone: {right:.1f} % (goal >= 95)")
        for kind in ("true", "missing", "mark", "shifted", "negation"):
            print(f"  kept, {kind}: {100 * counts[f'{kind}: kept'] / counts[kind]:.1f} % of {counts[kind]}")
        print(
            f"  made up, sent: {100 * counts['made up: sent'] / counts['made up']:.2f} % of {counts['made up']}",
            flush=True,
        )
    return reached


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.citations", description=__doc__)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--answers", type=int, default=5_000, help="of each language")
parser.add_argument("--seed", type=int, default=1)

if __name__ == "__main__":
    raise SystemExit(0 if measure(parser.parse_args()) else 1)
