"""What signs look like: `folded` writes a text as a reader sees it, `slashed` the marker at its beginning. Pure.

People, phones and those who want to deceive write other signs for those that are meant: full-width digits, no-break
blanks, dashes of all kinds, signs that nobody sees. Whoever looks for a number or a marker compares what is seen.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

# Nobody sees them, though Unicode does not say so: fillers, the empty Braille pattern, what makes an emoji of a digit.
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0\u20e3") | frozenset(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
DASHES = frozenset("\u02d7\u2043\u2212\u2500\u2796\u30fc\uff70")  # beside those that Unicode calls dashes
DOTS = frozenset("\u00b7\u2022\u2024\u2027\u2219\u22c5\u3002\u30fb\uff61\uff65")
SLASHES = frozenset(
    "/\u1735\u2041\u2044\u2215\u2571\u27cb\u29f8\u2afd\u2afb\u2cc6\u2f03\u3033\u30ce\u31d3\u4e3f\uff0f\uff89\U0001d23a"
)
TWICE = frozenset("\u2afd\u2afb")  # two and three slashes in one sign


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in plain signs. `places` says for each of them where it stands in the text."""

    text: str
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the folded text stands in the text."""
        return self.places[start], self.places[end - 1] + 1


def folded(text: str) -> Folded:
    """A text with digits, letters, blanks, dashes and dots in the signs of ASCII where it has others that look so, and
    without signs that nobody sees. Newlines stay.
    """
    signs, places = [], []
    for place, sign in enumerate(text):
        if plain := sign if sign.isascii() else _plain(sign):
            signs.append(plain)
            places.append(place)
    return Folded("".join(signs), tuple(places))


def slashed(text: str) -> str:
    """The beginning of a text as markers are compared: without blanks and signs that nobody sees in front of it, with
    "/" for each sign that looks so and "@" for each "@"; "//" is two of them, whatever invisible stands between.
    """
    seen = folded(text).text.lstrip()
    return "".join("//" if sign in TWICE else "/" if sign in SLASHES else sign for sign in seen)


def _plain(sign: str) -> str:
    """A sign as it looks; "" if nobody sees it."""
    if sign in UNSEEN or unicodedata.category(sign) in ("Cf", "Cc", "Co", "Cs", "Cn"):
        return "" if sign != "\x85" else "\n"
    if (value := unicodedata.digit(sign, None)) is not None:
        return str(value)
    if sign in DASHES or unicodedata.category(sign) == "Pd":
        return "-"
    if sign in DOTS:
        return "."
    if unicodedata.category(sign) == "Zs":
        return " "
    normal = unicodedata.normalize("NFKC", sign)
    return normal if len(normal) == 1 else sign
