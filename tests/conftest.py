"""Fixtures that all tests share. Those of `bot.testing`, `stage` and `tg` among them, come with its plugin."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from bot import App
from tests.support.by_turns import by_turns
from tests.support.child import PYTHONPATH
from tests.support.loopback import sitecustomize as loopback
from tests.support.postgres_side import TEMPLATE, Server, started

if TYPE_CHECKING:
    from tests.support.stage import Stage

os.environ["PYTHONPATH"] = PYTHONPATH  # for the processes that get our environment
# Beside other workers the threads of NumPy's library wait for each other in a loop: six times the CPU time.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# Programs are started, never forked: gRPC need not stop its threads for that, or wait for those that are at work.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

# How fast a machine is that others use as well is no property of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest_plugins = [
    "govorun.testing.plugin",
    "tests.support.certificates",
    "tests.support.doctor_patient",
    "tests.support.loaded",
    "tests.support.sandbox_client",
]


@pytest.fixture(autouse=True)
def on_this_machine() -> Iterator[None]:
    """Fail a test that has tried to reach beyond loopback, also where the code took the failure in its stride."""
    loopback.tries.clear()
    yield
    assert loopback.tries == [], "tests reach nothing beyond loopback"


@pytest.fixture(scope="session")
def template(govorun_template: Path) -> Path:
    """A database with the newest schema, made once and copied."""
    return govorun_template


@pytest.fixture
def bot_app() -> App:
    """The bot under test, of whose settings only the addresses and keys are read anew. Override it with another."""
    from tests.support.stage import OneReading

    return OneReading()


@pytest_asyncio.fixture
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, govorun_template: Path, bot_app: App
) -> AsyncIterator[Stage]:
    """The stage of the test kit without sockets and threads; a test marked `wire("tcp")` gets it with them."""
    from tests.support.stage import Stage, WireStage, opened

    kind = Stage if over_tcp(request.node) else WireStage
    async with opened(tmp_path, govorun_template, own=bot_app, kind=kind) as stage:
        yield stage


def over_tcp(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("wire")
    return marker is not None and marker.args == ("tcp",)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Generator[None, LoopFactories | None, LoopFactories | None]:
    factories = yield
    if "stage" in getattr(item, "fixturenames", ()):
        from bot.testing.virtual_loop import VirtualLoop
        from tests.support.wire import WireLoop

        return {"virtual time": VirtualLoop if over_tcp(item) else WireLoop}
    return factories


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with a template of the newest schema. Skipped, loudly, where its wheel is not installed."""
    from bot.storage.maintenance import migrations

    try:
        server = started()
        with server as found:
            found.execute(f"CREATE DATABASE {TEMPLATE}")
            asyncio.run(migrations.upgrade(found.url(TEMPLATE)))
            yield found
    except ImportError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO POSTGRESQL: nothing is tested on it ({error}; uv sync installs the wheel)")


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A database of this test's own on the server."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> str:
    """The same test on both databases."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--by-turns", action="store_true", help="run a part of the cases marked `turns`, see the marker")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--by-turns"):
        left_out = _out_of_turn(items)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in {*left_out}]
    for item in items:
        used = getattr(item, "fixturenames", ())
        if "stage" in used:
            item.add_marker("stage")
        elif not ON_DISK.isdisjoint(used):
            item.add_marker("disk")
    items[:] = _in_order(items)


def _in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Two of the four workers of the whole check begin with what mostly waits for time, processes or a browser.

    Each worker gets a part of the list, and later takes what another has not begun. So the cores are not idle because
    all workers wait at once, and nobody waits for a long test at the end.
    """
    crashes, waiting, others = list[pytest.Item](), list[pytest.Item](), list[pytest.Item]()
    for item in items:
        is_crash = item.path.parent.name == "crash"
        (crashes if is_crash else waiting if _waits(item) else others).append(item)
    middle = max(len(items) // 2 - len(crashes), 0)
    return [*crashes, *others[:middle], *waiting, *others[middle:]]


def _waits(item: pytest.Item) -> bool:
    return item.path.name in WAITING or any(item.get_closest_marker(name) for name in ("page", "e2e"))


def _out_of_turn(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The cases marked `turns` whose turn it is not: of each file every n-th runs."""
    groups: dict[tuple[Path, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("turns"):
            groups[item.path, marker.args[0]].append(item)
    return [item for (_, parts), found in groups.items() for item in {*found} - {*by_turns(found, parts)}]


def pytest_collection_finish() -> None:
    """What is there before the first test is there to stay: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """In CI a log is read for what failed: thousands of dots would stand before it."""
    return ("passed", "", "") if os.environ.get("CI") and report.passed and report.when == "call" else None


LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
ON_DISK = {"tmp_path", "govorun_template", "postgres"}
WAITING = {  # for real time, though in one process
    "test_container_init.py", "test_engines.py", "test_guards.py", "test_mcp.py", "test_patience.py", "test_sharing.py",
}  # fmt: skip


@pytest.fixture
def older_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot offers the models of 2025, as an operator has it who has kept their names, and the folder has them."""
    rows = [
        {"name": "yandexgpt", "title": "YandexGPT Pro"},
        {"name": "yandexgpt-lite", "title": "YandexGPT Lite"},
        {"name": "yandexgpt/rc", "title": "YandexGPT Pro 5.1"},
        {"name": "aliceai-llm", "title": "Alice AI"},
        {"name": "qwen3-235b-a22b-fp8", "title": "Qwen3 235B"},
        {"name": "gpt-oss-120b", "title": "gpt-oss 120B"},
        {"name": "gemma-3-27b-it", "title": "Gemma 3 27B"},
    ]
    given = {"MODEL": "yandexgpt", "MODELS": json.dumps(rows), "HELPER_MODEL": "yandexgpt-lite"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def draws_by_operations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder has YandexART, whose operations are polled, and the operator has chosen it."""
    monkeypatch.setenv("IMAGE_MODEL", "yandex-art")
    stage: Stage = request.getfixturevalue("stage")  # reads the environment when it is made
    stage.studio.access.serve("2025")
