"""Time expressions in Russian and English ("в 9 вечера"), and what each form of them says. Begin with `all_forms`.

Patterns are matched at the beginning of a word, in a text of small letters without "ё". A space in a pattern stands for
any blanks. `reading` puts together what the forms found in one text say.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

from bot.features.times.facts import DAY, MIDNIGHT, Clock, Facts, later_month, nth_weekday
from bot.features.times.vocabulary import (
    AMOUNT,
    AND_HALF,
    AT,
    BY_WEEKDAY,
    CARDINALS,
    COUNTED,
    DATE,
    EACH,
    EACH_WEEKDAY,
    HALF,
    HOUR,
    HOURS,
    MONTH,
    MONTHS,
    MORE,
    NEXT_HOUR,
    NTH,
    NTH_WORDS,
    NUMBER,
    OF_WEEKDAY,
    ORDINALS,
    QUANTITIES,
    SHORT_WEEKDAY,
    UNIT,
    UNIT_WORDS,
    UNITS,
    WEEK,
    WEEKDAY,
    WEEKDAYS,
    WEEKEND,
    WORDED,
    WORKDAYS,
    pattern,
    spaced,
)

BLANK = " ,.!?;:-–—\n\t"  # around the words of a reminder

Make = Callable[[re.Match[str], date], Facts | None]  # what a match says today; None if it is no time after all


@dataclass(frozen=True, slots=True)
class Form:
    """A pattern of a time expression. `follows`: it counts only after another time expression, as "вечера" does."""

    pattern: re.Pattern[str]
    make: Make
    follows: bool = False


# --- what a match says ------------------------------------------------------------------------------------------------


def _number(said: str) -> int:
    """The number that digits or words say: "20", "двадцать пять", "25th"; 0 for none."""
    if digits := re.match(r"\d+", said):
        return int(digits[0])
    words = re.split(r"[\s-]+", said)
    return sum(
        value for numbers in (CARDINALS, ORDINALS) for value, one in numbers.items() if {*words} & {*one.split()}
    )


def _index(lists: Iterable[str], word: str) -> int:
    """The index of the list that contains the word."""
    return next(number for number, words in enumerate(lists) if word in words.split())


def _said(found: re.Match[str], name: str) -> str:
    """The text that a group of the pattern has matched; "" if it matched nothing or does not exist."""
    return found.groupdict().get(name) or ""


def _clock(found: re.Match[str], _: date) -> Facts | None:
    hour, minutes, half = _number(found["h"]), _said(found, "m"), _said(found, "half")
    minute = _number(minutes or "0")
    if hour > 23 or minute > 59 or (half and not 1 <= hour <= 12):
        return None
    if half == "a" and hour == 12 and not minute:
        return MIDNIGHT
    exact = bool(half) or not 1 <= hour <= 12 or found["h"].startswith("0")
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    spoken = found[0][0].isascii() and not found[0][0].isdigit()  # "at 7:30" may well be in the evening
    return Facts(clock=Clock(hour, minute, exact=exact, bare=spoken or not minutes.isdigit()))


def _says(facts: Facts) -> Make:
    return lambda found, today: facts


def _past(found: re.Match[str], _: date) -> Facts | None:
    """What "quarter past eight", "полвосьмого" and "десять минут восьмого" say."""
    hour = _number(_said(found, "h")) or _number(_said(found, "next")) - 1
    return _away(hour, _minutes(_said(found, "m") or "half"))


def _to(found: re.Match[str], _: date) -> Facts | None:
    """What "quarter to eight" and "без пяти восемь" say."""
    return _away(_number(found["h"]) - 1, 60 - _minutes(found["m"]))


def _away(hour: int, minute: int) -> Facts | None:
    return Facts(clock=Clock(hour or 12, minute, bare=True)) if 0 <= hour <= 12 and 0 < minute < 60 else None


def _minutes(said: str) -> int:
    return 30 if "half" in said else 15 if re.search("quarter|четверт", said) else _number(said)


def _ahead(days: int, part: str = "") -> Make:
    return lambda found, today: Facts(dates=(today + days * DAY,), part=part)


def _this(found: re.Match[str], today: date) -> Facts:
    """What an expression such as "this evening" says."""
    return Facts(dates=(today,), part=found["part"])


def _weekday(found: re.Match[str], today: date) -> Facts:
    number = _index(WEEKDAYS, found["day"])
    soon = today + (number - today.weekday()) % 7 * DAY
    monday = today - today.weekday() * DAY
    which, week = _said(found, "which"), _said(found, "week") or _said(found, "late")
    if week or which.startswith(("this", "эт")):
        later = 7 if "next" in week or "след" in week else 0
        return Facts(dates=(monday + (number + later) * DAY,))
    if which.startswith(("next", "след")):  # some mean the nearest one, and some the one of the next week
        soon = soon if soon > today else soon + 7 * DAY
        return Facts(dates=(soon,) if soon >= monday + 7 * DAY else (soon, soon + 7 * DAY))
    weak = found["day"].isascii() and not found["on"] and not found["day"].endswith("day")
    return Facts(dates=(soon, soon + 7 * DAY) if soon == today else (soon,), weekly=not which, weak=weak)


def _weekdays(found: re.Match[str], today: date) -> Facts:
    """What "по понедельникам и средам" and "every monday" say."""
    words = re.findall(rf"(?<!\w)(?:{EACH}|{WEEKDAY})(?!\w)", found[0])
    numbers = {_index(EACH_WEEKDAY if word in EACH.split("|") else WEEKDAYS, word) for word in words}
    return Facts(repeat="".join(map(str, sorted(numbers))))


def _date(found: re.Match[str], today: date) -> Facts | None:
    named, year = found["month"], _said(found, "year")
    month = int(named) if named.isdigit() else _index(MONTHS, named) + 1
    made = _made(year, month, _number(found["day"]), today)
    weak = named.isdigit() and not year and found[0][0].isdigit()
    return Facts(dates=(made,), weak=weak) if made else None


def _slashed(found: re.Match[str], today: date) -> Facts | None:
    """What "25/12" says; "5/12" is a day of December here and of May there."""
    one, two = int(found["one"]), int(found["two"])
    made = {_made(_said(found, "year"), month, day, today) for day, month in ((one, two), (two, one))}
    return Facts(dates=sorted(filter(None, made)), weak=not found["year"]) if any(made) else None


def _made(year: str, month: int, day: int, today: date) -> date | None:
    """A date; the next one if `year` is "". None if there is no such date."""
    years = [int(year) + 2000 * (len(year) == 2)] if year else range(today.year, today.year + 9)  # 29 February
    valid = [one for one in years if 1 <= month <= 12 and one >= 1 and 1 <= day <= monthrange(one, month)[1]]
    made = (date(one, month, day) for one in valid)
    return next((one for one in made if year or one >= today), None)


def _date_of_each_year(found: re.Match[str], today: date) -> Facts | None:
    facts = _date(found, today)
    return replace(facts, repeat="year") if facts else None


def _day_of_month(found: re.Match[str], today: date) -> Facts | None:
    day = _number(found["day"])
    months = [later_month(today.replace(day=1), ahead) for ahead in range(48)]
    made = [one.replace(day=day) for one in months if 1 <= day <= monthrange(one.year, one.month)[1]]
    future = [one for one in made if one >= today]
    return Facts(dates=tuple(future), nearest=True) if future else None


def _day_of_each_month(found: re.Match[str], today: date) -> Facts | None:
    facts = _day_of_month(found, today)
    return replace(facts, repeat="month") if facts else None


def _amounts(text: str) -> Iterator[Sequence[str]]:
    """The groups of each `AMOUNT`, from the left to the right."""
    amount, at = re.compile(spaced(AMOUNT)), 0
    while at < len(text):
        found = amount.match(text, at)
        at = found.end() if found else at + 1
        if found:
            yield found.groups("")


def _span(found: re.Match[str], _: date) -> Facts | None:
    """What "in 2 hours and 30 minutes" and "через полтора часа" say."""
    months, span = 0.0, timedelta()
    for quantity, half, unit, too in _amounts(found[0]):
        said = " ".join(quantity.split()).replace(",", ".")
        count = QUANTITIES.get(said) or (float(said) if "." in said else _number(said)) if said else 1
        count += _fraction(half or too)
        of_months, of_span = UNITS[_index(UNIT_WORDS, unit)][1:]
        if of_span >= DAY and count % 1:
            return None  # "полторы недели" end at no hour that anybody means
        months += count * of_months
        span += count * of_span
    return Facts(months=int(months), span=span) if months % 1 == 0 and (months or span) else None


def _fraction(said: str) -> float:
    """What "and a half" and "с четвертью" add."""
    return 0.0 if not said else 0.75 if "three" in said else 0.25 if re.search("quarter|четверт", said) else 0.5


def _compact(found: re.Match[str], today: date) -> Facts | None:
    """What "1h30m" says."""
    facts = _span(found, today)
    return replace(facts, weak=True) if facts else None


def _about(found: re.Match[str], _: date) -> Facts | None:
    """What "минут через двадцать" says."""
    count = _number(found["count"])
    of_months, of_span = UNITS[_index(UNIT_WORDS, found["unit"])][1:]
    return Facts(months=of_months * count, span=of_span * count) if count else None


def _in_a_day(found: re.Match[str], today: date) -> Facts:
    """What "через день" says: tomorrow for some, the day after tomorrow for others."""
    return Facts(dates=(today + DAY, today + 2 * DAY))


def _by_weekday(found: re.Match[str], today: date) -> Facts:
    """What "к пятнице" says; "до пятницы" may mean the day before."""
    day = today + (_index(OF_WEEKDAY, found["day"]) - today.weekday()) % 7 * DAY
    day = day if day > today else day + 7 * DAY
    return Facts(dates=(day,))


def _any_weekday(found: re.Match[str], today: date) -> Facts:
    """The weekday after "с", "до" and "from", in any case of its word."""
    words = [" ".join(one) for one in zip(WEEKDAYS, OF_WEEKDAY, strict=True)]
    day = today + (_index(words, found["day"]) - today.weekday()) % 7 * DAY
    day = day if day > today else day + 7 * DAY
    is_next = _said(found, "which").startswith(("next", "след"))
    later = is_next and day < today + (7 - today.weekday()) * DAY  # some mean the nearest one
    return Facts(dates=(day, day + 7 * DAY) if later else (day,))


def _after_weekday(found: re.Match[str], today: date) -> Facts | None:
    """What "a week from Monday" says."""
    facts, day = _span(found, today), _any_weekday(found, today).dates[0]
    return None if facts is None or facts.months or facts.span % DAY else Facts(dates=(day + facts.span,))


def _until(make: Make) -> Make:
    """What "до пятницы" and "before 5 May" say: that day, or the one before."""

    def made(found: re.Match[str], today: date) -> Facts | None:
        facts = make(found, today)
        dates = facts.dates[:1] if facts else ()
        return Facts(dates=(dates[0] - DAY, dates[0]), asks=True) if dates else None

    return made


def _since(make: Make) -> Make:
    """What "с понедельника" and "from 5 May" say."""

    def made(found: re.Match[str], today: date) -> Facts | None:
        facts = make(found, today)
        return Facts(since=facts.dates[0], asks=len(facts.dates) > 1) if facts and facts.dates else None

    return made


def _nth(found: re.Match[str], today: date) -> Facts | None:
    """What "every last Friday", "первый понедельник месяца" and "the second Tuesday of May" say."""
    nth = next(number for number, words in NTH if found["nth"] in words.split())
    weekday, each, month = _index(WEEKDAYS, found["day"]), bool(_said(found, "each")), _said(found, "month")
    months = [later_month(today.replace(day=1), ahead) for ahead in range(14)]
    days = [nth_weekday(one, nth, weekday) for one in months if not month or one.month == _index(MONTHS, month) + 1]
    days = [day for day in days if day >= today]
    if month:
        return None if each else Facts(dates=(days[0],), repeat="once", once=True)
    of_month = bool(_said(found, "of") or _said(found, "monthly"))
    if not each and not of_month:
        return None
    each = each or bool(re.search(rf"{EVERY}|каждого", _said(found, "of"))) or bool(_said(found, "monthly"))
    repeat = "second" if nth == 2 and not of_month else f"month{nth:+}"
    return Facts(dates=tuple(days[:3]), repeat=repeat, asks=not each or (not of_month and nth > 1), once=not each)


def _other_week(found: re.Match[str], today: date) -> Facts:
    """What "every other Tuesday" and "раз в две недели по пятницам" say."""
    lists = EACH_WEEKDAY if found["day"] in EACH.split("|") else WEEKDAYS
    day = today + (_index(lists, found["day"]) - today.weekday()) % 7 * DAY
    return Facts(dates=(day, day + 7 * DAY, day + 14 * DAY), repeat="fortnight")


def _range_of_days(found: re.Match[str], _: date) -> Facts | None:
    """What "Monday to Friday" and "с понедельника по пятницу" say; some mean every week, and some this one."""
    first, last = (
        _index(map(" ".join, zip(WEEKDAYS, OF_WEEKDAY, strict=True)), found[name]) for name in ("one", "two")
    )
    return Facts(repeat="".join(map(str, range(first, last + 1))), asks=True) if first < last else None


# --- forms ------------------------------------------------------------------------------------------------------------

EVERY = r"(?:every|evry|each|каж[дн](?:ый|ую|ое|ые))"
MONDAYS = rf"(?:{EVERY} (?:{WEEKDAY})|(?:on |по )?(?:{EACH})|по (?:{SHORT_WEEKDAY}))"
WHICH = r"(?:(?P<which>next|this|(?:the )?coming|следующ(?:ий|ую|ее)|эт(?:от|у|о)|ближайш(?:ий|ую|ее)) )?"
NTH_WEEKDAY = rf"(?P<nth>{NTH_WORDS}) (?P<day>{WEEKDAY})"
OF_MONTH = rf"(?: (?P<of>(?:of |in )?(?:the |{EVERY} )month|(?:каждого )?месяца))"
MONTHLY = rf"(?P<monthly>{EVERY} (?:month|месяц)|monthly|ежемесячно)"
ANY_WEEKDAY, TO = f"{BY_WEEKDAY}|{WEEKDAY}", r"(?:\s*[-–—]\s*| (?:to|through|till|по|до) )"
OTHER_WEEK = (
    rf"(?:{EVERY} (?:other|second|alternate|2|two) weeks?|every fortnight|fortnightly|"
    rf"once (?:in |every )(?:2|two) weeks|{EVERY} (?:2|две|втор(?:ую|ые)) недел[июь]|раз в (?:2|две) недели)"
)
ON_DAY = rf"(?:on |во? |по )?(?P<day>{EACH}|{WEEKDAY})"
SINCE = r"(?:(?:starting|beginning)(?: from| on)?|as of|from|начиная со?|со?) "
UNTIL = r"(?:before|until|till|до) (?:the )?"
DAY_OF_WEEK = (
    rf"(?P<which>next |this |следующ(?:его|ей) |эт(?:ого|ой) |ближайш(?:его|ей) )?(?P<day>{BY_WEEKDAY}|{WEEKDAY})"
)
DATE_OF_MONTH = rf"{DATE}(?: of)? (?P<month>{MONTH})\.?"
YEAR = r"(?:,? (?P<year>\d{4})(?:\s*(?:года|г\.?))?)?"
ROWS: tuple[tuple[str, Make], ...] = (
    # a time of day
    (rf"(?:{AT})?(?P<h>\d{{1,2}}):(?P<m>\d\d)(?::\d\d)?{HALF}", _clock),
    (rf"(?:at|в) (?P<h>\d{{1,2}})\.(?P<m>\d\d){HALF}", _clock),
    (rf"(?P<h>\d{{1,2}})\.(?P<m>00|1[3-9]|[2-5]\d){HALF}", _clock),  # no date: no month has such a number
    # no range of hours: it would not end at such a number
    (rf"(?:{AT})?(?P<h>\d{{1,2}})-(?P<m>00|2[4-9]|[3-5]\d)", _clock),
    (rf"{AT}(?P<h>{HOUR}){HOURS}?{HALF}", _clock),
    (rf"{AT}(?P<h>{HOUR}){HOURS}\s*(?P<m>{NUMBER})\s*(?:минут[аы]?|мин\.?|м)", _clock),
    (rf"{AT}(?P<h>{HOUR})(?: |-)(?P<m>{WORDED}){HALF}", _clock),
    (rf"(?P<h>{HOUR})\s*(?P<half>[ap])\.?m\.?", _clock),
    (rf"(?P<h>{HOUR})(?:\s*o'?clock{HALF}|{HOURS}?(?= (?:утра|вечера|ночи))|{HOURS}(?= дня))", _clock),
    (r"(?:(?:в|к|около) )?час(?= (?:дня|ночи))|(?:в|к|около) часу?", _says(Facts(clock=Clock(1, bare=True)))),
    (rf"(?:{AT})?(?P<m>half|(?:a )?quarter|{NUMBER} minutes?) past (?P<h>{HOUR})", _past),
    (rf"{AT}(?P<m>{NUMBER}) past (?P<h>{HOUR})", _past),
    (rf"(?:{AT})?(?P<m>(?:a )?quarter|{NUMBER} minutes?) to (?P<h>{HOUR})", _to),
    (rf"{AT}(?P<m>{NUMBER}) to (?P<h>{HOUR})", _to),
    (rf"(?:(?:в|к) )?пол(?:овин[уае] | |-)?{NEXT_HOUR}", _past),
    (rf"(?:в )?(?P<m>четверть|{NUMBER} минут[аыу]?) {NEXT_HOUR}", _past),
    (rf"(?:в )?без (?P<m>четверти|{NUMBER}(?: минуты?)?) (?P<h>{HOUR})", _to),
    (rf"(?:{AT})?(?:12 )?(?:noon|midday|полдень|полудню)", _says(Facts(clock=Clock(12, exact=True)))),
    (rf"(?:{AT})?(?:12 )?(?:midnight|полноч[ьи])", _says(MIDNIGHT)),
    # a part of the day
    (
        r"(?:in the )?(?:early|first thing)(?: in the)? morning|(?:рано|пораньше) (?:утром|с утра)|рано",
        _says(Facts(part="early")),
    ),
    (r"before (?:lunch|noon)|до обеда|в первой половине дня", _says(Facts(part="before lunch"))),
    (r"after (?:lunch|noon)|после обеда|во второй половине дня", _says(Facts(part="after lunch"))),
    (r"after work|после работы", _says(Facts(part="after work"))),
    (r"at (?:lunch|lunchtime)|(?:в|к|ближе к) обеду?|в обеденный перерыв", _says(Facts(part="lunch"))),
    (r"towards? (?:the )?evening|(?:ближе )?к вечеру|под вечер", _says(Facts(part="towards evening"))),
    (
        r"late (?:at night|(?:in the )?evening|tonight)|поздно вечером|вечером поздно|попозже вечером",
        _says(Facts(part="late")),
    ),
    (r"in the morning|утром|с утра", _says(Facts(part="morning"))),
    (r"in the afternoon|(?<!с\s)днем(?! рожд)", _says(Facts(part="afternoon"))),
    (r"in the evening|вечером", _says(Facts(part="evening"))),
    (r"at night", _says(Facts(part="night"))),
    (r"ночью", _says(Facts(part="ночь"))),
    # a day
    (r"today|сегодня", _ahead(0)),
    (r"tonight", _ahead(0, "night")),
    (r"this (?P<part>morning|afternoon|evening)", _this),
    (r"tomm?orr?ow|tmrw|завтр[ао]|зафтра", _ahead(1)),
    (r"(?:the )?day after tomorrow|послезавтр[ао]", _ahead(2)),
    (r"через день", _in_a_day),
    (rf"(?:(?P<week>{WEEK}),? )?(?P<on>(?:on|by|во?) )?{WHICH}(?P<day>{WEEKDAY})\.?(?:,? (?P<late>{WEEK}))?", _weekday),
    (r"(?:on )?(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})", _date),
    (r"(?:(?:on|by|к) )?(?P<day>\d{1,2})\.(?P<month>\d{1,2})(?:\.(?P<year>\d{4}|\d\d))?\.?", _date),
    (r"(?:(?:on|by|к) )?(?P<one>\d{1,2})/(?P<two>\d{1,2})(?:/(?P<year>\d{4}|\d\d))?", _slashed),
    (rf"(?:(?:on|by|к) )?(?:the )?{DATE}(?: of)? (?P<month>{MONTH})\.?{YEAR}", _date),
    (rf"(?:(?:on|by) )?(?P<month>{MONTH})\.? (?:the )?{DATE}{YEAR}", _date),
    (r"(?:on|by) the (?P<day>\d{1,2})(?:st|nd|rd|th)", _day_of_month),
    (rf"{DATE} числ[ао]", _day_of_month),
    (r"(?P<day>\d{1,2})-го", _day_of_month),
    (rf"ко? (?P<day>{BY_WEEKDAY})", _by_weekday),
    (rf"{UNTIL}{DAY_OF_WEEK}", _until(_any_weekday)),
    (rf"{UNTIL}{DATE_OF_MONTH}{YEAR}", _until(_date)),
    (rf"{SINCE}{DAY_OF_WEEK}", _since(_any_weekday)),
    (rf"{SINCE}(?:the )?{DATE_OF_MONTH}{YEAR}", _since(_date)),
    (rf"{SINCE}(?P<month>{MONTH}) {DATE}{YEAR}", _since(_date)),
    (rf"{SINCE}(?:tomorrow|завтра(?:шнего дня)?)", _since(_ahead(1))),
    (rf"{SINCE}(?:today|сегодня(?:шнего дня)?)", _since(_ahead(0))),
    # from now
    (rf"(?:in|after|через|черз|спустя)(?: (?:about|exactly|примерно|ровно))? {COUNTED}{MORE}(?:['’]s? time)?", _span),
    (rf"(?:через|спустя) (?:{UNIT}){AND_HALF}{MORE}", _span),
    (r"\d{1,2}\s*[hч]\.?\s*\d{1,2}\s*(?:min|мин|[mм])\.?", _compact),  # at the end of a text it may be a length
    (rf"{COUNTED}{MORE} from (?:now|today)", _span),
    (rf"(?P<unit>{UNIT}) через (?P<count>{NUMBER})", _about),
    (rf"{COUNTED} (?:from|on|after) (?P<day>{WEEKDAY})", _after_weekday),
    # again and again
    (
        rf"(?:{MONTHLY},? )?(?:on |во? )?(?:the )?{NTH_WEEKDAY}{OF_MONTH}?",
        _nth,
    ),
    (rf"(?P<each>{EVERY}) {NTH_WEEKDAY}{OF_MONTH}?", _nth),
    (rf"(?:on |во? )?(?:the )?{NTH_WEEKDAY}(?: of| in)? (?P<month>{MONTH})", _nth),
    (rf"(?:{EVERY} other|(?:{EVERY} |on )?alternate) (?P<day>{WEEKDAY}|{EACH})", _other_week),
    (rf"{OTHER_WEEK},? {ON_DAY}", _other_week),
    (rf"{ON_DAY},? {OTHER_WEEK}", _other_week),
    (
        rf"(?:from |со? )?(?P<one>{ANY_WEEKDAY}){TO}(?P<two>{ANY_WEEKDAY})",
        _range_of_days,
    ),
    (rf"{EVERY} (?:day|день)|everyday|daily|ежедневно", _says(Facts(repeat="day"))),
    (rf"{EVERY} (?:morning|утро)|по утрам", _says(Facts(repeat="day", part="morning"))),
    (rf"{EVERY} afternoon", _says(Facts(repeat="day", part="afternoon"))),
    (rf"{EVERY} (?:evening|вечер)|по вечерам", _says(Facts(repeat="day", part="evening"))),
    (rf"{EVERY} night", _says(Facts(repeat="day", part="night"))),
    (rf"{EVERY} ночь|по ночам", _says(Facts(repeat="day", part="ночь"))),
    (rf"(?:{EVERY}|on) (?:week|work|working |business )days?|weekdays", _says(Facts(repeat=WORKDAYS))),
    (
        rf"(?:по|в) (?:будн|рабоч)[а-я]+(?: дн(?:ям|и))?|{EVERY} (?:будн|рабоч)[а-я]+(?: день)?",
        _says(Facts(repeat=WORKDAYS)),
    ),
    (rf"(?:on )?weekends|{EVERY} weekend|по выходным(?: дням)?|{EVERY} выходные", _says(Facts(repeat=WEEKEND))),
    (rf"{MONDAYS}(?:(?:,? (?:and|и) |,\s?|\s?&\s?)(?:{MONDAYS}|{WEEKDAY}))*", _weekdays),
    (rf"{EVERY} (?:week|неделю)|weekly|еженедельно", _says(Facts(repeat="week"))),
    (rf"(?:of )?{EVERY} (?:month|месяц)|каждого месяца|monthly|ежемесячно", _says(Facts(repeat="month"))),
    (rf"{EVERY} (?:year|год)|yearly|annually|ежегодно", _says(Facts(repeat="year"))),
    (rf"{EVERY} {DATE}(?: of)? (?P<month>{MONTH})", _date_of_each_year),
    (rf"кажд(?:ое|ого) {DATE} числ[оа]", _day_of_each_month),
    (rf"(?:on )?(?:the )?{DATE}(?: day)? of (?:every|each) month", _day_of_each_month),
)
FOLLOWING: tuple[tuple[str, Make], ...] = (
    (r"morning|утра", _says(Facts(part="morning"))),
    (r"afternoon|дня", _says(Facts(part="afternoon"))),
    (r"evening|вечера", _says(Facts(part="evening"))),
    (r"night", _says(Facts(part="night"))),
    (r"ночи", _says(Facts(part="ночь"))),
    (r"sharp|ровно|же", _says(Facts())),
    (r"(?:the )?(?P<day>\d{1,2})(?:st|nd|rd|th)", _day_of_month),  # "Monday 23rd"
)


@cache
def all_forms() -> Sequence[Form]:
    """All forms. They are compiled when the first text is read: that takes 50 ms, which most starts don't need."""
    always = [Form(pattern(written), make) for written, make in ROWS]
    return [*always, *(Form(pattern(written), make, follows=True) for written, make in FOLLOWING)]


def is_past(plain: str, begin: int) -> bool:
    """Whether a text begins with a day that has passed: "yesterday"."""
    return _no_day()[0].match(plain, begin) is not None


def names_no_day(plain: str, begin: int, today: date) -> bool:
    """Whether a text begins with a past day, or names a date that does not exist: "yesterday", "31 February"."""
    past, written = _no_day()
    return past.match(plain, begin) is not None or any(not _date(one, today) for one in written.finditer(plain))


@cache
def _no_day() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return pattern("yesterday|вчера|позавчера"), pattern(rf"(?<!\w){DATE} (?P<month>{MONTH})\.?{YEAR}")


# --- what is around words of time -------------------------------------------------------------------------------------

LEAD = re.compile(  # what a reminder may begin with, and what says nothing
    r"(?:(?:please|remind|me|us|to|that|напомни(?:те|ть)?|мне|нам|пожалуйста|что|о том)(?:[\s,:]+|$))*"
)
FOR = re.compile(r"(?:for|на)\s+")  # may stand before a time that begins a text
