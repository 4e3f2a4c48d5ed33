"""`routing.toml`: the topics, and what each leads to. Begin with `read`; `RoutingFile` follows the edits of a file.

A file that can't be used as it is raises `Broken` with one sentence: the file, the line, what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bot.prompts.library import Shelf
from bot.prompts.schema import Broken, Part, Title, located, said, sentence, toml_of, version_of

MOST_TOPICS = 100  # the classes of a tuned classifier
FEWEST, MOST = 3, 30  # examples of a topic
LONGEST_FILE = 1_000_000  # characters
KEY = re.compile(r"[a-z][a-z0-9_-]{0,47}")
TAKEN = frozenset({"text", "conversation"})  # columns beside the topics in the data that classifiers are tuned with
EXAMPLE = Path(__file__).parent

Kind = Literal["topic", "flag"]
Level = Literal["", "open", "extract", "cited", "judged"]
Way = Literal["off", "near", "fewshot", "tuned"]
Line = Annotated[str, Field(min_length=1, max_length=1_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class Topic(Part):
    """One topic of the routing file, or a flag, which stands beside any topic.

    With an empty `persona`, `model` or `level` the chat's own choice holds. An empty `queue` means that no person is
    called, an empty `audience` that the topic is for everybody. `threshold` is the confidence that a tuned classifier
    must have. With the `knowledge` "none" no source is searched.
    """

    title: Title = {}
    kind: Kind = "topic"
    examples: tuple[Line, ...] = ()
    words: tuple[Name, ...] = ()
    persona: str = ""
    model: str = ""
    knowledge: tuple[Name, ...] | Literal["none"] = ()
    level: Level = ""
    queue: str = ""
    audience: tuple[Name, ...] = ()
    threshold: float | None = Field(None, gt=0, lt=1)

    @property
    def is_free(self) -> bool:
        """Whether questions of the topic are answered as by a bot without sources."""
        return self.knowledge == "none"

    def name(self, language: str) -> str:
        """The title in a language, "" if the file gives none."""
        return said(self.title, language, "")


class Rules(Part):
    """The table `[routing]` of the file: the topic of all other questions (`other`), when people are asked instead of
    guessing, and which classifier decides. `tuned` is the name or URI of a tuned classifier.
    """

    other: str = "other"
    ask_below: float = Field(0.12, ge=0, le=1)
    classifier: Way = "near"
    tuned: str = ""


class RoutingTable(Part):
    """The content of a routing file: topics in its order, common names for several knowledge bases, and the rules."""

    topic: Mapping[str, Topic] = {}
    knowledge: Mapping[str, tuple[Name, ...]] = {}
    routing: Rules = Rules()
    version: str = ""
    file: str = ""
    text: str = Field("", repr=False)

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics that a question can get by its content: neither the flags nor the topic of all other questions."""
        return {key: row for key, row in self.topic.items() if row.kind == "topic" and key != self.routing.other}

    @property
    def flags(self) -> dict[str, Topic]:
        """What may stand beside any topic, such as "urgent"."""
        return {key: row for key, row in self.topic.items() if row.kind == "flag"}

    def find(self, key: str) -> Topic:
        """The topic with this key, or the topic of all other questions if there is none."""
        return self.topic.get(key) or self.topic.get(self.routing.other) or Topic()

    def title(self, key: str, language: str) -> str:
        """The title of a topic in a language, else its key."""
        topic = self.topic.get(key)
        return (topic.name(language) if topic is not None else "") or key

    def bases(self, key: str) -> tuple[str, ...]:
        """The knowledge bases of a topic, each once; a common name is replaced by the bases that it stands for."""
        topic = self.find(key)
        names = dict.fromkeys(() if topic.is_free else topic.knowledge)
        while any(name in self.knowledge for name in names):
            names = dict.fromkeys(part for name in names for part in self.knowledge.get(name, (name,)))
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """The names of personas, models and knowledge bases that exist outside of the file; None for a kind that is not
    checked.
    """

    personas: Collection[str] | None = None
    models: Collection[str] | None = None
    knowledge: Collection[str] | None = None
    queues: Collection[str] | None = None
    audiences: Collection[str] | None = None


class RoutingFile:
    """A file that is read again when it changes. While it has a mistake or is gone, its last valid state counts."""

    def __init__(self, path: Path) -> None:
        self._shelf = Shelf(path.parent, lambda data, key, file: read(data, file))
        self._name = path.stem
        self._path = path
        self._last: RoutingTable | None = None

    @property
    def table(self) -> RoutingTable | None:
        """The content of the file now, or its last valid content; None if it never was valid or does not exist."""
        self._last = self._shelf.find(self._name) or self._last
        return self._last

    @property
    def problem(self) -> str:
        """What is wrong with the file, with the line, so that its last valid content counts; "" if nothing is."""
        if not self._path.is_file() or self._path.suffix != ".toml":
            return f"{self._path}: there is no such file, or its name does not end with .toml"
        return self._shelf.problem(self._name)


