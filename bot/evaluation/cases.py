"""Cases: a question with what its answer must have. Begin with `read_folder`, which reads `eval/*.toml`.

[[case]]
question = "How long may I return a lamp?"
must_contain = ["14 days"]
must_cite = ["Returns"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from bot.access.policy import Role
from bot.errors import BadInput
from bot.extension import OwnCase
from bot.knowledge.search.cases import read_case_file
from bot.prompts.schema import Broken, Part, sentence, toml_of
from bot.texts.catalog import LANGUAGES

FILE, ADDED, LIKED, DISLIKED, GAP, GOLD, TOPIC, CODE = (
    "file", "added", "liked", "disliked", "gap", "gold", "topic", "code",
)  # fmt: skip
LONGEST_FILE = 1_000_000  # characters
ROLES = ("stranger", "user", "operator", "admin", "owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question, and what an answer to it must have.

    `origin` says what it was made from, `place` where that stands ("returns.toml:3", "answer 812"). `reader` is a role
    or the id of a person, in whose name the sources are read, `chat` a group in which the answer is heard (0: a private
    chat). `history` are earlier messages, the person's first, then in turn. `quotes` are sentences of sources that the
    answer must quote, `numbers` what of figures it must tell. `page` and `text` say what the search should find.
    `disliked` is an answer that somebody did not like. `user` and `asked_in` say whose words it has (0: nobody's).
    `generation` is that of the knowledge base in which a gap was last looked at. `stale` says why the case can't be
    judged any more, "" if it can. `is_hard`: whoever breaks it breaks the build; otherwise it only counts.
    """

    question: str
    origin: str = FILE
    place: str = ""
    history: tuple[str, ...] = ()
    reader: str = ""
    chat: int = 0
    language: str = ""
    persona: str = ""
    must_contain: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    must_cite: tuple[str, ...] = ()
    must_refuse: bool = False
    quotes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    page: str = ""
    text: str = ""
    topic: str = ""
    disliked: str = ""
    user: int = 0
    asked_in: int = 0
    generation: int = 0
    stale: str = ""
    is_hard: bool = True

    @property
    def key(self) -> str:
        """The text by which the case is found again in another run, also after its demands have changed."""
        said = (self.question, *self.history, self.reader, str(self.chat), self.origin, self.persona, self.page)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]

    def stored(self) -> dict[str, Any]:
        """Return the case as JSON, without fields that have their default value."""
        plain = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in asdict(self).items() if name not in plain or value != plain[name]}

    @classmethod
    def restored(cls, row: Mapping[str, Any]) -> Case:
        """Return the case that `stored` has turned into JSON. Fields that only a newer version knows are ignored."""
        known = {one.name for one in fields(cls)}
        found: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known
        }
        return cls(**found)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_several)]


class CaseTable(Part):
    """One `[[case]]` of a file. `as` is a role or a person's id, `in` the id of a group."""

    question: Text
    history: Texts = ()
    reader: Annotated[str, BeforeValidator(_word)] = Field("", alias="as")
    chat: int = Field(0, alias="in")
    language: str = ""
    persona: str = ""
    must_contain: Texts = ()
    must_not: Texts = ()
    must_cite: Texts = ()
    must_refuse: bool = False
    page: str = ""
    text: str = ""
    topic: str = ""

    def problem(self) -> tuple[str, str]:
        """Return the name of the first field with a value that makes no sense, and what is expected there; two empty
        texts if there is none.
        """
        if self.reader and self.reader not in ROLES and not self.reader.isdecimal():
            return "as", f"one of {', '.join(ROLES)} or the id of a person is expected"
        if self.language and self.language not in LANGUAGES:
            return "language", f"one of {', '.join(LANGUAGES)} is expected"
        if self.must_refuse and (self.must_contain or self.must_cite):
            return "must_refuse", "an answer that refuses contains and cites nothing"
        if len(self.history) % 2:
            return "history", "questions and answers in turn are expected, as the question comes after an answer"
        return "", ""


class CaseFile(Part):
    """A file of cases."""

    case: tuple[CaseTable, ...] = ()


def read_folder(folder: Path) -> list[Case]:
    """The cases of all files of a folder: `*.toml`, and `*.csv` with the columns question, page and text.

    Raises `BadInput` for a file that can't be read, with its line.
    """
    cases = [case for file in sorted(folder.glob("*.toml")) for case in read_file(file)]
    for file in sorted(folder.glob("*.csv")):
        cases += [
            Case(
                question=row.question, origin=GOLD, place=f"{file.name}:{number}", page=row.page, text=row.text,
                must_refuse=not row.is_answered, is_hard=False,
            )
            for number, row in enumerate(read_case_file(file), 2)
        ]  # fmt: skip
    return unique(cases)


def read_file(file: Path) -> list[Case]:
    """The cases of a TOML file. Raises `BadInput` with the line that is wrong."""
    try:
        return parse(file.read_bytes(), file.name)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or 'can not be read'}") from None
    except Broken as error:
        raise BadInput(str(error)) from None


def parse(data: bytes, name: str) -> list[Case]:
    """The cases in the bytes of a file with this name. Raises `Broken` with the line that is wrong."""
    text, table = toml_of(data, name, longest=LONGEST_FILE)
    try:
        found = CaseFile.model_validate(table)
    except ValidationError as error:
        raise Broken(sentence(error, text, name, names=KNOWN)) from None
    cases = []
    for number, row in enumerate(found.case, 1):
        what, why = row.problem()
        if what:
            raise Broken(f"{name}, case {number}: {what}: {why}")
        cases.append(Case(**row.model_dump(), place=f"{name}:{number}"))
    return cases


def of_code(own: Sequence[OwnCase]) -> list[Case]:
    """Return the cases that a program has declared. Raises `BadInput` if one has a demand that does not exist."""
    cases = []
    for number, one in enumerate(own, 1):
        try:
            row = CaseTable.model_validate({"question": one.question, **one.demands})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise BadInput(f"case {one.question!r}: {problem['loc'][-1]}: {problem['msg']}") from None
        name = getattr(one.check, "__name__", "")
        cases.append(Case(**row.model_dump(), origin=CODE, place=name or f"case {number}"))
    return cases


def unique(cases: Iterable[Case]) -> list[Case]:
    """Return the cases without repetitions: of two with one `key` the first stays, and gets the demands of both."""
    found: dict[str, Case] = {}
    for case in cases:
        found.setdefault(case.key, case)
    return list(found.values())


def role_of(case: Case) -> Role | None:
    """Return the role in whose name the sources are read; None if the case names a person, whose role must be looked
    up.
    """
    return None if case.reader.isdecimal() else Role[(case.reader or "user").upper()]


KNOWN = ("question", "history", "as", "in", "language", "persona", "must_contain", "must_not", "must_cite",
         "must_refuse", "page", "text", "topic", "case")  # fmt: skip
