"""Questions of the operator with what should be found for them: `read_cases`, out of a table or a text.

A table has the column `question` (вопрос), and `page` (страница), `text` (текст) or both: the page is an address, a
path or its end, a title, or the name of a source; the text stands in the passage that should be found. A row with
neither is a question about something else. In a file without these columns every line is a question that the sources
answer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import BadInput, Unreadable
from bot.knowledge.formats.plain_text import decoded
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.repositories.knowledge.passages import StoredPassage

COLUMNS = {
    "question": ("question", "вопрос"), "page": ("page", "source", "страница", "источник"),
    "text": ("text", "passage", "текст", "фрагмент"),
}  # fmt: skip
NOTHING = ("-", "–", "—")  # what stands in a table for "no page"


@dataclass(frozen=True, slots=True)
class Case:
    """A question. `is_answered` says whether the sources answer it, `page` and `text` where ("": not said)."""

    question: str
    page: str = ""
    text: str = ""
    is_answered: bool = True

    @property
    def key(self) -> str:
        """The identity of a case, by which a later run finds it again."""
        return "\n".join((self.question, self.page, self.text))

    @property
    def says_where(self) -> bool:
        """Whether it says what should be found."""
        return bool(self.page or self.text)


def read_cases(data: bytes, name: str) -> list[Case]:
    """The cases of a file, each once. `name` is its name, for errors. Raises `BadInput` for one without questions."""
    try:
        text = decoded(data)
    except Unreadable:
        raise BadInput(f"{name} is no text") from None
    head = text.partition("\n")[0].lower()
    delimiter = max(",;\t", key=head.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    places = _places(rows[0] if rows else ())
    found = _rows(rows[1:], places) if "question" in places else (Case(_line(line)) for line in text.splitlines())
    cases = list(dict.fromkeys(case for case in found if case.question))
    if not cases:
        raise BadInput(f"{name} has no question: a table with the columns question and page is expected")
    return cases


def read_case_file(file: Path) -> list[Case]:
    """The cases of a file (`read_cases`). Raises `BadInput`, also where it can't be opened."""
    try:
        return read_cases(file.read_bytes(), str(file))
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or 'can not be read'}") from None


def gold_articles(case: Case, articles: Iterable[ArticleRow], sources: Mapping[int, str]) -> frozenset[int]:
    """Return the articles that a case expects, by its page; all articles if it names no page. `sources` are the names
    of sources by id.
    """
    wanted = case.page.casefold().rstrip("/")
    return frozenset(one.id for one in articles if not wanted or _is_named(wanted, one, sources))


def gold_passages(case: Case, passages: Iterable[StoredPassage]) -> frozenset[int]:
    """Return those of the passages whose text contains what the case expects; all of them if it names no text."""
    wanted = _line(case.text).casefold()
    return frozenset(one.id for one in passages if wanted in _line(f"{one.place} {one.text}").casefold())


def _is_named(wanted: str, article: ArticleRow, sources: Mapping[int, str]) -> bool:
    key = article.key.casefold()
    names: Collection[str] = (key, key.partition("#")[0], article.url.casefold().rstrip("/"))
    whole = (article.title.casefold(), sources.get(article.source_id, "").casefold())
    return wanted in whole or any(name == wanted or name.endswith(f"/{wanted}") for name in names)


def _places(head: Iterable[str]) -> Mapping[str, int]:
    names = [name.strip().lower() for name in head]
    found = {key: next((names.index(name) for name in given if name in names), -1) for key, given in COLUMNS.items()}
    return {key: place for key, place in found.items() if place >= 0}


def _rows(rows: Iterable[list[str]], places: Mapping[str, int]) -> Iterable[Case]:
    for row in rows:
        cells = {key: _line(row[place]) if place < len(row) else "" for key, place in places.items()}
        cells = {key: "" if cell in NOTHING else cell for key, cell in cells.items()}
        page, text = cells.get("page", ""), cells.get("text", "")
        yield Case(cells["question"], page, text, is_answered=len(places) == 1 or bool(page or text))


def _line(text: str) -> str:
    return " ".join(text.split())
