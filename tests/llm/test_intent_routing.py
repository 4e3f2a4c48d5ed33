"""The topic of a question: rules, meaning, samples, a tuned classifier, and how long a topic holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Labelled, Vector
from bot.errors import ModelError, ModelUnavailable
from bot.llm.topics.classifiers import FewShot, Question, Tuned, by_words
from bot.llm.topics.intent_routing import Choice, Held, IntentRouter, hold
from bot.llm.topics.live import Topics
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingFile, RoutingTable, read
from bot.llm.topics.samples import Sample, samples
from bot.sandbox.ai_studio.services.embeddings import vector
from tests.support.table import table

FILE = """
[topic.returns]
title = { ru = "Возврат", en = "Returns" }
examples = [
  "I want to return my order", "return the order, money back", "how to return an order for money",
  "return my money for the order",
]
words = ["refund*", "money back", "возврат*"]

[topic.delivery]
title = { ru = "Доставка", en = "Delivery" }
examples = [
  "where is the parcel of the courier", "when will the courier bring the parcel", "the courier lost a parcel",
  "parcel by courier tomorrow",
]
words = ["Счёт"]

[topic.staff]
title = "Staff"
examples = ["holiday of colleagues", "a colleague takes a holiday", "holiday for all colleagues"]
audience = ["employees"]

[topic.urgent]
kind = "flag"
title = "Urgent"
words = ["asap"]
examples = ["hurry up please", "hurry, do it immediately", "please do it immediately, quickly"]

[topic.general]
title = "The rest"

