"""Canned answers: files `canned/NAME.md` in the folder of the desk, or `NAME.ru.md` for one language.

A file is the text that the customer gets. `{name}` is the customer, `{number}` the case, `{operator}` who sends it,
`{next opening}` when people work again. A first line `then: tag refund, close` says what is done after it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from bot.prompts.schema import Broken
from bot.texts.catalog import LANGUAGES

FOLDER = "canned"
MOST = 300  # files
LONGEST = 4096  # characters of a text
NEAREST = 3
NAME = re.compile(r"[\w-]{1,48}")
PLACE = re.compile(r"\{([^{}\n]{1,40})\}")
THEN = "then:"
TAG = re.compile(r"[\w-]{1,32}")
PLACES = ("name", "number", "operator", "next opening")


@dataclass(frozen=True, slots=True)
class Canned:
    """A canned answer. After it is sent the case gets the `tags`, and is closed if `closes`."""

    text: str
    tags: tuple[str, ...] = ()
    closes: bool = False

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with values in place of its placeholders."""
        return PLACE.sub(lambda found: values[found[1]], self.text)


@dataclass(frozen=True, slots=True)
class CannedAnswers:
    """The files of a folder, read at each use."""

    folder: Path

    def names(self) -> Sequence[str]:
        """The names of all answers, in order; of an answer in several languages once."""
        try:
            files = sorted(path.name for path in (self.folder / FOLDER).glob("*.md"))[:MOST]
        except OSError:
            return ()
        found = dict.fromkeys(_bare(name.removesuffix(".md")) for name in files)
        return [name for name in found if NAME.fullmatch(name)]

    def nearest(self, name: str) -> Sequence[str]:
        """The names most like one that does not exist, at most three."""
        return get_close_matches(name, self.names(), NEAREST, cutoff=0.3)

    def find(self, name: str, language: str) -> Canned | None:
        """The answer of that name in a language, else for all languages, else in another one; None if there is none.
        Raises `Broken`.
        """
        if not NAME.fullmatch(name):
            return None
        others = (f"{name}.{other}" for other in LANGUAGES)
        for stem in (f"{name}.{language}", name, *others):
            path = self.folder / FOLDER / f"{stem}.md"
            if path.is_file():
                return read(path)
        return None


def read(path: Path) -> Canned:
    """Read a canned answer. Raises `Broken`."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").strip()
    except UnicodeDecodeError:
        raise Broken(f"{path.name}: not in UTF-8; save it in that encoding") from None
    except OSError as error:
        raise Broken(f"{path.name}: {error.strerror}") from None
    first, _, rest = text.partition("\n")
    tags, closes = list[str](), False
    if first.startswith(THEN):
        text = rest.strip()
        for step in (part.strip() for part in first.removeprefix(THEN).split(",")):
            word, _, tag = step.partition(" ")
            if word == "tag" and TAG.fullmatch(tag.strip()):
                tags.append(tag.strip())
            elif step == "close":
                closes = True
            else:
                raise Broken(f"{path.name}, line 1: {step!r} is not known; write then: tag NAME, close")
    if not text or len(text) > LONGEST:
        raise Broken(f"{path.name}: a text of 1 to {LONGEST} characters is expected")
    for place in PLACE.findall(text):
        if place not in PLACES:
            known = ", ".join(f"{{{name}}}" for name in PLACES)
            raise Broken(f"{path.name}: {{{place}}} is not known; there are {known}")
    return Canned(text, tuple(tags), closes)


def _bare(stem: str) -> str:
    """The name of an answer without its language."""
    name, _, language = stem.rpartition(".")
    return name if name and language in LANGUAGES else stem
