"""No text of a person or a model holds the process up: patterns and loops take time in proportion to what they read.

See T37 in docs/promises.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from logging import LogRecord

import pytest
from pydantic import BaseModel

from bot.ai import Profile, Source
from bot.config import validators
from bot.desk.model import hand_over
from bot.features import web_search
from bot.features.pictures import prompt_improver
from bot.features.times import forms, reading, zones
from bot.knowledge import citations, documents, plain_ranking
from bot.knowledge.answer import quotes
from bot.knowledge.formats.office import books
from bot.knowledge.sources import web
from bot.llm import prompt, structured
from bot.llm.topics import classifiers, routing_file, samples
from bot.media import voice
from bot.media.attachments import one_line
from bot.providers import error_mapping, tool_calls
from bot.providers.yandex.grpc import transport
from bot.sandbox import scripted_model, scripted_tools
from bot.sandbox.ai_studio.generation import writer
from bot.storage.repositories.files.documents import Passage
from bot.telegram.client import safe_json
from bot.telegram.receiving import fields
from bot.telegram.render import draft, plain
from bot.telegram.render.cleaning import clean
from bot.telegram.render.defusing import defused
from bot.telemetry.logging import Redaction
from bot.tools import calculator, current_time
from bot.types import Message
from tests.promises.security.patterns import Stretch, Use, possessive_groups, stretches, uses

LENGTH = 300_000
SHORT, QUICK = 3_000, 0.0002  # so many characters take a slow pattern 0.4 to 2 ms, a linear one nearly always 0.1 ms
TIMES = 4  # as many characters take a linear pattern four times as long, a slow one sixteen times
GROWTH = 7
SLOW = 3.0
PARTS = 6
BOUNDED = {  # patterns that are slow, and the most characters that they are given
    r"\\(?:text|mathrm|textbf)\{[^}]*\}": 200,  # between two dollars, which `find_formula` looks for so far apart
    web.MISSING.pattern: web.LONGEST_TITLE,
}
PIECES: dict[str, tuple[str, list[str]]] = {  # functions that make patterns, the method, and patterns as they make them
    "bot.config.validators.check": (
        "fullmatch",
        [
            rf"(?i:{validators.PLACEHOLDER.pattern})|{validators.KEY}",
            "([A-Za-z0-9_-]{16,256})?",
            r"[^\x00-\x1f\x7f]*",
            "[A-Z]{3}",
        ],
    ),
    "bot.batch.vendor.transfers._words": ("search", ["<Code>([^<]{0,200})</Code>"]),
    "bot.conversation.question.beside_sources._is_called_for": (
        "search",
        [current_time.ABOUT, calculator.ABOUT, web_search.ABOUT, hand_over.ABOUT],
    ),
    "bot.tools.tool.__post_init__": ("search", []),  # it is tried where it is used
    "bot.evaluation.checks._pattern": ("fullmatch", ["(?s)it is in (?P<spoken>.*), not (?P<wanted>.*)"]),
    "bot.features.knowledge.stale._find": ("search", [r"a\s+b\s+c"]),
    "bot.knowledge.answer.checker._verbatim": ("search", [r"a\s+b\s+c", r"\(a\)\s+\["]),
    "bot.knowledge.answer.quotes._month": ("fullmatch", list(quotes.MONTHS)),
    "bot.sandbox.telegram.markup.addresses._of_app": ("fullmatch", ["[a-z0-9_.-]+", "[a-z0-9_-]+"]),
    "bot.sandbox.telegram.markup.addresses.parameters": ("match", [r"tg:(?://)?user/?\?([^#]*)"]),
    "bot.sandbox.scripted_model": ("search", []),  # all of them stand in `RULES`
    "bot.sandbox.scripted_tools.is_asked": ("search", [r"\bcalculator", *scripted_tools.HINTS.values()]),
    "bot.storage.engines.sqlite_copy.before_migration": ("fullmatch", [r"bot\.db-backup-[0-9a-f]+-\d{8}T\d{6}Z"]),
    "bot.telegram.render.streaming._code": ("search", [r"(?<!`)`{1}(?!`)", r"(?<!`)`{3}(?!`)"]),
    "bot.features.times.vocabulary.pattern": ("match", [form.pattern.pattern for form in forms.all_forms()]),
    "bot.knowledge.formats.office.books.read_rtf": (
        "search",
        [re.escape(word) + r"(?![a-z\d])" for word in books.CELLS],
    ),
    "bot.providers.yandex.grpc.transport._rules": ("fullmatch", [rule.pattern for _, rule, _ in transport.RULES]),
    "bot.telegram.receiving.webhook_server._found": ("fullmatch", ["/orders/([^/]+)/parts/([^/]+)"]),
    "bot.telegram.receiving.parsing._addressed": ("search", [r"@bot\b[,:]?\s*"]),
}
MADE = [
    Use(place, method, re.compile(pattern, re.IGNORECASE))
    for place, (method, patterns) in PIECES.items()
    for pattern in patterns
]


# --- patterns ---------------------------------------------------------------------------------------------------------


def suspects(use: Use) -> Iterator[Stretch]:
    """What a pattern is not quick with: that alone is worth a long trial."""
    for stretch in stretches(use.pattern):
        short = _takes(use, stretch.text(SHORT))
        if short > QUICK and _takes(use, stretch.text(TIMES * SHORT)) > max(GROWTH * short, TIMES**2 * QUICK):
            yield stretch


def _takes(use: Use, text: str) -> float:
    began = time.process_time()
    use.run(text)
    return time.process_time() - began


@pytest.mark.turns(PARTS)
@pytest.mark.parametrize("part", range(PARTS))
def test_each_pattern_takes_time_in_proportion_to_the_text(part: int) -> None:
    """What is slow takes 10 s or more for 300,000 characters, or for ever for much less; what is not, 0.1 s."""
    for use in [*uses()[0], *MADE][part::PARTS]:
        print(use)  # noqa: T201  of a test that takes too long this is shown: the last one is slow
        for stretch in suspects(use):
            began = time.process_time()
            use.run(stretch.text(BOUNDED.get(str(use.pattern.pattern), LENGTH)))
            assert time.process_time() - began < SLOW, (use, stretch)


def test_a_pattern_that_is_made_of_pieces_is_tried_too() -> None:
    """A new one is to stand in `PIECES`."""
    assert uses()[1] == set(PIECES)


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Before Python 3.11.5 what comes behind such a group may be read from the wrong place (python/cpython#106052).

    So `(?>(?:ab)*)` says what `(?:ab)*+` means.
    """
    assert [use for use in [*uses()[0], *MADE] if possessive_groups(use.pattern)] == []


