"""Time expressions in Russian and English ("в 9 вечера"), and what each form of them says. Begin with `all_forms`.

Patterns are matched at the beginning of a word, in a text of small letters without "ё". A space in a pattern stands for
any blanks. `reading` puts together what the forms found in one text say.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, time, timedelta
from functools import cache

DAY = timedelta(days=1)
BLANK = " ,.!?;:-–—\n\t"  # around the words of a reminder


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as it was written. `exact`: in the 24-hour clock, or with am or pm.

    `bare`: as people say it, without minutes in digits ("at 7"), so it is probably meant in the 12-hour clock.
    """

    hour: int
    minute: int = 0
    exact: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a time expression says. A field is empty if the expression says nothing about it.

    `dates` are the days that may be meant. With `weekly` they are all days of one weekday, so that a date may follow.
    `part` is a key of `PARTS`, `repeat` is as in `When`. `months` and `span` are counted from now. `weak`: these words
    often mean something else than a time, such as "3.11".
    """

    dates: Sequence[date] = ()
    weekly: bool = False
    clock: Clock | None = None
    part: str = ""
    repeat: str = ""
    months: int = 0
    span: timedelta = timedelta()
    weak: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether the facts tell a time of day."""
        return self.clock is not None or bool(self.span % DAY)

    @property
    def is_dated(self) -> bool:
        """Whether the facts tell a day."""
        return bool(self.dates or self.repeat or self.months or self.span)

    def and_also(self, other: Facts) -> Facts | None:
        """Merge two facts about one time; None if they contradict each other."""
        said = {one.name: value for one in fields(other) if (value := getattr(other, one.name))}
        if self.dates and other.dates:
            said["dates"] = self._common_dates(other)
            said["weekly"] = False
        both = {name for name in said if getattr(self, name)} - {"dates", "weekly", "weak"}
        return None if both or said.get("dates") == () else replace(self, **said)

    def _common_dates(self, other: Facts) -> Sequence[date]:
        """The days that both mean: "on Monday, 30 November", "tomorrow, 22 November"."""
        if self.weekly:
            return tuple(day for day in other.dates if day.weekday() == self.dates[0].weekday())
        if other.weekly:
            return other._common_dates(self)
        return tuple(day for day in self.dates if day in other.dates)


Make = Callable[[re.Match[str], date], Facts | None]  # what a match says today; None if it is no time after all


@dataclass(frozen=True, slots=True)
class Form:
    """A pattern of a time expression. `follows`: it counts only after another time expression, as "вечера" does."""

    pattern: re.Pattern[str]
    make: Make
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day, such as the evening: its hours, and the time that is meant if no hour is said (None: that is
    unclear, and the person is asked).
    """

    hours: Sequence[int]
    usual: time | None


PARTS = {
    "morning": Part(range(1, 12), time(9)),
    "afternoon": Part(range(11, 19), time(14)),
    "evening": Part(range(16, 24), time(19)),
    "night": Part((*range(18, 24), *range(5)), time(20)),  # "tomorrow night" is an evening
    "ночь": Part((*range(18, 24), *range(5)), None),
}
MIDNIGHT = Facts(clock=Clock(12, bare=True), part="ночь")
MONTHLY = 28  # the last day that each month has


def later_month(day: date, months: int) -> date:
    """Return the day so many months later, or the last day of that month if it is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# --- vocabulary -------------------------------------------------------------------------------------------------------

