"""What holds for every text: nothing is lost, every piece is one that Telegram takes, and time stays in bounds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.telegram.render import Piece, draft, needs_rich, parse, pieces, plain, rich
from bot.telegram.render.cleaning import is_visible
from bot.telegram.render.document import Block, Code, Formula, Heading, Paragraph, Table, text_of, walk

LETTERS = "abcxyz абвя АЯ 019 éß你 😀👍🏽 \n ,;?%@'\""
MARKUP = LETTERS + "\n\n  *_~`#>-+.|\\$<&:={}^/"
EVERYTHING = MARKUP + "[]()!\x00\u202e\u0301\u200d\ud83d"
NOISE = re.compile(r"[\W_]+")
FENCE = re.compile(r"`{3,}|~{3,}")


def normal(text: str) -> str:
    return NOISE.sub("", text)


def joined(found: list[Piece]) -> str:
    return "".join(piece.text for piece in found)


def size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def of(alphabet: str) -> st.SearchStrategy[str]:
    """Short texts, and long ones, which would hardly come up by themselves."""
    letters = st.sampled_from(alphabet)
    return st.one_of(st.text(letters, max_size=40), st.text(letters, min_size=100, max_size=400))


texts = of(LETTERS)
marked = of(MARKUP).map(lambda text: FENCE.sub("`", text))
anything = st.one_of(of(EVERYTHING), st.text(max_size=200))
SNIPPETS = (
    *("**b**", "`c_d`", "*i*", "$x$", "[t](https://ex.org)", "😀", "слово ", "\n\n", "\n- ", "\n1. ", "\n> ", "\n# "),
    *("\n```py\n", "\n```\n", "|a|b|\n|-|-|\n", "\n    x = 1\n"),
)
built = st.lists(st.sampled_from(SNIPPETS), min_size=10, max_size=80).map("".join)


@given(texts)
@settings(deadline=None)
def test_a_text_without_markup_keeps_every_letter_and_digit(text: str) -> None:
    assert normal(joined(pieces(parse(text)))) == normal(text)


@given(marked)
@settings(deadline=None)
def test_markup_never_costs_a_letter_or_a_digit(text: str) -> None:
    assert normal(joined(pieces(parse(text)))) == normal(text)


@given(st.one_of(anything, built), st.integers(20, 120))
@settings(deadline=None)
def test_every_piece_is_one_that_telegram_takes(text: str, limit: int) -> None:
    for piece in pieces(parse(text), limit):
        assert 0 < size(piece.text) <= limit
        assert piece.text == piece.text.rstrip()
        assert not piece.text[0].isspace() or piece.entities[0]["type"] in {"pre", "blockquote"}
        assert len(piece.entities) <= 100
        check_entities(piece)


def check_entities(piece: Piece) -> None:
    raw = piece.text.encode("utf-16-le")
    spans = [(one["offset"], one["offset"] + one["length"], one["type"]) for one in piece.entities]
    for start, end, _ in spans:
        assert 0 <= start < end <= len(raw) // 2
        raw[: start * 2].decode("utf-16-le")  # raises inside a surrogate pair
        raw[: end * 2].decode("utf-16-le")
    for (start, end, kind), (start2, end2, kind2) in combinations(spans, 2):
        apart = end <= start2 or end2 <= start
        assert apart or (start <= start2 and end2 <= end) or (start2 <= start and end <= end2)
        assert apart or not {"pre", "code"} & {kind, kind2} or "blockquote" in {kind, kind2}
        assert apart or not kind == kind2 == "blockquote"


@given(st.one_of(anything, built), st.integers(20, 120))
@settings(deadline=None)
def test_cutting_changes_no_visible_character(text: str, limit: int) -> None:
    whole, parts = joined(pieces(parse(text), 1_000_000)), joined(pieces(parse(text), limit))
    assert "".join(filter(is_visible, whole)) == "".join(filter(is_visible, parts))


@given(st.one_of(anything, built), st.integers(20, 120))
@settings(deadline=None)
def test_plain_text_is_the_original_in_order(text: str, limit: int) -> None:
    parts = plain(text, limit=limit)
    assert all(0 < size(part) <= limit for part in parts)
    assert normal("".join(parts)) == normal("".join(plain(text, limit=1_000_000)))
    assert "\x00" not in "".join(parts)


@given(st.one_of(anything, built))
@settings(deadline=None)
def test_rich_blocks_hold_the_same_letters_and_nothing_empty(text: str) -> None:
    document = parse(text)
    found = rich(document)
    assert normal("".join(strings(found))) == normal("".join(map(words, walk(document.blocks))))
    check_filled(found)


def words(block: Block) -> str:
    match block:
        case Paragraph(runs) | Heading(_, runs):
            return text_of(runs)
        case Code(text, _) | Formula(text):
            return text
        case Table(_, header, rows):
            return "".join(text_of(cell) for row in (header, *rows) for cell in row)
        case _:
            return ""


def strings(node: object) -> Iterator[str]:
    """What a reader sees of a rich message."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for one in node:
            yield from strings(one)
    elif isinstance(node, dict):
        for key in ("text", "expression", "blocks", "items", "cells"):
            yield from strings(node.get(key))