def read(data: bytes, file: str) -> RoutingTable:
    """Read a table of topics from the bytes of a file. Raises `Broken`."""
    text, table = toml_of(data, file, longest=LONGEST_FILE)
    try:
        found = RoutingTable.model_validate({**table, "version": version_of(text), "file": file, "text": text})
    except ValidationError as error:
        names = {*Topic.model_fields, *Rules.model_fields, "topic", "routing"}
        raise Broken(sentence(error, text, file, names=names)) from None
    for steps, message in _mistakes(found):
        raise Broken(_at(found, steps, message))
    return found


def unknown_names(table: RoutingTable, known: KnownNames) -> list[str]:
    """Return a sentence with the line for each name in the file that does not exist. The rest of the file counts all
    the same.
    """
    sentences = {
        "persona": (known.personas, "there is no persona {name!r}; the one of the chat answers"),
        "model": (known.models, "there is no model {name!r}; the one of the chat answers"),
        "queue": (known.queues, "there is no queue {name!r}; no person is asked"),
        "audience": (known.audiences, "there is no audience {name!r}, so nobody is in it"),
    }
    found = []
    for key, topic in table.topic.items():
        rows = [(field, getattr(topic, field), names, words) for field, (names, words) in sentences.items()]
        missing = "there is no knowledge {name!r}; nothing is found in it"
        rows.append(("knowledge", table.bases(key), known.knowledge, missing))
        for field, value, names, words in rows:
            given = (value,) if isinstance(value, str) else value
            absent = [name for name in given if names is not None and name and name not in names]
            found += [_at(table, ("topic", key, field), words.replace("{name!r}", repr(name))) for name in absent]
    return found


def example(language: str) -> str:
    """A routing file with comments, to begin with; in Russian ("ru") or English."""
    return (EXAMPLE / f"example.{'ru' if language == 'ru' else 'en'}.toml").read_text("utf-8")


def plain(text: str) -> str:
    """A text for comparisons: small letters, ё as е, words with one space between them."""
    return " ".join(re.findall(r"\w+", text.lower().replace("ё", "е")))


Mistake = tuple[Sequence[str], str]


def _mistakes(table: RoutingTable) -> Iterator[Mistake]:
    if len(table.topic) > MOST_TOPICS:
        yield ("topic", list(table.topic)[MOST_TOPICS]), f"{len(table.topic)} topics, at most {MOST_TOPICS} are allowed"
    if table.routing.classifier == "tuned" and not table.routing.tuned:
        yield ("routing", "classifier"), 'tuned needs the address of the classifier, tuned = "cls://…"'
    if table.routing.other in table.flags:
        yield ("routing", "other"), f"{table.routing.other} is a flag, and a topic is expected"
    for key, topic in table.topic.items():
        yield from _mistakes_of(key, topic, is_rest=key == table.routing.other)
    yield from _doubles(table)
    try:
        TopologicalSorter(table.knowledge).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        yield ("knowledge", circle[0]), f"a circle: {' → '.join(circle)}"


def _mistakes_of(key: str, topic: Topic, *, is_rest: bool) -> Iterator[Mistake]:
    here = ("topic", key)
    if not KEY.fullmatch(key):
        yield here, "small Latin letters, digits, - and _ are expected"
    if key in TAKEN:
        yield here, f"{key} is a column of the data that classifiers are tuned with; give the topic another name"
    if not topic.title:
        yield here, "title is missing"
    count = len(topic.examples)
    needs = not is_rest and not (topic.kind == "flag" and topic.words and not count)
    if needs and not FEWEST <= count <= MOST:
        yield (*here, *(["examples"] if count else [])), f"{FEWEST} to {MOST} examples are expected, {count} are there"
    for word in topic.words:
        if not plain(word) or "*" in word[:-1]:
            yield (*here, "words"), f"{word!r} is no word; a * may stand at its end only"


def _doubles(table: RoutingTable) -> Iterator[Mistake]:
    """Words, examples and titles that stand in two topics, so that nobody could tell these apart."""
    kinds = {"words": "the word", "examples": "the example", "title": "the title"}
    for field, what in kinds.items():
        seen: dict[tuple[str, str], str] = {}
        for key, topic in table.topic.items():
            texts = getattr(topic, field)
            for text in texts.values() if isinstance(texts, Mapping) else texts:
                mark = (topic.kind, plain(text) + ("*" if field == "words" and text.endswith("*") else ""))
                if seen.setdefault(mark, key) != key:
                    yield ("topic", key, field), f"{what} {text!r} stands in {seen[mark]} too"


def _at(table: RoutingTable, steps: Sequence[str], message: str) -> str:
    return located(table.text, table.file, steps, message)
