"""The whole check: format, lint, import rules, types, migrations, tests. `lint`, `unit` and `coverage` are parts of it.

What tests need beyond PyPI comes from `system_packages.py` (`make packages`) and `deploy_tools.py`. In CI a missing
piece is an error; elsewhere its tests are skipped, and a line says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LONG = "sweep or e2e or page"
MEMORY = Path("/dev/shm")  # Linux's file system in memory
ROOM = 4 << 30  # bytes that must be free in it: tests leave about 1 GB behind
# Tests start hundreds of Pythons: one that may not keep what it has compiled takes three times as long to start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

Step = Callable[[], int]


def run(title: str, *command: str, talks: bool = True, **environment: str) -> int:
    """Print what a command says when it has ended, so that two at the same time can be read. Returns its status.

    What one that does not talk says is only printed when it has failed.
    """
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env={**ENVIRONMENT, **environment}, check=False, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = done.stdout if talks or done.returncode else ""
    _print(f"{said}--- {title}: {_ending(done.returncode, started)}")
    return done.returncode


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ending(status: int, started: float) -> str:
    return f"FAILED ({status})" if status else f"{time.monotonic() - started:.0f} s"


def step(title: str, *command: str, talks: bool = True) -> Step:
    return lambda: run(title, *command, talks=talks)


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


def script(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, f"scripts/{name}.py", *arguments)


def together(steps: Sequence[Step], lanes: int = 2) -> bool:
    """Run the steps, as many at a time as there are lanes. Returns whether all have ended well."""
    with ThreadPoolExecutor(lanes) as executor:
        return not any(list(executor.map(lambda step: step(), steps)))


def migrations() -> int:
    with tempfile.TemporaryDirectory() as folder:
        failed = _migrations(f"sqlite+aiosqlite:///{folder}/check.db", "SQLite")
    sys.path.insert(0, str(ROOT))
    from tests.support.postgres_side import started

    try:
        with started() as server:
            return failed or _migrations(server.create("template1"), "PostgreSQL")
    except ImportError as error:
        if os.environ.get("CI"):
            raise
        _print(f"--- NO POSTGRESQL: nothing will be tested on it ({error})")
        return failed


def _migrations(url: str, database: str) -> int:
    """Make a database as a start does, then compare what alembic's steps say with the tables."""
    start = "import asyncio; from bot.storage.maintenance import migrations; asyncio.run(migrations.upgrade({url!r}))"
    return run(f"migrations on {database}", sys.executable, "-c", start.format(url=url)) or run(
        f"they match the tables on {database}", *tool("alembic", "check"), DATABASE_URL=url
    )


def tests(title: str, workers: int, which: str, *more: str) -> bool:
    """Run those tests and return whether all have passed.

    An idle worker takes what another has not begun, so that the end does not wait for one of them.
    """
    started = time.monotonic()
    _print(f"--- {title}")
    command = tool("pytest", "-q", "-n", str(workers), "--dist", "worksteal", "-m", which, *more)
    with folder_for_tests() as folder:
        environment = {**ENVIRONMENT, "TMPDIR": folder}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    _print(f"--- {title}: {_ending(status, started)}")
    return not status


@contextmanager
def folder_for_tests() -> Iterator[str]:
    """A folder for the files of tests, removed with what they leave behind; in memory where there is room for it.

    A file in memory costs a fraction of the CPU time: a database of PostgreSQL is 300 files.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK)
    can_run = in_memory and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # tests start programs of their own
    with tempfile.TemporaryDirectory(
        prefix="govorun-check-", dir=MEMORY if can_run else None, ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL is another user where root runs the tests
        yield folder


def unit() -> bool:
    """What needs no server, no process and no disk; nor what is about the whole or reads the source, which is slow."""
    others = [f"--ignore=tests/{folder}" for folder in ("framework", "promises", "prompts", "sandbox/page")]
    return tests("unit tests", 2, f"not stage and not disk and not process and not ({LONG})", *others)


def whole() -> bool:
    """Check the source beside the tests, which leave the cores idle now and then: the types while tests are compiled.

    Four workers for two cores: most tests wait now and then for a disk, another process or quiet.
    """
    with ThreadPoolExecutor(1) as beside:
        linted = beside.submit(together, LINT, 1)
        passed = together(READY, 1) and tests("tests", 4, "", "--by-turns")
        if not linted.result():
            _print("--- FAILED: a check of the source, see above")
    return passed and linted.result()


def coverage() -> bool:
    """Measured apart from the check, since it costs a third of its time and can't fail for a reason of its own.

    Without whole processes, of which it would see nothing, and without sweeps, whose last inputs are nothing new to it.
    """
    return tests("tests", 3, f"not ({LONG})", "--cov=bot", "--cov-report=term", "--cov-fail-under=85")


# The longest first, beside which the others run.
LINT = (
    step("types", *tool("mypy")),
    step("format", *tool("ruff", "format", "--check", ".")),
    step("lint", *tool("ruff", "check", ".")),
    step("import rules", *tool("lint-imports", "--no-cache")),
    step("settings example", *script("env_example", "--check")),
    step("settings of App", *script("app_settings", "--check")),
    step("secrets", *script("secret_scan")),
    step("dependencies", *script("audit")),
)
# What the tests need; that they are collected once compiles them and what they import, so that no worker has to.
READY = (
    step("what checks deploy/", *script("deploy_tools")),
    migrations,
    step("tests are compiled", *tool("pytest", "--collect-only", "-q"), talks=False),
)


def main() -> None:
    checks: dict[str, Callable[[], bool]] = {
        "all": whole, "lint": lambda: together(LINT), "unit": unit, "coverage": coverage,
    }  # fmt: skip
    sys.exit(not checks[sys.argv[1] if len(sys.argv) > 1 else "all"]())


main()
