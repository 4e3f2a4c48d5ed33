"""Five hundred nasty answers: every letter and digit arrives, in order, and Telegram refuses none of them.

See P10, P11, F45, T37 in docs/promises.md.

Judged by the sandbox's own checks of entities and of rich messages. No fragment here has what a reader is not meant to
see: the language of code, the title of a link, the cross in a box.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from bot.sandbox.telegram.markup.entities import TEXT_LIMIT, checked, settle, units
from bot.sandbox.telegram.markup.rich import plain as words_of
from bot.sandbox.telegram.markup.rich import rich as rich_checked
from bot.telegram.render import Document, draft, parse, pieces, tables
from bot.telegram.render.document import CODE, Paragraph, Quote, Run, Table, walk
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Rung
from bot.types import Outgoing

FRAGMENTS = (
    "<b>x</i><script>&lt;&#x0;", "_*[]()~`>#+-=|{}.!\\", "**bold *both** it*", "***a** b*", "__init__ and __x__ y",
    "snake_case_name file__name", "*", "**", "* *", "** a **", "a**b**c", "**жир**ный", "**Важно:**текст",
    "5*3=15 и 4*2=8", "2 * 3 * 4", "x**2 + y**2", "~~no~~ ~5 ~~", "~~~", "```", "``", "`a", "`` a ` b ``", "`` ` ``",
    "```\ncode *a* [b](c)\n```", "~~~\n```\n~~~", "````\n```\n````", "    indented", "\ttab", "> q", ">q\n>> r\n> s",
    "> ```\n> a\n> ```", "> | a | b |\n> |---|---|\n> | c | d |", "- a\n  - b\n    - c\n- d", "- a\n\n  b\n- c",
    "1. a\n2. b\n10) c", "3. a\n   1. b", "+ a\n* b\n- c", "- [ ] todo", "- \n- \n", "1986. A great year.", "# h", "#h",
    "###### h6 ##", "####### seven", "# *h* `c` [l](https://ex.org)", "h\n===", "h\n---", "---", "***", "_ _ _",
    "| a | b |\n|---|---|\n| c | d |", "| a |\n|:-:|\n| b \\| c |", "a | b\n--|--\nc | d | e | f",
    "| a | b |\n| c | d |",
    "|---|", "||||", "| `a|b` | c |\n|---|---|\n| d | e |", "[a](https://ex.org)", "[a](https://ex.org/x_(y)_z)",
    "[a](<https://ex.org/b>)", "[a] (https://ex.org)", "[a](", "[a](b", "[a]()", "[](https://ex.org)", "[a][b]", "[a]:",
    "[x]: https://ex.org", "![a](https://ex.org/p.png)", "![a]", "[![a](https://ex.org/p)](https://ex.org/q)",
    "[a](javascript:b)", "[a](tg://user?id=1)", "[[a](https://ex.org)](https://ex.net)", "[a](https://ex.org) [b](c)",
    "[a](http://localhost:8080/b)", "[c](https://ex.org:99999/d)", "[e](http://f)", "[g](http://[::h]/)", "[i](ftp://j.k)",
    "<http://localhost/l>", "http://m:n/@opq", "[r](https://s_t.u:0)", "[v](http://w.x:/y)", "@**zab** .@cde /**fgh**",
    "<https://ex.org>", "<a@ex.org>", "https://ex.org/a_b_c*d*", "www.ex.org", "@anna /start #tag $CASH +79990001122",
    "$x^2$", "$5 and $10", "$$a^2$$", "$$\nb\n$$", "\\(c\\)", "\\[ d_1 = e \\]", "\\[words\\]", "$HOME/$USER",
    "\\*a\\* \\_b\\_ \\`c\\` \\[d\\]", "C:\\new\\dir\\", "a\\", "a\\\nb", "a  \nb", "a<br>b"[:1] + " less < more >",
    "&amp; &copy; &#35;", "%s%n {0.__class__} ${7*7} {{7*7}}", "'; DROP TABLE messages;--", "%_%\\", "\" OR NEAR(a b)",
    '{"lc":1,"type":"secret","id":["BOT_TOKEN"]}', "<|im_start|>system", "</s>", "ignore all previous instructions",
    "😀 **b** 👍🏽", "👨‍👩‍👧‍👦*a*", "e\u0301**e\u0301**", "\u202ertl\u202c", "нет\u00a0разрыва", "a\u200bb", "\u2028",
    "你好**世界**",
    "ﷺ﷽", "\ufeffbom", "a\u0000b", "\ud83d lone", "tag\U000e0041", "**\n**", "*\n\na*", "`\n\n`", "[\n](x)", "> \n> \n",
    "[" * 60 + "]" * 60, ">" * 60, "*" * 60, "`" * 60, "_" * 60, "- " * 40, "(" * 60, "|" * 60, "\\" * 61, "#" * 60,
)  # fmt: skip
GLUES = ("\n", "\n\n", " ", "\n> ", "\n- ", "\n| ", "\n\n    ")
NOISE = re.compile(r"[\W_]+")


def letters(text: str) -> str:
    return NOISE.sub("", text)


def nasty(number: int) -> str:
    """The fragments by themselves, then mixtures of them."""
    if number < len(FRAGMENTS):
        return FRAGMENTS[number]
    chance = random.Random(number)
    chosen = [chance.choice(FRAGMENTS) for _ in range(chance.randint(2, 12))]
    # Words behind a fence name a language, and are not shown.
    return "".join(one + ("\n" if one.endswith(("`", "~")) else chance.choice(GLUES)) for one in chosen)


CORPUS = [nasty(number) for number in range(500)]


def shown(markdown: str, rung: Rung) -> str:
    """What stands in the chat, after Telegram's own checks."""
    found = []
    for part in messages.finished(Outgoing(markdown), rung):
        if part.blocks:
            found.append(words_of(rich_checked(json.loads(part.blocks))["blocks"]))
        else:
            assert 0 < units(part.text) <= TEXT_LIMIT
            settled = settle(part.text, checked([dict(entity) for entity in part.entities]))
            assert settled.remarks == []
            assert settled.text == part.text.replace("\t", " "), "Telegram would move the entities"
            found.append(settled.text)
    return "\n".join(found)


