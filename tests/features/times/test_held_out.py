"""200 phrases by somebody who has never seen the code: each is understood as it was meant, or asked about.

A line of `held_out.tsv` has the language, the phrase, and what it means, with alternatives: a time, a repetition in
words ("weekly MON,FRI 09:00"), or ASK.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.features.times.reading import Reading, read

NOW = datetime(2026, 3, 11, 14, 25, tzinfo=ZoneInfo("Europe/Moscow"))  # a Wednesday
PHRASES = (Path(__file__).parent / "held_out.tsv").read_text("utf-8").splitlines()[1:]
KINDS = {"daily": "day", "monthly": "month", "yearly": "year"}
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LEAST = 111  # that are understood; the others are asked about


def meant(wanted: str) -> list[tuple[str, str]]:
    """The alternatives of a line as (how the time begins, repetition)."""
    found = []
    for one in wanted.partition(" | ")[0].split(" OR "):
        if one.startswith("20"):
            found.append((one.removesuffix("*"), ""))
        elif (words := one.split()) and words[0] in KINDS:
            nth = words[1].partition("-")[0] if "-" in words[1] else ""
            found.append((words[-1].removesuffix("*"), KINDS[words[0]] + {"first": "+1", "last": "-1"}.get(nth, "")))
        elif words[0] == "weekly":
            found.append((words[-1], "".join(str(DAYS.index(day)) for day in words[1].split(","))))
    return found


def is_right(reading: Reading, wanted: str) -> bool:
    (when,) = reading.times
    at = f"{when.at:%Y-%m-%dT%H:%M}"
    clock = at.partition("T")[2]
    repeated = str(when.at.weekday()) if when.repeat == "week" else when.repeat
    return any((clock if repeat else at).startswith(time) and repeated == repeat for time, repeat in meant(wanted))


def test_no_phrase_of_a_stranger_is_misunderstood_in_silence() -> None:
    read_ = [(phrase, wanted, read(phrase, NOW)) for _, phrase, wanted in (line.split("\t") for line in PHRASES)]
    sure = [row for row in read_ if row[2].sure]
    assert [(phrase, wanted) for phrase, wanted, reading in sure if not is_right(reading, wanted)] == []
    assert len(read_) == 200
    assert len(sure) >= LEAST