[routing]
other = "general"
"""
RETURNS, DELIVERY = "I want to return this order for money", "did the courier bring my parcel"
BETWEEN = "about my order"
FOREIGN = "Schrödinger equation xyzzy quux"


def file(classifier: str = "near", *, tuned: str = "", rest: str = "") -> RoutingTable:
    tuned = f"tuned = '{tuned}'\n" if tuned else ""
    return read(f"{FILE}classifier = '{classifier}'\n{tuned}{rest}".encode(), "routing.toml")


def asked(text: str) -> Question:
    """A question with its vector; that of `BETWEEN` lies in the middle of two topics."""
    if text == BETWEEN:
        return Question(text, [one + 1.3 * other for one, other in zip(vector(RETURNS), vector(DELIVERY), strict=True)])
    return Question(text, vector(text))


@cache
def learned(rest: str = "") -> NearestCentroid:
    rules = file(rest=rest)
    rows = samples(rules)
    flags = {key: [vector(text) for text in topic.examples] for key, topic in rules.flags.items()}
    return NearestCentroid([vector(row.text) for row in rows], [row.topic for row in rows], flags=flags)


def router(classifier: str = "near", *, labels: Labels | None = None, tuned: str = "", rest: str = "") -> IntentRouter:
    rules = file(classifier, tuned=tuned, rest=rest)
    few = FewShot(labels, rules, samples=samples(rules)) if labels else None
    own = Tuned(labels, tuned) if labels and tuned else None
    return IntentRouter(rules, near=learned(rest), fewshot=few, tuned=own)


class Labels:
    """A service of labels that answers what a test says, and notes what it was asked."""

    def __init__(self, *answers: Mapping[str, float] | ModelError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    async def by_samples(
        self, text: str, labels: Sequence[str], *, task: str, samples: Sequence[tuple[str, str]] = (), within: float
    ) -> Labelled:
        return self._next(text, tuple(labels), task, tuple(samples), within)

    async def tuned(self, name: str, text: str, *, within: float) -> Labelled:
        return self._next(name, text, within)

    def _next(self, *seen: object) -> Labelled:
        self.asked.append(seen)
        answer = self.answers.pop(0)
        if isinstance(answer, ModelError):
            raise answer
        return Labelled(answer)


@table(
    ("text", "found"),
    [
        ("Give me a REFUND", ("returns",)),
        ("about refunds", ("returns",)),
        ("a prerefund", ()),
        ("my money, back please", ("returns",)),
        ("money or back", ()),
        ("оформить возврата", ("returns",)),
        ("где мой счет?", ("delivery",)),
        ("счета", ()),
        ("refund asap: счёт", ("returns", "delivery", "urgent")),
        ("", ()),
    ],
)
def test_words_are_found_whole_or_by_their_beginning(text: str, found: tuple[str, ...]) -> None:
    assert by_words(file(), text) == found


async def test_a_rule_comes_before_every_classifier_and_the_first_in_the_file_wins() -> None:
    labels = Labels()
    found = await router("tuned", labels=labels, tuned="cls://f/m@t").choose(asked(f"{DELIVERY}: refund, счёт, asap"))
    assert found == Choice("returns", 1.0, "words", flags=("urgent",))
    assert labels.asked == []


async def test_the_nearest_centre_decides_without_a_request() -> None:
    labels = Labels()
    for text, topic in ((RETURNS, "returns"), (DELIVERY, "delivery")):
        found = await router("fewshot", labels=labels).choose(asked(text))
        assert (found.topic, found.reason, found.is_sure) == (topic, "near", True)
    assert labels.asked == []


async def test_a_question_about_something_else_goes_to_the_rest() -> None:
    labels = Labels()
    found = await router("fewshot", labels=labels).choose(asked(FOREIGN))
    assert found == Choice("general", reason="near")
    assert not found.is_sure
    assert labels.asked == []


async def test_two_topics_as_near_as_each_other_are_asked_about() -> None:
    found = await router().choose(asked(BETWEEN))
    assert found.topic == "general"
    assert sorted(found.between) == ["delivery", "returns"]
    assert not found.is_sure


async def test_only_the_unsure_are_paid_for_with_samples_of_each_topic_in_turn() -> None:
    labels = Labels({"Returns": 0.9, "Delivery": 0.1})
    found = await router("fewshot", labels=labels).choose(asked(BETWEEN))
    assert found == Choice("returns", 0.9, "fewshot")
    [(text, titles, task, rows, within)] = labels.asked
    assert text == BETWEEN
    assert set(titles) == {"Returns", "Delivery"}  # not "Staff", which is not for everybody
    assert task == "Tell what the customer's question is about."
    assert [label for _, label in rows] == [*titles] * 4
    assert within == 2.0


async def test_what_the_service_can_not_tell_either_is_asked() -> None:
    for answer, reason in (({"Returns": 0.52, "Delivery": 0.48}, "fewshot"), (ModelUnavailable("429"), "near")):
        found = await router("fewshot", labels=Labels(answer)).choose(asked(BETWEEN))
        assert (found.topic, found.reason) == ("general", reason)
        assert sorted(found.between) == ["delivery", "returns"]


async def test_confidences_that_are_no_shares_do_not_count() -> None:
    odd = {"Returns": float("nan"), "Delivery": 7.0}
    assert await router("fewshot", labels=Labels(odd)).choose(asked(BETWEEN)) == Choice("general", reason="fewshot")


async def test_f81_without_a_vector_samples_decide_and_without_both_the_rest_does() -> None:
    plain = Question(RETURNS)
    found = await router("fewshot", labels=Labels({"Returns": 0.8, "Delivery": 0.2})).choose(plain)
    assert found == Choice("returns", 0.8, "fewshot")
    assert (await router("fewshot", labels=Labels(ModelUnavailable())).choose(plain)).topic == "general"
    assert (await router("near").choose(plain)).topic == "general"
    assert (await router("off").choose(asked(RETURNS))) == Choice("general")


async def test_without_samples_the_titles_alone_decide() -> None:
    labels = Labels({"Возврат": 0.2, "Доставка": 0.8})
    found = await FewShot(labels, file(), language="ru")(Question("где посылка"), ["returns", "delivery"])
    assert found == {"returns": 0.2, "delivery": 0.8}
    assert labels.asked[0][1:4] == (("Возврат", "Доставка"), "Определи, о чём вопрос клиента.", ())
    with pytest.raises(ModelUnavailable, match="one topic alone"):
        await FewShot(labels, file())(Question("x"), ["returns"])


async def test_of_more_than_twenty_topics_the_nearest_are_asked_about() -> None:
    rest = "".join(f"[topic.t{n}]\ntitle='T{n}'\nexamples=['zz{n} a', 'zz{n} b', 'zz{n} c']\n" for n in range(30))
    labels = Labels({"Returns": 0.9})
    found = await router("fewshot", labels=labels, rest=rest).choose(asked(BETWEEN))
    assert found.topic == "returns"
    [(_, titles, *_)] = labels.asked
    assert len(titles) == 20
    assert set(titles[:2]) == {"Returns", "Delivery"}
    assert (await router("fewshot", labels=Labels(), rest=rest).choose(Question(BETWEEN))).topic == "general"


async def test_a_tuned_classifier_is_asked_instead_and_raises_flags_by_their_thresholds() -> None:
    labels = Labels({"returns": 0.8, "delivery": 0.4, "urgent": 0.6, "unknown": 0.9}, ModelUnavailable("503"))
    chosen = router("tuned", labels=labels, tuned="cls://f/yandexgpt-lite/latest@t")
    assert await chosen.choose(asked(DELIVERY)) == Choice("returns", 0.8, "tuned", flags=("urgent",))
    assert labels.asked == [("cls://f/yandexgpt-lite/latest@t", DELIVERY, 2.0)]
    found = await chosen.choose(asked(DELIVERY))
    assert (found.topic, found.reason) == ("delivery", "near")


async def test_a_function_is_a_classifier() -> None:
    async def mine(question: Question, among: Sequence[str]) -> Mapping[str, float]:
        return {"returns": float("back" in question.text), "staff": 1.0}

    found = await IntentRouter(file("tuned", tuned="x"), tuned=mine).choose(Question("send it back"))
    assert found == Choice("returns", 1.0, "tuned")


async def test_a_flag_is_raised_by_words_or_by_meaning_and_leads_nowhere() -> None:
    assert (await router().choose(asked(f"{RETURNS} asap"))).flags == ("urgent",)
    assert (await router().choose(asked("please hurry up immediately"))).flags == ("urgent",)
    assert (await router().choose(asked(RETURNS))).flags == ()


async def test_a_topic_for_some_is_never_chosen_for_others() -> None:
    question = asked("holiday of a colleague")
    assert (await router().choose(question, ["employees"])).topic == "staff"
    assert (await router().choose(question, ["customers"])).topic != "staff"
    held = Held("staff")
    assert (await router().route(asked(BETWEEN), held, ["employees"]))[1].topic == "staff"
    assert (await router().route(asked(BETWEEN), held))[0] == Held()


async def test_a_topic_that_is_gone_from_the_file_holds_no_longer() -> None:
    held, found = await router().route(asked(DELIVERY), Held("gone"))
    assert (held.topic, found.topic) == ("delivery", "delivery")


NEAR, OTHER, ASK = Choice("a", 0.9, "near"), Choice("general"), Choice("general", 0.4, "near", between=("a", "b"))
B, RULE, PERSON = Choice("b", 0.9, "near"), Choice("b", 1.0, "words"), Choice("b", 1.0, "person")
C = Choice("c", 0.8, "near")


@table(
    ("choices", "topics"),
    [
        ([NEAR], ["a"]),
        ([ASK, OTHER, NEAR], ["ask", "general", "a"]),
        ([NEAR, B, B], ["a", "a", "b"]),
        ([NEAR, B, NEAR, B, B], ["a", "a", "a", "a", "b"]),
        ([NEAR, B, ASK, B, OTHER, B, B], ["a", "a", "a", "a", "a", "a", "b"]),
        ([NEAR, B, C, B, C, C], ["a", "a", "a", "a", "a", "c"]),
        ([NEAR, RULE], ["a", "b"]),
        ([NEAR, PERSON, NEAR, NEAR], ["a", "b", "b", "a"]),
    ],
)
def test_a_topic_holds_until_another_wins_twice_in_a_row_or_once_by_a_rule(
    choices: Sequence[Choice], topics: Sequence[str]
) -> None:
    held, found = Held(), []
    for choice in choices:
        held, kept = hold(held, choice)
        found.append("ask" if kept.between else kept.topic)
    assert found == list(topics)


def test_what_holds_keeps_the_flags_of_the_question() -> None:
    _, found = hold(Held("a"), Choice("b", 0.9, "near", flags=("urgent",)))
    assert found == Choice("a", reason="held", flags=("urgent",))


class Hashes:
    """An embedder that notes which texts it was asked for, and fails for those in `broken`."""

    name = "hashes"
    longest = 100
    pace = 0.0

    def __init__(self) -> None:
        self.bought: list[str] = []
        self.broken: set[str] = set()

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        assert question
        self.bought += texts
        return [ModelUnavailable("429") if text in self.broken else Vector(vector(text)) for text in texts]


def now(topics: Topics) -> IntentRouter:
    """What chooses topics now."""
    found = topics.router(None)
    assert found is not None
    return found


async def test_a_running_bot_follows_the_file_and_buys_each_vector_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, embedder, corrections = tmp_path / "routing.toml", Hashes(), list[Sample]()

    async def corrected() -> Sequence[Sample]:
        return corrections

    topics = Topics(RoutingFile(path), embedder=embedder, corrections=corrected)
    await topics.refresh()
    assert topics.router(None) is None
    path.write_text(FILE)
    assert (await now(topics).choose(asked("refund"))).topic == "returns", "words count before anything is learned"
    await topics.refresh()
    await topics.refresh()
    assert len(embedder.bought) == 14
    assert (await now(topics).choose(asked(DELIVERY))).topic == "delivery"

    corrections.append(Sample("xyzzy quux", "staff"))
    embedder.broken.add("xyzzy quux")
    with caplog.at_level(logging.WARNING):
        await topics.refresh()
        await topics.refresh()
    assert caplog.text.count("the examples of topics can't be learned now: 429") == 1
    assert (await now(topics).choose(asked(DELIVERY))).topic == "delivery"
    embedder.broken.clear()
    await topics.refresh()
    assert (await now(topics).choose(asked("xyzzy quux"), ["employees"])).topic == "staff"
    assert len(embedder.bought) == 17


async def test_words_alone_need_no_embedder(tmp_path: Path) -> None:
    path, embedder = tmp_path / "routing.toml", Hashes()
    path.write_text(FILE + "classifier = 'off'\n")
    topics = Topics(RoutingFile(path), embedder=embedder)
    await topics.refresh()
    assert embedder.bought == []
    assert (await now(topics).choose(Question("refund"))).topic == "returns"


def test_a_question_with_the_vector_of_another_embedder_is_refused() -> None:
    near = learned()
    with pytest.raises(ModelUnavailable):
        near.nearness(Question("x", [1.0, 2.0]))


def test_vectors_without_any_difference_are_learned_all_the_same() -> None:
    near = NearestCentroid([[1.0, 0.0]] * 6, ["a"] * 3 + ["b"] * 3)
    assert all(set(row) == {"a", "b"} for row in near.left_out)
