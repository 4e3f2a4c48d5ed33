"""Sentences and passages: what a quote can be, and what is found."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.knowledge.passages import LONGEST, SHORT, Block, Piece, cut, place_of
from bot.knowledge.sentences import spans

PIECES = [
    "Возврат — 14 дней", ". ", "! ", "?» ", "т. е. ", "руб. ", "Mr. Smith", "\n", "\n\n", "- пункт", " ", "…", "...",
    "2.5", "А", "a", "«", "”", "г. Москва", "U.S. ", "e.g. ", "слово " * 40, "x" * 700,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in spans(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Возврат — 14 дней. Деньги вернём за 3 дня!", ["Возврат — 14 дней.", "Деньги вернём за 3 дня!"]),
        ("Это стоит 300 руб. в месяц, т. е. 10 руб. в день. Оплата картой.",
         ["Это стоит 300 руб. в месяц, т. е. 10 руб. в день.", "Оплата картой."]),
        ("Живёт в г. Москва. Зовут А. С. Пушкин.", ["Живёт в г. Москва.", "Зовут А. С. Пушкин."]),
        ("Mr. Smith paid $2.50. He left.", ["Mr. Smith paid $2.50.", "He left."]),
        ("He said “Go!” Then he left.", ["He said “Go!”", "Then he left."]),
        ("Можно:\n- картой;\n- наличными.", ["Можно:", "- картой;", "- наличными."]),
        ("a line that was\nwrapped by an editor", ["a line that was\nwrapped by an editor"]),
        ("Возврат 14 дней.\n\n[a] Всё бесплатно.\n\nи доставка", ["Возврат 14 дней.", "[a] Всё бесплатно.",
         "и доставка"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_text_is_cut_into_sentences_as_a_reader_would(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@given(TEXTS)
@example("Возврат — 14 дней\n\n ")
def test_sentences_joined_are_the_text_and_none_is_blank(text: str) -> None:
    found = spans(text)
    assert "".join(text[start:end] for start, end in found) == text
    assert not text.strip() or all(text[start:end].strip() for start, end in found)


@given(st.lists(TEXTS, max_size=8))
def test_passages_hold_all_words_in_their_order_and_none_is_too_long(texts: list[str]) -> None:
    pieces = cut("Title", [Block(text) for text in texts])
    assert all(len(piece.text) <= LONGEST and piece.text.strip() for piece in pieces)
    assert re.sub(r"\s", "", "".join(piece.text for piece in pieces)) == re.sub(r"\s", "", "".join(texts))


def test_short_paragraphs_are_joined_under_one_heading_only() -> None:
    blocks = [Block("Первый абзац.", ("Возврат",)), Block("Второй абзац.", ("Возврат",)), Block("Третий.", ("Оплата",))]
    assert cut("Магазин", blocks) == [
        Piece("Магазин › Возврат", "Первый абзац.\n\nВторой абзац."),
        Piece("Магазин › Оплата", "Третий."),
    ]


def test_a_long_text_is_cut_between_sentences_into_parts_of_like_length() -> None:
    text = " ".join(f"Предложение номер {number} говорит о возврате." for number in range(60))
    pieces = cut("", [Block(text)])
    assert [piece.text.endswith(".") for piece in pieces] == [True] * 3
    assert max(len(piece.text) for piece in pieces) - min(len(piece.text) for piece in pieces) < SHORT


def test_a_place_names_each_heading_once_and_stays_short() -> None:
    assert place_of(["FAQ", "FAQ", " Срок \n возврата "]) == "FAQ › Срок возврата"
    assert place_of([str(number) for number in range(40)]) == "0 › 1 › 2 › 3 › … › 38 › 39"
    assert len(place_of(["x" * 5_000, "y"])) <= 300


def test_equal_text_at_an_equal_place_has_one_key_for_its_embedding() -> None:
    assert Piece("A", "text").sha == Piece("A", "text", page=7).sha != Piece("B", "text").sha


def test_any_number_of_lines_that_end_no_sentence_is_cut_in_the_time_that_reading_them_takes() -> None:
    began = time.process_time()
    assert len(spans("y\n" * 400_000)) == 1
    assert time.process_time() - began < 5
