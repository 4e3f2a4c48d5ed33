"""`govorun topics`: begin a routing file, see how well it tells topics apart, try a question, export a data set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from bot.ai import Embedder, LabelModel
    from bot.config.settings import Settings
    from bot.llm.topics.classifiers import Question
    from bot.llm.topics.intent_routing import IntentRouter
    from bot.llm.topics.nearest import NearestCentroid
    from bot.llm.topics.routing_file import RoutingTable
    from bot.llm.topics.samples import Sample

app = typer.Typer(help="Topics of questions: the file routing.toml (docs/topics.md).", no_args_is_help=True)

T = TypeVar("T")
FILE = Path("routing.toml")
RECENT = 1_000  # questions that an edit is tried on
File = Annotated[Path | None, typer.Option(help="The file with the topics; otherwise the one that ROUTING names.")]
Samples = Annotated[
    Path | None, typer.Option(help='More samples: JSON lines like {"text": "...", "topic": "returns"}.')
]


@app.command()
def init(
    file: Annotated[Path | None, typer.Argument(help="Where it is written; otherwise where ROUTING says.")] = None,
    language: Annotated[str, typer.Option(help="Of the comments: ru or en.")] = "en",
) -> None:
    """Write an example with comments, to begin with."""
    from bot.llm.topics.routing_file import example

    file = file or _configured()
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(example(language))
    except FileExistsError:
        raise BadInput(f"{file} is there already; name another file") from None
    typer.echo(f"{file} is written. Put your own topics into it, then try: govorun topics eval")


def _configured() -> Path:
    from bot.config.settings import load

    return load().routing or FILE


@app.command("eval")
def evaluate(
    file: File = None,
    samples: Samples = None,
    against: Annotated[Path | None, typer.Option(help="The file as it was before an edit.")] = None,
    questions: Annotated[Path | None, typer.Option(help="Recent questions to try the edit on, one a line.")] = None,
) -> None:
    """Say how well the examples tell the topics apart, and what an edit of the file would change: on the last 1,000
    questions to the bot, with the topics they got, or on questions of a file.
    """
    for line in asyncio.run(_evaluated(file or _configured(), samples, against, questions)):
        typer.echo(line)


@app.command("try")
def attempt(
    text: Annotated[str, typer.Argument(help="A question.")], file: File = None, samples: Samples = None
) -> None:
    """Say which topic a question would get, and why."""
    for line in asyncio.run(_tried(text, file or _configured(), samples)):
        typer.echo(line)


@app.command()
def export(file: File = None, samples: Samples = None) -> None:
    """Print a data set to tune a classifier with, one JSON object a line."""
    from bot.llm.topics.samples import TUNABLE, one_hot, short_of

    table, rows = _read(file or _configured(), samples, _recorded_samples())
    for line in one_hot(rows):
        typer.echo(line)
    if short := short_of(rows, table.topics):
        counts = ", ".join(f"{key} has {count}" for key, count in short.items())
        typer.echo(f"Tuning pays from {TUNABLE} samples of each topic on: {counts}", err=True)


def known_samples(file: Path, bot: int) -> Sequence[Sample]:
    """Return the samples of the topics of a file, with what operators of a bot have corrected."""
    return _read(file, None, _recorded_samples({bot}))[1]


@asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[tuple[Embedder, LabelModel | None]]:
    """Open the services that a routing file needs: the embedder that EMBEDDINGS names, and AI Studio's classifiers if
    there is a key.

    Without both, the embedder on this machine is used, and no classifier.
    """
    from bot.config.settings import has_key
    from bot.runtime.opening import open_services

    if settings.embedding_row is None:
        settings = settings.model_copy(update={"embeddings": "yandex" if has_key(settings) else "offline"})
    async with open_services(settings) as opened:
        embedder, _ = opened.embedders.chosen()
        assert embedder is not None  # noqa: S101  one of the three is named
        yield embedder, opened.studio.classifier() if opened.is_keyed else None


async def _evaluated(file: Path, samples: Path | None, against: Path | None, questions: Path | None) -> list[str]:
    from bot.config.settings import load
    from bot.evaluation.topics import count_unsure, find_moves, format_topics, leave_one_out

    recorded = _recorded_samples()
    table, rows = _read(file, samples, recorded)
    async with services(load()) as (embedder, labels):
        known: dict[str, Sequence[float]] = {}
        router, near = await _learned(table, rows, embedder, labels, known)
        found = format_topics(leave_one_out(rows, near), count_unsure(near, table.routing.ask_below))
        if against is None or questions is None:
            return found + await _moved(table, near, embedder)
        before, _ = await _learned(*_read(against, samples, recorded), embedder, labels, known)
        asked = await _questions(_lines(questions)[-RECENT:], embedder)
        moved = await find_moves(before, router, asked)
    return [*found, f"{len(moved)} of {len(asked)} questions would be led elsewhere:", *moved]


async def _tried(text: str, file: Path, samples: Path | None) -> list[str]:
    from bot.config.settings import load
    from bot.evaluation.topics import describe_choice

    table, rows = _read(file, samples, _recorded_samples())
    async with services(load()) as (embedder, labels):
        router, near = await _learned(table, rows, embedder, labels, {})
        [question] = await _questions([text], embedder)
        choice = await router.choose(question)
    topic = table.find(choice.topic)
    leads = {
        "persona": topic.persona,
        "model": topic.model,
        "knowledge": ", ".join(table.bases(choice.topic)),
        "level": topic.level,
        "queue": topic.queue,
    }
    ranked = sorted(near.ranking(question).items(), key=lambda row: -row[1])[:3]
    return [
        f"{describe_choice(choice)} ({WHY[choice.reason]})",
        *(f"  {name}: {value}" for name, value in leads.items() if value),
        "By meaning: " + ", ".join(f"{key} {score:.0%}" for key, score in ranked),
    ]


async def _moved(table: RoutingTable, near: NearestCentroid, embedder: Embedder) -> list[str]:
    """The recent questions of the bot that the file would lead elsewhere than they went. AI Studio is not asked."""
    from bot.evaluation.topics import describe_move, recall_choice
    from bot.knowledge.answer.forms import is_small_talk
    from bot.llm.topics.live import router_of
    from bot.storage.repositories.knowledge.topics import recent_questions

    recent = _recorded(lambda url, bots: recent_questions(url, bots, RECENT))
    recent = [(text, row) for text, row in recent if not is_small_talk(text)]  # it is about nothing
    rows = [(text, before) for text, row in recent if (before := recall_choice(row))]
    if not recent:
        return []
    router = router_of(table, near=near, labels=None, samples=())
    audiences = {name for topic in table.topic.values() for name in topic.audience}
    asked = await _questions([text for text, _ in rows], embedder) if rows else []
    moved = []
    for question, (text, before) in zip(asked, rows, strict=True):
        after = await router.choose(question, audiences)
        if (before.topic, set(before.between)) != (after.topic, set(after.between)):
            moved.append(describe_move(text, before, after))
    left = len(recent) - len(rows)
    rest = f" ({left} more were not chosen by the question alone)" if left else ""
    return [
        f"{len(moved)} of the last {len(rows)} questions would be led elsewhere{rest}{':' if moved else '.'}",
        *moved,
    ]


def _recorded_samples(bots: Collection[int] | None = None) -> list[Sample]:
    """What operators of these bots corrected (None: of all that the settings name), from the database."""
    from bot.llm.topics.samples import Sample
    from bot.storage.repositories.knowledge.topics import recorded_samples

    return [Sample(*row) for row in _recorded(recorded_samples, bots)]


def _recorded(read: Callable[[str, Collection[int]], list[T]], bots: Collection[int] | None = None) -> list[T]:
    """What the database has of these bots; nothing without one, or without a token that says whose."""
    from bot.config import multi_bot
    from bot.config.settings import load
    from bot.storage.engines.sqlite_files import path_of
    from bot.storage.engines.urls import is_sqlite

    settings = load()
    url = settings.database_url
    if is_sqlite(url) and ((path := path_of(url)) is None or not path.exists()):
        return []
    try:
        return read(url, bots or multi_bot.numbers(settings))
    except ConfigError:
        return []


def _read(file: Path, samples: Path | None, recorded: Sequence[Sample]) -> tuple[RoutingTable, list[Sample]]:
    from bot.llm.topics.routing_file import read
    from bot.llm.topics.samples import samples as merged

    table = read(_bytes(file), str(file))
    rows = merged(table, [*recorded, *_corrections(samples)])
    if not rows:
        raise BadInput(f"{file}: there is no topic in it; begin with: govorun topics init")
    return table, rows


def _corrections(file: Path | None) -> list[Sample]:
    from bot.llm.topics.samples import Sample

    found = []
    for number, line in enumerate(_lines(file) if file else (), 1):
        try:
            row = json.loads(line)
            found.append(Sample(str(row["text"]), str(row["topic"])))
        except (ValueError, TypeError, KeyError):
            raise BadInput(
                f'{file}, line {number}: JSON like {{"text": "...", "topic": "returns"}} is expected'
            ) from None
    return found


async def _learned(
    table: RoutingTable,
    rows: Sequence[Sample],
    embedder: Embedder,
    labels: LabelModel | None,
    known: dict[str, Sequence[float]],
) -> tuple[IntentRouter, NearestCentroid]:
    from bot.llm.topics.live import learn, router_of

    near = await learn(embedder, table, rows, known)
    return router_of(table, near=near, labels=labels, samples=rows), near


async def _questions(texts: Sequence[str], embedder: Embedder) -> list[Question]:
    from bot.ai import Vector
    from bot.llm.topics.classifiers import Question

    vectors = await embedder.embed(texts, question=True)
    pairs = zip(texts, vectors, strict=True)
    return [Question(text, vector.numbers if isinstance(vector, Vector) else None) for text, vector in pairs]


def _lines(file: Path) -> list[str]:
    return [line for line in _bytes(file).decode("utf-8-sig", "replace").splitlines() if line.strip()]


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or 'can not be read'}") from None


WHY = {
    "words": "by a word of the file",
    "near": "by meaning",
    "fewshot": "by AI Studio, with the examples",
    "tuned": "by the tuned classifier",
    "other": "no classifier is on",
}
