"""An answer while it is being written: no broken markup at any length, and no lasting hold."""

from __future__ import annotations

import pytest

from bot.telegram.render import Piece, draft, parse, pieces, tail

SAMPLE = """# Заголовок **важный**

Текст **жирный *оба* и** дальше, *курсив*, __жир__, ~~нет~~, `код_a` и ``a`b``. Ссылка [сюда](https://ex.org/a_(b)).

Картинка ![кот **тут**](https://ex.org/c.png), адрес <https://ex.org/a>, snake_case_word и a < b & c.

- **Первый**: `x`
  - вложен [a](https://ex.org)
- [x] готово
- [ ] нет

1. **Раз**
2. *Два*

> **Цитата** с `кодом`

```python
def f(x):
    return x
```

| Имя | **Число** |
|-----|:---------:|
| `a` | **1** |
| b | 2 |

После таблицы \\(a^2 + b^2\\) и $x_1$, цены $5 и $10.

\\[
\\frac{a}{b}
\\]

~~~
raw
~~~

---

Конец.
"""


def shown(markdown: str) -> str:
    return "\n".join(piece.text for piece in pieces(parse(markdown)))


def test_no_prefix_of_an_answer_shows_broken_markup() -> None:
    for end in range(len(SAMPLE) + 1):
        screen = shown(draft(SAMPLE[:end]))
        for mark in ("**", "__", "~~", "```", "](", "![", "\\(", "\\[", "|-", "| -", "[ ]", "[x]", "<http"):
            assert mark not in screen, (SAMPLE[max(0, end - 40) : end], screen[-60:])


def test_a_draft_lags_behind_by_no_more_than_a_line_or_a_few_words() -> None:
    for end in range(len(SAMPLE) + 1):
        assert len(draft(SAMPLE[:end])) >= end - 100


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a **b", "a "),
        ("a **b**", "a **b**"),
        ("a **b*", "a "),
        ("a *", "a "),
        ("a `b", "a "),
        ("a ~~b", "a "),
        ("a [b", "a "),
        ("a [b]", "a "),
        ("a [b](https://x", "a "),
        ("a [b](https://x)", "a [b](https://x)"),
        ("a [1] b", "a [1] b"),
        ("a \\(x", "a "),
        ("a $5 b", "a $5 b"),
        ("a <https://x", "a "),
        ("a < b", "a < b"),
        ("a\n#", "a"),
        ("a\n- ", "a"),
        ("a\n- **b", "a"),
        ("a\n1.", "a"),
        ("a\n``", "a"),
        ("a\n```py", "a"),
        ("a\n```py\n", "a"),
        ("a\n```py\nx\n``", "a\n```py\nx"),
        ("a\n```py\nx ** y\n", "a\n```py\nx ** y\n"),
        ("a\n| b |", "a"),
        ("a\n| b |\n|--", "a"),
        ("| a |\n|---|\n| 1", "| a |\n|---|"),
        ("| a |\n|---|\n| 1 |\n", "| a |\n|---|\n| 1 |\n"),
        ("a | b\n--", "a | b"),
        ("42", "42"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("snake_case", "snake_case"),
        ("Привет!", "Привет!"),
    ],
)
def test_only_what_is_unfinished_is_held_back(text: str, safe: str) -> None:
    assert draft(text) == safe


@pytest.mark.parametrize("opened", ["*", "**", "`", "[", "_", "~~"])
def test_what_never_closes_does_not_stop_the_stream(opened: str) -> None:
    text = f"начало {opened}слово" + " слово" * 20
    assert draft(text) == text
    assert draft(f"начало {opened}слово\nдальше") == f"начало {opened}слово\nдальше"


def test_the_tail_is_the_last_piece() -> None:
    text = "слово " * 2_000
    assert tail(text) == pieces(parse(text))[-1]
    assert tail(parse("a")) == Piece("a")
    assert tail("") == Piece("")


def test_earlier_pieces_stay_as_they_were_while_the_answer_grows() -> None:
    text = "\n\n".join(f"**Шаг {number}.** {'слово ' * 30}" for number in range(60))
    whole = pieces(parse(text), 1_000)
    half = pieces(parse(text[: len(text) // 2]), 1_000)
    assert half[:-1] == whole[: len(half) - 1]
