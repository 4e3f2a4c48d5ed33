"""Measures how well the examples tell the topics apart (`leave_one_out`), and what an edit of the file would change
(`find_moves`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bot.evaluation.cases import TOPIC, Case
from bot.evaluation.checks import Outcome
from bot.evaluation.results import Result, State, grade
from bot.llm.topics.classifiers import Question
from bot.llm.topics.intent_routing import Choice, IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.samples import Sample
from bot.storage.tables.knowledge import TopicChoice

MAX_SHOWN = 5  # examples of a pair, and pairs


def leave_one_out(rows: Sequence[Sample], near: NearestCentroid) -> list[Result]:
    """Return whether each of the samples gets its topic by a classifier that was trained without it.

    `rows` are the samples that `near` has learned from, in the order in which it learned them.
    """
    cases = [Case(question=row.text, topic=row.topic, origin=TOPIC) for row in rows]
    given = [Outcome(topic=max(scores, key=scores.__getitem__)) for scores in near.left_out]
    return [grade(case, outcome) for case, outcome in zip(cases, given, strict=True)]


def count_unsure(near: NearestCentroid, ask_below: float) -> int:
    """For how many samples people would be asked, as their two best topics are less than `ask_below` apart."""
    best_two = ([*sorted(scores.values(), reverse=True), 0.0] for scores in near.left_out)
    return sum(best - second < ask_below for best, second, *_ in best_two)


def format_topics(results: Sequence[Result], unsure: int) -> list[str]:
    """Return the share of samples with the right topic, then the topics that are mistaken for each other, the most
    frequent pair first.
    """
    wrong = [one for one in results if one.state is State.WRONG]
    right = len(results) - len(wrong)
    share = f"{right} of {len(results)} examples ({right / len(results):.1%})"
    found = [f"{share} get their topic when each is left out; {unsure} would be asked about."]
    pairs = Counter((min(one.case.topic, one.topic), max(one.case.topic, one.topic)) for one in wrong)
    for (one, other), count in pairs.most_common(MAX_SHOWN):
        found.append(f"{one} and {other} are mixed up {count} times:")
        for topic, taken in ((one, other), (other, one)):
            texts = [row.case.question for row in wrong if (row.case.topic, row.topic) == (topic, taken)]
            found += [f"  {text!r} of {topic} looks like {taken}" for text in texts[:MAX_SHOWN]]
    return found


async def find_moves(before: IntentRouter, after: IntentRouter, questions: Iterable[Question]) -> list[str]:
    """Return a line for each question to which two routers give different topics or flags. Two topics about which
    people would be asked count like a topic.
    """
    found = []
    for question in questions:
        old, new = await before.choose(question), await after.choose(question)
        if (old.topic, old.between, old.flags) != (new.topic, new.between, new.flags):
            found.append(describe_move(question.text, old, new))
    return found


def recall_choice(row: TopicChoice) -> Choice | None:
    """Return the topic that an earlier question was given; None if its row cannot tell.

    It cannot tell for a question that AI Studio classified or that was read together with another question, nor for one
    that only kept the topic of its conversation.
    """
    if row.way == "held":
        return Choice(row.rival, 1.0, "near") if row.rival else None
    if row.way in ("fewshot", "tuned", "guess"):
        return None
    return Choice(row.topic, 1.0, between=tuple(row.rivals.split()))


def describe_choice(choice: Choice) -> str:
    """Return a choice in a few words: "returns + urgent", or "returns or delivery?" if people would be asked."""
    what = " or ".join(choice.between) + "?" if choice.between else choice.topic
    return " + ".join([what, *choice.flags])


def describe_move(text: str, before: Choice, after: Choice) -> str:
    """Return a question with what it was led to and would be led to, as a line of a list."""
    return f"  {describe_choice(before)} -> {describe_choice(after)}: {text!r}"
