"""The TOML format of personas and templates. Begin with `persona` and `template`, which read a file.

Every text may be one string, or one for each language (`title.en`, `title.ru`). `Broken` says what is wrong with a file
in one sentence, with the file, the line and what is expected.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bot.errors import ConfigError
from bot.prompts.catalog import instruct
from bot.texts.catalog import LANGUAGES, chosen
from bot.types import Message

T = TypeVar("T")
P = TypeVar("P", bound="Prompt")
log = logging.getLogger(__name__)

ANY = ""  # the language key of a text for all languages
LONGEST_FILE = 100_000  # characters
PLACE = re.compile(r"\{(\w+)\}")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")
VERSION = 8  # hexadecimal digits of a file's hash
AT = re.compile(r"line (\d+)")
TABLE = re.compile(r"\s*(\[\[?)\s*([\w.-]+)")  # of a line of TOML
KEY = re.compile(r"\s*([\w.-]+|\"[^\"]*\"|'[^']*')\s*=")


class Broken(ConfigError):
    """A file can't be read as what it should be: a persona, a template, a table of topics."""


def _by_language(value: Any) -> Any:
    if not isinstance(value, dict):
        return {ANY: value}
    known_ones = {key: text for key, text in value.items() if LANGUAGE.fullmatch(key)}
    for key in value.keys() - known_ones.keys():  # a slip costs this one text, never the file
        log.warning("%r is no language: a code such as en, ru or de is expected; this text is left out", key)
    return known_ones


Line = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\n]+$")]
Words = Annotated[dict[str, str], BeforeValidator(_by_language)]
Title = Annotated[dict[str, Line], BeforeValidator(_by_language)]
Lines = Annotated[dict[str, tuple[Line, ...]], BeforeValidator(_by_language)]


def said(texts: Mapping[str, T], language: str, nothing: T) -> T:
    """Return the value of `texts` for a language, else the value for all languages, else that of another language, else
    `nothing`.
    """
    return chosen(texts, language, nothing)


class Part(BaseModel):
    """A table in a file. Keys that it does not know are errors, and error messages never repeat values."""

    # Patterns of Python: those of pydantic take half a megabyte for a \w.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, regex_engine="python-re")


class Example(Part):
    """A question, and the answer that the model shall imitate."""

    question: Words
    answer: Words


class Blank(Part):
    """A field that the user fills in for a template."""

    name: str = Field(pattern=r"^\w+$")
    label: Words
    optional: bool = False


class Prompt(Part):
    """The common part of personas and templates. `hidden` removes a shipped one; a small `order` comes first."""

    key: str
    version: str
    title: Title
    description: Words = {}
    order: int = 100
    hidden: bool = False

    def name(self, language: str) -> str:
        """The title in a language."""
        return said(self.title, language, self.key)

    @property
    def label(self) -> str:
        """Name and version, such as "teacher@1a2b3c4d", for logs and stored answers."""
        return f"{self.key}@{self.version}"


class Experiment(Part):
    """The table `[trial]` of a file in `trials/`: the share of conversations that get it, and until when."""

    share: float = Field(gt=0, lt=1)
    until: date | datetime

    @property
    def ends(self) -> float:
        """When the experiment ends (Unix seconds): a day lasts until its end, a time without a zone is UTC."""
        if isinstance(self.until, datetime):
            return (self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)).timestamp()
        return datetime.combine(self.until + timedelta(days=1), time(), UTC).timestamp()


class Persona(Prompt):
    """Who answers. Without its own system prompt, model, temperature or max_tokens the operator's are used.

    `source` is a file that makes this version of the persona: the one that was read, with the operator's or the bot's
    system prompt written into it where it has none of its own. `trial` counts in a file of `trials/` only.
    """

    system: Words = {}
    greeting: Words = {}
    suggestions: Lines = {}
    examples: tuple[Example, ...] = ()
    model: str = ""
    source: str = ""
    trial: Experiment | None = None
    temperature: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, gt=0)

    def system_prompt(self, language: str, system: str) -> str:
        """The system prompt: the persona's, else the operator's (`system`), else the bot's."""
        return said(self.system, language, "").strip() or system or instruct(language, "system")

    def example_messages(self, language: str) -> list[Message]:
        """The examples as messages of an earlier conversation."""
        pairs = [(said(row.question, language, ""), said(row.answer, language, "")) for row in self.examples]
        return [turn for asked, told in pairs for turn in (Message.of("user", asked), Message.of("assistant", told))]


class Template(Prompt):
    """A prompt with {placeholders}. A line with an empty placeholder is left out."""

    prompt: Words
    fields: tuple[Blank, ...] = Field(min_length=1, max_length=10)

    @model_validator(mode="after")
    def _known_places(self) -> Template:
        names = {blank.name for blank in self.fields}
        used = {place for text in self.prompt.values() for place in PLACE.findall(text)}
        if used - names:
            raise ValueError(f"prompt: {{{min(used - names)}}} is the name of no field")
        if names - used:
            raise ValueError(f"prompt: the field {min(names - used)!r} stands nowhere in it")
        return self

    def filled(self, values: Mapping[str, str], language: str) -> str:
        """The prompt with the user's values in place of the placeholders."""
        lines = said(self.prompt, language, "").strip().splitlines()
        kept = [line for line in lines if all(values.get(place, "").strip() for place in PLACE.findall(line))]
        return "\n".join(PLACE.sub(lambda place: values[place[1]].strip(), line) for line in kept)


