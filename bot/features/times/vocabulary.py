"""Words of time in Russian and English, and the patterns that they make.

`forms` puts time expressions together from them.

Patterns match small letters without "ё". A space in a pattern stands for any blanks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from bot.features.times.facts import DAY

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
    "three quarters of an": 0.75, "a quarter of an": 0.25, "quarter of an": 0.25, "a quarter": 0.25,
    "три четверти": 0.75, "четверть": 0.25, "half an": 0.5, "half a": 0.5, "half": 0.5, "an": 1.0, "a couple of": 2.0,
    "a couple": 2.0, "couple of": 2.0, "a": 1.0, "полтора": 1.5, "полторы": 1.5, "пол": 0.5, "пару": 2.0,
}  # fmt: skip
UNITS: tuple[tuple[str, int, timedelta], ...] = (  # words, months, span
    ("second seconds sec secs секунду секунды секунд сек", 0, timedelta(seconds=1)),
    ("minute minutes minuts min mins m минуту минуты минут минутку мин м", 0, timedelta(minutes=1)),
    ("hour hours hr hrs h час часа часов часик ч", 0, timedelta(hours=1)),
    ("day days день дня дней дн сутки суток", 0, DAY),
    ("week weeks неделю недели недель недельку", 0, 7 * DAY),
    ("fortnight fortnights", 0, 14 * DAY),
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
OF_WEEKDAY = (  # "с понедельника", "к понедельнику"
    "понедельника понедельнику", "вторника вторнику", "среды среде", "четверга четвергу", "пятницы пятнице",
    "субботы субботе", "воскресенья воскресенью",
)  # fmt: skip
NTH = (  # the number of a weekday in its month: the last one is -1
    (1, "first 1st первый первая первую первое 1-й 1-ю 1-е"), (2, "second 2nd второй вторая вторую второе 2-й 2-ю 2-е"),
    (3, "third 3rd третий третья третью третье 3-й 3-ю 3-е"),
    (4, "fourth 4th четвертый четвертая четвертую четвертое 4-й 4-ю 4-е"),
    (-1, "last последний последняя последнюю последнее"),
)  # fmt: skip
MONTHS = (
    "january jan января янв", "february feb февраля фев", "march mar марта мар", "april apr апреля апр", "may мая",
    "june jun июня июн", "july jul июля июл", "august aug августа авг", "september sept sep сентября сент сен",
    "october oct октября окт", "november nov ноября ноя", "december dec декабря дек",
)  # fmt: skip
WORKDAYS, WEEKEND = "01234", "56"


def any_of(*lists: str) -> str:
    """A pattern for any of the words, which are separated by blanks."""
    return "|".join(sorted(" ".join(lists).split(), key=len, reverse=True))


def up_to(most: int, numbers: Mapping[int, str]) -> str:
    """A pattern for the numbers up to `most`, in words."""
    return any_of(*(words for value, words in numbers.items() if value <= most))


TENS = any_of(*(words for value, words in CARDINALS.items() if value >= 20))
WORDED = rf"(?:(?:{TENS})(?:(?: |-)(?:{up_to(9, CARDINALS)}))?|{up_to(19, CARDINALS)})"
NUMBER = rf"(?:\d{{1,4}}|{WORDED})"
HOUR = rf"(?:\d{{1,2}}|{up_to(12, CARDINALS)})"
NEXT_HOUR = rf"(?P<next>{up_to(12, ORDINALS)})"
DATE = rf"(?P<day>\d{{1,2}}(?:st|nd|rd|th|-?(?:го|е|ое|ого))?|(?:(?:{TENS})(?: |-))?(?:{any_of(*ORDINALS.values())}))"
SHORT_WEEKDAY = "пн|вт|ср|чт|пт|сб|вс"
WEEKDAY, EACH, MONTH = any_of(*WEEKDAYS), any_of(*EACH_WEEKDAY), any_of(*MONTHS)
BY_WEEKDAY = any_of(*OF_WEEKDAY)
NTH_WORDS = any_of(*(words for _, words in NTH))
UNIT_WORDS = [words for words, _, _ in UNITS]
UNIT = any_of(*UNIT_WORDS)
AT = r"(?:at|by|around|@|в|во|к|ко|около|примерно в|ровно в|где-то в) "
HALF = r"(?:\s*(?P<half>[ap])\.?m\.?)?"  # of the day
HOURS = r"(?:\s*(?:o'?clock|h|час(?:а|ов|ам)?|ч\.?))"
WEEK = r"(?:this week|next week|на (?:этой|следующей) неделе)"
AND_HALF = r"( and (?:a )?half| and (?:a |one )?quarter| and three quarters| с половиной| с четвертью)?"
AMOUNT = (
    rf"(?:({'|'.join(QUANTITIES)}|\d{{1,3}}[.,]\d|{NUMBER}){AND_HALF}\s*|(?<![a-zа-я\d]))({UNIT})(?![a-zа-я]){AND_HALF}"
)
COUNTED = rf"(?:{'|'.join(QUANTITIES)}|\d{{1,3}}[.,]\d|{NUMBER}){AND_HALF}\s*(?:{UNIT})(?![a-zа-я]){AND_HALF}"
MORE = rf"(?:(?:,? (?:and|и) |,?\s*){COUNTED})*"
END = r"(?![\w%]|[:.,/]\d|(?<=\d)\s?[-–—]\s?\d|-\w)"  # no number goes on, and no range


def spaced(written: str) -> str:
    """A pattern with any blanks for each space."""
    return written.replace(" ", r"\s++").replace(r"\s*", r"\s*+")


def pattern(written: str) -> re.Pattern[str]:
    """The pattern of a whole time expression."""
    return re.compile(spaced(f"(?:{written}){END}"))
