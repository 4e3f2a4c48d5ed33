"""`python -m bench.knowledge.churn --data FOLDER --repository BARE.git`: a documentation's real history, day by day.

Each day's last commit is synced, its new texts are embedded (by a stand-in that counts), and the quotes that answers
gave on the first day are looked up again by the job that finds stale answers. Both counts are made a second time, from
the files alone, to be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.access.policy import Access
from bot.access.rights import Rights
from bot.ai import Vector
from bot.billing.metering import BillTo, Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.features.knowledge.stale import StaleAnswers
from bot.jobs.learning import STALE
from bot.knowledge.answer.extract import extract
from bot.knowledge.answer.shown import of_passage
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.sources.files import KnownFiles, found_in
from bot.knowledge.sources.reading import Articles, read_file
from bot.knowledge.sources.source import Event, Found, Known, Seen, SourceLimits, Trouble
from bot.knowledge.sync import Sync, prepared
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import EVERYONE, KnowledgeSource
from bot.types import Address, Text

BOT = 1
WHERE = Address("telegram", BOT, 1)
NOBODY = BillTo(WHERE, 1, "bench")
SPANS = (30, 90)  # days until the newest commit
GOAL = 4.0  # percent of quotes that may be flagged after 30 days
UNDER = "docs/ru"


@dataclass(slots=True)
class History:
    """The files of a repository at each of its commits."""

    repository: Path
    texts: set[bytes] = field(default_factory=set)  # the keys of all passages that were read

    def git(self, *arguments: str, data: bytes = b"") -> bytes:
        """What git says."""
        return subprocess.run(
            ["git", *arguments], cwd=self.repository, input=data, check=True, capture_output=True
        ).stdout

    def days(self, span: int) -> list[str]:
        """The last commit of each day, the first one being that of `span` days before the newest."""
        rows = self.git("log", "--first-parent", "--format=%H %ct").decode().split("\n")
        commits = [(int(at), commit) for commit, at in (row.split() for row in rows if row)]
        first = commits[0][0] - span * 86_400
        last: dict[int, str] = {}
        for at, commit in reversed(commits):
            last[max((at - first) // 86_400, -1)] = commit
        return [commit for _, commit in sorted(last.items())]

    def files(self, commit: str) -> dict[str, str]:
        """The Markdown files below `UNDER`: blobs by path."""
        rows = self.git("ls-tree", "-r", "-z", commit, "--", UNDER).decode().split("\0")
        parts = (row.split("\t") for row in rows if row.endswith(".md"))
        return {path: about.split()[2] for about, path in parts}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A `Reader` of one commit."""

    history: History
    commit: str

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """The files as a repository's reader gives them, without the child processes."""
        files, seen = KnownFiles(known, SourceLimits()), Seen(SourceLimits())
        for path, blob in sorted(self.history.files(self.commit).items()):
            if twin := seen.twin(blob, path):
                yield Trouble(path, f"same:{twin}")
            elif files.validators(path).get("blob") == blob:
                for event in files.unchanged(path, seen):
                    yield event
            else:
                read = Articles.of(read_file(self.history.git("cat-file", "blob", blob), path))
                for event in found_in(read, path, seen, {"blob": blob}):
                    if isinstance(event, Found):
                        self.history.texts.update(one.sha for one in prepared(event, 0.0)[1])
                    yield event


class Counting:
    """An `Embedder` that only counts."""

    name, longest, pace = "counting", 2_048, 0.0
    bought = 0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector]:
        """A vector of nothing for each text."""
        self.bought += 0 if question else len(texts)
        return [Vector([1.0, 0.0]) for _ in texts]


async def measure(options: argparse.Namespace) -> bool:
    """Print the figures of both spans; return whether the goals are reached."""
    reached = True
    options.out.mkdir(parents=True, exist_ok=True)
    for span in SPANS:
        file = options.out / "churn.db"
        for one in options.out.glob("churn.db*"):
            one.unlink()
        async with Store.open(f"sqlite+aiosqlite:///{file}", SystemClock()) as store:
            reached = await replay(store, options, span) and reached
    return reached


