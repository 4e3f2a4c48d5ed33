"""The question sets: XQuAD (Wikipedia, Russian and English) and the documentation of a cloud with its own FAQ.

`README.md` says where they come from. Nothing of them is in this repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.knowledge.passages import Piece
from bot.knowledge.sentences import spans


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the keys of the passages that answer it. A passage may have several."""

    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Passages with their keys, and questions. `by_key`: a rank counts keys (pages), not passages."""

    name: str
    passages: Sequence[tuple[Piece, frozenset[str]]]
    questions: Sequence[Question]
    by_key: bool = False


def load(folder: Path, *, most: int | None = None) -> Iterable[Callable[[], QuestionSet]]:
    """Functions that load the sets of a folder. `most`: how many passages of the cloud's documentation (None: all)."""
    for language in ("ru", "en"):
        yield lambda language=language: xquad(folder, language, language, sentences=False)  # type: ignore[misc]
    yield lambda: xquad(folder, "ru", "ru", sentences=True)
    for asked, read in (("ru", "en"), ("en", "ru")):
        yield lambda asked=asked, read=read: xquad(folder, asked, read, sentences=False)  # type: ignore[misc]
    for sections in (False, True):
        yield lambda sections=sections: cloud(folder, sections=sections, most=most)  # type: ignore[misc]


def xquad(folder: Path, asked: str, read: str, *, sentences: bool) -> QuestionSet:
    """XQuAD with questions in one language and paragraphs (or their sentences) in another."""
    here = json.loads((folder / f"xquad.{read}.json").read_text("utf-8"))
    there = json.loads((folder / f"xquad.{asked}.json").read_text("utf-8"))
    passages, questions = [], []
    cut = {one["id"]: spans(one["text"]) if sentences else ((0, len(one["text"])),) for one in here["paras"]}
    for one in here["paras"]:
        for number, (start, end) in enumerate(cut[one["id"]]):
            passages.append((Piece("", one["text"][start:end].strip()), frozenset({f"{one['id']}/{number}"})))
    for one in there["qs"]:
        numbers = [number for number, (start, end) in enumerate(cut[one["para"]]) if start <= one["start"] < end]
        number = numbers[0] if sentences else 0
        questions.append(Question(one["q"], frozenset({f"{one['para']}/{number}"})))
    name = f"XQuAD {asked}" + ("" if asked == read else f" to {read}") + (", sentences" if sentences else "")
    return QuestionSet(name, passages, questions)


def cloud(folder: Path, *, sections: bool, most: int | None = None) -> QuestionSet:
    """The documentation of VK Cloud; the gold pages (or sections) are those its own FAQ links to."""
    chunks = json.loads((folder / "vk.chunks.json").read_text("utf-8"))
    if most is not None:
        chunks = [chunks[place] for place in json.loads((folder / "vk.mini.json").read_text("utf-8"))[:most]]
    passages = []
    for chunk in chunks:
        place = " › ".join(dict.fromkeys(chunk["path"]))
        keys = {f"{chunk['page']}#{anchor}" for anchor in chunk["ids"]} if sections else {chunk["page"]}
        passages.append((Piece(place, chunk["text"]), frozenset(keys)))
    questions = []
    for one in json.loads((folder / "vk.qs.json").read_text("utf-8")):
        gold = {f"{page}#{anchor}" for page in one["gold_pages"] for anchor in one["gold_anchors"]}
        if sections and not gold:
            continue
        questions.append(Question(one["q"], frozenset(gold if sections else one["gold_pages"])))
    name = "cloud documentation, " + ("sections" if sections else "pages")
    return QuestionSet(name, passages, questions, by_key=not sections)
