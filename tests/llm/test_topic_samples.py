"""Samples of topics: what is kept of corrections, what nobody may learn from them, what they say about a file."""

from __future__ import annotations

import json

from bot.evaluation.topics import count_unsure, find_moves, format_topics, leave_one_out
from bot.llm.topics.classifiers import Question
from bot.llm.topics.intent_routing import IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingTable, read
from bot.llm.topics.samples import Sample, masked, one_hot, samples, short_of
from tests.support.table import table


def file(words: str = "[]") -> RoutingTable:
    topics = "".join(
        f"[topic.{key}]\ntitle = '{key}'\nexamples = ['{key} one', '{key} two', '{key} three']\n{rest}\n"
        for key, rest in (("a", f"words = {words}"), ("b", ""), ("c", ""))
    )
    return read(topics.encode(), "routing.toml")


def test_a_text_is_a_sample_once_and_the_latest_correction_counts() -> None:
    corrections = [
        Sample("Where is it?", "a"),
        Sample("where is IT", "b"),
        Sample("A one!", "b"),  # stands in the file as an example of a
        Sample("something", "gone"),
        Sample("?!", "a"),
    ]
    found = samples(file(), corrections)
    assert found[9:] == [Sample("where is IT", "b")]
    assert [row.topic for row in found] == [*"aaabbbccc", "b"]


def test_no_topic_drowns_the_others() -> None:
    many = [Sample(f"question {number}", "a") for number in range(500)]
    found = samples(file(), many)
    assert sum(row.topic == "a" for row in found) == 30
    assert found[:3] == [Sample("a one", "a"), Sample("a two", "a"), Sample("a three", "a")]
    assert found[9:11] == [Sample("question 499", "a"), Sample("question 498", "a")]
    more = [Sample(f"{key} {number}", key) for key in "bc" for number in range(97)]
    assert sum(row.topic == "a" for row in samples(file(), [*many, *more])) == 200


@table(
    ("text", "names", "left"),
    [
        ("Заказ 12345 от 03.11.2026 на 1 990,50 ₽", (), "Заказ 0 от 0 на 0 ₽"),
        ("call me at +7 (912) 345-67-89", (), "call me at +0"),
        ("почта ivan.petrov@mail.ru или @ivan_petrov", (), "почта … или …"),
        ("смотрите https://example.com/u/77?x=1 тут", (), "смотрите … тут"),
        ("Меня зовут Анна Смирнова, где заказ?", (), "Меня зовут …, где заказ?"),
        ("hello, my name is John Smith and I pay", (), "hello, my name is … and I pay"),
        ("для Иванова Петра Сергеевича", (), "для …"),
        ("позовите Марию Ивановну срочно", (), "позовите … срочно"),
        ("transfer to John Smith today", (), "transfer to … today"),
        ("ask Mr. Adam Brown", (), "ask Mr. …"),
        ("Это Оля, верните деньги", ("Оля Кузнецова",), "Это …, верните деньги"),
        ("оля тут, а соляная нет", ("Оля",), "… тут, а соляная нет"),
        ("Верните деньги. Где заказ?", (), "Верните деньги. Где заказ?"),
        ("Can I pay with MasterCard in Moscow?", (), "Can I pay with MasterCard in Moscow?"),
        ("мой город Екатеринбург", (), "мой город Екатеринбург"),
    ],
)
def test_a_sample_does_not_tell_who_asked(text: str, names: tuple[str, ...], left: str) -> None:
    assert masked(text, names) == left


def test_the_data_set_has_a_column_for_each_topic_with_one_one() -> None:
    rows = [json.loads(line) for line in one_hot([Sample("где «заказ»?", "b"), Sample("x", "a")])]
    assert rows == [{"text": "где «заказ»?", "b": 1, "a": 0}, {"text": "x", "b": 0, "a": 1}]
    assert "где «заказ»?" in next(one_hot([Sample("где «заказ»?", "b")]))


def test_topics_with_too_few_samples_to_tune_are_named() -> None:
    rows = [Sample(str(number), "a") for number in range(100)] + [Sample("x", "b")]
    assert short_of(rows, "abc") == {"b": 1, "c": 0}


def test_the_report_names_the_pairs_that_are_mixed_up() -> None:
    east, north, west = [1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [-1.0, 0.0, 0.1]
    rows = [Sample(f"e{number}", "east") for number in range(4)] + [Sample(f"w{number}", "west") for number in range(4)]
    rows += [Sample("lost", "north"), *(Sample(f"n{number}", "north") for number in range(3))]
    near = NearestCentroid([east] * 4 + [west] * 4 + [east] + [north] * 3, [row.topic for row in rows])
    results, unsure = leave_one_out(rows, near), count_unsure(near, 0.12)
    assert [(one.case.topic, one.topic) for one in results if not one.right] == [("north", "east")]
    assert format_topics(results, unsure) == [
        f"11 of 12 examples (91.7%) get their topic when each is left out; {unsure} would be asked about.",
        "east and north are mixed up 1 times:",
        "  'lost' of north looks like east",
    ]


async def test_what_an_edit_of_the_file_would_change_is_listed() -> None:
    before, after = IntentRouter(file("['refund']")), IntentRouter(file("['refund*', 'return']"))
    asked = [Question(text) for text in ("refund", "refunds", "a return", "else")]
    assert await find_moves(before, after, asked) == ["  other -> a: 'refunds'", "  other -> a: 'a return'"]