async def replay(store: Store, options: argparse.Namespace, span: int) -> bool:
    """Replay the days of a span; return whether nothing was bought twice, missed, or flagged too often."""
    began, history, counting = time.monotonic(), History(options.repository), Counting()
    base = KnowledgeBase(
        store=store, bot=BOT, files=ChildPool(), meter=Meter(store=store), cache=options.out, embedder=counting
    )
    source = await base.add(KnowledgeSource(name="docs", kind="", address=str(options.out), audience=(EVERYONE,)))
    days = history.days(span)
    quoted: dict[int, tuple[str, str]] = {}
    first = 0
    for number, commit in enumerate(days):
        await Sync(store=store, bot=BOT).run(source, Snapshot(history, commit), agreed=True)
        await base.embed(0)
        if not number:
            quoted, first = await answered(base, options.data), counting.bought
    flagged, missed, needless = await looked_up(store, base, history, days[-1], quoted)
    changed = changed_articles(history, days[0], days[-1], [path for path, _ in quoted.values()])
    share = 100 * flagged / len(quoted)
    exact = counting.bought == len(history.texts)
    print(
        f"{span} days, {len(days)} syncs: {first:,} embeddings at first, {counting.bought - first:,} more "
        f"({100 * (counting.bought - first) / first:.1f} %), new texts {len(history.texts) - first:,}"
        f"{'' if exact else ' (NOT THE SAME)'}; of {len(quoted)} quotes {share:.1f} % stale, {missed} missed, "
        f"{needless} needlessly; the articles of {100 * changed / len(quoted):.1f} % changed; "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )
    return exact and not missed and (span != SPANS[0] or share <= GOAL)


async def answered(base: KnowledgeBase, data: Path) -> dict[int, tuple[str, str]]:
    """Answer the questions of the documentation's FAQ without a model; the quotes, by id, as article and text."""
    for row in json.loads((data / "vk.qs.json").read_text("utf-8")):
        found = await base.search(row["q"], frozenset({EVERYONE}), NOBODY)
        shown = [of_passage(hit.passage) for hit in found.hits]
        pieces = extract(shown, found.frequencies, found.size, "ru")
        spans = [(quote.passage, quote.start, quote.end) for piece in pieces for quote in piece.quotes]

        def store(tx: Tx, spans: Sequence[tuple[int, int, int]] = spans) -> None:
            conversation = tx.messages.current_conversation(WHERE)
            message = tx.messages.add_message(conversation, WHERE, "bench", "assistant", (Text("."),), user=1)
            tx.knowledge.store_quotes(message.id, spans)

        await base.store.write(store)
    rows = await base.store.read(
        lambda tx: tx.connection.exec_driver_sql(
            'SELECT q.id, a.key, substr(p.text, q.start + 1, q."end" - q.start) FROM kb_quotes q'
            " JOIN kb_passages p ON p.id = q.passage_id JOIN kb_articles a ON a.id = p.article_id"
        ).all()
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def looked_up(
    store: Store, base: KnowledgeBase, history: History, commit: str, quoted: dict[int, tuple[str, str]]
) -> tuple[int, int, int]:
    """Run the job that looks quotes up: how many it flags, and how many of both kinds are wrong by the files alone."""
    stale = StaleAnswers(base=base, rights=Rights(Access()), days=0, deliver=lambda _key, _chats: None)
    job = await store.write(lambda tx: tx.jobs.find_job(BOT, STALE, STALE))
    assert job is not None
    await stale.check(job)
    flagged = {one.id for one in await store.read(lambda tx: tx.quotes.list_stale(BOT))}
    files = history.files(commit)
    texts: dict[str, str] = {}
    for path in {path for path, _ in quoted.values() if path in files}:
        read = Articles.of(read_file(history.git("cat-file", "blob", files[path]), path))
        texts[path] = plain(" ".join(block.text for article in read.articles for block in article.blocks))
    gone = {id_ for id_, (path, text) in quoted.items() if plain(text) not in texts.get(path, "")}
    return len(flagged), len(gone - flagged), len(flagged - gone)


def changed_articles(history: History, before: str, after: str, paths: Sequence[str]) -> int:
    """How many of these paths have another content, or none, at the later commit."""
    old, new = history.files(before), history.files(after)
    return sum(old[path] != new.get(path) for path in paths)


def plain(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.churn", description=__doc__)
parser.add_argument("--data", type=Path, required=True, help="folder with vk.qs.json")
parser.add_argument("--repository", type=Path, required=True, help="a bare clone of vk-cs/docs-public with its history")
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"))

if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
