"""Hides numbers of bank cards and telephones, and passwords, in what customers write: `masked`. Pure.

They are sought in the text as it looks (`bot/lookalikes.py`): phones write no-break blanks, dashes of all kinds and
full-width digits into numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product

from bot.lookalikes import folded

MARK = "•"
BETWEEN = "[ ._/-]{0,3}"  # two digits of a number
NUMBER = re.compile(rf"\d(?:{BETWEEN}\d){{12,}}")
LENGTHS = range(13, 20)  # digits, as ISO/IEC 7812 has them
GROUPS = ((4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (8, 8))  # of a card
DATE = re.compile(r"(?:19|20)\d\d\D")
SPACE = "[ ()._/-]{0,3}"
ALONE = r"(?<!\d)(?<!\d[ ._/-])"
PHONE = re.compile(
    rf"\+ ?\d(?:{SPACE}\d){{7,14}}(?!\d)"  # of any country
    rf"|{ALONE}[78]{SPACE}[3-9](?:{SPACE}\d){{9}}(?!\d)"
    rf"|{ALONE}[2-9]\d\d[ )._/-]{{1,3}}\d{{3}}[ ._/-]{{1,3}}(?:\d{{4}}|\d\d[ ._/-]{{1,3}}\d\d)(?!\d)"
)
NAME = re.compile(
    r"(?<!\w)(?:password|passcode|passwd|pwd|пароль|cvv2?|cvc2?|pin[ -]?code|pin|пин[ -]?код|пин)(?!\w)", re.IGNORECASE
)
SIGNS, SAYS = ":=-", ("is", "was", "это", "такой")
DIGITS = re.compile(r"\d(?: ?\d)*")  # a secret with blanks between its digits
FAR = 60  # characters behind the name in which the password begins
CARD_SHOWN, PHONE_SHOWN = 4, 2  # last digits that stay

Span = tuple[int, int]


def masked(text: str, *, cards: bool, passwords: bool, phones: bool = False) -> tuple[str, tuple[str, ...]]:
    """Return a text in which secrets are replaced by marks of the length that they have in UTF-16 units, so that
    entities still fit, and the kinds of what was found: "cards", "passwords", "phones".

    The last four digits of a card stay, and the last two of a telephone number. A number is one of a card if its check
    digit is right (ISO/IEC 7812-1).
    """
    found = []
    for kind, is_on, spans, shown in (
        ("passwords", passwords, _passwords, 0),
        ("cards", cards, _cards, CARD_SHOWN),
        ("phones", phones, _phones, PHONE_SHOWN),
    ):
        if is_on and (hidden := _places(text, spans, shown)):
            text = "".join(_marks(sign) if place in hidden else sign for place, sign in enumerate(text))
            found.append(kind)
    return text, tuple(sorted(found))


def _places(text: str, spans: Callable[[str], Iterator[Span]], shown: int) -> set[int]:
    """Where the signs stand that are hidden: all but blanks of a password, all digits of a number but the last."""
    seen, places = folded(text), set[int]()
    for start, end in spans(seen.text):
        if shown:
            digits = [place for place in range(start, end) if seen.text[place].isdecimal()]
            places |= {seen.places[place] for place in digits[:-shown]}
        else:
            first, last = seen.span(start, end)
            places |= {place for place in range(first, last) if not text[place].isspace()}
    return places


def _cards(text: str) -> Iterator[Span]:
    for run in NUMBER.finditer(text):
        end = 0
        groups = [(found.start() + run.start(), found.end() + run.start()) for found in re.finditer(r"\d+", run[0])]
        for first, size in product(range(len(groups)), range(1, LENGTHS.stop)):
            part = groups[first : first + size]
            if part[0][0] >= end and _is_card(text, part, whole=len(part) == len(groups)):
                end = part[-1][1]
                yield part[0][0], end


def _is_card(text: str, groups: list[Span], *, whole: bool) -> bool:
    """Whether groups of digits are the number of a card: the `whole` of what stands together, or grouped as a card."""
    sizes = tuple(end - start for start, end in groups)
    if sum(sizes) not in LENGTHS or not (whole or len(groups) == 1 or sizes in GROUPS):
        return False
    digits = [int(sign) for start, end in groups for sign in text[start:end]]
    if not any(digits):
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and DATE.match(text, groups[0][0]) is None


def _phones(text: str) -> Iterator[Span]:
    for found in PHONE.finditer(text):
        yield found.span()


def _passwords(text: str) -> Iterator[Span]:
    """Each word behind the name of a secret: the next one, if a sign leads to it or it has a digit."""
    for found in NAME.finditer(text):
        rest = text[found.end() : found.end() + FAR]
        words = rest.split(maxsplit=2)
        is_said = bool(words) and (words[0].lower() in SAYS or not words[0].strip(SIGNS))
        if is_said:
            words = words[1:]
        elif words and words[0][0] in SIGNS and not rest[0].isspace():
            is_said, words = True, [words[0].lstrip(SIGNS), *words[1:]]
        if not words or not words[0].strip(MARK):
            continue
        secret = words[0].rstrip(".,;!?")
        by_sign = is_said and rest.lstrip()[0] in SIGNS
        if secret and (by_sign or any(sign.isdecimal() for sign in secret)):
            begin = text.index(secret, found.end())
            spaced = DIGITS.match(text, begin)
            yield begin, max(begin + len(secret), spaced.end() if spaced and secret.isdecimal() else 0)


def _marks(secret: str) -> str:
    return MARK * (len(secret.encode("utf-16-le", "replace")) // 2)
