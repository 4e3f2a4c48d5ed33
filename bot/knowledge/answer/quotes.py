"""Compares texts: whether a quote stands in one, and which numbers, dates, codes and links do. Pure. Begin with
`stands`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from bot.knowledge.answer.numerals import in_digits
from bot.knowledge.stems import stems

ALIKE = str.maketrans({
    **dict.fromkeys("«»“”„‟‹›″", '"'), **dict.fromkeys("‘’‚‛′`", "'"), **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""), "ё": "е", "Ё": "Е", "…": "...",
})  # fmt: skip
UNLIKE = re.compile(f"[{''.join(map(chr, ALIKE))}]")  # faster than to translate each character
EDGES = " \"'.,;:!?-*_"
SURE = 3  # letters of a stem that a longer one may begin with
SHORT = 2  # words: a quoted name is declined in Russian, so its stems are compared
LONGEST_NUMBER = 25  # digits that are computed with; longer ones are compared as they stand
EMPHASIS = re.compile(r"\*\*|__|~~|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
QUOTED = re.compile(r"«((?:[^«»]|«[^«»]*»)*)(?:»|$)|“([^“”]*)(?:”|$)|„([^„“”]*)(?:[“”]|$)|(?<!\d)\"([^\"]*)(?:\"|$)"
                    r"|(?<!`)`([^`\n]+)`(?!`)|^([^«»“”„\"]+)[»”]")  # fmt: skip

MONTHS = (
    "январ[ьяею]|january", "феврал[ьяею]|february", "март[ауе]?|march", "апрел[ьяею]|april", "ма[йяею]|may",
    "июн[ьяею]|june", "июл[ьяею]|july", "август[ауе]?|august", "сентябр[ьяею]|september", "октябр[ьяею]|october",
    "ноябр[ьяею]|november", "декабр[ьяею]|december",
)  # fmt: skip
NAMES = f"(?:{'|'.join(MONTHS)})"
SCALES = {"тыс": 3, "thou": 3, "мил": 6, "млн": 6, "млр": 9, "mill": 6, "bill": 9}
MONEY = {"%": "%", "проц": "%", "perc": "%", "per ": "%", "руб": "₽", "₽": "₽", "rub": "₽", "roub": "₽", "$": "$",
         "долл": "$", "doll": "$", "usd": "$", "€": "€", "евро": "€", "eur": "€", "£": "£"}  # fmt: skip
# Of these a source may leave out the unit (a table has it in its head), but may name no other one.
UNITS = {
    "day": r"дн(?:я|ей|ю|ем|ям|ями|ях|и)|дневн[а-я]+|день|сут[а-я]*|days?",
    "week": r"недел[а-я]*|weeks?",
    "month": r"месяц[а-я]*|месячн[а-я]*|мес|months?",
    "year": r"год(?:а|у|ом|ы|ов|ам|ами|ах|е)?|лет(?:н[а-я]+)?|years?|yrs?",
    "hour": r"час(?:а|ов|у|ам|ами|ах|е|ом|ы)?|ч|hours?|hrs?",
    "minute": r"минут[а-я]*|мин|minutes?|mins?",
    "second": r"секунд[а-я]*|сек|seconds?|secs?",
    "kg": r"кг|килограмм[а-я]*|kgs?|kilograms?|kilos?",
    "g": r"гр|грамм[а-я]*|grams?",
    "t": r"тонн[а-я]*|tonn?es?|tons?",
    "km": r"км|километр[а-я]*|kms?|kilomet(?:re|er)s?",
    "m": r"метр(?:а|ов|у|ам|е|ы)?|met(?:re|er)s?",
    "cm": r"см|сантиметр[а-я]*|cms?|centimet(?:re|er)s?",
    "mm": r"мм|миллиметр[а-я]*|mms?|millimet(?:re|er)s?",
    "l": r"литр(?:а|ов|у|ам|е|ы)?|lit(?:re|er)s?",
    "ml": r"мл|миллилитр[а-я]*|mls?",
    "gb": r"гб|гигабайт[а-я]*|gb|gigabytes?",
    "mb": r"мб|мегабайт[а-я]*|mb|megabytes?",
    "pieces": r"шт|штук[а-я]*|pcs|pieces?",
    "times": r"раза?|times",
    "people": r"человек[а-я]*|people|persons?",
    "points": r"балл[а-я]*|бонус[а-я]*|points?|bonus(?:es)?",
}
COUNTED = re.compile(  # what stands behind a number
    r"\s?(?:(?:календарн|рабоч|полн|calendar|business|working|work|full)[а-яa-z]*\s)?"
    rf"(?:{'|'.join(f'(?P<{name}>{words})' for name, words in UNITS.items())})(?!\w)"
)
YEARS = range(1_900, 2_100)  # with "year" behind it such a number is a date
NO_UNIT = "•"
LETTER = r"[^\W\d_]"
# Names of sites may have letters of any alphabet. Cyrillic ones end in a domain of the first level, since in Russian
# texts the blank behind a full stop is forgotten now and then.
DOMAINS = "рф|рус|дети|онлайн|сайт|москва|орг|ком|бел|укр|қаз|срб|мкд|мон|бг|ею|католик"
DOMAIN = (
    r"(?<![\w@.-])(?=(?:[\w-]{1,63}\.){1,8}[\w-]{2,59})"
    rf"(?=[\w.-]*?(?:[^\W\d_а-яё]|\.(?:{DOMAINS})(?![\w-])(?!\.\w)))"
    rf"(?:[^\W_](?:[\w-]{{0,62}})\.){{1,8}}(?:xn--[\w-]{{2,59}}|{LETTER}{{2,24}})(?![\w-])(?:/[^\s<>\"'()\[\]|]*)?"
)
FACT = re.compile(
    r"(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    rf"|(?P<mention>(?<![\w.@/])@{LETTER}\w{{2,31}})"
    rf"|(?P<link>(?<!\w)(?:\w{{2,12}}://|www\.)[^\s<>\"'()\[\]|]+|{DOMAIN})"
    r"|(?P<phone>\+\d[\d\s().-]{7,18}\d)"
    r"|(?P<iso>(?<!\w)\d{4}-\d\d-\d\d(?!\d))"
    r"|(?P<date>(?<!\w)\d{1,2}[./]\d{1,2}[./]\d{2,4}(?![\d.]\d))"
    r"|(?P<time>(?<!\w)\d{1,2}(?::\d\d){1,2}(?!\d)(?:\s?(?P<half>[ap])\.?m\b)?)"
    r"|(?P<code>(?<!\w)(?=[\w./-]{0,48}?[\d_])(?=[\w./-]{0,24}?[^\W\d_][\w./-]{0,24}?\d|\w{0,48}?[^\W_]_\w)\w+(?:[-./]\w+)*)"
    r"|(?P<glued>(?<!\w)\d[\d.,]{0,24}[^\W\d_]\w{0,24})"  # "14o" is neither 14 nor 140
    r"|(?P<number>(?P<currency>[$€£₽]\s?)?(?P<sign>(?<![\w)\].,;%-])(?<!\d\s)-)?(?<!\w)"
    r"(?P<value>\d{1,3}(?:[ ,']\d{3})+(?!\d)(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d+)*)"
    r"(?:\s?(?P<scale>тыс[а-я]*\.?|миллион[а-я]*|миллиард[а-я]*|млн|млрд|thousand|million|billion)(?!\w))?"
    r"(?:\s?(?P<unit>%|процент[а-я]*|percent|per cent|руб[а-я]*|₽|rub\b|rubles?|roubles?|\$|доллар[а-я]*|dollars?|usd|€"
    r"|евро|euros?|eur))?)"
    rf"|(?P<month>(?<!\w){NAMES}(?!\w))"
    rf"|(?P<mixed>(?<!\w)(?={LETTER}*[a-z]){LETTER}*[а-яёα-ω]{LETTER}*(?!\w)|(?<!\w)(?={LETTER}*[а-яё]){LETTER}*[α-ω]{LETTER}*(?!\w))"
)
KINDS = ("mail", "mention", "link", "phone", "iso", "date", "time", "code", "glued", "number", "month", "mixed")
PUNYCODE = re.compile(r"(?<![\w-])xn--([a-z0-9-]{1,59})(?![\w-])")
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
DOT = re.compile(
    r"(?<=\w)(?:\s?[\[({]\s?(?:\.|dot|точка)\s?[\])}]\s?|[\u3002\uff61]|\s(?:dot|точка)\s(?=(?:com|ru|org|net|рф|me|io)(?!\w)))(?=\w)"
)
AT = re.compile(r"(?<=\w)\s?[\[({]\s?(?:at|собака)\s?[\])}]\s?(?=\w)")


@dataclass(frozen=True, slots=True)
class Fact:
    """A number, date, amount, code or link of a text as it is written, and the ways in which it may stand elsewhere."""

    written: str
    ways: tuple[frozenset[str], ...]


@lru_cache(8_192)
def plain(text: str) -> str:
    """A text as quotes are compared: without differences of typography (quotation marks, dashes, ё, spaces, case)."""
    folded = UNLIKE.sub(lambda found: ALIKE[ord(found[0])], unicodedata.normalize("NFKC", text))
    return " ".join(folded.split()).casefold()


def stands(quote: str, text: str) -> bool:
    """Return whether a quote stands in a text word for word. Of a quote of one or two words the stems are enough."""
    wanted = plain(EMPHASIS.sub("", quote)).strip(EDGES)
    if not wanted:
        return True
    words = stems(wanted, stop=True)
    if 0 < len(words) <= SHORT and len(wanted.split()) <= SHORT:
        there = stems(plain(text), stop=True)
        return any(all(map(_is_form, there[place:], words)) for place in range(len(there) - len(words) + 1))
    line, at = plain(text), -1
    while (at := line.find(wanted, at + 1)) >= 0:
        if not (_inside_word(line, at) or _inside_word(line, at + len(wanted))):
            return True
    return False


def _inside_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


def _is_form(one: str, other: str) -> bool:
    """Return whether two stems may belong to one word: those of a name differ («Газпром» and «Газпрома»)."""
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) > SURE and long.startswith(short) and len(long) <= len(short) + SHORT)


def quoted(text: str) -> list[str]:
    """Return what stands in a text in quotation marks or as code. What is not closed reaches to the end of the text."""
    found = (next(part for part in match.groups() if part is not None) for match in QUOTED.finditer(text))
    return [one for one in found if any(map(str.isalnum, one))]


def facts(text: str) -> list[Fact]:
    """Return the numbers, dates, amounts, codes, links, mail addresses and @names in a text, and its words of letters
    of two alphabets.
    """
    line = _line(EMPHASIS.sub("", text), vague=False)
    return [Fact(_written(found), ways) for found in FACT.finditer(line) if (ways := _ways(found, line))]


@lru_cache(2_048)
def given(text: str) -> frozenset[str]:
    """Return the facts in a text, in every form in which another text may write them."""
    line = _line(text, vague=True)
    return frozenset(token for found in FACT.finditer(line) for token in _offers(found))


def _line(text: str, *, vague: bool) -> str:
    """A text as its facts are sought: as it looks, numbers in digits, the dots of addresses as dots."""
    return in_digits(AT.sub("@", DOT.sub(".", plain(UNSEEN.sub("", text)))), vague=vague)


def missing(wanted: Iterable[Fact], text: str) -> list[str]:
    """Return those of the wanted facts, as they are written, that are not in a text."""
    there = given(text)
    return [fact.written for fact in wanted if not any(way <= there for way in fact.ways)]


def _ways(found: re.Match[str], line: str) -> tuple[frozenset[str], ...]:
    kind = _kind(found)
    if kind == "month":
        beside = re.search(r"\d\s$", line[: found.start()]) or re.match(r"\s\d", line[found.end() :])
        return (frozenset({_month(found[0])}),) if beside else ()
    if kind == "number":
        _, scaled, unit, counted = _amount(found)
        date = _day(found["value"])
        ways = (scaled + unit,) if unit or not counted else (scaled + counted, scaled + NO_UNIT)
        return (*(frozenset({way}) for way in ways), *((frozenset(date),) if date and not unit else ()))
    if kind in {"date", "iso"}:
        parts = re.split(r"[./-]", found[0])
        return tuple(map(frozenset, _dates(parts, iso=kind == "iso")))
    if kind == "mention":
        return (frozenset({found[0]}), frozenset({f"t.me/{found[0][1:]}"}))
    return (frozenset({_time(found) if kind == "time" else _whole(kind, found[0])}),)


def _offers(found: re.Match[str]) -> Iterator[str]:
    kind = _kind(found)
    if kind == "month":
        yield _month(found[0])
    elif kind == "number":
        value, scaled, unit, counted = _amount(found)
        yield from (value, scaled, value + unit, scaled + unit, *_day(found["value"]))
        yield from (scaled + (counted or NO_UNIT), value + (counted or NO_UNIT))
    elif kind in {"date", "iso"}:
        for date in _dates(re.split(r"[./-]", found[0]), iso=kind == "iso"):
            yield from date
    elif kind == "time":
        yield _time(found)
        yield _time(found).rpartition(":")[0] if found[0].count(":") > 1 else _time(found)
    else:
        yield _whole(kind, found[0])


def _time(found: re.Match[str]) -> str:
    """Return a time of day as it is compared: 9:05 for "09:05" and "9:05 a.m.", 14:05 for "2:05 PM"."""
    hour, _, rest = re.split(r"\s?[ap]", found[0])[0].partition(":")
    added = {"p": 12, "a": 0}[found["half"]] if found["half"] else int(hour) // 12 * 12
    return f"{int(hour) % 12 + added if int(hour) < 24 else hour}:{rest}"


def _written(found: re.Match[str]) -> str:
    """A fact as it stands in the text, a number with what is counted."""
    counted = _counted(found) if _kind(found) == "number" else None
    return found.string[found.start() : counted.end() if counted else found.end()].strip()


def _counted(number: re.Match[str]) -> re.Match[str] | None:
    return COUNTED.match(number.string, number.end())


def _kind(found: re.Match[str]) -> str:
    """Which alternative of `FACT` was found."""
    return next(name for name in KINDS if found[name] is not None)


def _whole(kind: str, written: str) -> str:
    """Return a code, a link, a time or a telephone number in the form in which it is compared."""
    if kind == "phone":
        return "+" + "".join(filter(str.isdigit, written))
    if kind == "link":
        return PUNYCODE.sub(_letters, re.sub(r"^(?:https?://)?(?:www\.)?", "", written).rstrip("/.,;:!?*_"))
    return written.rstrip(".")


def _letters(found: re.Match[str]) -> str:
    """A part of a host in its own letters, as it is shown."""
    try:
        return found[1].encode().decode("punycode")
    except UnicodeError:
        return found[0]


def _amount(found: re.Match[str]) -> tuple[str, str, str, str]:
    """Return a number as it is written, its whole value ("3 million" is 3000000), its currency or "%", and what is
    counted ("day"); "" for none.
    """
    scale = next((power for start, power in SCALES.items() if (found["scale"] or "").startswith(start)), 0)
    unit = (found["currency"] or found["unit"] or "").strip()
    sign = found["sign"] or ""
    kept = next((short for start, short in MONEY.items() if unit.startswith(start.strip())), "") if unit else ""
    value = sign + _number(found["value"])
    counted = _counted(found)
    name = (counted.lastgroup or "") if counted else ""
    is_date = name == "year" and value.isdecimal() and int(value) in YEARS
    return value, sign + _number(found["value"], scale), kept, "" if is_date else name


def _number(written: str, scale: int = 0) -> str:
    joined = re.sub(r"[ ,'](?=\d{3}(?!\d))", "", written).replace(",", ".")
    joined = "".join(str(unicodedata.decimal(one, one)) for one in joined)
    if joined.count(".") > 1 or len(joined) > LONGEST_NUMBER:
        return joined
    value = format(Decimal(joined).scaleb(scale), "f")
    return value.rstrip("0").rstrip(".") if "." in value else value


def _day(written: str) -> tuple[str, ...]:
    """Return the tokens of a day such as "12.03"; none if the number is no day."""
    found = re.fullmatch(r"(\d{1,2})\.(\d\d)", written)
    return (_number(found[1]), f"m{int(found[2])}") if found and 0 < int(found[2]) <= 12 and int(found[1]) <= 31 else ()


def _dates(parts: list[str], *, iso: bool) -> Iterator[tuple[str, ...]]:
    year, month, day = parts if iso else reversed(parts)
    year = f"20{year}" if len(year) == 2 else year
    orders = ((day, month), (month, day)) if not iso else ((day, month),)
    valid = [(first, second) for first, second in orders if 0 < int(second) <= 12]
    yield from ((_number(first), f"m{int(second)}", year) for first, second in valid)
    if not valid:
        yield (".".join(parts),)


def _month(written: str) -> str:
    return next(f"m{number}" for number, names in enumerate(MONTHS, 1) if re.fullmatch(names, written))
