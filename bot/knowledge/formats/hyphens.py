"""Joins words that a PDF divides at the ends of lines: `joined_words`. Compounds keep their hyphen.

A division and a compound look alike ("informa-" / "tion", "self-" / "service"). What the document says elsewhere
decides, then the parts of words that are nearly always joined by a hyphen, else it is a division.
"""

from __future__ import annotations

import re
from collections.abc import Collection

DIVIDED = re.compile(r"(\w[\w‐‑-]{0,80})([-‐‑\xad])[ \t]*\n[ \t]*(\w+)")
SOFT = "\xad"
WORD = re.compile(r"\w+(?:[-‐‑]\w+)*")
HYPHENS = str.maketrans({"‐": "-", "‑": "-"})
VOWELS = re.compile(r"[aeiouyаеёиоуыэюя]", re.IGNORECASE)
SHORTEST_REST = 3  # letters that typesetters carry over to the next line, in English
FIRST_WORDS = """
self opt non well high low long short full half real semi anti multi cross first third two three check log follow drop
pick best built based e x онлайн оффлайн офлайн интернет веб бизнес мини макси медиа аудио видео смс вип премиум эконом
экспресс топ пресс фитнес спа арт поп рок чат кое генерал вице экс обер унтер штаб блок ток шоу дизайн фото бета альфа
крем гель купон плащ диван кафе вагон джаз
"""
LAST_WORDS = """
term time based free friendly made level quality party class factor sided known being paid like wide size scale speed
end resolution risk tech distance lasting in out up off on ready proof sensitive specific related driven oriented owned
date line art service whole либо нибудь магазин сайт банк касса оплата заказ
"""
ENDINGS = """
able age al ary ation dom ed en er ers ful hood ible ic ical ice ics ily ing ings ion ism ist ity ive less ly ment ments
ness ory ous ple ply sion ship teen tion tions ty ure
"""
FIRST, LAST, SUFFIXES = (frozenset(words.split()) for words in (FIRST_WORDS, LAST_WORDS, ENDINGS))
ASKING = re.compile(
    r"(?:как(?:ой|ая|ое|ие|ого|ому|им|их|ими|ую)?|кто|кого|кому|кем|что|чего|чему|чем|где|когда|куда|откуда|почему|зачем|"
    r"чей|чья|чьё|сколько)",
    re.IGNORECASE,
)
PARTICLES = ("то", "ка", "таки")
OUT_OF = {"из": ("за", "под"), "во": ("первых", "вторых"), "в": ("третьих",)}
IN_A_WAY = re.compile(r"\w+(?:ски|цки|ому|ему|ьи)", re.IGNORECASE)  # по-русски, по-новому


def words_of(text: str) -> Collection[str]:
    """The words of a document in small letters, compounds whole, without those that a line end divides."""
    whole = DIVIDED.sub(" ", text).translate(HYPHENS).lower()
    return frozenset(found[0] for found in WORD.finditer(whole))


def joined_words(text: str, known: Collection[str]) -> str:
    """A text without divisions at the ends of lines; `known` are the words of the whole document."""
    return DIVIDED.sub(lambda found: _joined(found[1], found[2], found[3], known), text)


def _joined(before: str, sign: str, after: str, known: Collection[str]) -> str:
    if sign == SOFT:
        return before + after
    first, last = re.split(r"[-‐‑]", before)[-1].lower(), after.lower()
    compound, word = f"{before}-{after}".translate(HYPHENS), before + after
    if compound.lower() in known:
        return compound
    if word.lower() in known:
        return word
    return compound if _is_compound(before, first, after, last, known) else word


def _is_compound(before: str, first: str, after: str, last: str, known: Collection[str]) -> bool:
    if not after[0].islower() or not first[-1].isalpha() or before.isupper() or not VOWELS.search(first):
        return True  # Нью-Йорк, 3-дневный, СМС-код, в третьих
    if re.search(r"[-‐‑]", before) or len(first) == 1:
        return True  # state-of-the-art, e-mail
    if last in SUFFIXES:
        return False
    if (last.isascii() and len(last) < SHORTEST_REST) or first in FIRST or last in LAST:
        return True
    if last in PARTICLES and ASKING.fullmatch(first):
        return True
    if last in OUT_OF.get(first, ()) or (first == "по" and IN_A_WAY.fullmatch(last) is not None):
        return True
    return first in known and last in known
