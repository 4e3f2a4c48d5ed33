"""How well the examples tell the topics apart, and what an edit of the file would change. Begin with `evaluated`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.llm.topics.classifiers import Question
from bot.llm.topics.intent_routing import Choice, IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.samples import Sample

SHOWN = 5  # examples of a pair, and pairs


@dataclass(frozen=True, slots=True)
class Report:
    """What a classifier said of each sample when it was trained without that sample (leave-one-out).

    `right` of `count` samples got their own topic; for `unsure` of them people would be asked. `taken` has the samples
    that got another topic, by the pair of their own topic and the one they got.
    """

    count: int
    right: int
    unsure: int
    taken: Mapping[tuple[str, str], Sequence[Sample]]

    @property
    def accuracy(self) -> float:
        """The share of samples that got their topic."""
        return self.right / self.count if self.count else 0.0

    @property
    def mixed(self) -> list[tuple[str, str, int]]:
        """The pairs of topics that are mistaken for each other, and how often in both directions together; the most
        frequent pair first.
        """
        pairs: Counter[tuple[str, str]] = Counter()
        for (one, other), rows in self.taken.items():
            pairs[min(one, other), max(one, other)] += len(rows)
        return [(one, other, count) for (one, other), count in pairs.most_common()]


@dataclass(frozen=True, slots=True)
class Change:
    """A question whose topic or flags are different after an edit of the routing file."""

    text: str
    before: Choice
    after: Choice


def evaluated(rows: Sequence[Sample], near: NearestCentroid, *, ask_below: float) -> Report:
    """Return the report on `rows`: the samples that `near` has learned from, in the order in which it learned them.

    A sample counts as unsure if its two best topics are less than `ask_below` apart.
    """
    taken: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    unsure = 0
    for row, scores in zip(rows, near.left_out, strict=True):
        best, second, *_ = *sorted(scores, key=lambda key: -scores[key]), ""
        unsure += scores[best] - scores.get(second, 0.0) < ask_below
        if best != row.topic:
            taken[row.topic, best].append(row)
    return Report(len(rows), len(rows) - sum(map(len, taken.values())), unsure, taken)


def lines(report: Report) -> list[str]:
    """Return a report as lines: the share of questions with the right topic, then the topics that are mixed up."""
    share = f"{report.right} of {report.count} examples ({report.accuracy:.1%})"
    found = [f"{share} get their topic when each is left out; {report.unsure} would be asked about."]
    for one, other, count in report.mixed[:SHOWN]:
        found.append(f"{one} and {other} are mixed up {count} times:")
        for topic, taken in ((one, other), (other, one)):
            found += [f"  {row.text!r} of {topic} looks like {taken}" for row in report.taken.get((topic, taken), ())][
                :SHOWN
            ]
    return found


async def changes(before: IntentRouter, after: IntentRouter, questions: Iterable[Question]) -> list[Change]:
    """Return the questions to which two routers give different topics or flags. Two topics about which people would be
    asked count like a topic.
    """
    found = []
    for question in questions:
        old, new = await before.choose(question), await after.choose(question)
        if (old.topic, old.between, old.flags) != (new.topic, new.between, new.flags):
            found.append(Change(question.text, old, new))
    return found


def before_of(way: str, topic: str, rivals: str, rival: str) -> Choice | None:
    """Return the topic that an earlier question was given, made from its row of the table `topic_choices`; None if the
    row cannot tell.

    It cannot tell for a question that AI Studio classified or that was read together with another question, nor for one
    that only kept the topic of its conversation.
    """
    if way == "held":
        return Choice(rival, 1.0, "near") if rival else None
    if way in ("fewshot", "tuned", "guess"):
        return None
    return Choice(topic, 1.0, between=tuple(rivals.split()))


def told(choice: Choice) -> str:
    """Return a choice in a few words: "returns + urgent", or "returns or delivery?" if people would be asked."""
    what = " or ".join(choice.between) + "?" if choice.between else choice.topic
    return " + ".join([what, *choice.flags])
