"""Incidents: failures under the code that a user was told, for `govorun log CODE`. Begin with `IncidentLog`.

They are kept as JSON lines in a file beside the database. A line says which error it was, where in the code, when and
in which turn. It has nothing that people wrote and not the text of the error, which may hold a key or a question: that
is in the log, which is redacted.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from bot.clock import Clock
from bot.errors import HookFailed, ModelError, ProgramError

log = logging.getLogger(__name__)

LARGEST = 1_000_000  # bytes, some 4,000 incidents: then the file is renamed to `.1` and begun anew
OURS = f"{Path(__file__).parents[1]}{os.sep}"
LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Incident:
    """One failure. The names of the fields stand in the file.

    `at` is Unix time, `kinds` are the names of the error's classes, the narrowest first, `place` is the line of the
    code (see `_place`), `turn` the turn's name, and `trace` the AI service's own id of the request; "" if there is
    none.
    """

    code: str
    at: float
    kinds: tuple[str, ...]
    place: str
    turn: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class IncidentLog:
    """Records incidents: each failure of a turn with its code, in the log and in the file `path` (None: no file)."""

    clock: Clock
    path: Path | None = None

    def record(self, error: BaseException, turn: str = "") -> str:
        """Record a failure. Returns its code: six hexadecimal digits, also if the file can't be written."""
        kinds = tuple(kind.__name__ for kind in type(error).__mro__ if issubclass(kind, BaseException))
        trace = error.trace if isinstance(error, ModelError) else ""
        incident = Incident(
            code=secrets.token_hex(3), at=self.clock.time(), kinds=kinds, place=_place(error), turn=turn, trace=trace
        )
        log.info("code %s: %s at %s", incident.code, kinds[0], incident.place)
        if self.path is not None:
            try:
                _append(self.path, json.dumps(asdict(incident)))
            except OSError as failure:
                log.warning("the failure %s is only in the log: %s", incident.code, failure)
        return incident.code


def path_beside(database: Path | None) -> Path | None:
    """The file of incidents beside a database file; None if `database` is None."""
    return beside(database) if database else None


def beside(database: Path) -> Path:
    """The file of incidents beside a database file."""
    return database.with_name(f"{database.name}-journal.jsonl")


def read_incidents(path: Path) -> Iterator[Incident]:
    """The incidents of a file and of its `.1`, oldest first. Lines that can't be read are left out."""
    known = {field.name for field in fields(Incident)}
    for file in (_older(path), path):
        for line in file.read_text("utf-8", "replace").splitlines() if file.exists() else ():
            try:
                row = json.loads(line)
                yield Incident(
                    **{name: value for name, value in row.items() if name in known} | {"kinds": row["kinds"]}
                )
            except (ValueError, TypeError, KeyError):  # cut off by a crash
                continue


def explain(incident: Incident) -> list[str]:
    """Lines for the operator: what failed, where, why, and what to do about it."""
    kind = next((kind for kind in incident.kinds if kind in ADVICE), "BaseException")
    cause, step = ADVICE["HookFailed" if kind == "BaseException" and os.path.isabs(incident.place) else kind]
    at = datetime.fromtimestamp(incident.at, UTC)
    lines = [
        f"{incident.code}: {incident.kinds[0]}, {at:%Y-%m-%d %H:%M:%S} UTC"
        + (f", turn {incident.turn}" if incident.turn else ""),
        f"Where:  {incident.place}",
        f"Cause:  {cause}",
        f"Next:   {step}",
    ]
    return [*lines, f"Trace:  {incident.trace} (the service's own id of the request)"] if incident.trace else lines


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
    """The innermost line of the program that was built on Govorun, and the line of Govorun that it called; without such
    a program the innermost line of Govorun.
    """
    if isinstance(error, ProgramError) and error.place:
        return error.place
    if isinstance(error, HookFailed) and error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    ours = [at for at, frame in enumerate(frames) if frame.filename.startswith(OURS)]
    programs = [at for at, frame in enumerate(frames) if _is_of_program(frame.filename)]
    if not programs:
        return _line(frames[ours[-1]] if ours else frames[-1]) if frames else "unknown"
    place = _line(frames[programs[-1]])
    return f"{place}, which called {_line(frames[ours[-1]])}" if ours and ours[-1] > programs[-1] else place


def _is_of_program(file: str) -> bool:
    """Whether a file belongs neither to Govorun nor to a library."""
    is_library = file.startswith(LIBRARIES) or "site-packages" in file or "dist-packages" in file
    return os.path.isabs(file) and not is_library and not file.startswith(OURS)


def _line(frame: traceback.FrameSummary) -> str:
    file = f"bot/{frame.filename.removeprefix(OURS)}" if frame.filename.startswith(OURS) else frame.filename
    return f"{file}:{frame.lineno} in {frame.name}"


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
    "AnswerForgotten": (
        "AI Studio does not know the answer any more that a question followed (a row of MODELS with memory)",
        "nothing to repair: the question was asked again with the whole history",
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
    "HookFailed": (
        "an error in the program that was built on Govorun, or in what it called",
        "look at that line; the log has the traceback and the text of the error under this code",
    ),
    "ProgramError": (
        "that function of the program that was built on Govorun returned or sent a value that can't be used",
        "look there; the log says under this code what it was. A text, one for each language, an Outgoing can be sent",
    ),
    "StorageUnavailable": (
        "the disk is full, read-only or too slow",
        "make room beside DATABASE_URL; what was asked is kept and done when the disk works",
    ),
    "TransportError": ("Telegram could not be reached, or refused a call", "`govorun doctor` asks it now"),
    "BaseException": (
        "a defect of Govorun",
        "the log has the traceback under this code: report it with these lines; they hold no message text",
    ),
}
