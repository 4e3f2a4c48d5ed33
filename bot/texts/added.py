"""Sentences that a programmer gives the bot (`App(texts=...)`): other languages, and other words for what it says.

Begin with `read`. `govorun texts` prints all sentences in English as TOML, to be translated.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bot.errors import ConfigError
from bot.texts import catalog, plurals
from bot.texts.catalog import PLACE, SHIPPED, Words

log = logging.getLogger(__name__)

CODE = re.compile(r"[a-z]{2,3}")
Texts = Mapping[str, Mapping[str, Any]]  # by language and key: a sentence, or its plural forms


def read(given: Texts | str | Path | None) -> dict[str, dict[str, Words]]:
    """The sentences by language and key, checked; a path is a folder with a file for each language (`de.toml`).

    Raises `ConfigError` for a language that is no code, a key that the bot does not know, a place in braces that the
    English sentence has not got, plural forms without `other`, and plural forms where Babel is missing. A key of the
    programmer's own stands in "en", too.
    """
    if given is None:
        return {}
    raw = given if isinstance(given, Mapping) else _files(Path(given))
    texts = {language: dict(_flat(table)) for language, table in raw.items()}
    problems = [problem for language in texts for problem in _problems(language, texts)]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ConfigError(f"texts: {'; '.join(problems[:3])}{more}")
    return texts


def report(texts: Mapping[str, Mapping[str, Words]]) -> None:
    """Log which sentences a language lacks: they are said in English."""
    everything = {**SHIPPED["en"], **texts.get("en", {})}
    for language, given in texts.items():
        missing = [key for key in everything if key not in given and key not in SHIPPED.get(language, ())]
        if missing:
            log.warning(
                "texts: %s has %d of %d sentences, the others are said in English: %s%s",
                language,
                len(everything) - len(missing),
                len(everything),
                ", ".join(missing[:5]),
                ", …" * (len(missing) > 5),
            )


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigError(f"texts: there is no file such as de.toml in the folder {folder}")
    try:
        return {file.stem: tomllib.loads(file.read_text("utf-8")) for file in files}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"texts: a file in {folder} is no TOML in UTF-8: {error}") from None


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Words]]:
    """The sentences of a table with their whole keys; a table of plural forms is one sentence."""
    for key, value in table.items():
        is_table = isinstance(value, Mapping)
        if is_table and not set(value) <= set(plurals.FORMS):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, dict(value) if is_table else str(value)


def _problems(language: str, texts: Mapping[str, Mapping[str, Words]]) -> Iterator[str]:
    if not CODE.fullmatch(language):
        yield f"{language!r} is no language: a code such as 'de' is expected"
    known = {**SHIPPED["en"], **texts.get("en", {})}
    for key, words in texts[language].items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            yield f"{language}: {key} is no sentence" + (f"; did you mean {near[0]}?" if near else " (nor in en)")
            continue
        if not isinstance(words, str) and "other" not in words:
            yield f"{language}: {key}: the form 'other' is missing"
        if not (isinstance(words, str) or plurals.is_installed()):
            yield f"{language}: {key}: {plurals.MISSING}"
        places = set(PLACE.findall(_joined(SHIPPED["en"].get(key) or known[key])))
        if extra := set(PLACE.findall(_joined(words))) - places:
            yield f"{language}: {key}: nothing is put in place of {{{min(extra)}}}"


def _joined(words: Words) -> str:
    return words if isinstance(words, str) else " ".join(words.values())


def template() -> str:
    """All sentences in English as TOML, to be translated."""
    lines = [f'"{key}" = {_quoted(text)}' for key, text in catalog.SHIPPED["en"].items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
