"""How much memory and time large files take: `python -m bench.batch`. Each figure is of a process of its own.

Uploads 2 GB in parts to the sandbox's object storage, stores and fetches a result of 1,000,000 rows, and looks through
100,000 rows of a dataset. Memory is what a process has at most above what it had before (maximum resident set).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from bot.storage.tables.batch import BatchRun, VendorStep

MB = 1 << 20
SIZE = int(os.environ.get("BENCH_UPLOAD", str(2 << 30)))
ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
CHECKED = 100_000


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def serve() -> None:
    """Run the sandbox's AI Studio until standard input ends."""
    from bot.sandbox.ai_studio.server import Studio

    studio = Studio(keys=("a-key-of-the-bench",), quotas=False)
    await studio.start()
    await studio.start_grpc()
    print(json.dumps(studio.settings(), default=str), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await studio.close()


async def upload(folder: Path) -> None:
    """Send a file of random bytes as a dataset, in parts."""
    from bot.batch.vendor.opening import open_transfers, open_vendor
    from bot.batch.vendor.uploads import send_file
    from bot.clock import SystemClock
    from bot.config.settings import Settings
    from bot.http.client import Http

    path, block = folder / "large", os.urandom(MB)
    with path.open("wb") as file:
        for _ in range(SIZE // MB):
            file.write(block)
    server = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "bench.batch", "serve"], stdin=-1, stdout=-1, text=True
    )
    assert server.stdout is not None
    given: dict[str, Any] = json.loads(server.stdout.readline())
    clock, settings = SystemClock(), Settings(_env_file=None, **given)

    async def saved(_upload: dict[str, Any]) -> None:
        return

    async with Http() as http, open_vendor(settings, http, clock) as vendor:
        dataset = await vendor.create_dataset("bench", "TextToTextGenerationRequest", {})
        before, began = peak(), time.perf_counter()
        sizes = {"size": path.stat().st_size}
        await send_file(vendor, open_transfers(http, clock), dataset.id, path, sizes, saved, now=clock.time())
        print(f"upload of {SIZE / MB:,.0f} MB: {time.perf_counter() - began:.1f} s, {peak() - before:.0f} MB more "
              f"(of {peak():.0f})")  # fmt: skip
    server.terminate()


async def result(folder: Path) -> None:
    """Plan a run of many rows, write its dataset, and store its result."""
    from bot.batch.requests import request_of
    from bot.batch.results import write_results
    from bot.batch.rows import Row
    from bot.batch.vendor.values import VendorRun
    from bot.batch.vendor_files import store_answers, write_requests
    from bot.clock import SystemClock
    from bot.storage.maintenance import migrations
    from bot.storage.store import Store

    url = f"sqlite+aiosqlite:///{folder}/bench.db"
    await migrations.upgrade(url)
    async with Store.open(url, SystemClock()) as store:
        new = BatchRun(bot=1, mode="batch", model="m", source="x", options={}, at=0.0)
        run = (await store.write(lambda tx: tx.add(new))).id
        for start in range(0, ROWS, 10_000):
            page = [
                request_of(Row(n + 1, {"q": f"Question {n}: what is it?"}), "q") for n in range(start, start + 10_000)
            ]
            await store.write(lambda tx, page=page: tx.batches.add_requests(run, page))  # type: ignore[misc]
        await store.write(lambda tx: tx.add(VendorStep(run=run, token="bench")))
        step = await store.read(lambda tx: tx.one(VendorStep, run=run))
        found = await store.read(lambda tx: tx.one(BatchRun, bot=1, id=run))
        assert step is not None
        assert found is not None
        before, began = peak(), time.perf_counter()
        written = await write_requests(store, step, folder / "lines")
        print(
            f"dataset of {written['lines']:,} requests: {time.perf_counter() - began:.1f} s, "
            f"{peak() - before:.0f} MB more"
        )
        subprocess.run([sys.executable, "-m", "bench.batch", "parquet", str(folder)], check=True)  # noqa: ASYNC221
        before, began = peak(), time.perf_counter()
        task = VendorRun(id="t", operation="", status="completed", dataset="d")
        odd = await store_answers(store, found, [folder / "result.parquet"], task, step)
        assert odd == "", odd
        print(
            f"result of {ROWS:,} rows: {time.perf_counter() - began:.1f} s, "
            f"{peak() - before:.0f} MB more (of {peak():.0f})"
        )
        before, began = peak(), time.perf_counter()
        counts = await write_results(store, found, folder / "answers.jsonl", bare=True)
        print(f"fetch of {counts.total():,} rows: {time.perf_counter() - began:.1f} s, {peak() - before:.0f} MB more")


def parquet(folder: Path) -> None:
    """Write the result of a run, in another order."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    message = pa.list_(pa.struct([("role", pa.string()), ("text", pa.string())]))
    schema = pa.schema([("request", message), ("response", pa.string())])
    with pq.ParquetWriter(folder / "result.parquet", schema) as writer:
        numbers = list(range(ROWS))
        Random(1).shuffle(numbers)
        for start in range(0, ROWS, 10_000):
            rows = [
                {"request": [{"role": "user", "text": f"Question {n}: what is it?"}], "response": f"Answer {n}. " * 10}
                for n in numbers[start : start + 10_000]
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def check(folder: Path) -> None:
    """Look through a dataset of pairs."""
    from bot.batch.dataset_checks import check_file
    from bot.batch.vendor.values import PAIRS

    path, system = folder / "pairs.jsonl", {"role": "system", "text": "Be brief."}
    with path.open("w") as file:
        for n in range(CHECKED):
            said = [system, {"role": "user", "text": f"Question {n}: what is it, and what is it for?"}]
            file.write(json.dumps({"request": said, "response": f"Answer {n}. " * 20}) + "\n")
    before, began = peak(), time.perf_counter()
    cpu = time.process_time()
    assert not check_file(path, PAIRS).wrong
    print(f"{CHECKED:,} rows looked through: {time.perf_counter() - began:.1f} s "
          f"({time.process_time() - cpu:.1f} s of CPU), {peak() - before:.0f} MB more")  # fmt: skip


def main() -> None:
    """Run all measurements, or the part that is named."""
    what, *rest = sys.argv[1:] or ["all"]
    if what == "serve":
        asyncio.run(serve())
    elif what == "parquet":
        parquet(Path(rest[0]))
    elif what == "all":
        for part in ("check", "upload", "result"):
            subprocess.run([sys.executable, "-m", "bench.batch", part], check=True)
    else:
        with tempfile.TemporaryDirectory() as name:
            done = {"check": check, "upload": upload, "result": result}[what](Path(name))
            if done is not None:
                asyncio.run(done)


if __name__ == "__main__":
    main()
