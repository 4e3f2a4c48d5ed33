"""What failed, under the code that the user was told: a file of JSON lines beside the database, for `govorun log CODE`.

A line says what kind of failure it was, where in the code, when and in which turn. It never says what somebody wrote,
nor the words of the error: those may hold a key, or a question. They stand in the log, which is redacted.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from bot.clock import Clock
from bot.errors import ModelError

log = logging.getLogger(__name__)

LARGEST = 1_000_000  # bytes of the file before it becomes the old one; that is some 4,000 failures
OURS = f"{os.sep}bot{os.sep}"
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Entry:
    """`kinds` are the names of the error's classes, the narrowest first; `trace` is the service's id of the request."""

    code: str
    at: float
    kinds: tuple[str, ...]
    place: str
    turn: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """`path` None: codes are only in the log."""

    clock: Clock
    path: Path | None = None

    def note(self, error: BaseException, turn: str = "") -> str:
        """Write down a failure. Returns its code, also where the disk does not take it."""
        kinds = tuple(kind.__name__ for kind in type(error).__mro__ if issubclass(kind, BaseException))
        trace = error.trace if isinstance(error, ModelError) else ""
        entry = Entry(secrets.token_hex(3), self.clock.time(), kinds, _place(error), turn, trace)
        log.info("code %s: %s at %s", entry.code, kinds[0], entry.place)
        if self.path is not None:
            try:
                _append(self.path, json.dumps(asdict(entry)))
            except OSError as failure:
                log.warning("the failure %s is only in the log: %s", entry.code, failure)
        return entry.code


def beside(database: Path | None) -> Path | None:
    """Where the journal of a database is."""
    return database.with_name(f"{database.name}-journal.jsonl") if database else None


def entries(path: Path) -> Iterator[Entry]:
    """What was written down, the oldest first. A line that can't be read is left out."""
    known = {field.name for field in fields(Entry)}
    for file in (_older(path), path):
        for line in file.read_text("utf-8", "replace").splitlines() if file.exists() else ():
            try:
                row = json.loads(line)
                yield Entry(**{name: value for name, value in row.items() if name in known} | {"kinds": row["kinds"]})
            except (ValueError, TypeError, KeyError):  # cut off by a crash
                continue


def explain(entry: Entry) -> list[str]:
    """What an operator wants to know about a failure: what, where, why and what to do."""
    kind = next((kind for kind in entry.kinds if kind in ADVICE), "BaseException")
    cause, step = ADVICE[kind]
    at = datetime.fromtimestamp(entry.at, UTC)
    lines = [
        f"{entry.code}: {entry.kinds[0]}, {at:%Y-%m-%d %H:%M:%S} UTC" + (f", turn {entry.turn}" if entry.turn else ""),
        f"Where:  {entry.place}",
        f"Cause:  {cause}",
        f"Next:   {step}",
    ]
    return [*lines, f"Trace:  {entry.trace} (the service's own id of the request)"] if entry.trace else lines


def _append(path: Path, line: str) -> None:
    if path.exists() and path.stat().st_size > LARGEST:
        path.replace(_older(path))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
    try:
        os.write(handle, line.encode() + b"\n")
    finally:
        os.close(handle)


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def _place(error: BaseException) -> str:
    """The innermost line of our own code that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if OURS in frame.filename] or list(frames)
    if not mine:
        return "unknown"
    last = mine[-1]
    return f"bot/{last.filename.rpartition(OURS)[2]}:{last.lineno} in {last.name}"


ADVICE = {
    "StreamCut": (
        "the model's answer broke off, or took longer than ANSWER_DEADLINE or IDLE_DEADLINE allow",
        "one such line is the network; many: look at the line `requests` of the log, raise the deadlines",
    ),
    "ModelUnavailable": (
        "the model service did not answer, was overloaded, or refused for a while (429, 5xx, no connection)",
        "`govorun doctor` asks it now; the service's state is at status.yandex.cloud; a quota may have to be raised",
    ),
    "OutcomeUnknown": (
        "the connection broke while something was being ordered, so it may be running and paid",
        "nothing is repeated by itself; compare with the bill of the folder where it matters",
    ),
    "ModelRefused": (
        "the service refused the question by its rules",
        "nothing to repair: it was put to the user to say it in other words",
    ),
    "ContextOverflow": (
        "the question with its history is longer than the model's window, even shortened",
        "offer a model with a larger window in MODELS, or lower LONGEST_QUESTION",
    ),
    "ModelDenied": (
        "the key, its role, the folder or the balance does not allow the request (401, 403)",
        "`govorun doctor` says which; the role is ai.languageModels.user, the balance is in the billing console",
    ),
    "ModelProtocolError": (
        "the service said something that Govorun does not understand",
        "look for the turn in the log; if it happens again, report it with the trace",
    ),
    "StorageUnavailable": (
        "the disk is full, read-only or too slow",
        "make room beside DATABASE_URL; what was asked is kept and done when the disk works",
    ),
    "TransportError": ("Telegram could not be reached, or refused a call", "`govorun doctor` asks it now"),
    "BaseException": (
        "a defect of Govorun, or of something that was built on it",
        "the log has the traceback under this code: report it with these lines; they hold no message text",
    ),
}
