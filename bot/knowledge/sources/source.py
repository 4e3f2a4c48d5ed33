"""What a source says when it is read: `Found`, `Unchanged`, `Trouble`, and `SourceFailed` for the source as a whole.

A `Reader` is one source. It keeps nothing between two readings: the caller stores the `validators` of each article and
gives them back at the next one. Articles come in an order that stays, so that of two equal ones the first is kept.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from bot.errors import SourceFailed as SourceFailed  # what readers raise
from bot.knowledge.passages import Block
from bot.texts.catalog import say

READING = "2"  # of formats: another number lets everything be read anew after an update of Govorun
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How much of a source is read: `articles`, `bytes` altogether, bytes of one `file`, `characters` of one file;
    `hidden`: also what the authors of files hid.
    """

    articles: int = 10_000
    bytes: int = 200 * MEGABYTE
    file: int = 20 * MEGABYTE
    characters: int = 2_000_000
    hidden: bool = False

    @property
    def reading(self) -> str:
        """How files are read: what was read in another way is read anew."""
        return f"{READING}h" if self.hidden else READING


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An article that is new or has changed.

    `key` is unique in its source and stays: a relative path, an address; "faq.csv#staff" for the rows of an FAQ that
    only the audience "staff" may read. `audience` is "" where all who may read the source may read the article.
    `language` is "ru", "en" or another code where the page says one, "" where nobody knows. `changed` is the Unix time
    at which the article was last changed, as far as its source knows.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    url: str = ""
    language: str = ""
    audience: str = ""
    validators: Mapping[str, str] = field(default_factory=dict)
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An article whose text is as it was. `validators` are to be stored in place of those that are known."""

    key: str
    validators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An article, or a part of it, that could not be read.

    `reason` is one of: not_found (it is gone), denied (by the rights of the file), locked, broken, empty, too_long,
    slow, heavy, busy, missing (the library for the format is not installed), outside (a link out of the folder), type
    (no text), login, robots, trap (one of endless addresses), other_site, forbidden (an address of a private network),
    redirects, unavailable, no_text (a scan), pointer (of Git LFS), moved:ADDRESS (it only leads there), delimiter (of a
    table, which is not clear), same:KEY (its text is that of another article), too_many:N (N articles more than are
    read). What was left out of an article that was read is one of `PARTS` with names or a count behind a colon.
    """

    PARTS: ClassVar[tuple[str, ...]] = (
        "no_text",
        "hidden_sheets",
        "hidden_rows",
        "hidden_columns",
        "hidden_slides",
        "hidden_words",
        "notes",
        "struck",
        "comments",
        "embedded",
        "drawings",
        "columns",
    )

    key: str
    reason: str

    @property
    def is_gone(self) -> bool:
        """Whether the stored article may be deleted. For every other reason it may stay, with its age."""
        return self.reason == "not_found" or self.is_equal

    @property
    def is_partial(self) -> bool:
        """Whether only a part of the article was left out."""
        kind, _, about = self.reason.partition(":")
        return bool(about) and kind in self.PARTS

    @property
    def is_equal(self) -> bool:
        """Whether another article has the text of this one."""
        return self.reason.startswith("same:")


Event = Found | Unchanged | Trouble
Known = Mapping[str, Mapping[str, str]]


class Reader(Protocol):
    """A source that can be read."""

    def articles(self, known: Known) -> AsyncIterator[Event]:
        """Read the source: each of its articles once. `known` are the stored validators by key.

        Raises `SourceFailed`, also after some articles; an article that is `known` and was not mentioned until the end
        is gone.
        """


class Seen:
    """The articles of one reading: finds equal ones, and counts them and their bytes against the limits."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._keys: dict[str, str] = {}
        self._bytes = 0

    @property
    def reading(self) -> str:
        """How its files are read (`SourceLimits.reading`)."""
        return self._limits.reading

    def twin(self, sha: str, key: str) -> str:
        """The key of an earlier article with the hash `sha`, "" if `key` is the first."""
        first = self._keys.setdefault(sha, key)
        return "" if first == key else first

    def add(self, size: int) -> None:
        """Count bytes that were read. Raises `SourceFailed` where they are too many."""
        self._bytes += size
        if self._bytes > self._limits.bytes:
            raise failure("too_large", limit=self._limits.bytes // MEGABYTE)


def failure(why: str, **values: object) -> SourceFailed:
    """The error whose message is the sentence `kb.failure.<why>` with these values, in English."""
    return SourceFailed(say("en", f"kb.failure.{why}", **values), why, **values)


def stored_failure(error: SourceFailed) -> str:
    """What the column `error` of a source keeps of a failure, so that each reader is told it in their language."""
    return json.dumps([error.why, error.values], ensure_ascii=False) if error.why else str(error)


def failure_text(language: str, stored: str) -> str:
    """The sentence for a failure that `stored_failure` has made; a message without a code is said as it is."""
    if not stored.startswith("["):
        return stored
    why, values = json.loads(stored)
    return say(language, f"kb.failure.{why}", **values)


def trouble_text(language: str, reason: str) -> str:
    """The sentence for the reason of a `Trouble`."""
    kind, _, about = reason.partition(":")
    if kind == "no_text" and about:
        return say(language, "kb.trouble.no_text.pages", about=about)
    return say(language, f"kb.trouble.{kind}", about=about)
