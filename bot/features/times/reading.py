"""Finds the time in a Russian or English text: "tomorrow at 7 pm film", "позвонить маме через час".

Pure; begin with `read`. The time expression stands at the beginning of the text, at its end, or is divided between
both; the rest of the text is the subject of the reminder. `forms` lists the time expressions. What can be understood in
two ways is never guessed: such a reading is not `sure`, and lists the times that may be meant. Wall times are in the
person's time zone, so nine o'clock stays nine o'clock when daylight saving time begins or ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from bot.features.times import doubts, forms
from bot.features.times.forms import DAY, PARTS, Facts

MORNING = time(9, 0)  # the time of a day without a time
LONGEST = timedelta(days=366 * 5)
SEARCHED = 700  # characters of a text in which a time is looked for: reminders are shorter
MOST = 4  # times that one text may mean
WORD = re.compile(r"[\w@]+")
BETWEEN = re.compile(r"[\s,]*(?:[-–—]\s+)?")  # words of time that belong together


@dataclass(frozen=True, slots=True)
class When:
    """The time of a reminder. `at` is an aware datetime in the person's time zone.

    `repeat` is "", "day", "week", "month", "year", or the weekdays on which it comes: "02" is Monday and Wednesday.
    """

    at: datetime
    repeat: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the text of a reminder is understood. `times` is empty if the text names no future time; unless `sure`, the
    person has to choose one of them.

    `text` is what to remind of, without the time expression.
    """

    times: Sequence[When] = ()
    text: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A time expression in a text, from index `start` to `end`. `clash`: another one follows that contradicts it."""

    facts: Facts
    start: int
    end: int
    clash: bool = False


def read(text: str, now: datetime) -> Reading:
    """Find the time in a text. `now` is in the person's time zone."""
    text = text.strip(forms.BLANK)
    plain = _plain(text)
    begin = _end(forms.LEAD, plain)
    places = list(_places(plain[:SEARCHED], begin, now.date()))
    if not places:
        return Reading()
    head = None
    if places[0].start in (begin, _end(forms.FOR, plain, begin)):
        head = places[0] = replace(places[0], start=begin)
    tail = places[-1] if plain[places[-1].end :].strip(forms.BLANK) in ("", "please", "пожалуйста") else None
    main = head or tail or places[0]
    others = [place for place in places if place is not main and _may_add(plain, main.facts, place)]
    if head and tail and others == [tail] and (both := _completed(plain, head, tail)):
        cut, options, sure = [head, tail], [both], True
    else:
        cut, options = [main], [*filter(None, (main.facts.and_also(place.facts) for place in others)), main.facts]
        sure = not others and (main is head or (main is tail and not main.facts.weak and not _is_bound(plain, main)))
    times = sorted({when for facts in options for when in _times(facts, now)}, key=lambda when: when.at)
    if sure:
        rest = _without(plain[:SEARCHED], cut)
        sure = len(times) == 1 and not main.clash and not doubts.is_doubtful(rest, options[0], follows=main is head)
    if not (sure or main.facts.is_dated) and forms.names_no_day(plain[:SEARCHED], begin, now.date()):
        return Reading()  # the time of day alone would be offered for a day that nobody means
    return Reading(times[:MOST], _without(text, cut) if sure or head else text[begin:], sure)


def read_day(text: str, now: datetime) -> date | None:
    """The one day that a text names and nothing else; also one in the past if its year is told. None if there is none.
    `now` is in the person's time zone.
    """
    plain, today = _plain(text.strip(forms.BLANK)), now.date()
    place = _place(plain, 0, today)
    if place is None or place.end < len(plain) or place.clash or place.facts.repeat or not place.facts.is_dated:
        return None
    if len(place.facts.dates) == 1:
        return place.facts.dates[0]
    days = {when.at.date() for when in _times(place.facts, now)}
    return days.pop() if len(days) == 1 else None


