"""`python -m bench.knowledge.large`: a source of 5,000 pages of PDF, read in two goes, and one of 10,000 equal pages.

The first reader is killed (SIGKILL) in the middle, the second one goes on. Each is a process of its own, so that its
memory is measured. Begin with `measure`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.ai import Vector
from bot.billing.metering import Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.folder import Folder
from bot.knowledge.sources.source import Event, Known, SourceLimits
from bot.knowledge.sync import Sync
from bot.storage.store import Store
from bot.storage.tables.knowledge import EVERYONE, KnowledgeSource

BOT = 1
OF_FILE = 50  # pages
LINES = 30  # of a page


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process has read: numbers of articles, passages and embeddings, seconds, and MB of it and its children.

    `troubles` are the files that could not be read, each with its reason.
    """

    new: int
    unchanged: int
    equal: int
    passages: int
    embedded: int
    seconds: float
    memory: int
    children: int
    troubles: Sequence[Sequence[str]]


class Counting:
    """An `Embedder` that counts."""

    name, longest, pace = "counting", 2_048, 0.0

    def __init__(self) -> None:
        self.texts = 0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector]:
        self.texts += len(texts)
        return [Vector([1.0, 2.0], tokens=1) for _ in texts]


class Mortal(Folder):
    """A folder whose reader is killed after so many articles; 0: it is not."""

    dies_after = 0

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        left = self.dies_after
        async for event in super().articles(known):
            yield event
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)


def pdf(*pages: str) -> bytes:
    """A PDF whose pages have these lines of Latin text; "" is a page without text."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    font = DictionaryObject(
        {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
         NameObject("/BaseFont"): NameObject("/Helvetica")}
    )  # fmt: skip
    for text in pages:
        page = writer.add_blank_page(600, 800)
        shown = DecodedStreamObject()
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n") if line)
        shown.set_data(f"BT /F 12 Tf 50 700 Td {lines}ET".encode())
        page[NameObject("/Contents")] = writer._add_object(shown)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F"): font})}
        )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def write_pdfs(folder: Path, pages: int, of_file: int = OF_FILE) -> None:
    """Write files of so many pages, each page with a text of its own."""
    folder.mkdir(parents=True)
    for first in range(0, pages, of_file):
        (folder / f"{first:06}.pdf").write_bytes(pdf(*map(page, range(first, first + of_file))))


def page(number: int) -> str:
    """A page of a price list."""
    return "\n".join(
        f"Part {number}.{line} costs {line + number} roubles, weighs {line} grams and comes within {number % 90} days."
        for line in range(LINES)
    )


def write_equal(folder: Path, pages: int) -> None:
    """Write pages with one text: half of them byte for byte, half with something else that nobody sees."""
    folder.mkdir(parents=True)
    for number in range(pages):
        seen = "<title>Delivery</title><h1>Delivery</h1><p>The courier calls an hour before, and waits ten minutes.</p>"
        (folder / f"{number:06}.html").write_text(seen + (f"<!-- {number} -->" if number % 2 else ""))


async def read(database: Path, folder: Path, dies_after: int = 0) -> Reading:
    """Read a folder into a database that may have a part of it, and embed what is new."""
    began, files, embedder = time.monotonic(), ChildPool(), Counting()
    async with Store.open(f"sqlite+aiosqlite:///{database}", SystemClock()) as store:
        base = KnowledgeBase(
            store=store, bot=BOT, files=files, meter=Meter(store=store), cache=database.parent, embedder=embedder
        )
        if not await base.sources():
            await base.add(KnowledgeSource(name="large", kind="folder", address=str(folder), audience=(EVERYONE,)))
        reader = Mortal(folder, FileReader(files, SourceLimits()), SourceLimits())
        reader.dies_after = dies_after
        report = await Sync(store=store, bot=BOT).run(await base.find("large"), reader)
        await base.embed(10**9)
        sizes = await store.read(lambda tx: tx.sources.sizes(BOT))
        await files.close()
    return Reading(
        new=report.new, unchanged=report.unchanged, equal=report.equal,
        passages=sum(passages for _, passages in sizes.values()), embedded=embedder.texts,
        seconds=time.monotonic() - began, memory=most_memory(resource.RUSAGE_SELF),
        children=most_memory(resource.RUSAGE_CHILDREN),
        troubles=[(one.key, one.reason) for one in report.troubles],
    )  # fmt: skip


def most_memory(of: int) -> int:
    """The most memory that this process, or the largest of its children, has taken, in MB."""
    return resource.getrusage(of).ru_maxrss >> 10


async def start(database: Path, folder: Path, dies_after: int = 0) -> Reading | None:
    """Read in a new process; None if it was killed."""
    words = ("-m", "bench.knowledge.large", "--read", str(folder), "--database", str(database))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, "--dies-after", str(dies_after), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return Reading(**json.loads(told)) if process.returncode == 0 else None


async def measure(root: Path, pages: int, equal: int) -> None:
    """Print the figures."""
    for size in (pages // 4, pages):
        write_pdfs(root / f"pdf{size}", size)
        whole = await start(root / f"whole{size}.db", root / f"pdf{size}")
        print(f"{size:,} pages of PDF: {whole}")
    died, again = root / "died.db", root / f"pdf{pages}"
    began = time.monotonic()
    await start(died, again, pages // OF_FILE // 2)
    print(f"killed in the middle, after {time.monotonic() - began:.1f} s")
    print(f"then: {await start(died, again)}")
    write_equal(root / "equal", equal)
    for name in ("equal pages", "again"):
        print(f"{equal:,} {name}: {await start(root / 'equal.db', root / 'equal')}")


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.large", description=__doc__)
parser.add_argument("--pages", type=int, default=5_000)
parser.add_argument("--equal", type=int, default=10_000)
parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
parser.add_argument("--database", type=Path, help=argparse.SUPPRESS)
parser.add_argument("--dies-after", type=int, default=0, help=argparse.SUPPRESS)

if __name__ == "__main__":
    options = parser.parse_args()
    if options.read:
        print(json.dumps(asdict(asyncio.run(read(options.database, options.read, options.dies_after)))))
    else:
        with tempfile.TemporaryDirectory() as created:
            asyncio.run(measure(Path(created), options.pages, options.equal))
