"""How well a model answers from sources, and which level of the knowledge base it is good for.

Begin with `check_source_answers`. The questions stand in questions.toml; the answers are checked as the bot does it.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from bot.ai import Model, Request
from bot.billing import pricing
from bot.clock import Clock
from bot.config.settings import Settings
from bot.conversation.request import Options
from bot.doctor.finding import Finding, cleaner, fail, ok, warn
from bot.errors import BotError
from bot.http.client import Http
from bot.knowledge.answer.checker import Checker
from bot.knowledge.answer.shown import Shown, sources_block
from bot.knowledge.sentences import spans
from bot.llm import prompt
from bot.providers.yandex.service import YandexStudio
from bot.types import Message

LEG = "sources"
QUESTIONS = Path(__file__).with_name("questions.toml")
MAX_TOKENS = 500  # tokens of an answer
WRITTEN = date(2026, 3, 12)  # the date of the sources
# Below these a model gets the level `extract`. A small model that copied sentences and marked wrong ones kept 76 %, but
# answered 11 of 15 questions that its sources did not answer.
LEAST_KEPT = 0.7  # of the sentences of its answers
LEAST_RIGHT = 0.5  # of these: whose marks name the sentence that carries them (it named that of one in ten)
LEAST_ANSWERED = 0.5  # of the questions that the sources answer
MAX_MADE_UP = 1 / 3  # of the others


@dataclass(frozen=True)
class Asked:
    """A test question, the sources that are shown to the model with it, and whether these sources hold the answer."""

    text: str
    language: str
    answered: bool
    passages: Sequence[tuple[str, str]]

    @cached_property
    def shown(self) -> Sequence[Shown]:
        """Return the sources in the form in which a model is shown them, with numbered sentences."""
        return [
            Shown(number, title, "", tuple(text[start:end] for start, end in spans(text)), changed=WRITTEN)
            for number, (title, text) in enumerate(self.passages)
        ]

    def request(self, model: Model, options: Options) -> Request:
        """Return the request that the bot would send to `model` for this question."""
        said = prompt.informed([Message.of("user", self.text)], sources_block(self.shown, self.language))
        profile, most = replace(model.profile, tools=False), min(MAX_TOKENS, options.max_tokens)
        return prompt.build(
            options.system,
            said,
            profile,
            prompt.Ratio(),
            max_tokens=most,
            temperature=options.temperature,
            language=self.language,
        )


@dataclass(slots=True)
class Score:
    """Counts how many of the test questions a model has answered rightly, and what it did wrong in the others."""

    answered: int = 0  # questions that the sources answer, of `answerable`
    answerable: int = 0
    made_up: int = 0  # answers to questions that they do not answer, of `unanswerable`
    unanswerable: int = 0
    kept: int = 0  # sentences that may be sent, of `sentences`
    sentences: int = 0
    moved: int = 0  # of those that are kept: their marks named other sentences

    def count(self, asked: Asked, answer: str) -> None:
        """Check an answer and count it."""
        checker = Checker(asked.shown)
        checker.feed(answer)
        checker.end()
        quoted = [piece for piece in checker.kept if piece.quotes]
        if not asked.answered:
            self.unanswerable += 1
            self.made_up += bool(quoted)
            return
        self.answerable += 1
        self.answered += bool(quoted)
        self.kept += len(quoted)
        self.sentences += len(quoted) + len(checker.dropped)
        self.moved += sum("moved" in piece.seen for piece in quoted)

    @property
    def is_good(self) -> bool:
        """Whether the model may answer in its own words."""
        return (
            self.kept >= LEAST_KEPT * max(self.sentences, 1)
            and self.kept - self.moved >= LEAST_RIGHT * self.kept
            and self.answered >= LEAST_ANSWERED * self.answerable
            and self.made_up <= MAX_MADE_UP * self.unanswerable
        )

    def findings(self, name: str) -> Sequence[Finding]:
        """The figures, and the level to choose."""
        right = self.kept - self.moved
        told = (
            f"{name}: of {self.answerable} questions that its sources answer it answered {self.answered}; of "
            f"{self.sentences} sentences {self.kept} rest on the sources, and {right} of these name the right sentence"
        )
        refused = f"of {self.unanswerable} questions that they do not answer it made up an answer to {self.made_up}"
        verdict = ok(LEG, "KNOWLEDGE=open and cited suit it, and judged where a wrong sentence is dear")
        if not self.is_good:
            least = "KNOWLEDGE=extract suits it: sentences of the sources, and no model"
            verdict = warn(LEG, least, "Or choose another MODEL")
        return [ok(LEG, told), ok(LEG, refused), verdict]


def questions() -> Sequence[Asked]:
    """The questions of questions.toml."""
    rows: Sequence[dict[str, Any]] = tomllib.loads(QUESTIONS.read_text("utf-8"))["question"]
    return [Asked(**row) for row in rows]


async def check_source_answers(
    settings: Settings, clock: Clock, agree: Callable[[str], bool]
) -> AsyncIterator[Finding]:
    """Ask the model of the settings all questions, if `agree` says yes to their price, and say which level it suits."""
    async with Http(direct=[settings.yc_metadata_addr]) as http:
        studio = YandexStudio(settings=settings, http=http, clock=clock, random=Random())  # noqa: S311
        model, options, name = studio.text(settings.model), Options.from_settings(settings), settings.model
        asked = [(one, one.request(model, options)) for one in questions()]
        tokens = [prompt.most(request, prompt.Ratio()) for _, request in asked]
        price = sum(pricing.cost(model.profile, one) for one in tokens)
        cost = pricing.shown("en", price, settings.currency) if price else "its price is not known (MODELS)"
        wish = f"{name} is asked {len(asked)} questions: at most {sum(one.total for one in tokens)} tokens, {cost}."
        if not agree(f"{wish} Go on?"):
            return
        score = Score()
        for one, request in asked:
            try:
                score.count(one, await _said(model, request))
            except BotError as error:
                yield fail(LEG, cleaner(settings)(f"{name}: {error}"), "govorun doctor says what is wrong with it")
                return
        for finding in score.findings(name):
            yield finding


async def _said(model: Model, request: Request) -> str:
    text = ""
    async with aclosing(model.stream(request)) as chunks:
        async for chunk in chunks:
            text = chunk.text if chunk.replaces else text + chunk.text
    return text
