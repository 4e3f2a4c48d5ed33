"""From what was seen to numbers: `figures` for a conversation, `merged` for several rounds.

Milliseconds unless a name says otherwise. What the names mean is in README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from bench.world import MARKUP, Turn, World

Figures = dict[str, float | None]


def figures(world: World) -> Figures:
    """Of all measured turns of a world."""
    turns = [turn for turn in world.turns.values() if turn.measured]
    whole = [turn for turn in turns if turn.final]
    lags = [lag for turn in whole for lag in _lags(turn)]
    overhead = [turn.model - turn.asked for turn in turns if turn.model]
    last = [turn.final - turn.written[-1] for turn in whole if turn.written]
    found: Figures = {"questions": len(turns), "answered": len(whole)}
    found |= verdicts(world, turns)
    found |= {
        "429 received": world.tape.refused[429],
        "calls an answer": sum(world.tape.calls.values()) / len(whole) if whole else None,
        "requests a question": sum(turn.requests for turn in turns) / len(turns) if turns else None,
        "answers a second": speed(turns),
    }
    for name, values in (("lag", lags), ("overhead", overhead), ("last token to whole answer", last)):
        found |= {f"{name} p50 ms": percentile(values, 0.5), f"{name} p95 ms": percentile(values, 0.95)}
    return found


def verdicts(world: World, turns: Sequence[Turn]) -> Figures:
    """How the chats look when all is over."""
    said = {chat: world.telegram.texts(chat) for chat in {turn.chat for turn in turns}}
    found = {"text good": 0, "markup shown": 0, "cut or damaged": 0, "lost": 0, "doubled": 0, "out of order": 0}
    begins: dict[int, list[int]] = {}
    for turn in turns:
        first = [place for place, text in enumerate(said[turn.chat]) if f"q{turn.number}a0z" in text]
        begins.setdefault(turn.chat, []).extend(first[:1])
        found["doubled"] += max(len(first) - 1, 0)
        found[_verdict(turn, said[turn.chat])] += 1
    found["out of order"] = sum(left > right for places in begins.values() for left, right in pairwise(places))
    return dict(found)


def _verdict(turn: Turn, texts: Iterable[str]) -> str:
    text = turn.of(texts)
    if not text:
        return "lost"
    place = 0
    for words in turn.expected():
        found = text.find(words, place)
        if found < 0:
            return "cut or damaged"
        place = found + len(words)
    return "markup shown" if MARKUP.search(text) else "text good"


def _lags(turn: Turn) -> Iterable[float]:
    """For each token, from when it was written to when it was seen."""
    steps = iter(turn.seen)
    at, count = next(steps)
    for index, written in enumerate(turn.written):
        while count <= index:
            at, count = next(steps)
        yield max(at - written, 0.0)


def speed(turns: Sequence[Turn]) -> float | None:
    ends = [turn.final for turn in turns if turn.final]
    begin = min((turn.asked for turn in turns), default=0.0)
    return len(ends) / (max(ends) - begin) if ends else None


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """In milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000 if ordered else None


def merged(rounds: Sequence[Figures]) -> Figures:
    """The median of each number."""
    names = dict.fromkeys(name for row in rounds for name in row)
    known = {name: [value for row in rounds if (value := row.get(name)) is not None] for name in names}
    return {name: median(values) if values else None for name, values in known.items()}