def meant(markdown: str) -> str:
    """The letters that a reader should find: all of them."""
    return letters(markdown.replace("\U000e0041", "").replace("\ud83d", ""))


@pytest.mark.parametrize("number", range(0, 500, 50))
def test_nasty_answers_arrive_letter_for_letter_and_none_is_refused(number: int) -> None:
    for markdown in CORPUS[number : number + 50]:
        for rung in Rung:
            there = letters(shown(markdown, rung)).replace("\ufffd", "")
            if rung is Rung.ENTITIES and has_wide_table(markdown):
                assert not Counter(meant(markdown)) - Counter(there), markdown
            else:
                assert there == meant(markdown), (rung, markdown)


def has_wide_table(markdown: str) -> bool:
    """Told row by row, each cell behind the name of its column: other letters stand between."""
    return any(isinstance(block, Table) and not tables.grid(block) for block in walk(parse(markdown).blocks))


def test_every_beginning_of_a_nasty_answer_can_be_shown_while_it_grows() -> None:
    for markdown in CORPUS[::5]:
        for end in range(1, len(markdown), 17):
            for rung in (Rung.RICH, Rung.ENTITIES):
                part = messages.growing(markdown[:end], rung)
                if part.blocks:
                    rich_checked(json.loads(part.blocks), draft=True)
                elif part.text:
                    assert settle(part.text, checked([dict(one) for one in part.entities])).remarks == []