CARDINALS = {
    1: "one один одна одно одну одного", 2: "two два две двух двум", 3: "three три трех трем",
    4: "four четыре четырех четырем", 5: "five пять пяти", 6: "six шесть шести", 7: "seven семь семи",
    8: "eight восемь восьми", 9: "nine девять девяти", 10: "ten десять десяти", 11: "eleven одиннадцать одиннадцати",
    12: "twelve двенадцать двенадцати", 13: "thirteen тринадцать", 14: "fourteen четырнадцать",
    15: "fifteen пятнадцать пятнадцати", 16: "sixteen шестнадцать", 17: "seventeen семнадцать",
    18: "eighteen восемнадцать", 19: "nineteen девятнадцать", 20: "twenty двадцать двадцати",
    30: "thirty тридцать тридцати", 40: "forty сорок сорока", 50: "fifty пятьдесят пятидесяти",
}  # fmt: skip
ORDINALS = {
    1: "first первого первое", 2: "second второго второе", 3: "third третьего третье", 4: "fourth четвертого четвертое",
    5: "fifth пятого пятое", 6: "sixth шестого шестое", 7: "seventh седьмого седьмое", 8: "eighth восьмого восьмое",
    9: "ninth девятого девятое", 10: "tenth десятого десятое", 11: "eleventh одиннадцатого", 12: "twelfth двенадцатого",
    13: "thirteenth тринадцатого", 14: "fourteenth четырнадцатого", 15: "fifteenth пятнадцатого",
    16: "sixteenth шестнадцатого", 17: "seventeenth семнадцатого", 18: "eighteenth восемнадцатого",
    19: "nineteenth девятнадцатого", 20: "twentieth двадцатого", 30: "thirtieth тридцатого",
}  # fmt: skip
QUANTITIES = {
    "half an": 0.5, "half a": 0.5, "half": 0.5, "an": 1.0, "a couple of": 2.0, "a couple": 2.0, "couple of": 2.0,
    "a": 1.0, "полтора": 1.5, "полторы": 1.5, "пол": 0.5, "пару": 2.0,
}  # fmt: skip
UNITS: tuple[tuple[str, int, timedelta], ...] = (  # words, months, span
    ("second seconds sec secs секунду секунды секунд сек", 0, timedelta(seconds=1)),
    ("minute minutes minuts min mins m минуту минуты минут минутку мин м", 0, timedelta(minutes=1)),
    ("hour hours hr hrs h час часа часов часик ч", 0, timedelta(hours=1)),
    ("day days день дня дней дн сутки суток", 0, DAY),
    ("week weeks неделю недели недель недельку", 0, 7 * DAY),
    ("month months месяц месяца месяцев", 1, timedelta()),
    ("year years год года лет", 12, timedelta()),
)
WEEKDAYS = (
    "monday mon понедельник понедельнк пн", "tuesday tues tue вторник вт", "wednesday wensday wed среду среда ср",
    "thursday thrusday thurs thu четверг чт", "friday fri пятницу пятница пт",
    "saturday sat субботу суббота суботу субота сб", "sunday sun воскресенье вс",
)  # fmt: skip
EACH_WEEKDAY = (
    "mondays понедельникам", "tuesdays вторникам", "wednesdays средам", "thursdays четвергам", "fridays пятницам",
    "saturdays субботам", "sundays воскресеньям",
)  # fmt: skip
MONTHS = (
    "january jan января янв", "february feb февраля фев", "march mar марта мар", "april apr апреля апр", "may мая",
    "june jun июня июн", "july jul июля июл", "august aug августа авг", "september sept sep сентября сент сен",
    "october oct октября окт", "november nov ноября ноя", "december dec декабря дек",
)  # fmt: skip
WORKDAYS, WEEKEND = "01234", "56"


def _any(*lists: str) -> str:
    """A pattern for any of the words, which are separated by blanks."""
    return "|".join(sorted(" ".join(lists).split(), key=len, reverse=True))


def _up_to(most: int, numbers: Mapping[int, str]) -> str:
    return _any(*(words for value, words in numbers.items() if value <= most))


TENS = _any(*(words for value, words in CARDINALS.items() if value >= 20))
WORDED = rf"(?:(?:{TENS})(?:(?: |-)(?:{_up_to(9, CARDINALS)}))?|{_up_to(19, CARDINALS)})"
NUMBER = rf"(?:\d{{1,4}}|{WORDED})"
HOUR = rf"(?:\d{{1,2}}|{_up_to(12, CARDINALS)})"
NEXT_HOUR = rf"(?P<next>{_up_to(12, ORDINALS)})"
DATE = rf"(?P<day>\d{{1,2}}(?:st|nd|rd|th|-?(?:го|е|ое|ого))?|(?:(?:{TENS})(?: |-))?(?:{_any(*ORDINALS.values())}))"
SHORT_WEEKDAY = "пн|вт|ср|чт|пт|сб|вс"
WEEKDAY, EACH, MONTH = _any(*WEEKDAYS), _any(*EACH_WEEKDAY), _any(*MONTHS)
UNIT_WORDS = [words for words, _, _ in UNITS]
UNIT = _any(*UNIT_WORDS)
AT = r"(?:at|by|around|@|в|во|к|ко|около|примерно в|ровно в|где-то в) "
HALF = r"(?:\s*(?P<half>[ap])\.?m\.?)?"  # of the day
HOURS = r"(?:\s*(?:o'?clock|h|час(?:а|ов|ам)?|ч\.?))"
WEEK = r"(?:this week|next week|на (?:этой|следующей) неделе)"
AND_HALF = r"( and a half| с половиной)?"
AMOUNT = (
    rf"(?:({'|'.join(QUANTITIES)}|\d{{1,3}}[.,]\d|{NUMBER}){AND_HALF}\s*|(?<![a-zа-я\d]))({UNIT})(?![a-zа-я]){AND_HALF}"
)
COUNTED = rf"(?:{'|'.join(QUANTITIES)}|\d{{1,3}}[.,]\d|{NUMBER}){AND_HALF}\s*(?:{UNIT})(?![a-zа-я]){AND_HALF}"
MORE = rf"(?:(?:,? (?:and|и) |,?\s*){COUNTED})*"
END = r"(?![\w%]|[:.,/]\d|(?<=\d)\s?[-–—]\s?\d|-\w)"  # no number goes on, and no range