def following(before: datetime, repeat: str) -> datetime:
    """The next time of a repeated reminder after `before`, at the same wall time."""
    day = before.date()
    if repeat in ("month", "year"):
        day = forms.later_month(day, 12 if repeat == "year" else 1)
    else:
        days = (day + ahead * DAY for ahead in range(7 if repeat == "week" else 1, 8))
        day = next(later for later in days if not repeat.isdigit() or str(later.weekday()) in repeat)
    return local(day, before.timetz().replace(tzinfo=None), before.tzinfo)


def local(day: date, clock: time, zone: tzinfo | None) -> datetime:
    """A wall time in a zone. If daylight saving time skips that time, it is moved forward by the skipped span."""
    naive = datetime.combine(day, clock).replace(tzinfo=zone)
    return datetime.fromtimestamp(naive.timestamp(), zone)


# --- words of time in a text ------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """The text in small letters without "ё", as the forms need it, of unchanged length."""
    small = text.lower().replace("ё", "е")
    small = small if len(small) == len(text) else text  # a few capitals have two small letters
    return re.sub(r"(?<=\d)t(?=\d)", " ", small)  # 2026-12-05T18:30


def _end(pattern: re.Pattern[str], plain: str, begin: int = 0) -> int:
    found = pattern.match(plain, begin)
    return found.end() if found else begin


def _places(plain: str, begin: int, today: date) -> Iterator[Place]:
    """The time expressions in a text, from the left to the right."""
    for word in WORD.finditer(plain, begin):
        if word.start() >= begin and (place := _place(plain, word.start(), today)):
            begin = place.end
            yield place


def _place(plain: str, start: int, today: date) -> Place | None:
    """The time expression that begins at this index, with all that belongs to it. None if there is none."""
    facts, end = Facts(), start
    while True:
        at = _end(BETWEEN, plain, end) if end > start else start
        found = _longest(plain, at, today, follows=end > start)
        both = facts.and_also(found[0]) if found else None
        if found is None or both is None:
            return Place(facts, start, end, clash=found is not None) if end > start else None
        facts, end = both, found[1]


def _longest(plain: str, start: int, today: date, *, follows: bool) -> tuple[Facts, int] | None:
    """What the longest form that begins here says, and the index at which it ends."""
    found: tuple[Facts, int] | None = None
    for form in forms.all_forms():
        match = form.pattern.match(plain, start) if follows or not form.follows else None
        if match and match.end() > (found[1] if found else start) and (facts := form.make(match, today)):
            found = facts, match.end()
    return found


def _may_add(plain: str, facts: Facts, place: Place) -> bool:
    """Whether a time expression elsewhere in the text may add to this one."""
    if place.facts.weak or facts.span % DAY:
        return False
    if place.facts.is_dated and not facts.is_dated:
        return place.facts.is_timed or not _is_bound(plain, place)
    return bool((place.facts.clock or place.facts.part) and not (facts.clock and (facts.part or facts.clock.exact)))


def _completed(plain: str, head: Place, tail: Place) -> Facts | None:
    """The facts of both ends of a text, one with the day and one with the time of day: "tomorrow call mum at 9"."""
    if tail.facts.is_dated or not (head.facts.is_dated or head.facts.part) or _is_bound(plain, tail):
        return None
    return head.facts.and_also(tail.facts)


def _is_bound(plain: str, place: Place) -> bool:
    return doubts.is_bound(plain[: place.start])


def _without(text: str, cut: Sequence[Place]) -> str:
    """A text without its time expressions, and without the words at its beginning that say nothing."""
    ends = [0, *(place.end for place in cut)]
    parts = [text[end : place.start].strip(forms.BLANK) for end, place in zip(ends, cut, strict=False)]
    left = " ".join(filter(None, [*parts, text[ends[-1] :].strip(forms.BLANK)]))
    return left[_end(forms.LEAD, _plain(left)) :]


# --- times that are meant ---------------------------------------------------------------------------------------------


def _times(facts: Facts, now: datetime) -> Iterator[When]:
    """The future times that the facts may mean; none if they contradict each other."""
    repeat = "week" if facts.repeat.isdigit() and len(facts.repeat) == 1 else facts.repeat
    for at in _moments(facts, now):
        if now < at <= now + LONGEST:
            yield When(at, repeat)