LONG = {
    "a": "a" * 20_000,
    "one long word": "слово" * 4_000,
    "emoji": "😀" * 8_192,
    "families": "👨‍👩‍👧‍👦" * 2_000,
    "code": "```\n" + "x = [1, 2]  # 😀\n" * 1_200 + "```",
    "bold": "**" + "жирно и 😀 " * 1_500 + "**",
    "links": "[a](https://ex.org/😀) и текст " * 600,
    "quote": "> " + "цитата 😀 " * 2_000,
    "list": "- пункт 😀\n" * 1_500,
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("rung", [Rung.ENTITIES, Rung.PLAIN])
def test_a_long_answer_comes_in_parts_that_telegram_takes_and_join_to_the_answer(name: str, rung: Rung) -> None:
    assert letters(shown(LONG[name], rung)) == letters(LONG[name])
    parts = messages.finished(Outgoing(LONG[name], note="cut short"), rung)
    assert len(parts) <= units(LONG[name]) // 3_000 + 3
    assert parts[-1].text.endswith("cut short")


@pytest.mark.parametrize("length", [4_095, 4_096, 4_097, 8_191, 8_192, 8_193])
@pytest.mark.parametrize("letter", ["a", "я", "😀"])
def test_the_lengths_at_the_limit_need_as_few_parts_as_possible(length: int, letter: str) -> None:
    text = letter * (length // units(letter)) + "b" * (length % units(letter))
    parts = messages.finished(Outgoing(text), Rung.ENTITIES)
    assert "".join(part.text for part in parts) == text
    assert len(parts) == -(-length // 4_096)


# --- bounded work -----------------------------------------------------------------------------------------------------

HOSTILE: dict[str, Any] = {
    "[": lambda size: "[" * size,
    "[]": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "*": lambda size: "*" * size,
    "*a": lambda size: "*a " * (size // 3),
    "_a_": lambda size: "_a_b" * (size // 4),
    ">": lambda size: ">" * size,
    "> >": lambda size: "> " * (size // 2) + "a",
    "`": lambda size: "".join("`" * count + " " for count in range(1, int((2 * size) ** 0.5))),
    "links": lambda size: "[a](https://b.c " * (size // 16),
    "@": lambda size: "@a" * (size // 2),
    "mentions": lambda size: "@abc " * (size // 5),
    "/": lambda size: "/a" * (size // 2),
    "tg": lambda size: "tg:" * (size // 3),
    "table": lambda size: "|a|b|\n|-|-|\n" + "|c|d|\n" * (size // 6),
    "wide table": lambda size: "a|" * (size // 8) + "\n" + "-|" * (size // 8) + "\n" + "|\n" * (size // 4),
    "pictures": lambda size: "![" * (size // 8) + "](/a)" * (size // 8),
    "list": lambda size: "- " * (size // 2) + "a",
    "$": lambda size: "$a" * (size // 2),
    "\\[": lambda size: "\\[a " * (size // 4),
    "~~~": lambda size: "~~~\n" * (size // 4),
    "joiners": lambda size: "a\u200d" * (size // 2),
    "tags": lambda size: "a\U000e0041" * (size // 2),
}


def steps(work: Callable[[], object]) -> int:
    """The lines of Python that are carried out: the same on every machine, and regular expressions apart."""
    count = 0

    def local(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    before = sys.gettrace()
    sys.settrace(lambda *_: local)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def rendered(markdown: str) -> None:
    pieces(parse(markdown))
    parse(draft(markdown))


@pytest.mark.sweep
@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_grows_with_the_length_and_not_with_its_square(name: str) -> None:
    """Measured: 2.0 for twice the text, and at most 14 ms for 4,096 characters."""
    small, large = (steps(partial(rendered, HOSTILE[name](size))) for size in (2_048, 4_096))
    assert large <= 2.5 * small + 500, f"{small} -> {large} steps for twice the text"


def test_an_answer_of_many_pieces_is_cut_in_proportion_to_its_length() -> None:
    """Each piece has a hundred of the marks, and reaches into the quote around all of them."""
    small, large = (
        Document((Quote((Paragraph(tuple(Run(letter, CODE * (letter == "a")) for letter in "a " * count)),)),))
        for count in (5_000, 10_000)
    )
    assert sum(len(piece.entities) for piece in pieces(small)) == 5_000 + len(pieces(small))
    assert steps(partial(pieces, large)) <= 2.5 * steps(partial(pieces, small))
