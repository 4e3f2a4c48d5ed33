"""Reads the files of personas and templates: those of Govorun, and the operator's, which override them.

Begin with `Library.personas`. The files are checked for changes at each use, so an edit takes effect at once. A file
that becomes invalid is logged once, and its last valid state is used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from bot.prompts import schema
from bot.prompts.schema import Broken, Part, Persona, Prompt, Template

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Part)
Q = TypeVar("Q", bound=Prompt)
SHIPPED = Path(__file__).parent
ASSISTANT = "assistant"  # the persona where none was chosen
MOST_FILES = 100  # in one folder
LONGEST_KEY = 48

Read = Callable[[bytes, str, str], P]
Stamp = tuple[int, int]


@dataclass(slots=True)
class Shelf(Generic[P]):
    """The files of one folder, by their names, cached by time and size. `read` raises `Broken`.

    Safe to use in several threads: they compute equal entries, and each entry is replaced as a whole.
    """

    folder: Path
    read: Read[P]
    _cache: dict[str, tuple[Stamp, P | None]] = field(default_factory=dict)
    _logged: set[str] = field(default_factory=set)
    _broken: dict[str, str] = field(default_factory=dict)

    def valid_files(self) -> dict[str, P]:
        """All valid files by name."""
        files = self._files()
        rows = {key: self._fresh(key, path, stamp) for key, (path, stamp) in files.items()}
        return {key: row for key, row in rows.items() if row is not None}

    def find(self, key: str) -> P | None:
        """Read one file by its name, without reading the others. None if there is none, or if it never was valid."""
        path = self.folder / f"{key}.toml"
        stamp = _stamp(path) if key and _is_key(key) else None
        return self._fresh(key, path, stamp) if stamp is not None else None

    def problem(self, key: str) -> str:
        """What is wrong with the file of that name now; "" if it is valid or does not exist."""
        self.find(key)
        return self._broken.get(key, "")

    def problems(self) -> list[str]:
        """A sentence for each invalid file."""
        found = []
        for key, (path, _) in self._files().items():
            try:
                self._parsed(key, path)
            except Broken as error:
                found.append(str(error))
        return found

    def _fresh(self, key: str, path: Path, stamp: Stamp) -> P | None:
        known = self._cache.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        self._broken.pop(key, None)
        try:
            row: P | None = self._parsed(key, path)
        except Broken as error:
            row = known[1] if known is not None else None
            self._broken[key] = str(error)
            if str(error) not in self._logged:
                self._logged.add(str(error))
                log.warning("%s (%s)", error, "it counts as it was before" if row else "it is left out")
        self._cache[key] = (stamp, row)
        return row

    def _parsed(self, key: str, path: Path) -> P:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Broken(f"{path}: {error.strerror or 'can not be read'}") from None
        return self.read(data, key, str(path))

    def _files(self) -> dict[str, tuple[Path, Stamp]]:
        try:
            entries = sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".toml"))
        except OSError:  # there is no such folder
            return {}
        paths = {name.removesuffix(".toml"): self.folder / name for name in entries[:MOST_FILES]}
        stamps = {key: (path, _stamp(path)) for key, path in paths.items() if _is_key(key)}
        return {key: (path, stamp) for key, (path, stamp) in stamps.items() if stamp is not None}


class Library:
    """All personas and templates. The operator's `folder` overrides shipped files of equal names.

    `system` is the operator's system prompt, which belongs to the versions of personas that have none of their own.
    """

    def __init__(self, folder: Path | None = None, system: str = "") -> None:
        own, read = folder or Path(os.devnull), partial(schema.persona, system=system)
        self._personas = (Shelf(own / "personas", read), Shelf(SHIPPED / "personas", read))
        self._experiments = Shelf(own / "trials", read)
        self._templates = (Shelf(own / "write", schema.template), Shelf(SHIPPED / "write", schema.template))

    def personas(self) -> Mapping[str, Persona]:
        """The personas that users can choose, by name, in their order."""
        return _listed(*self._personas)

    def templates(self) -> Mapping[str, Template]:
        """The templates that users can choose, by name, in their order."""
        return _listed(*self._templates)

    def persona(self, key: str) -> Persona:
        """The persona of that name, or the assistant if there is none (any more)."""
        found = _one(*self._personas, key) or _one(*self._personas, ASSISTANT)
        return found or Persona(key=ASSISTANT, version="", title={schema.ANY: "Govorun"})

    def persona_of(self, key: str, conversation: int, now: float) -> Persona:
        """The persona of that name in a conversation: the version on trial for a share of them, until it ends.

        A conversation keeps its version as long as neither file changes. `now` is in Unix seconds.
        """
        found = self.persona(key)
        tried = self._experiments.find(found.key)
        if tried is None or tried.trial is None or tried.trial.ends <= now or not conversation:
            return found
        drawn = hashlib.sha256(f"{tried.label} {conversation}".encode()).digest()
        return tried if int.from_bytes(drawn[:8]) < tried.trial.share * 2**64 else found

    def experiments(self) -> Mapping[str, Persona]:
        """All versions in the folder `trials`, whether or not they have ended, by name."""
        return {key: row for key, row in self._experiments.valid_files().items() if row.trial is not None}

    def template(self, key: str) -> Template | None:
        """The template of that name; None if there is none."""
        return _one(*self._templates, key)

    def problems(self) -> list[str]:
        """A sentence for each invalid file of the operator."""
        own = (self._personas[0], self._experiments, self._templates[0])
        return [line for shelf in own for line in shelf.problems()]


def put_back_persona(folder: Path, key: str, text: str) -> str:
    """Write the file of a persona into the operator's folder, and keep the one that is replaced beside it.

    Bots that run take it at the next answer. Returns a sentence that says what was done.
    """
    path = folder / "personas" / f"{key}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = ""
    if path.exists() and path.read_bytes() != text.encode():
        before = path.with_suffix(".toml.before")
        shutil.copy(path, before)
        kept = f" The one before is kept as {before}."
    new = path.with_suffix(".toml.new")  # so that a bot that reads meanwhile never finds half a file
    new.write_bytes(text.encode())
    new.replace(path)
    return f"{path} answers now.{kept}"


def _listed(own: Shelf[Q], shipped: Shelf[Q]) -> dict[str, Q]:
    rows = {**shipped.valid_files(), **own.valid_files()}
    return {row.key: row for row in sorted(rows.values(), key=lambda row: (row.order, row.key)) if not row.hidden}


def _one(own: Shelf[Q], shipped: Shelf[Q], key: str) -> Q | None:
    row = own.find(key) or shipped.find(key)
    return None if row is None or row.hidden else row


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _is_key(key: str) -> bool:
    return len(key) <= LONGEST_KEY and key.replace("-", "").replace("_", "").isalnum()
