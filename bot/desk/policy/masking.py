"""Hides numbers of bank cards and passwords in what customers write: `masked`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK = "•"
NUMBER = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")  # 13 to 19 digits, as ISO/IEC 7812 has them
NAME = re.compile(
    r"(?<!\w)(?:password|passcode|passwd|pwd|пароль|cvv|cvc|cvv2|cvc2|pin|пин|пин-код|пинкод)(?!\w)", re.IGNORECASE
)
SIGNS, SAYS = ":=—–-", ("is", "was", "это", "такой")
FAR = 60  # characters behind the name in which the password begins
SHOWN = 4  # last digits of a card that stay


def masked(text: str, *, cards: bool, passwords: bool) -> tuple[str, tuple[str, ...]]:
    """Return a text in which secrets are replaced by marks of the length that they have in UTF-16 units, so that
    entities still fit, and the kinds of what was found: "cards", "passwords".

    The last four digits of a card stay. A number is one of a card if its check digit is right (ISO/IEC 7812-1).
    """
    found = tuple(
        kind for kind, is_on, spans in (("cards", cards, _cards), ("passwords", passwords, _passwords))
        if is_on and any(spans(text))
    )  # fmt: skip
    for begin, end in _passwords(text) if "passwords" in found else ():
        text = text[:begin] + _marks(text[begin:end]) + text[end:]
    for begin, end in _cards(text) if "cards" in found else ():
        digits = [place for place in range(begin, end) if text[place].isdecimal()][:-SHOWN]
        text = "".join(MARK if place in digits else sign for place, sign in enumerate(text))
    return text, found


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for found in NUMBER.finditer(text):
        digits = [int(sign) for sign in found[0] if sign.isdecimal()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits):
            yield found.span()


def _passwords(text: str) -> Iterator[tuple[int, int]]:
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
            yield begin, begin + len(secret)


def _marks(secret: str) -> str:
    return MARK * (len(secret.encode("utf-16-le", "replace")) // 2)
