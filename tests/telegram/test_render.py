"""What a model's Markdown says: construct by construct, on the screen of a classic message."""

from __future__ import annotations

from typing import Any

from bot.telegram.render import Piece, parse, pieces
from bot.telegram.render.document import Table
from tests.support.table import table


def shown(markdown: str) -> str:
    return "\n--\n".join(piece.text for piece in pieces(parse(markdown)))


def looks(markdown: str) -> list[tuple[str, str]]:
    """Every entity as (type, the text it covers)."""
    (piece,) = pieces(parse(markdown))
    return [(entity["type"], covered(piece, entity)) for entity in piece.entities]


def covered(piece: Piece, entity: dict[str, Any]) -> str:
    raw = piece.text.encode("utf-16-le")
    return raw[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2].decode("utf-16-le")


@table(
    ("markdown", "text", "entities"),
    [
        ("a **b** c", "a b c", [("bold", "b")]),
        ("a __жир__ c", "a жир c", [("bold", "жир")]),
        ("*a* _b_", "a b", [("italic", "a"), ("italic", "b")]),
        ("~~нет~~ ~5 и ~10", "нет ~5 и ~10", [("strikethrough", "нет")]),
        ("***x***", "x", [("italic", "x"), ("bold", "x")]),
        ("**a *b* c**", "a b c", [("bold", "a b c"), ("italic", "b")]),
        ("**жир**ный", "жирный", [("bold", "жир")]),
        ("**Важно:**текст", "Важно:текст", [("bold", "Важно:")]),
        ("`a_b*c*`", "a_b*c*", [("code", "a_b*c*")]),
        ("**a `b` c**", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
        ("# Title **x**", "Title x", [("bold", "Title x")]),
        ("> a\n> **b**", "a\nb", [("blockquote", "a\nb"), ("bold", "b")]),
        ("> a\n> > b", "a\n\nb", [("blockquote", "a\n\nb")]),
        ("```python\nif x:\n    y\n```", "if x:\n    y", [("pre", "if x:\n    y")]),
        ("~~~\na\n~~~", "a", [("pre", "a")]),
        ("```js\nopen", "open", [("pre", "open")]),
        ("😀 **b**", "😀 b", [("bold", "b")]),
        ("a\nb  \nc\\\nd", "a\nb\nc\nd", []),
        ("---", "———", []),
        ("\\*a\\* 1\\. b\\_c", "*a* 1. b_c", []),
        ("[a](https://ex.org/x_y)", "a (https://ex.org/x_y)", [("text_link", "a")]),
        ("[**a** b](https://ex.org)", "a b (https://ex.org)", [("text_link", "a b"), ("bold", "a")]),
        ("<https://ex.org>", "https://ex.org", [("text_link", "https://ex.org")]),
        ("![кот](https://ex.org/c.png)", "кот (https://ex.org/c.png)", [("text_link", "кот")]),
        ("![](https://ex.org/c.png)", "https://ex.org/c.png", [("text_link", "https://ex.org/c.png")]),
        ("![a **b**](https://ex.org)", "a b (https://ex.org)", [("text_link", "a b")]),
        ("![![a](/b)](https://ex.org)", "![a](/b) (https://ex.org)", [("text_link", "![a](/b)")]),
        ("[](https://ex.org)", "https://ex.org", [("text_link", "https://ex.org")]),
    ],
)
def test_a_construct_is_shown_without_its_markup(markdown: str, text: str, entities: list[tuple[str, str]]) -> None:
    assert shown(markdown) == text
    assert looks(markdown) == entities


@table(
    "text",
    [
        "snake_case_words and __init__ and _x",
        "a < b & c > d &lt; &copy;",
        "Vec<String> <b>x</i><script> std::vector<std::string> <std::string>",
        "5*3=15 и 4*2=8, x**2 + y**2, 2**10, a * b",
        "$5 и $10, $HOME/$USER, US$5=6$",
        "handlers[0](event) a[i] [1] [2]",
        "%s%n {0.__class__} ${7*7} {{7*7}}",
        "[x]: https://ex.org",
        "text ** not bold ** text",
        "C:\\new\\dir",
        "2 * 3 * 4",
        "100%",
        "#hashtag",
    ],
)
def test_what_is_no_markup_stays_letter_for_letter(text: str) -> None:
    assert shown(text) == text
    assert looks(text) == []


def test_the_language_of_code_is_kept() -> None:
    (piece,) = pieces(parse("```C++ title=x\nint a;\n```"))
    assert piece.entities == ({"type": "pre", "offset": 0, "length": 6, "language": "c++"},)


@table("info", ["js {1,3-5}", "js {.numbered #x} start=2", "js title=a=b", "js data={1, 2} x=y"])
def test_what_stands_behind_a_language_for_other_readers_is_not_shown(info: str) -> None:
    assert shown(f"```{info}\ncode\n```") == "code"


@table("info", ["js two words", "js a= b", "js {open", "js =x"])
def test_words_behind_a_fence_are_not_lost(info: str) -> None:
    assert shown(f"```{info}\ncode\n```") == f"{info}\ncode"


def test_lists_show_bullets_numbers_and_boxes() -> None:
    markdown = "- a\n  - b **c**\n    - d\n- [ ] e\n- [x] f\n\n3. g\n4. h\n\n   i\n\n7) j\n\n- \n"
    expected = "• a\n  • b c\n    • d\n☐ e\n☑ f\n\n3. g\n\n4. h\n   i\n\n7) j\n\n•"
    assert shown(markdown) == expected


def test_code_in_a_list_item_begins_a_line_of_its_own() -> None:
    assert shown("- ```sh\n  ls\n  ```\n- b") == "•\nls\n• b"


def test_a_badly_indented_list_is_still_a_list() -> None:
    assert shown("Итак:\n\n    - **a**\n    - b") == "Итак:\n\n• a\n• b"


def test_a_rule_below_text_makes_no_heading() -> None:
    assert shown("a\n---\nb") == "a\n\n———\n\nb"
    assert looks("a\n---\nb") == []


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_narrow_table_is_aligned_in_a_monospaced_block() -> None:
    markdown = "Вот:\n| a | Имя | n |\n|---|:-:|--:|\n| 1 | **Яна** Б | `22` |\n| x\\|y | 你 | 1 |\nпосле"
    grid = "a   |  Имя  |  n\n----+-------+---\n1   | Яна Б | 22\nx|y |  你   |  1"
    assert shown(markdown) == f"Вот:\n\n{grid}\n\nпосле"
    assert looks(markdown) == [("pre", grid)]


def test_a_wide_table_is_told_row_by_row() -> None:
    wide = "слово " * 12
    assert shown(f"| A | B |\n|---|---|\n| {wide} | 2 |\n| 3 | |") == f"A: {wide.strip()}\nB: 2\n\nA: 3"


def test_a_table_of_more_columns_than_anybody_reads_stays_as_it_was_written() -> None:
    for columns, is_table in ((50, True), (51, False)):
        lines = ["|".join(["a"] * columns), "|".join(["-"] * columns), "|".join(["b"] * columns)]
        assert isinstance(parse("\n".join(lines)).blocks[0], Table) is is_table
    assert shown("\n".join(lines)) == "\n".join(lines)


def test_a_wide_table_is_told_row_by_row_with_every_header() -> None:
    long = "слово " * 12
    assert shown(f"| A | B | C |\n|---|---|---|\n| {long}| | 1 |\n| {long}| | |") == (
        f"A: {long.strip()}\nB:\nC: 1\n\nA: {long.strip()}"
    )


def test_a_table_with_links_keeps_them() -> None:
    assert looks("| A |\n|---|\n| [x](https://ex.org) |") == [("bold", "A"), ("text_link", "x")]


def test_cells_too_many_or_too_few_lose_nothing() -> None:
    assert shown("| a | b |\n|---|---|---|\n| 1 | 2 | 3 | 4 |\n| 5 |") == (
        "a | b |\n--+---+------\n1 | 2 | 3 | 4\n5 |   |"
    )


def test_headers_too_long_to_repeat_are_shown_once() -> None:
    text = shown(f"| {'h' * 100} | b |\n|---|---|\n" + "| x | y |\n" * 300)
    assert text.count("h" * 100) == 1
    assert text.count("x | y") == 300


# --- formulas ---------------------------------------------------------------------------------------------------------


@table(
    ("markdown", "source"),
    [
        ("\\(a+b\\)", "a+b"),
        ("так \\(x\\) так", "x"),
        ("$\\alpha$", "\\alpha"),
        ("$x$", "x"),
        ("$x_1 = 2$.", "x_1 = 2"),
        ("$E = mc^2$", "E = mc^2"),
        ("текст $$a^2$$ текст", "a^2"),
        ("$$\na^2\n$$", "a^2"),
        ("\\[ a*b*c \\]", "a*b*c"),
        ("```math\na^2\n```", "a^2"),
    ],
)
def test_a_formula_is_shown_as_code(markdown: str, source: str) -> None:
    assert looks(markdown) == [("code", source)]


def test_a_formula_of_several_lines_hides_its_stars_and_dashes_from_markdown() -> None:
    assert looks("\\[\na\n- b * c\n\n= d\n\\]") == [("pre", "a\n- b * c\n\n= d")]


@table("text", ["$5 и $10", "от $5 до 7$", "$5-$10", "цена $5 = 450₽, а $10 = 900₽", "\\[слова и слова\\]"])
def test_a_price_or_an_escaped_bracket_is_no_formula(text: str) -> None:
    assert looks(text) == []
    assert shown(text) == text.replace("\\", "")


# --- links ------------------------------------------------------------------------------------------------------------


@table(
    ("markdown", "text"),
    [
        ("[x](javascript:alert(1))", "x (javascript:alert(1))"),
        ("[x](tg://resolve?domain=a)", "x (tg://resolve?domain=a)"),
        ("[x](#part)", "x"),
        ("![x](data:image/png;base64,AAAA)", "x"),
        ("[x](http://)", "x (http://)"),
        ("[x](http://[::1)", "x (http://[::1)"),
    ],
)
def test_other_targets_than_web_mail_and_telephone_are_dead(markdown: str, text: str) -> None:
    assert shown(markdown) == text
    assert looks(markdown) == ([("code", text[3:-1])] if "(" in text else [])


@table(
    ("markdown", "text"),
    [
        ("[google.com](https://evil.example)", "google.com (https://evil.example)"),
        (
            "[https://google.com](https://evil.example/google.com)",
            "https://google.com (https://evil.example/google.com)",
        ),
        ("[bank.ru](https://bank.ru@evil.example/)", "bank.ru (https://bank.ru@evil.example/)"),
        ("[@operator](https://evil.example)", "@operator (https://evil.example)"),
        ("[yandex.ru](https://уandex.ru)", "yandex.ru (https://xn--andex-dze.ru)"),
        ("[https://a.ru/pay](https://a.ru/other)", "https://a.ru/pay (https://a.ru/other)"),
        ("[ex.org](https://www.ex.org/a)", "ex.org (https://www.ex.org/a)"),
        ("[ex.org/a](https://www.ex.org/a)", "ex.org/a"),
        ("[https://ex.org/a](https://ex.org/a)", "https://ex.org/a"),
        ("[the manual](https://ex.org/a?q=я)", "the manual (https://ex.org/a?q=я)"),
        ("[config.json](https://ex.org/a)", "config.json (https://ex.org/a)"),
        ("[Moscow](https://ex.org/wiki/Moscow)", "Moscow"),
        ("[Moscow](https://ex.org/wiki/Moscow?q=1)", "Moscow (https://ex.org/wiki/Moscow?q=1)"),
        ("[Moscow](https://a@ex.org/Moscow)", "Moscow (https://a@ex.org/Moscow)"),
    ],
)
def test_every_link_shows_where_it_leads(markdown: str, text: str) -> None:
    assert shown(markdown) == text
    assert [kind for kind, _ in looks(markdown)] == ["text_link"]


@table(
    ("markdown", "text"),
    [
        ("[почта](mailto:a@ex.org?subject=x)", "почта (a@ex.org)"),
        ("[a@ex.org](mailto:a@ex.org)", "a@ex.org"),
        ("[звоните](tel:+79990001122)", "звоните (+79990001122)"),
        ("[+7 999 000-11-22](tel:+79990001122)", "+7 999 000-11-22"),
        ("[](mailto:a@ex.org)", "a@ex.org"),
        ("[x](mailto:a%E2%80%AEb@ex.org)", "x (ab@ex.org)"),
        ("[x](mailto:)", "x"),
        ("<http://localhost:8080/x>", "http://localhost:8080/x"),
        ("[http://localhost:8080](http://localhost:8080)", "http://localhost:8080"),
    ],
)
def test_telegram_finds_mail_and_numbers_in_a_text_and_an_address_without_words_is_one(
    markdown: str, text: str
) -> None:
    assert shown(markdown) == text
    assert looks(markdown) == []


@table(
    "url",
    [
        "http://localhost", "http://localhost:3000/a?b#c", "https://db/x", "https://ex.org:0/", "https://ex.org:99999/",
        "https://ex.org:/", "https://ex.org:x/", "http://[::g]/", "http://.../",
    ],
)  # fmt: skip
def test_an_address_that_telegram_would_refuse_is_text_behind_its_words(url: str) -> None:
    markdown = f"[**см.** тут]({url})"
    assert shown(markdown) == f"см. тут ({url})"
    assert looks(markdown) == [("bold", "см."), ("code", url)]


@table(
    "url", ["http://a.b", "https://ex.org:65535/", "http://127.0.0.1:8080/", "http://[::1]:80/", "http://u:p@ex.org./"]
)
def test_any_address_that_telegram_takes_is_a_link(url: str) -> None:
    assert looks(f"[x]({url})") == [("text_link", "x")]


def test_an_address_with_brackets_stays_whole() -> None:
    (piece,) = pieces(parse("[a](https://ex.org/x_(y)?q=я)"))
    assert piece.text == "a (https://ex.org/x_(y)?q=я)"
    assert piece.entities[0]["url"] == "https://ex.org/x_(y)?q=%D1%8F"


# --- what must not reach a screen -------------------------------------------------------------------------------------


def test_controls_and_tricks_are_removed() -> None:
    assert shown("a\x00b\x0bc\u202ed\u2066e\U000e0041f\ufeffg\r\nh\ri\ud800") == "abcdefg\nh\ni\ufffd"


@table("markdown", ["", " \n\t", "\u200b", "\x00"])
def test_an_answer_without_anything_to_see_has_no_pieces(markdown: str) -> None:
    assert pieces(parse(markdown)) == []


@table("markdown", ["```", "**", ">", "```python\n", "#"])
def test_an_answer_of_nothing_but_markup_is_shown_as_it_is(markdown: str) -> None:
    assert shown(markdown) == markdown.strip()


@table("mark", [">", "- ", "> - ", "1. "])
def test_nesting_without_end_keeps_the_text(mark: str) -> None:
    assert shown(mark * 3_000 + "слово").endswith("слово")


@table(
    ("info", "language", "text"),
    [
        ("python", "python", "x"),
        ("C++ title=a", "c++", "x"),
        ("js {1,3}", "js", "x"),
        ("", "", "x"),
        ("**Important:** read this", "", "**Important:** read this\nx"),
        ("| a | b |", "", "| a | b |\nx"),
    ],
)
def test_words_behind_a_fence_are_a_language_or_are_shown(info: str, language: str, text: str) -> None:
    (piece,) = pieces(parse(f"```{info}\nx\n```"))
    assert piece.text == text
    assert piece.entities[0].get("language", "") == language
