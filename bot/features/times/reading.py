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
from bot.features.times.facts import DAY, PARTS, Facts, later_month, nth_weekday

MORNING = time(9, 0)  # the time of a day without a time
LONGEST = timedelta(days=366 * 5)
SEARCHED = 700  # characters of a text in which a time is looked for: reminders are shorter
MONTHLY = 28  # the last day that each month has
MOST = 4  # times that one text may mean
WORD = re.compile(r"[\w@]+")
BETWEEN = re.compile(r"[\s,]*(?:[-–—]\s+)?")  # words of time that belong together


@dataclass(frozen=True, slots=True)
class When:
    """The time of a reminder. `at` is an aware datetime in the person's time zone.

    `repeat` is "", "day", "week", "fortnight", "month", "year", the weekdays on which it comes ("02" is Monday and
    Wednesday), or which weekday of a month it is: "month+1" is the first one, "month-1" the last one.
    """

    at: datetime
    repeat: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the text of a reminder is understood. `times` is empty if the text names no future time; unless `sure`, the
    person has to choose one of them.

    `text` is what to remind of, without the time expression. `why` there is no time: "past" if it has passed, "repeat"
    for a repetition that no reminder has, else "".
    """

    times: Sequence[When] = ()
    text: str = ""
    sure: bool = False
    why: str = ""


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
        return Reading(why=_why(plain, begin))
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
    times = sorted({when for facts in options for when in _times(facts, now)}, key=lambda when: (when.at, when.repeat))
    if sure:
        rest = _without(plain[:SEARCHED], cut)
        sure = len(times) == 1 and not (main.clash or options[0].is_unclear)
        sure = sure and not doubts.is_doubtful(rest, options[0], follows=main is head)
    if not (sure or main.facts.is_dated) and forms.names_no_day(plain[:SEARCHED], begin, now.date()):
        return Reading(why=_why(plain, begin))  # the time of day alone would be offered for another day
    repeats = any(place.facts.repeat and not place.facts.once for place in places) or doubts.repeats_otherwise(plain)
    if not sure and repeats:
        times = [when for when in times if when.repeat]  # what repeats is never made a single date
    past = any(day <= now.date() for facts in options if not (facts.span or facts.months) for day in facts.dates)
    why = "" if times else "repeat" if repeats else "past" if past else ""
    return Reading(times[:MOST], _without(text, cut) if sure or head else text[begin:], sure, why)


def _why(plain: str, begin: int) -> str:
    """Why a text names no time, as in `Reading`."""
    return "repeat" if doubts.repeats_otherwise(plain) else "past" if forms.is_past(plain, begin) else ""


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
        day = later_month(day, 12 if repeat == "year" else 1)
    elif repeat.startswith("month"):
        day = nth_weekday(later_month(day.replace(day=1), 1), int(repeat.removeprefix("month")), day.weekday())
    elif repeat == "fortnight":
        day += 14 * DAY
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
    if place.facts.since or facts.since:
        return bool(place.facts.repeat or facts.repeat)
    if place.facts.weak or facts.span % DAY:
        return False
    if place.facts.is_dated and not facts.is_dated:
        return place.facts.is_timed or not _is_bound(plain, place)
    return bool((place.facts.clock or place.facts.part) and not (facts.clock and (facts.part or facts.clock.exact)))


def _completed(plain: str, head: Place, tail: Place) -> Facts | None:
    """The facts of both ends of a text, one with the day and one with the time of day: "tomorrow call mum at 9"."""
    begins = (head.facts.since and tail.facts.repeat) or (head.facts.repeat and tail.facts.since)
    if (tail.facts.is_dated and not begins) or not (head.facts.is_dated or head.facts.part) or _is_bound(plain, tail):
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
    for one in _alternatives(facts, now.date()):
        repeat = "week" if one.repeat.isdigit() and len(one.repeat) == 1 else one.repeat
        for at in _moments(one, now):
            if now < at <= now + LONGEST:
                yield When(at, repeat)


def _alternatives(facts: Facts, today: date) -> Iterator[Facts]:
    """What the facts may mean: "from Monday" is every day or only that one, "every second Friday" is of two weeks or of
    a month.
    """
    if facts.repeat == "once":
        facts = replace(facts, repeat="", once=False)
    if facts.nearest and not facts.repeat:
        facts = replace(facts, dates=facts.dates[: 2 if facts.dates[0] == today else 1])
    if facts.repeat == "second":
        weekday = (facts.dates[0].weekday() - today.weekday()) % 7
        yield replace(facts, repeat="fortnight", dates=[today + (weekday + ahead) * DAY for ahead in (0, 7, 14)])
        yield replace(facts, repeat="month+2")
    elif facts.since and not facts.repeat:
        yield replace(facts, since=None, dates=(facts.since,))
        yield replace(facts, repeat="day")
    else:
        yield facts
    if facts.once:
        yield replace(facts, repeat="", dates=facts.dates[:1])


def _moments(facts: Facts, now: datetime) -> Sequence[datetime]:
    said = facts.clock or facts.part
    if facts.months or facts.span:
        after_weeks = facts.weekly and not facts.span % DAY
        if (facts.dates and not after_weeks) or facts.repeat or facts.since or (said and facts.span % DAY):
            return ()
        if facts.months > LONGEST.days // 30:
            return ()
        at = _later(now, facts)
        if not (said or after_weeks):
            return (at,)
        days = _in_the_week(at.date(), facts) if after_weeks else (at.date(),)
        return [at for day in days for at in _on(day, facts, now)]
    if facts.repeat == "fortnight":
        return _every_other_week(facts, now)
    if facts.repeat or not facts.dates:
        return _next(facts, now)
    return [at for day in facts.dates for at in _on(day, facts, now)]


def _in_the_week(day: date, facts: Facts) -> Sequence[date]:
    """The weekday that "in two weeks on Wednesday" means: of that week, or the first one from then."""
    ahead = facts.dates[0].weekday() - day.weekday()
    if not facts.months and facts.span % (7 * DAY):
        return (day,) if not ahead else ()
    return sorted({day + ahead * DAY, day + ahead % 7 * DAY})


def _every_other_week(facts: Facts, now: datetime) -> Sequence[datetime]:
    """The first times of "every other Friday": nobody can know which week is meant, unless its beginning is told."""
    days = [day for week in (0, 7) for day in (facts.dates[0] + week * DAY, facts.dates[0] + (week + 7) * DAY)]
    begins = facts.since or now.date()
    later = [at for day in sorted({*days}) if day >= begins for at in _on(day, replace(facts, repeat=""), now)]
    return later[: 1 if begins == facts.since and later and later[0].date() == begins else 2]


def _next(facts: Facts, now: datetime) -> Sequence[datetime]:
    """The next times of facts without a day, or with days that come again."""
    days = [day for day in _days(facts, now.date()) if not facts.since or day >= facts.since]
    found = [at for clock in _clocks(facts) if (at := _first(days, clock, now))]
    if not found:
        return ()
    if _is_morning(facts) and (facts.repeat or found[:1] == [min(found)]):
        return found[:1]
    if not (facts.clock or facts.repeat) and now.hour in PARTS[facts.part].hours and found[0].date() > now.date():
        found.append(_soon(now))
    return found


def _first(days: Sequence[date], clock: time, now: datetime) -> datetime | None:
    return next((at for day in days if (at := local(day, clock, now.tzinfo)) > now), None)


def _days(facts: Facts, today: date) -> Sequence[date]:
    """The days on which facts without a date, or a repeated one, may be next."""
    begin = max(facts.since or today, today)
    if facts.repeat in ("", "day") or facts.repeat.isdigit():
        week = [begin + ahead * DAY for ahead in range(8)]
        return [day for day in week if not facts.repeat.isdigit() or str(day.weekday()) in facts.repeat][
            : 0 if facts.dates else None
        ]
    days = facts.dates or ((facts.since,) if facts.since else ())
    if facts.repeat == "month" and any(day.day > MONTHLY for day in days):
        return ()
    if facts.repeat == "year" and any((day.month, day.day) == (2, 29) for day in days):
        return ()
    return [*days, *(later_month(day, 12) for day in days if facts.repeat == "year")]


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
        return PARTS[facts.part].usual if facts.part else (MORNING,)
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
    day = later_month(now.date(), facts.months)
    if facts.span % DAY:
        start = local(day, now.time(), now.tzinfo)
        return datetime.fromtimestamp(start.timestamp() + facts.span.total_seconds(), now.tzinfo)
    return local(day + facts.span, now.time(), now.tzinfo)
