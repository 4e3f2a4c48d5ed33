"""Writes numbers in digits that are written otherwise: «тридцати», "twenty-fifth", "14-ти", "300k". Pure.

Begin with `in_digits`. It is given a text as `quotes.plain` makes it: small letters, е for ё.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

HARD = ("ый", "ая", "ое", "ого", "ому", "ую", "ым", "ом", "ой", "ые", "ых", "ыми")
SOFT = ("ий", "ья", "ье", "ьего", "ьему", "ью", "ьим", "ьем", "ьей", "ьи", "ьих", "ьими")
CARDINALS = {
    0: "ноль нуля zero",
    2: "два две двух двум двумя двое двоих дважды two twice",
    3: "три трех трем тремя трое троих трижды three",
    4: "четыре четырех четырем четырьмя четверо четырежды four",
    5: "пять пяти пятью пятеро five",
    6: "шесть шести шестью шестеро six",
    7: "семь семи семью семеро seven",
    8: "восемь восьми восемью восьмью восьмеро eight",
    9: "девять девяти девятью nine",
    10: "десять десяти десятью десяток десятка ten",
    11: "eleven",
    12: "twelve дюжина дюжины дюжину dozen dozens",
    13: "thirteen",
    14: "fourteen",
    15: "fifteen",
    16: "sixteen",
    17: "seventeen",
    18: "eighteen",
    19: "nineteen",
    20: "twenty",
    30: "thirty",
    40: "сорок сорока forty",
    50: "пятьдесят пятидесяти пятьюдесятью fifty",
    60: "шестьдесят шестидесяти шестьюдесятью sixty",
    70: "семьдесят семидесяти семьюдесятью seventy",
    80: "восемьдесят восьмидесяти восемьюдесятью восьмьюдесятью eighty",
    90: "девяносто девяноста ninety",
    100: "сто ста сотня сотню сотни hundred hundreds",
    200: "двести двухсот двумстам двумястами двухстах",
    300: "триста трехсот тремстам тремястами трехстах",
    400: "четыреста четырехсот четыремстам четырьмястами",
    500: "пятьсот пятисот пятистам пятьюстами",
    600: "шестьсот шестисот шестистам шестьюстами",
    700: "семьсот семисот семистам семьюстами",
    800: "восемьсот восьмисот восьмистам восемьюстами",
    900: "девятьсот девятисот девятистам девятьюстами",
    1_000: "тысяча тысячи тысяч тысяче тысячу тысячей тысячам тысячами тысячах thousand thousands",
    1_000_000: "миллион миллиона миллионов миллионы миллионам миллионами million millions",
    1_000_000_000: "миллиард миллиарда миллиардов миллиарды billion billions",
}
# Stems of -надцать and -дцать, which are cardinals and ordinals in one.
TEENS = {
    "одиннадцат": 11,
    "двенадцат": 12,
    "тринадцат": 13,
    "четырнадцат": 14,
    "пятнадцат": 15,
    "шестнадцат": 16,
    "семнадцат": 17,
    "восемнадцат": 18,
    "девятнадцат": 19,
    "двадцат": 20,
    "тридцат": 30,
}
ORDINALS = {
    "четверт": 4,
    "пят": 5,
    "шест": 6,
    "седьм": 7,
    "восьм": 8,
    "девят": 9,
    "десят": 10,
    "сороков": 40,
    "пятидесят": 50,
    "шестидесят": 60,
    "семидесят": 70,
    "восьмидесят": 80,
    "девяност": 90,
    "сот": 100,
    "тысячн": 1_000,
}
ENGLISH_ORDINALS = (
    "fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
)
ENGLISH_TENS = ("thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth", "hundredth")
# What is said of one thing as often as of its place: a source may give the number, an answer need not prove it.
VAGUE = {
    1: "один одна одно одного одной одному одну одним first one",
    2: "second",
    3: "third",
}
VAGUE_STEMS = {"перв": 1, "втор": 2}
HALF = re.compile(r"(?<!\w)(?:полтора|полторы|полутора)(?!\w)")
# How a number stands before «-дневный»: "тридцатидневный".
JOINED = {
    "одно": 1,
    "двух": 2,
    "трех": 3,
    "четырех": 4,
    "пяти": 5,
    "шести": 6,
    "семи": 7,
    "восьми": 8,
    "девяти": 9,
    "десяти": 10,
    "сорока": 40,
    "пятидесяти": 50,
    "шестидесяти": 60,
    "семидесяти": 70,
    "восьмидесяти": 80,
    "девяносто": 90,
    "сто": 100,
    **{f"{stem}и": number for stem, number in TEENS.items()},
}
ROOTS = r"(?:дневн|суточн|недельн|месячн|годичн|летн|часов|минутн|секундн|процентн|рублев|разов|кратн)"
TENS = "|".join(word for word, number in JOINED.items() if 20 <= number < 100)
COMPOUND = re.compile(
    rf"(?<!\w)({TENS})?({'|'.join(sorted(JOINED, key=len, reverse=True))})(?={ROOTS}[а-я]{{2,4}}(?!\w))"
)
WORD = re.compile(r"[^\W\d_]+")
AND = re.compile(r"(?<=hundred)\sand\s(?=[a-z]+(?:y|ve|ee|ur|ix|ht|ne|en|wo)(?!\w))")
ENDING = re.compile(
    r"(?<=\d)(?:-(?:го|му|ти|ми|мя|х|й|я|е|ю|м|и|ый|ая|ое|ой|ого|ому|ую|ых|ым)|(?:st|nd|rd|th|го|ти|ый|ая|ое|ого))(?!\w)"
)
HYPHEN = re.compile(rf"(?<=\d)-(?={ROOTS}|days?\b|weeks?\b|months?\b|years?\b|hours?\b|minutes?\b|percent\b|fold\b)")
TWICE = re.compile(r"(?<!\w)(\d+)\s?\(\s?\1\s?\)")  # "14 (четырнадцати)" of contracts
GLUED = re.compile(r"(?<![\w.,/-])([$€£₽]?\d+(?:[.,]\d+)*)([^\W\d_]{1,7})(?![\w-])")
SHORT = {
    "k": "тыс",
    "к": "тыс",
    "тыс": "тыс",
    "т": "тыс",
    "тр": "тыс руб",
    "kk": "млн",
    "кк": "млн",
    "m": "млн",
    "м": "м",
    "mln": "млн",
    "млн": "млн",
    "bn": "млрд",
    "млрд": "млрд",
    "р": "руб",
    "руб": "руб",
    "rub": "rub",
    "usd": "usd",
    "eur": "eur",
}
# Letters that look like a digit (l, s, b, g, б) are none: "14l" may be 141.
GLUED_UNITS = frozenset(
    re.findall(
        r"\S+",
        """
        кг г гр мг kg gr mg л мл ml см мм км cm mm km ч час мин сек с h hr hrs min mins sec ms мс д дн d шт
        pcs x х kb mb gb tb кб мб гб тб px dpi hz khz mhz ghz гц кгц мгц w kw вт квт v в a а mah c am pm in
        ft lb lbs oz
        """,
    )
)
SCALE, FEWEST = 1_000, 4
BETWEEN = (" ", "-")


def in_digits(line: str, *, vague: bool) -> str:
    """A text with its numbers in digits. `vague`: also "one" and "second", by which no number need be meant."""
    line = AND.sub(" ", line)
    line = HALF.sub("1.5", COMPOUND.sub(lambda found: f"{JOINED.get(found[1], 0) + JOINED[found[2]]} ", line))
    line = "".join(_parts(line, _vocabulary(vague=vague)))
    line = HYPHEN.sub(" ", ENDING.sub("", line))
    return TWICE.sub(r"\1", GLUED.sub(_apart, line))


def _apart(found: re.Match[str]) -> str:
    """A number and the unit or the scale that is glued to it, apart; anything else stays one code ("14o")."""
    if short := SHORT.get(found[2]):
        return f"{found[1]} {short}"
    return f"{found[1]} {found[2]}" if found[2] in GLUED_UNITS else found[0]


@cache
def _vocabulary(*, vague: bool) -> Mapping[str, int]:
    found = {word: number for number, words in CARDINALS.items() for word in words.split()}
    for stem, number in TEENS.items():
        found |= dict.fromkeys((f"{stem}ь", f"{stem}и", f"{stem}ью", *(stem + end for end in HARD)), number)
    for stem, number in ORDINALS.items():
        found |= dict.fromkeys((stem + end for end in HARD), number)
    found |= {word: number for number, word in enumerate(ENGLISH_ORDINALS.split(), 4)}
    found |= {word: number for number, word in zip(range(30, 110, 10), ENGLISH_TENS, strict=True)}
    if vague:
        found |= {word: number for number, words in VAGUE.items() for word in words.split()}
        found |= {stem + end: number for stem, number in VAGUE_STEMS.items() for end in HARD}
        found |= {f"трет{end}": 3 for end in SOFT}
    return found


def _parts(line: str, words: Mapping[str, int]) -> Iterator[str]:
    """The text in parts, each number in words as digits."""
    at, found = 0, list(WORD.finditer(line))
    place = 0
    while place < len(found):
        run = _run(line, found, place, words)
        if not run:
            place += 1
            continue
        first, last = found[place], found[place + len(run) - 1]
        yield line[at : first.start()]
        yield str(_value(run))
        at, place = last.end(), place + len(run)
        if line[at : at + 1] == "-" and line[at + 1 : at + 2].isalpha():  # "fourteen-day"
            yield " "
            at += 1
    yield line[at:]


def _run(line: str, found: Sequence[re.Match[str]], place: int, words: Mapping[str, int]) -> list[int]:
    """The values of the words from `place` on that are one number; [] if there is none."""
    first = found[place]
    before, value = line[: first.start()], words.get(first[0])
    if value is None or _touches(before[-1:]):
        return []
    if (value >= SCALE or value < FEWEST) and re.search(r"\d[\s-]?$", before[-2:]):  # "5 thousand", "a 30 second wait"
        return []
    values = [value]
    for one in found[place + 1 :]:
        between = line[found[place + len(values) - 1].end() : one.start()]
        value = words.get(one[0])
        if value is None or between not in BETWEEN or not _goes_on(values, value):
            break
        values.append(value)
    end = found[place + len(values) - 1].end()
    return [] if _touches(line[end : end + 1]) else values


def _touches(sign: str) -> bool:
    """Whether a word beside this sign is a part of something longer: of a code, a link, a name."""
    return bool(sign) and (sign.isdigit() or sign in "_@/")


def _goes_on(values: Sequence[int], value: int) -> bool:
    """Whether a word continues a number: "twenty" and "five", "three" and "hundred", "two" and "thousand"."""
    last = values[-1]
    if value >= SCALE:
        return all(one < SCALE or one > value for one in values)
    if value == 100 and 0 < last < 10:
        return True
    if last >= SCALE:
        return value < SCALE
    return (last >= 100 and last % 100 == 0 and value < 100) or (last % 10 == 0 and 20 <= last < 100 and 0 < value < 10)


def _value(values: Sequence[int]) -> int:
    total = current = 0
    for value in values:
        if value >= SCALE:
            total, current = total + (current or 1) * value, 0
        elif value == 100 and 0 < current % 100 < 10:
            current += (current % 100) * 99
        else:
            current += value
    return total + current
