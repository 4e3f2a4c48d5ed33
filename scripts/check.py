"""The whole check: format, lint, import rules, types, migrations, tests. `lint`, `unit` and `coverage` are parts of it.

What tests need beyond PyPI comes from `system_packages.py` (`make packages`) and `deploy_tools.py`. In CI a missing
piece is an error; elsewhere its tests are skipped, and a line says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LONG = "sweep or e2e or page"


def run(title: str, *command: str, **environment: str) -> None:
    if failed := status(title, *command, **environment):
        sys.exit(failed)


def status(title: str, *command: str, **environment: str) -> int:
    started = time.monotonic()
    print(f"--- {title}", flush=True)
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False)
    ending = f"FAILED ({result.returncode})" if result.returncode else f"{time.monotonic() - started:.0f} s"
    print(f"--- {title}: {ending}", flush=True)
    return result.returncode


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


def lint() -> None:
    run("format", *tool("ruff", "format", "--check", "."))
    run("lint", *tool("ruff", "check", "."))
    run("import rules", *tool("lint-imports", "--no-cache"))
    run("types", *tool("mypy"))
    run("settings example", sys.executable, "scripts/env_example.py", "--check")
    run("secrets", sys.executable, "scripts/secret_scan.py")
    run("dependencies", sys.executable, "scripts/audit.py")


def migrations() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _migrations(f"sqlite+aiosqlite:///{folder}/check.db", "SQLite")
    sys.path.insert(0, str(ROOT))
    from tests.support.postgres_side import started

    try:
        with started() as server:
            _migrations(server.create("template1"), "PostgreSQL")
    except ImportError as error:
        if os.environ.get("CI"):
            raise
        print(f"--- NO POSTGRESQL: nothing will be tested on it ({error})", flush=True)


def _migrations(url: str, database: str) -> None:
    run(f"migrations on {database}", *tool("alembic", "upgrade", "head"), DATABASE_URL=url)
    run(f"they match the tables on {database}", *tool("alembic", "check"), DATABASE_URL=url)


def tests(title: str, workers: int, which: str, *more: str) -> int:
    """An idle worker takes what another has not begun, so that the end does not wait for one of them."""
    return status(title, *tool("pytest", "-q", "-n", str(workers), "--dist", "worksteal", "-m", which, *more))


def deployment() -> None:
    run("what checks deploy/", sys.executable, "scripts/deploy_tools.py")


def unit() -> None:
    sys.exit(tests("unit tests", 2, f"not stage and not process and not ({LONG})"))


def whole() -> None:
    """Three workers for two cores: most tests wait now and then for a disk, another process or quiet."""
    sys.exit(tests("tests", 3, ""))


def coverage() -> None:
    """Measured apart from the check, since it costs a third of its time and can't fail for a reason of its own.

    Without whole processes, of which it would see nothing, and without sweeps, whose last inputs are nothing new to it.
    """
    sys.exit(tests("tests", 3, f"not ({LONG})", "--cov=bot", "--cov-report=term", "--cov-fail-under=85"))


def main() -> None:
    wish = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wish in ("all", "lint"):
        lint()
    if wish == "all":
        migrations()
        deployment()
        whole()
    if wish == "unit":
        unit()
    if wish == "coverage":
        coverage()


main()