def _spaced(written: str) -> str:
    return written.replace(" ", r"\s++").replace(r"\s*", r"\s*+")


def _pattern(written: str) -> re.Pattern[str]:
    return re.compile(_spaced(f"(?:{written}){END}"))


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
    try:
        if year:
            return date(int(year) + 2000 * (len(year) == 2), month, day)
        made = date(today.year, month, day)
        return made if made >= today else date(today.year + 1, month, day)
    except ValueError:
        return None


def _day_of_month(found: re.Match[str], today: date) -> Facts | None:
    day = _number(found["day"])
    months = [later_month(today.replace(day=1), ahead) for ahead in range(4)]
    made = [one.replace(day=day) for one in months if 1 <= day <= monthrange(one.year, one.month)[1]]
    future = [one for one in made if one >= today]
    return Facts(dates=future[: 2 if today in future else 1]) if future else None


def _day_of_each_month(found: re.Match[str], today: date) -> Facts | None:
    facts = _day_of_month(found, today)
    return replace(facts, repeat="month") if facts else None


def _amounts(text: str) -> Iterator[Sequence[str]]:
    """The groups of each `AMOUNT`, from the left to the right."""
    amount, at = re.compile(_spaced(AMOUNT)), 0
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
        of_months, of_span = UNITS[_index(UNIT_WORDS, unit)][1:]
        if of_span >= DAY and (count % 1 or half or too):
            return None  # "полторы недели" end at no hour that anybody means
        months += (count + 0.5 * bool(half or too)) * of_months
        span += (count + 0.5 * bool(half or too)) * of_span
    return Facts(months=int(months), span=span) if months % 1 == 0 and (months or span) else None


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


# --- forms ------------------------------------------------------------------------------------------------------------

EVERY = r"(?:every|evry|each|каж[дн](?:ый|ую|ое|ые))"
MONDAYS = rf"(?:{EVERY} (?:{WEEKDAY})|(?:on |по )?(?:{EACH})|по (?:{SHORT_WEEKDAY}))"
WHICH = r"(?:(?P<which>next|this|(?:the )?coming|следующ(?:ий|ую|ее)|эт(?:от|у|о)|ближайш(?:ий|ую|ее)) )?"
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
    # from now
    (rf"(?:in|after|через|черз|спустя)(?: (?:about|exactly|примерно|ровно))? {COUNTED}{MORE}(?:['’]s? time)?", _span),
    (rf"(?:через|спустя) (?:{UNIT}){AND_HALF}{MORE}", _span),
    (r"\d{1,2}\s*[hч]\.?\s*\d{1,2}\s*(?:min|мин|[mм])\.?", _compact),  # at the end of a text it may be a length
    (rf"{COUNTED}{MORE} from (?:now|today)", _span),
    (rf"(?P<unit>{UNIT}) через (?P<count>{NUMBER})", _about),
    # again and again
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
    (rf"кажд(?:ое|ого) {DATE} числ[оа]", _day_of_each_month),
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
    always = [Form(_pattern(written), make) for written, make in ROWS]
    return [*always, *(Form(_pattern(written), make, follows=True) for written, make in FOLLOWING)]


def names_no_day(plain: str, begin: int, today: date) -> bool:
    """Whether a text begins with a past day, or names a date that does not exist: "yesterday", "31 February"."""
    past, written = _no_day()
    return past.match(plain, begin) is not None or any(not _date(one, today) for one in written.finditer(plain))


@cache
def _no_day() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return _pattern("yesterday|вчера|позавчера"), _pattern(rf"(?<!\w){DATE} (?P<month>{MONTH})\.?{YEAR}")


# --- what is around words of time -------------------------------------------------------------------------------------

LEAD = re.compile(  # what a reminder may begin with, and what says nothing
    r"(?:(?:please|remind|me|us|to|that|напомни(?:те|ть)?|мне|нам|пожалуйста|что|о том)(?:[\s,:]+|$))*"
)
FOR = re.compile(r"(?:for|на)\s+")  # may stand before a time that begins a text