def persona(data: bytes, key: str, file: str, system: str = "") -> Persona:
    """Read a persona from the bytes of a file; `key` is its name. Raises `Broken`.

    `system` is the operator's system prompt. Without it the bot's own stands in for the one that a file lacks.
    """
    found, source = _read(Persona, data, key, file), _decoded(data, file)
    if not found.system:
        texts = {"": system} if system else {f".{language}": instruct(language, "system") for language in LANGUAGES}
        source = "".join(f"system{name} = {_quoted(text)}\n" for name, text in texts.items()) + source
    return found.model_copy(update={"source": source, "version": version_of(source)})


def template(data: bytes, key: str, file: str) -> Template:
    """Read a template from the bytes of a file; `key` is its name. Raises `Broken`."""
    return _read(Template, data, key, file)


def _read(kind: type[P], data: bytes, key: str, file: str) -> P:
    text, table = toml_of(data, file)
    if table.get("hidden") is True:
        table = {"title": key, "hidden": True, **OTHERWISE[kind]}
    try:
        return kind.model_validate({**table, "key": key, "version": version_of(text)})
    except ValidationError as error:
        raise Broken(sentence(error, text, file, names=kind.model_fields)) from None


def version_of(text: str) -> str:
    """Return the version of a file with this text: the first digits of its hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION]


def _quoted(text: str) -> str:
    """A text as TOML has it: readable where it can stand in quotes as it is, else with escapes."""
    if text.replace("\n", "").isprintable() and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_of(data: bytes, file: str, *, longest: int = LONGEST_FILE) -> tuple[str, dict[str, Any]]:
    """The text and the table of a TOML file. Raises `Broken`, also for more than `longest` characters."""
    text = _decoded(data, file, longest)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = AT.search(str(error))
        line = found[1] if found else len(text.splitlines())  # without a number it is the end
        raise Broken(f"{file}, line {line}: not TOML: {str(error).partition(' (at')[0]}") from None
    except RecursionError:
        raise Broken(f"{file}: not TOML: too many brackets inside each other") from None


def _decoded(data: bytes, file: str, longest: int = LONGEST_FILE) -> str:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Broken(f"{file}: not in UTF-8; save it in that encoding") from None
    if len(text) > longest:
        raise Broken(f"{file}: {len(text)} characters, at most {longest} are expected")
    return text


def sentence(error: ValidationError, text: str, file: str, *, names: Collection[str]) -> str:
    """The first error of a file as a sentence with the line. `names` are those that an unknown key may be meant for."""
    problem = error.errors(include_input=False, include_url=False)[0]
    steps = [str(step) for step in problem["loc"] if step != ANY]
    message = problem["msg"].removeprefix("Value error, ")
    if not steps:  # a check of the whole file begins with the name of what it is about
        steps, _, message = [message.partition(":")[0]], "", message.partition(": ")[2]
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        near = get_close_matches(steps[-1], names, 1)
        message = f"not known here; did you mean {near[0]}?" if near else "not known here"
    else:
        message = PLAINER.get(problem["type"], message)
    return located(text, file, steps, message)


def located(text: str, file: str, steps: Sequence[str], message: str) -> str:
    """A sentence about the setting at a path (`steps`) in the text of a file: the file, its line, its name, what is
    wrong.
    """
    line = _line_of(text, steps)
    name = ".".join(step for step in steps if not step.isdecimal())
    return f"{file}{f', line {line}' if line else ''}: {name}: {message}"


def _line_of(text: str, steps: Sequence[str]) -> int:
    """The line of a setting, or of the nearest table around it that has a line of its own; 0 if there is none."""
    lines, path = _lines_of(text), tuple[str, ...]()
    for step in steps:
        if (*path, step) in lines:
            path = (*path, step)
    return lines.get(path, 0)


def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line of each table and key of a TOML file by its path; the tables of an array are numbered from 0."""
    lines, counts = dict[tuple[str, ...], int](), dict[str, int]()
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if (found := TABLE.match(line)) is not None:
            is_array, name = found[1] == "[[", found[2]
            counts[name] = counts.get(name, -1) + is_array
            table = (*name.split("."), *([str(counts[name])] if is_array else ()))
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], number)
        elif (found := KEY.match(line)) is not None:
            lines.setdefault((*table, *found[1].strip("\"'").split(".")), number)
    return lines


PLAINER: Mapping[str, str] = {
    "missing": "is missing",
    "tuple_type": 'a list like ["one", "two"] is expected',
    "string_type": "a text in quotes is expected",
}
OTHERWISE: Mapping[type[Prompt], Mapping[str, Any]] = {
    Persona: {},
    Template: {"prompt": "{x}", "fields": [{"name": "x", "label": "x"}]},
}