@pytest.mark.parametrize(
    ("pattern", "count"), [(r"(?:ab)*+", 1), (r"(?>(?:ab)*)[ab]*+\d++", 0), (r"((?:aa|b)?+c)?+", 2)]
)
def test_a_group_that_is_repeated_possessively_is_found(pattern: str, count: int) -> None:
    assert possessive_groups(re.compile(pattern)) == count


@pytest.mark.parametrize("pattern", BOUNDED)
def test_a_pattern_with_a_bound_is_there_and_needs_it(pattern: str) -> None:
    found = [use for use in uses()[0] if use.pattern.pattern == pattern]
    assert found
    assert all(any(suspects(use)) for use in found)


@pytest.mark.parametrize(
    ("pattern", "stretch"),
    [
        (r"[ \t\r]+\n", Stretch("", " ", "\0\n\0")),
        (r"\s*\S+", Stretch("", " ", "")),
        (r"[*.]+$", Stretch("", ".", "\0\n\0")),
        (r"\w+://", Stretch("", "a", "")),
        (r"!?\[([^\]]*)\]\([^)]*\)", Stretch("", "[](", "")),
        (r"<!--.*?-->", Stretch("", "<!--", "")),
        (r"^head.*^tail", Stretch("", "head\n", "")),
        (r"begin(?:a=\S+)*;", Stretch("begin", "a=a", "")),
        (r"(?:one|two)?[a-z]+[m-z]+!", Stretch("one", "z", "")),
        (r'"(?:\\.|[^"])*"', Stretch("", '\\"', "")),
    ],
)
def test_what_makes_a_slow_pattern_slow_is_tried(pattern: str, stretch: Stretch) -> None:
    assert stretch in stretches(re.compile(pattern, re.DOTALL | re.MULTILINE))


def test_a_slow_pattern_is_suspected_and_a_good_one_is_not() -> None:
    assert any(suspects(Use("here", "search", re.compile(r"[ \t]+\n"))))
    assert not any(suspects(Use("here", "match", re.compile(r"[ \t]+\n"))))


# --- functions --------------------------------------------------------------------------------------------------------


class Answer(BaseModel):
    numbers: list[int]


def _schema(text: str) -> None:
    with pytest.raises(ValueError):
        structured.read(f"```json\n{text}", Answer)


def _unclosed(text: str) -> None:
    with pytest.raises(ValueError):
        safe_json.loads(f'{"[" * 2_000}"{text}')


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FOUND = documents.Retrieved("", (Passage("", 3, name="report.pdf"),))
TOPICS = routing_file.read(routing_file.example("en").encode(), "routing.toml")
PROFILE = Profile(window=32_000, max_tokens=2_000)
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "a time": lambda text: reading.read(f"in {text}", NOW),
    "a time zone": zones.zone,
    "the name of a person": fields.name,
    "the name of a file": one_line,
    "words of a message": lambda text: fields.text({"text": text}),
    "JSON that ends in a text": _unclosed,
    "passages": lambda text: plain_ranking.best(text, [Passage(one) for *_, one in documents.cut_pages([("", text)])]),
    "a prompt": lambda text: prompt.build(text, [Message.of("user", text)] * 3, PROFILE, prompt.Ratio(), max_tokens=9),
    "a log line": lambda text: Redaction(["secret"]).format(LogRecord("bot", 20, "", 0, text, None, None)),
    "a draft": draft,
    "plain text": plain,
    "clean text": clean,
    "defused text": defused,
    "a voice": lambda text: voice.spoken(text, 2_000),
    "the description of a picture": prompt_improver.tidied,
    "sources": lambda text: citations.under(text, [Source(text, f"https://{text}")], "en"),
    "citations": lambda text: documents.cited(text, FOUND),
    "what an answer rests on": lambda text: documents.note(text, FOUND.passages, "en"),
    "an answer that follows a schema": _schema,
    "arguments of a tool": tool_calls.arguments,
    "a refusal": lambda text: error_mapping.refusal(400, f'{{"error": "{text}"}}'.encode()),
    "what the sandbox's model is asked": scripted_model.spoken,
    "a sum that it is asked": lambda text: scripted_tools.fits({"properties": {"expression": {}}}, text),
    "sentences that it says": writer.sentences,
    "a question with words of topics": lambda text: classifiers.by_words(TOPICS, text),
    "a question as a sample": lambda text: samples.masked(text, ["Anna Smith"]),
}
SHAPES = (*' \nя*`[<-\\"', "[](")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_time_in_proportion_to_the_text(name: str) -> None:
    for shape in SHAPES:
        FUNCTIONS[name](shape * (LENGTH // len(shape)) + "x")
