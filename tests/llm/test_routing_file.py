"""The file of topics: what it says, how it follows edits, and what is said about its mistakes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from bot.llm.topics.routing_file import KnownNames, RoutingFile, Rules, Topic, example, read, unknown_names
from bot.prompts.library import Library
from bot.prompts.schema import Broken
from bot.providers.catalog import offered_names
from tests.support.table import table

GOOD = """
[topic.returns]
title = { ru = "Возврат", en = "Returns" }
examples = ["хочу вернуть заказ", "how do I get my money back", "обмен"]
words = ["возврат*", "refund"]
persona = "support"
model = "yandexgpt-lite"
knowledge = ["everything", "shop"]
level = "extract"
queue = "returns"
audience = ["customers"]

[topic.urgent]
kind = "flag"
title = "Urgent"
words = ["срочн*"]

[topic.general]
title = "Everything else"
persona = "assistant"

[knowledge]
everything = ["shop", "laws"]
laws = ["law", "tax"]

[routing]
other = "general"
ask_below = 0.2
classifier = "fewshot"
"""


def topic(name: str, *, title: str = "", examples: str = "", rest: str = "") -> str:
    examples = examples or f"['{name} one', '{name} two', '{name} three']"
    return f"[topic.{name}]\ntitle = '{title or name}'\nexamples = {examples}\n{rest}\n"


def test_a_topic_leads_to_persona_model_knowledge_level_and_queue() -> None:
    found = read(GOOD.encode(), "routing.toml")
    assert list(found.topics) == ["returns"]
    assert list(found.flags) == ["urgent"]
    returns = found.find("returns")
    assert (returns.name("ru"), returns.name("en")) == ("Возврат", "Returns")
    assert (returns.persona, returns.model, returns.level) == ("support", "yandexgpt-lite", "extract")
    assert (returns.queue, returns.audience) == ("returns", ("customers",))
    assert found.bases("returns") == ("shop", "law", "tax")
    assert found.find("gone").persona == "assistant"
    assert (found.routing.ask_below, found.routing.classifier) == (0.2, "fewshot")


def test_the_rest_needs_no_topic_of_its_own() -> None:
    found = read(topic("a").encode(), "routing.toml")
    assert found.find("other").persona == ""
    assert found.bases("other") == ()


@table("language", ["ru", "en"])
def test_the_example_of_init_is_a_valid_file(language: str) -> None:
    found = read(example(language).encode(), "routing.toml")
    assert list(found.topics) == ["returns", "delivery"]
    assert list(found.flags) == ["urgent"]
    shown = "".join(
        line.lstrip("# ") + "\n" for line in example(language).splitlines() if line.startswith("# ") and "=" in line
    )
    assert 'persona = "support"' in shown


def test_the_example_of_the_docs_is_a_valid_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "topics.md").read_text("utf-8")
    found = read(page.split("```toml\n")[1].split("```")[0].encode(), "routing.toml")
    assert found.bases("returns") == ("shop", "law")
    assert found.find("urgent").threshold == 0.7
    # It shows every field of a topic and every rule but the address of the tuned classifier.
    shown = {field for topic in found.topic.values() for field in topic.model_fields_set}
    assert shown == set(Topic.model_fields)
    assert found.routing.model_fields_set == set(Rules.model_fields) - {"tuned"}


@table(
    ("text", "said"),
    [
        ("[topic.a]\ntitle = 'A'\n", "routing.toml, line 1: topic.a: 3 to 30 examples are expected, 0 are there"),
        (
            topic("a", examples="['one', 'two']"),
            "routing.toml, line 3: topic.a.examples: 3 to 30 examples are expected, 2 are there",
        ),
        (
            topic("a", examples=str([f"q{number}" for number in range(31)])),
            "routing.toml, line 3: topic.a.examples: 3 to 30 examples are expected, 31 are there",
        ),
        (
            topic("a", rest="words = ['Счёт']") + topic("b", rest="words = ['счет']"),
            "routing.toml, line 8: topic.b.words: the word 'счет' stands in a too",
        ),
        (
            topic("a") + topic("b", examples="['x', 'y', 'A  one!']"),
            "routing.toml, line 7: topic.b.examples: the example 'A  one!' stands in a too",
        ),
        (
            topic("a", title="X") + topic("b", title="x"),
            "routing.toml, line 6: topic.b.title: the title 'x' stands in a too",
        ),
        (
            "".join(topic(f"t{number}") for number in range(300)),
            "routing.toml, line 401: topic.t100: 300 topics, at most 100 are allowed",
        ),
        (
            topic("a") + "[knowledge]\nall = ['shop', 'more']\nmore = ['all']\n",
            "routing.toml, line 6: knowledge.all: a circle: all → more → all",
        ),
        ("[knowledge]\nall = ['all']\n", "routing.toml, line 2: knowledge.all: a circle: all → all"),
        (topic("a", rest="quue = 'x'"), "routing.toml, line 4: topic.a.quue: not known here; did you mean queue?"),
        (topic("a", rest="words = 'x'"), 'routing.toml, line 4: topic.a.words: a list like ["one", "two"] is expected'),
        (
            topic("a", rest="words = ['*']"),
            "routing.toml, line 4: topic.a.words: '*' is no word; a * may stand at its end only",
        ),
        (
            topic("a", rest="level = 'sure'"),
            "routing.toml, line 4: topic.a.level: Input should be '', 'open', 'extract', 'cited' or 'judged'",
        ),
        (
            topic("text"),
            (
                "routing.toml, line 1: topic.text: text is a column of the data that classifiers are tuned with; "
                "give the topic another name"
            ),
        ),
        (
            topic("a") + "[routing]\nclassifier = 'tuned'\n",
            'routing.toml, line 6: routing.classifier: tuned needs the address of the classifier, tuned = "cls://…"',
        ),
        (
            "[routing]\nother = 'u'\n[topic.u]\ntitle = 'U'\nkind = 'flag'\nwords = ['u']",
            "routing.toml, line 2: routing.other: u is a flag, and a topic is expected",
        ),
        (
            "[routing]\nask_below = 3\n",
            "routing.toml, line 2: routing.ask_below: Input should be less than or equal to 1",
        ),
        (topic("a") + topic("a"), "routing.toml, line 5: not TOML: Cannot declare ('topic', 'a') twice"),
        ("[topic]\na = " + "[" * 5_000, "routing.toml: not TOML: too many brackets inside each other"),
        ("#" * 1_000_001, "routing.toml: 1000001 characters, at most 1000000 are expected"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(Broken) as caught:
        read(text.encode(), "routing.toml")
    assert str(caught.value) == said


def test_a_file_in_another_encoding_is_named() -> None:
    with pytest.raises(Broken, match=r"^routing\.toml: not in UTF-8; save it in that encoding$"):
        read("[topic.a]\ntitle = 'Возврат'".encode("cp1251"), "routing.toml")


def test_fifty_levels_of_common_names_are_resolved_at_once() -> None:
    groups = "".join(f"g{n} = ['g{n + 1}', 'h{n + 1}']\nh{n} = ['g{n + 1}']\n" for n in range(50))
    found = read((topic("a", rest="knowledge = ['g0']") + f"[knowledge]\n{groups}").encode(), "routing.toml")
    assert found.bases("a") == ("g50", "h50")


def test_names_that_do_not_exist_are_said_with_their_lines_and_the_file_counts() -> None:
    found = read(GOOD.encode(), "routing.toml")
    none = KnownNames(personas={"assistant"}, models=(), knowledge={"shop", "law"}, queues=(), audiences=())
    assert unknown_names(found, none) == [
        "routing.toml, line 6: topic.returns.persona: there is no persona 'support'; the one of the chat answers",
        "routing.toml, line 7: topic.returns.model: there is no model 'yandexgpt-lite'; the one of the chat answers",
        "routing.toml, line 10: topic.returns.queue: there is no queue 'returns'; no person is asked",
        "routing.toml, line 11: topic.returns.audience: there is no audience 'customers', so nobody is in it",
        "routing.toml, line 8: topic.returns.knowledge: there is no knowledge 'tax'; nothing is found in it",
    ]
    assert unknown_names(found, KnownNames()) == []


def test_the_example_for_the_sandbox_names_only_what_the_sandbox_has() -> None:
    path = Path(__file__).parents[2] / "examples" / "routing.toml"
    table = read(path.read_bytes(), path.name)
    known = KnownNames(personas=Library(Path("nowhere")).personas(), models=offered_names("yandexgpt-5.1"))
    assert (len(table.topics), unknown_names(table, known)) == (3, [])


def test_an_edit_takes_effect_at_once_and_a_mistake_leaves_the_last_good_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "routing.toml"
    routing = RoutingFile(path)
    assert routing.table is None
    write(path, topic("a"), 1)
    assert routing.table is not None
    assert list(routing.table.topics) == ["a"]
    with caplog.at_level(logging.WARNING):
        write(path, topic("a") + "[topic.b]\n", 2)
        assert list(routing.table.topics) == ["a"]
        assert list(routing.table.topics) == ["a"]
    assert [record.message for record in caplog.records] == [
        f"{path}, line 5: topic.b: title is missing (it counts as it was before)"
    ]
    write(path, topic("b"), 3)
    assert list(routing.table.topics) == ["b"]


def write(path: Path, text: str, second: int) -> None:
    path.write_text(text)
    os.utime(path, (second, second))