def _moments(facts: Facts, now: datetime) -> Sequence[datetime]:
    said = facts.clock or facts.part
    if facts.months or facts.span:
        if facts.dates or facts.repeat or (said and facts.span % DAY) or facts.months > LONGEST.days // 30:
            return ()
        at = _later(now, facts)
        if not said:
            return (at,)
        facts = replace(facts, dates=(at.date(),))
    if facts.repeat or not facts.dates:
        return _next(facts, now)
    return [at for day in facts.dates for at in _on(day, facts, now)]


def _next(facts: Facts, now: datetime) -> Sequence[datetime]:
    """The next times of facts without a day, or with days that come again."""
    days = _days(facts, now.date())
    found = [at for clock in _clocks(facts) if (at := _first(days, clock, now))]
    if _is_morning(facts) and (facts.repeat or found[:1] == [min(found)]):
        return found[:1]
    if not (facts.clock or facts.repeat) and now.hour in PARTS[facts.part].hours and found[0].date() > now.date():
        found.append(_soon(now))
    return found


def _first(days: Sequence[date], clock: time, now: datetime) -> datetime | None:
    return next((at for day in days if (at := local(day, clock, now.tzinfo)) > now), None)


def _days(facts: Facts, today: date) -> Sequence[date]:
    """The days on which facts without a date, or a repeated one, may be next."""
    if facts.repeat in ("", "day") or facts.repeat.isdigit():
        week = [today + ahead * DAY for ahead in range(8)]
        return [day for day in week if not facts.repeat.isdigit() or str(day.weekday()) in facts.repeat][
            : 0 if facts.dates else None
        ]
    if facts.repeat == "month" and any(day.day > forms.MONTHLY for day in facts.dates):
        return ()
    return [*facts.dates, *(forms.later_month(day, 12) for day in facts.dates if facts.repeat == "year")]


def _on(day: date, facts: Facts, now: datetime) -> Sequence[datetime]:
    """The future times on a day, and in the night after it."""
    found = [local(day, clock, now.tzinfo) for clock in _clocks(facts)]
    if _is_morning(facts) and facts.clock and (not facts.clock.bare or found[0] > now):
        found = found[:1]
    if facts.part in ("night", "ночь"):
        found += [local(day + DAY, at.timetz().replace(tzinfo=None), now.tzinfo) for at in found if at.hour < 5]
    if not facts.clock and day == now.date() and found and found[0] <= now:
        soon = _soon(now)
        found = [soon] if soon.date() == day and (not facts.part or soon.hour in PARTS[facts.part].hours) else []
    return [at for at in found if at > now]


def _clocks(facts: Facts) -> Sequence[time]:
    """The times of day that may be meant: both in the 12-hour clock, if the text does not say which half of the day."""
    if facts.clock is None:
        usual = PARTS[facts.part].usual if facts.part else MORNING
        return (usual,) if usual else ()
    hour, minute = facts.clock.hour, facts.clock.minute
    hours = [hour] if facts.clock.exact else [hour % 12, hour % 12 + 12]
    if facts.part:
        hours = [one for one in hours if one in PARTS[facts.part].hours]
    elif hour == 12:
        hours = [12]
    return [time(one, minute) for one in hours]


def _is_morning(facts: Facts) -> bool:
    """Whether an hour without its half of the day is meant as it is: "at 9" is in the morning, "at 8" may be either."""
    clock = facts.clock
    if clock is None or clock.exact or facts.part:
        return False
    return (9 if clock.bare and not facts.repeat else 7 if clock.bare else 6) <= clock.hour < 12


def _soon(now: datetime) -> datetime:
    return datetime.fromtimestamp(now.timestamp() + 3600, now.tzinfo)


def _later(now: datetime, facts: Facts) -> datetime:
    """The time after a span: whole days keep the wall time, shorter spans are counted in real time."""
    day = forms.later_month(now.date(), facts.months)
    if facts.span % DAY:
        start = local(day, now.time(), now.tzinfo)
        return datetime.fromtimestamp(start.timestamp() + facts.span.total_seconds(), now.tzinfo)
    return local(day + facts.span, now.time(), now.tzinfo)
