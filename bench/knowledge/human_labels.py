"""`python -m bench.knowledge.human_labels --data FOLDER`: what the check of answers leaves out of sentences that people
call true.

QAGS (its repository has `data/mturk_cnndm.jsonl` and `data/mturk_xsum.jsonl`, without a licence, so it is measured and
not shipped): sentences of machine summaries, each judged by three people with the article before them. The marks of
each sentence name the first sentence of the article, so the check has to find what carries it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bot.knowledge.answer.checker import Checker
from bot.knowledge.answer.quotes import stands
from bot.knowledge.answer.shown import Shown
from bot.knowledge.passages import Block, cut

SETS = ("cnndm", "xsum")
LOST = 5.0  # per cent of the supported sentences of both sets that may be left out
SUPPORTED = 2  # of three people
# The articles of CNN were taken apart ("235, 000", "34 - year - old"), the sentences were not.
APART = re.compile(r"(?<=\d)([.,]) (?=\d)|(?<=\w) (-) (?=\w)")


def judged(file: Path) -> Iterator[tuple[str, str, bool]]:
    """Articles with a sentence about each, and whether most people say that the article supports it."""
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        for one in row["summary_sentences"]:
            votes = sum(answer["response"] == "yes" for answer in one["responses"])
            yield APART.sub(r"\1\2", row["article"]), one["sentence"], votes >= SUPPORTED


def outcome(article: str, sentence: str) -> str:
    """What becomes of a sentence: "kept", or why it is left out."""
    shown = [
        Shown(place, "", "", tuple(piece.text[start:end] for start, end in piece.sentences))
        for place, piece in enumerate(cut("", [Block(article)]))
    ]
    checker = Checker(shown)
    checker.feed(f"{sentence.strip().rstrip('.!? ')} [a1].")
    checker.end()
    return checker.dropped[0].reason if checker.dropped else "kept"


def measure(folder: Path) -> bool:
    """Print the figures of both sets, and of both together; return whether the goal is reached."""
    all_: Counter[str] = Counter()
    for name in SETS:
        ends: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        verbatim: Counter[tuple[bool, bool]] = Counter()
        for article, sentence, is_true in judged(folder / f"mturk_{name}.jsonl"):
            ends[is_true][outcome(article, sentence)] += 1
            verbatim[stands(sentence.strip(" .!?"), article), is_true] += 1
        print(f"{name}: {_told('supported', ends[True])}; {_told('other', ends[False])}")
        for is_verbatim, what in ((True, "stand word for word"), (False, "do not")):
            yes, no = (verbatim[is_verbatim, is_true] for is_true in (True, False))
            print(f"  of {yes + no} sentences that {what} {100 * yes / max(yes + no, 1):.1f} % are supported")
        all_ += ends[True]
    print(f"both: {_told('supported', all_)} (at most {LOST})")
    return _lost(all_) <= LOST


def _told(kind: str, ends: Counter[str]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in ends.most_common() if reason != "kept")
    return f"of {ends.total()} {kind} sentences {_lost(ends):.1f} % left out ({why})"


def _lost(ends: Counter[str]) -> float:
    return 100 - 100 * ends["kept"] / ends.total()


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.human_labels", description=__doc__)
parser.add_argument("--data", type=Path, required=True, help="folder with the two files of QAGS")

if __name__ == "__main__":
    raise SystemExit(0 if measure(parser.parse_args().data) else 1)
