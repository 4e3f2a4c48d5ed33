"""Cases: a question with what its answer must have. Begin with `read_folder`, which reads `eval/*.toml`.

[[case]]
question = "How long may I return a lamp?"
must_contain = ["14 days"]
must_cite = "Returns"

`read_table` reads a CSV, or a text with a question on each line.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from bot.access.policy import Role
from bot.errors import BadInput, Unreadable
from bot.extension import OwnCase
from bot.knowledge.formats.plain_text import decoded
from bot.prompts.schema import Broken, Part, sentence, toml_of
from bot.texts.catalog import LANGUAGES

ORIGINS = ("file", "added", "liked", "disliked", "gap", "gold", "topic", "code")  # in the order of a list
FILE, ADDED, LIKED, DISLIKED, GAP, GOLD, TOPIC, CODE = ORIGINS
MAX_FILE = 1_000_000  # characters
ROLES = ("stranger", "user", "operator", "admin", "owner")
COLUMNS = {
    "question": ("question", "вопрос"),
    "page": ("page", "source", "страница", "источник"),
    "text": ("text", "passage", "текст", "фрагмент"),
}
NOTHING = ("-", "–", "—")  # what stands in a table for "no page"


def _to_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _to_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_to_tuple)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What a `[[case]]` of a file may say: a question, and what an answer to it must have.

    `reader` (`as` in a file) is a role or the id of a person, in whose name the sources are read, `chat` (`in`) a group
    in which the answer is heard (0: a private chat). `history` are earlier messages, the person's first, then in turn.
    `page` and `text` say what the search should find. Only pydantic checks the types: values made by code are taken as
    they are.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    question: Text
    history: Texts = ()
    reader: Annotated[str, BeforeValidator(_to_text), Field(alias="as")] = ""
    chat: Annotated[int, Field(alias="in")] = 0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Demands):
    """A question with what must hold, from wherever it comes.

    `origin` says what it was made from, `place` where that stands ("returns.toml:3", "answer 812"). `quotes` are
    sentences of sources that the answer must quote, `numbers` the figures that it must tell. `disliked` is an answer
    that somebody did not like. `user` and `asked_in` say whose words it has (0: nobody's). `generation` is that of the
    knowledge base in which a gap was last looked at. `stale` says why the case can't be judged any more, "" if it can.
    `is_hard`: whoever breaks it breaks the build; otherwise it only counts.
    """

    origin: str = FILE
    place: str = ""
    quotes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
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

    @property
    def role(self) -> Role | None:
        """The role in whose name the sources are read; None if the case names a person, whose role must be looked
        up.
        """
        return None if self.reader.isdecimal() else Role[(self.reader or "user").upper()]

    @property
    def says_where(self) -> bool:
        """Whether it says what the search should find."""
        return bool(self.page or self.text)

    def to_row(self) -> dict[str, Any]:
        """Return the case as JSON, without fields that have their default value."""
        plain = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Case:
        """Return the case that `to_row` has turned into JSON. Fields that only a newer version knows are ignored."""
        known = {one.name for one in fields(cls)}
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known
        }
        return cls(**given)


class CaseFile(Part):
    """A file of cases."""

    case: tuple[Demands, ...] = ()


KNOWN = ("case", "as", "in", *(one.name for one in fields(Demands) if one.name not in ("reader", "chat")))


def read_folder(folder: Path) -> list[Case]:
    """The cases of all files of a folder: `*.toml`, and `*.csv` with the columns question, page and text.

    Raises `BadInput` for a file that can't be read, with its line.
    """
    cases: list[Case] = []
    try:
        for file in sorted(folder.glob("*.toml")):
            cases += parse(_read_bytes(file), file.name)
    except Broken as error:
        raise BadInput(str(error)) from None
    return unique([*cases, *(case for file in sorted(folder.glob("*.csv")) for case in read_table(file))])


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or 'can not be read'}") from None


def parse(data: bytes, name: str) -> list[Case]:
    """The cases in the bytes of a TOML file with this name. Raises `Broken` with the line that is wrong."""
    text, table = toml_of(data, name, longest=MAX_FILE)
    try:
        found = CaseFile.model_validate(table)
    except ValidationError as error:
        raise Broken(sentence(error, text, name, names=KNOWN)) from None
    cases = []
    for number, row in enumerate(found.case, 1):
        what, why = row.problem()
        if what:
            raise Broken(f"{name}, case {number}: {what}: {why}")
        cases.append(Case(**asdict(row), place=f"{name}:{number}"))
    return cases


def of_code(own: Sequence[OwnCase]) -> list[Case]:
    """Return the cases that a program has declared. Raises `BadInput` if one has a demand that does not exist."""
    cases, reader = [], TypeAdapter(Demands)
    for number, one in enumerate(own, 1):
        try:
            row = reader.validate_python({"question": one.question, **one.demands})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise BadInput(f"case {one.question!r}: {problem['loc'][-1]}: {problem['msg']}") from None
        name = getattr(one.check, "__name__", "")
        cases.append(Case(**asdict(row), origin=CODE, place=name or f"case {number}"))
    return cases


def unique(cases: Iterable[Case]) -> list[Case]:
    """Return the cases without repetitions: of two with one `key` the first stays."""
    found: dict[str, Case] = {}
    for case in cases:
        found.setdefault(case.key, case)
    return list(found.values())


# --- tables -----------------------------------------------------------------------------------------------------------


def read_table(file: Path) -> list[Case]:
    """The cases of a table or a text, each once. Raises `BadInput` for one that can't be read or has no question.

    A table has the column `question` (вопрос), and `page` (страница), `text` (текст) or both: the page is an address, a
    path or its end, a title, or the name of a source; the text stands in the passage that should be found. A row with
    neither is a question about something else (`must_refuse`). In a file without these columns every line is a question
    that the sources answer.
    """
    try:
        content = decoded(_read_bytes(file))
    except Unreadable:
        raise BadInput(f"{file} is no text") from None
    head = content.partition("\n")[0].lower()
    rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=max(",;\t", key=head.count)))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    places = {key: names.index(name) for key, given in COLUMNS.items() for name in reversed(given) if name in names}
    if "question" in places:
        numbered = enumerate(rows[1:], 2)
    else:
        numbered, places = enumerate(([line] for line in content.splitlines()), 1), {"question": 0}
    found: dict[tuple[str, ...], Case] = {}
    for number, row in numbered:
        question, page, text = (_read_cell(row, places.get(key, len(row))) for key in COLUMNS)
        refuse, where = len(places) > 1 and not (page or text), f"{file.name}:{number}"
        if question:
            case = Case(
                question=question, page=page, text=text, must_refuse=refuse, origin=GOLD, place=where, is_hard=False
            )
            found.setdefault((question, page, text), case)
    if not found:
        raise BadInput(f"{file} has no question: a table with the columns question and page is expected")
    return list(found.values())


def _read_cell(row: Sequence[str], place: int) -> str:
    cell = " ".join(row[place].split()) if place < len(row) else ""
    return "" if cell in NOTHING else cell
