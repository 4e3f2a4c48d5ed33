"""What an answer may rest on: `Evidence`. It is made by `KnowledgeAnswers.look` before a model is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot.storage.repositories.files.documents import Passage
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Tx
from bot.texts.catalog import say

if TYPE_CHECKING:
    from bot.knowledge.answer.checker import Piece
    from bot.knowledge.answer.shown import Shown

# Levels of an answer: what the sources cover with quotes, all else as without them; the model's sentences with quotes
# alone; these, if another model says that they follow from the quotes; sentences of the sources.
OPEN, CITED, JUDGED, EXTRACT = "open", "cited", "judged", "extract"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the topic of a question says about its answer; it never lets anybody read a source.

    `sources` are the names of the sources that are searched (empty: all), `level` is the level of the answer ("": that
    of the bot). `free`: no source is searched, and the bot answers as one without sources.
    """

    sources: frozenset[str] = frozenset()
    level: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What there is for an answer beside the sources: `passages` of a programmer's functions, a `picture` that the
    question is about, and `tools` that may help. `called_for`: the question asks for one of these.
    """

    passages: Sequence[str] = ()
    picture: bool = False
    tools: bool = False
    called_for: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.passages) or self.picture or self.tools


NOTHING_GIVEN = Given()
WHOLE = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the sources have about a question of somebody in these `groups`, for an answer of this `level`.

    `block` is the part of the prompt with the passages; "" where no model is asked, and `pieces` are the answer: the
    sentences of the sources, or none. `near` are the titles that are named where these do not have it, by passage.
    `vector` is the question's embedding (b"": none), `generation` that of the knowledge base when it was searched.
    `documents` are passages of the conversation's documents, which are shown after the `passages` of the sources;
    `given` is what there is beside. `for_asker` is the question as it was searched for, if in a group chat only what
    the asker may read and the chat may not answers it: then nothing else is set, and the chat is told `said`.
    `doubtful`: the question may be about something else; without a `block` the `pieces` are quotes that may be an
    answer, and it counts as one that the sources do not answer. `sure`: the sources cover it.
    """

    language: str
    groups: frozenset[str]
    level: str = CITED
    for_asker: str = ""
    near: Mapping[int, str] = field(default_factory=dict)
    shown: tuple[Shown, ...] = ()
    passages: tuple[StoredPassage, ...] = ()
    block: str = ""
    pieces: tuple[Piece, ...] = ()
    vector: bytes = b""
    generation: int = 0
    documents: tuple[Passage, ...] = ()
    given: Given = NOTHING_GIVEN
    doubtful: bool = False
    sure: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the answer may have sentences of the model's own."""
        return self.level == OPEN

    @property
    def is_beyond(self) -> bool:
        """Whether the answer is that of a bot without sources, because these do not cover the question."""
        return self.is_open and not (self.block or self.for_asker)

    @property
    def has_nothing(self) -> bool:
        """Whether the sources may answer the question at best: then documents of the conversation do."""
        return self.doubtful or not (self.block or self.pieces or self.for_asker)

    @property
    def judged(self) -> bool:
        """Whether each sentence of the answer is to be judged before it is shown."""
        return self.level == JUDGED

    @property
    def offers_tools(self) -> bool:
        """Whether the model may call tools."""
        return self.is_open or self.given.tools

    def stored(self) -> Mapping[str, Any]:
        """What `restored` needs, as JSON."""
        return {
            "passages": [one.id for one in self.passages], "groups": sorted(self.groups), "level": self.level,
            "documents": [[one.name, one.page, one.text, one.place] for one in self.documents], "sure": self.sure,
            "given": [list(self.given.passages), self.given.picture],
        }  # fmt: skip

    def shows(self, passages: Sequence[StoredPassage]) -> Evidence:
        """The evidence with these passages of the sources, and all that is given, as a model is shown it. In an open
        answer what is given is no source: it stands in the request as it does without sources.
        """
        from bot.knowledge.answer.shown import PICTURE, PROGRAM, Shown, of_passage, sources_block

        shown = [of_passage(one) for one in passages]
        if not self.is_open:
            title = say(self.language, "kb.from.program")
            shown += [Shown(0, title, "", (text,), origin=PROGRAM) for text in self.given.passages]
        if self.given.picture and not self.is_open:
            shown.append(Shown(0, say(self.language, "kb.from.picture"), "", ("…",), origin=PICTURE))
        more = self.given.tools or self.given.picture
        block = sources_block(shown, self.language, own=self.is_open, more=more and not self.is_open)
        return replace(self, shown=tuple(shown), passages=tuple(passages), block=block)

    def beside(self, documents: Sequence[Passage]) -> Evidence:
        """The evidence with passages of documents, the most relevant first: they are quoted and checked as the others,
        as many as a model can name.
        """
        from bot.knowledge.answer.documents import shown
        from bot.knowledge.answer.shown import LETTERS, sources_block

        added = tuple(documents[: len(LETTERS) - len(self.shown)])
        all_ = (*self.shown, *shown(added, self.language))
        block = sources_block(all_, self.language, own=self.is_open, more=self.given.tools and not self.is_open)
        return replace(self, shown=all_, documents=added, block=block)

    @property
    def unknown(self) -> str:
        """The sentence that the sources do not have the answer, with the titles of the nearest passages."""
        near = "".join(f"\n- {title}" for title in self.near.values())
        return say(self.language, "kb.unanswered") + (f"\n\n{say(self.language, 'kb.nearest')}{near}" if near else "")

    @property
    def said(self) -> str:
        """The whole answer, if no model is asked and no sentence of the sources is quoted."""
        return say(self.language, "kb.alone") if self.for_asker else self.unknown

    @property
    def mark(self) -> str:
        """A value that is different when other passages are found: the hash of their ids. It is "" for none, and where
        it is doubtful whether they answer the question.
        """
        ids = () if self.doubtful else sorted(one.id for one in self.passages)
        return hashlib.sha256(repr(ids).encode()).hexdigest() if ids else ""


def restored(tx: Tx, stored: Mapping[str, Any], language: str) -> Evidence:
    """The evidence of a question that a model was asked earlier, as it was shown; empty if a passage is gone."""
    texts, picture = stored.get("given", ((), False))
    level = stored.get("level") or (JUDGED if stored.get("judged") else CITED)
    found = Evidence(
        language=language, groups=frozenset(stored["groups"]), level=level, sure=stored.get("sure", False),
        given=Given(tuple(texts), picture),
    )  # fmt: skip
    known = tx.knowledge.list_by_id(stored["passages"])
    if len(known) < len(stored["passages"]):
        return found
    found = found.shows([known[id_] for id_ in stored["passages"]])
    documents = [
        Passage(text, page, name=name, place=place, id=id_)
        for id_, (name, page, text, place) in enumerate(stored.get("documents", ()), 1)
    ]
    return found.beside(documents) if documents else found