def check_filled(node: object) -> None:
    if isinstance(node, list):
        assert node
        for one in node:
            check_filled(one)
    elif isinstance(node, dict):
        for value in node.values():
            check_filled(value)
    elif isinstance(node, str):
        assert node


@given(st.one_of(anything, built))
@settings(deadline=None, max_examples=60)
def test_every_prefix_of_anything_can_be_drafted(text: str) -> None:
    for end in range(0, len(text) + 1, 7):
        held = draft(text[:end])
        assert text.startswith(held)
        pieces(parse(held))


@pytest.mark.parametrize("count", [4_095, 4_096, 4_097, 8_192, 20_000])
@pytest.mark.parametrize("word", ["a", "я", "😀", "слово ", "e\u0301", "👨‍👩‍👧 "])
def test_long_texts_arrive_whole(count: int, word: str) -> None:
    text = (word * count)[:count]
    found = [piece.text for piece in pieces(parse(text))]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(size(part) <= 4_096 for part in found)
    assert len(found) <= size(text) // 4_000 + 1


def test_a_long_block_of_code_goes_on_as_code_in_its_language() -> None:
    lines = [f"    line {number}" for number in range(1_500)]
    found = pieces(parse("Код:\n\n```python\n" + "\n".join(lines) + "\n```\n\nконец"))
    assert len(found) == 5
    assert all(piece.entities[0]["type"] == "pre" and piece.entities[0]["language"] == "python" for piece in found)
    assert "\n".join(piece.text for piece in found) == "Код:\n\n" + "\n".join(lines) + "\n\nконец"


def test_an_emoji_family_is_not_torn() -> None:
    family = "👨‍👩‍👧‍👦"
    assert all(part.text.count("👦") * family == part.text for part in pieces(parse(family * 50), 100))


def test_a_cut_falls_between_blocks_and_a_heading_stays_with_its_text() -> None:
    markdown = "\n\n".join(f"## H{number}\n\n{'слово ' * 12}" for number in range(6))
    found = pieces(parse(markdown), 200)
    assert [part.text[:2] for part in found] == ["H0", "H2", "H4"]


def test_more_than_a_hundred_entities_lose_looks_but_no_link() -> None:
    (piece,) = pieces(parse("*a* " * 150 + "[b](https://ex.org)"))
    assert len(piece.entities) == 100
    assert piece.entities[-1]["type"] == "text_link"
    many = pieces(parse("[b](https://ex.org) c " * 250))
    assert sum(len(part.entities) for part in many) == 250


def test_the_note_ends_the_last_piece_and_fits() -> None:
    for length in range(60, 140):
        found = pieces(parse("а" * length), 100, note="Ответ не закончен.")
        last = found[-1]
        assert last.text.endswith("а\n\nОтвет не закончен.")
        assert last.entities[-1]["type"] == "italic"
        assert all(size(part.text) <= 100 for part in found)
        assert plain("а" * length, "Ответ не закончен.", 100)[-1].endswith("а\n\nОтвет не закончен.")
    assert [piece.text for piece in pieces(parse(""), note="x")] == ["x"]
    assert plain("", "x") == ["x"]


HOSTILE: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "[" * 1_000 * n + "]" * 1_000 * n,
    "half links": lambda n: "[a](" * 2_000 * n,
    "quotes": lambda n: ">" * 1_500 * n,
    "stars": lambda n: "*" * 10_000 * n,
    "open stars": lambda n: "*a " * 2_500 * n,
    "closed stars": lambda n: "*a* " * 2_000 * n,
    "table": lambda n: "|a|b|c|\n|-|-|-|\n" + "|x|**y**|`z`|\n" * 150 * n,
    "fences": lambda n: "```\n" * 350 * n,
    "ticks": lambda n: "".join("`" * count + "a" for count in range(100)) * n,
    "dollars": lambda n: "$$\n" * 2_500 * n,
    "displays": lambda n: "\\[\n" * 2_500 * n,
    "tags": lambda n: "<http://" * 1_500 * n,
    "lists": lambda n: "".join("  " * depth + "- a\n" for depth in range(75)) * n,
    "blanks": lambda n: "a" + " " * 8_000 * n + "b\nc",
    "blanks in a list": lambda n: "```\n```\n-" + " " * 8_000 * n + "b",
    "items in a line": lambda n: "- " * 4_000 * n + "b",
    "a long word as a link": lambda n: f"[{'a' * 8_000 * n}](https://ex.org)",
    "dots as a link": lambda n: f"[{'a.' * 4_000 * n}1](https://ex.org)",
    "accents": lambda n: "e" + "\u0301" * 2_000 * n,
}


def spent(text: str) -> float:
    """Processor seconds for all that is done with an answer; the best of three: a busy machine does not count."""

    def once() -> float:
        began = time.process_time()
        document = parse(text)
        pieces(document)
        rich(document)
        needs_rich(document)
        plain(text)
        draft(text)
        return time.process_time() - began

    return min(once() for _ in range(3))


@pytest.mark.sweep
@pytest.mark.parametrize("name", HOSTILE)
def test_twice_as_much_hostile_text_takes_no_more_than_about_twice_the_work(name: str) -> None:
    text = HOSTILE[name]
    assert spent(text(2)) < 3 * spent(text(1)) + 0.2  # measured: 0.1 in all; a quadratic rule takes many seconds
