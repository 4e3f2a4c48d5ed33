"""What is opened at the start of a bot and closed at its end (`App.lifespan`), and where code finds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bot import App, Incoming, JobRun, Reply, Running
from bot.errors import ConfigError
from bot.testing.studio import StudioSide
from tests.support.stage import Stage

EVENTS: list[str] = []


@dataclass
class Shop:
    stock: dict[str, int]


@pytest.fixture
def bot_app() -> App[Shop]:
    EVENTS.clear()
    app = App[Shop]()

    @app.lifespan
    async def shop(running: Running[Shop]) -> AsyncIterator[Shop]:
        EVENTS.append("opened")
        try:
            yield Shop({"tea": 2})
        finally:
            EVENTS.append("closed")

    @app.command("tea")
    async def tea(incoming: Incoming, reply: Reply) -> str:
        return f"{app.current.state.stock['tea']} cups"

    @app.tool
    async def left(drink: str) -> int:
        """How many cups are left."""
        return app.current.state.stock[drink]

    @app.every(minutes=5)
    async def count(run: JobRun[Shop]) -> None:
        EVENTS.append(f"counted {run.running.state.stock['tea']}, {app.current.state is run.running.state}")

    return app


async def test_the_state_reaches_commands_tools_and_jobs_and_is_closed_at_the_end(
    stage: Stage, studio: StudioSide
) -> None:
    await stage.start()
    assert await stage.ask("/tea") == "2 cups"
    studio.calls("left", drink="tea")
    await stage.ask("How much tea is left?")
    assert studio.questions[-1].endswith("2")
    await stage.clock.sleep(301)
    await stage.stop()
    assert EVENTS == ["opened", "counted 2, True", "closed"]


async def test_an_error_at_the_start_names_the_line_and_starts_nothing(stage: Stage) -> None:
    async def broken(running: Running) -> AsyncIterator[None]:
        raise ConnectionRefusedError("no database at port 5432")
        yield

    assert stage.extension is not None
    stage.extension.program.lifespans.append(broken)
    with pytest.raises(ConfigError, match=r"^broken \(.*test_lifespan.py:\d+\): Conn.*port 5432"):
        await stage.start()
    assert EVENTS == ["opened", "closed"]
    assert stage.telegram.calls == []


async def test_what_fails_at_the_end_is_logged_and_the_others_are_closed(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(running: Running) -> AsyncIterator[None]:
        running.state.seen = True
        yield
        raise OSError("the connection is gone")

    assert stage.extension is not None
    stage.extension.program.lifespans.append(failing)
    await stage.start()
    await stage.stop()
    assert EVENTS == ["opened", "closed"]
    assert "failing" in caplog.text
    assert "the connection is gone" in caplog.text


def test_mistakes_are_told_where_they_are_made() -> None:
    app = App()

    def plain(running: Running) -> None: ...
    async def two(running: Running, more: int) -> AsyncIterator[None]:
        yield

    with pytest.raises(ConfigError, match=r"async def \(running\) with one `yield` is expected, and not .*plain"):
        app.lifespan(plain)  # type: ignore[type-var]
    with pytest.raises(ConfigError, match=r"and not .*two"):
        app.lifespan(two)  # type: ignore[type-var]
    with pytest.raises(RuntimeError, match="no bot of this App runs here"):
        _ = app.current
    assert app.extension.program.lifespans == []
