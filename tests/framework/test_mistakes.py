"""Mistakes in what somebody adds to an App: each is told in one line, at the line that makes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiogram import Router
from aiogram.fsm.storage.memory import MemoryStorage
from pydantic import BaseModel

from bot import App, Ask, Chunk, Door, Incoming, JobRun, Outgoing, OwnTransport, Profile, Reply, Request, Tool, command
from bot.app import find
from bot.errors import ConfigError
from bot.extension import mistakes
from bot.testing.stage import Stage
from bot.testing.tg import Tg
from bot.texts import added
from bot.texts.catalog import say


async def good(incoming: Incoming, reply: Reply) -> str:
    return "good"


async def short(incoming: Incoming) -> str:
    return "one argument"


async def seven(incoming: Incoming, reply: Reply) -> int:
    return 7


async def rows(incoming: Incoming, reply: Reply) -> list[str]:
    return []


async def anything(incoming: Incoming, reply: Reply) -> Any:
    return 7


def sync(incoming: Incoming, reply: Reply) -> str:
    return "not async"


async def calculator(sum: str) -> str:
    """Add numbers."""
    return sum


async def stock(title: str) -> int:
    """How many there are."""
    return 2


async def news(run: JobRun) -> None: ...


@pytest.fixture
def bot_app(bot_app: App) -> App:
    bot_app.job(news)
    return bot_app


class Callable_:
    async def __call__(self, incoming: Incoming, reply: Reply) -> str:
        return "an object"


class Parrot:
    name = "parrot"
    profile = Profile()

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="hello")


class NoProfile:
    name = "nothing"

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="hello")


class Returns:
    name = "returns"
    profile = Profile()

    async def stream(self, request: Request) -> Chunk:
        return Chunk(text="hello")


class DictProfile(NoProfile):
    profile: ClassVar = {"window": 1}


class Unanswerable(BaseModel):
    rows: list[int] = Ask("Which rows?")


async def filled(incoming: Incoming, reply: Reply, form: Unanswerable) -> str:
    return ""


untyped: Any = command

MISTAKES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda app: app.command("x")(sync), "/x: sync is not async: write `async def`"),
    (lambda app: app.command("x")(short), "/x: async def (incoming, reply) is expected, and short takes (incoming: "),
    (lambda app: app.command("x")(Parrot), "/x: a function is expected, async def (incoming, reply), and not Parrot"),
    (lambda app: app.command("x")(seven), "/x: seven returns int; a text, one for each language, an Outgoing"),
    (lambda app: app.command("x")(rows), "/x: rows returns list[str]; a text"),
    (lambda app: app.command(good), '@app.command needs a word: @app.command("flip", "Flip a coin")'),
    (lambda app: untyped(good), 'a command needs a word: @command("flip", "Flip a coin")'),
    (lambda app: app.command("With space")(good), "'With space' can't be a command: 1-32 of a-z 0-9 _"),
    (lambda app: app.command("help")(good), "/help is a command of Govorun: choose another word"),
    (lambda app: (app.command("x")(good), app.command("x")(good)), "/x is there already"),
    (lambda app: App(commands=[untyped("new")(good)]), "/new is a command of Govorun"),
    (lambda app: app.tool(calculator), "calculator is a tool of Govorun: choose another name"),
    (lambda app: (app.tool(stock), app.tool(Tool.of(stock))), "the tool stock is there already"),
    (lambda app: app.tool(lambda title: 1), "tool: "),
    (lambda app: app.model("m", Parrot), "model 'm': an object is expected, and Parrot is a class: Parrot()"),
    (lambda app: app.model("m", NoProfile()), "model 'm': NoProfile has no profile"),
    (lambda app: app.model("m", DictProfile()), "model 'm': its profile must be a Profile, and is {'window': 1}"),
    (lambda app: app.model("m", Returns()), "model 'm': stream must yield chunks"),
    (lambda app: (app.model("m", Parrot()), app.model("m", Parrot())), "the model m is there already"),
    (lambda app: app.tool(needs_approval=True)(stock), "app.tool(Tool.of(function, needs_approval=True))"),
    (lambda app: app.form("f", Unanswerable)(filled), "Unanswerable.rows: a person can't write a list"),
    (lambda app: app.include_router(Parrot), "include_router takes a Router of aiogram, and not Parrot"),
    (
        lambda app: [app.include_router(Router(), states=MemoryStorage()) for _ in range(2)],
        "include_router: there is another storage for states already",
    ),
    (lambda app: app.card(sync), "card: sync is not async"),
    (lambda app: app.form("x"), '@app.form("deliver", Delivery) is expected: missing a required argument: \'form\''),
    (lambda app: app.form("x", Parrot), "@app.form takes a pydantic model, and not Parrot"),
    (lambda app: app.form("x", Filled(x="")), "@app.form takes a pydantic model, and not "),
    (lambda app: app.every(minutes="5"), "@app.every(minutes=5) takes numbers, and not '5'"),
    (lambda app: app.every(days=1), "@app.every(minutes=5) is expected: got an unexpected keyword argument 'days'"),
    (lambda app: app.every(), "0 s is no time between two runs"),
    (lambda app: app.press("x", by="nobody"), "press 'x': by is asker, all, owners, and not 'nobody'"),
    (lambda app: app.job(partial(anything_at_all, 1)), "'' can't be a job: 1-28 of a-z 0-9 _ are expected"),
    (lambda app: app.exports(partial(not_async, 1)), "an export needs a function with a name"),
    (lambda app: app.case("Why?")(good), "case 'Why?': good is async: it must be an ordinary function"),
    (lambda app: app.rule(stock), "rule: stock is async: it must be an ordinary function"),
]  # fmt: skip


def test_each_mistake_is_told_in_one_line_where_it_is_made() -> None:
    for make, line in MISTAKES:
        with pytest.raises(ConfigError) as told:
            make(App())
        assert line in str(told.value)
        assert "\n" not in str(told.value)
        assert "<lambda>" in [entry.name for entry in told.traceback]


async def anything_at_all(*given: Any) -> None: ...


async def of_four(one: Any, two: Any, three: Any, four: Any) -> None:
    """Takes too much."""


def not_async(one: Any, two: Any, three: Any) -> None:
    """Takes what a middleware takes."""


class Filled(BaseModel):
    x: str = Ask("?")


TAKE_A_FUNCTION: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    **{
        name: attrgetter(name)
        for name in (
            "middleware", "instructions", "before_answer", "after_answer", "lifespan", "job", "tool", "card", "rule",
            "migration", "exports", "forgets", "include_router", "transport", "add_feature",
        )
    },
    "command": lambda app: app.command("x"),
    "press": lambda app: app.press("x"),
    "form": lambda app: app.form("x", Filled),
    "case": lambda app: app.case("Why?"),
    "daily": lambda app: app.daily("9:00"),
    "cron": lambda app: app.cron("0 9 * * *"),
    "every": lambda app: app.every(minutes=5),
    "model": lambda app: lambda function: app.model("m", function),
    "post": lambda app: app.http.post("/x"),
    "get": lambda app: app.http.get("/x/{number}"),
}  # fmt: skip
BARELY = "as @app.press, without a call"
FINE = {("tool", of_four), ("press", of_four), ("after_answer", None)}
ORDINARY = {"rule", "migration", "exports", "forgets", "case", "tool"}  # their functions are not async
BARE = {"command", "press", "form", "case", "daily", "cron", "every", "model", "post", "get"}
NO_DECORATORS = {
    "aiohttp", "asgi", "current", "http", "metadata", "overrides", "plan", "run", "running", "serve", "settings",
}  # fmt: skip


def test_every_decorator_tells_what_it_can_not_take() -> None:
    public = {name for name in (*dir(App), *dir(App().http)) if not name.startswith("_")}
    assert public - NO_DECORATORS - {"endpoints"} == set(TAKE_A_FUNCTION)
    silent = []
    for name, decorator in TAKE_A_FUNCTION.items():
        for number, wrong in enumerate((Parrot, 5, None, of_four, not_async, BARELY)):
            if (
                (name, wrong) in FINE
                or (wrong is not_async and name in ORDINARY)
                or (wrong is BARELY and name not in BARE)
            ):
                continue
            app = App()
            try:
                if wrong is BARELY:
                    getattr(app.http if name in ("post", "get") else app, name)(good)
                else:
                    decorator(app)(wrong)
            except ConfigError as error:
                if "\n" in str(error) or " at 0x" in str(error):
                    silent.append(f"{name} {number}: {error}")
            except Exception as error:
                silent.append(f"{name} {number}: {error!r}")
            else:
                silent.append(f"{name} {number} took it")
    assert silent == []


def test_functions_of_all_kinds_may_be_commands() -> None:
    app = App()
    for number, function in enumerate[Any]((good, anything, Callable_(), Callable_().__call__)):
        app.command(f"x{number}")(function)
    assert len(app.extension.handlers.commands) == 4


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        'from govorun import App\napp = App()\n\n\n@app.command("help")\nasync def x(incoming, reply): ...\n'
    )
    with pytest.raises(ConfigError, match=r"shop\.py:5: /help is a command of Govorun: choose another word"):
        find("shop.py", tmp_path)
    (tmp_path / "shop.py").write_text(
        'from govorun import App\napp = App()\n\n\n@app.daily("25:00")\nasync def x(run): ...\n'
    )
    with pytest.raises(ConfigError, match=r"shop\.py:5: '25:00' is no time of day"):
        find("shop.py", tmp_path)
    (tmp_path / "shop.py").write_text("int('one')\n")
    with pytest.raises(ValueError, match="invalid literal"):
        find("shop.py", tmp_path)


def test_a_wrong_name_or_value_of_a_setting_is_told_with_the_line_of_the_app(tmp_path: Path) -> None:
    def told(setting: str) -> str:
        (tmp_path / "shop.py").write_text(f"from govorun import App\n\napp = App(\n    {setting},\n)\n")
        with pytest.raises(ConfigError) as error:
            find("shop.py", tmp_path).settings(_env_file=None)
        return str(error.value)

    line = "shop.py:3: temprature is no setting of Govorun, did you mean temperature? docs/settings.md lists them"
    assert told("temprature=0.8").endswith(line)
    assert told("zzz=1").endswith("shop.py:3: zzz is no setting of Govorun; docs/settings.md lists them")
    wrong = told('temperature="hot", log_format="json"')
    assert "shop.py:3: TEMPERATURE: " in wrong
    assert "\n" not in wrong
    with pytest.raises(ConfigError) as other:
        App().settings(temperature="hot", _env_file=None)
    assert str(other.value).startswith("TEMPERATURE: "), "the value is none of the App's"


def test_a_word_of_a_command_that_is_switched_off_is_free() -> None:
    App(without=["image"]).command("image")(good)


async def test_the_words_and_tools_that_are_taken_are_those_of_the_whole_bot(stage: Stage) -> None:
    tools = ("time", "calculator", "reminders", "search")
    bot = await stage.start(owners=(1001,), tools=tools)
    words = {word for feature in (*bot.inbound.help.features, bot.inbound.help.feature()) for word in feature.commands}
    assert {f"/{word}" for word in mistakes.COMMANDS} == {word for word in words if word.isascii()} | {"/topic"}
    stage.studio.script("Good.")
    await stage.ask("hi")
    offered = stage.studio.seen("completion")[-1].body.get("tools", [])
    assert {tool["function"]["name"] for tool in offered} == mistakes.TOOLS


async def test_what_cannot_be_sent_is_told_with_the_line_of_the_command(
    stage: Stage, bot_app: App, caplog: pytest.LogCaptureFixture
) -> None:
    bot_app.command("number")(anything)
    await stage.start()
    assert "(code " in (await Tg(stage).user("Ann").say("/number")).text
    line = f"({__file__}:{anything.__code__.co_firstlineno} in anything)"
    assert "/number returned 7: a text, one for each language, an Outgoing" in caplog.text
    assert line in caplog.text


def test_a_folder_of_texts_stands_beside_the_file_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop" / "texts").mkdir(parents=True)
    (tmp_path / "shop" / "main.py").write_text('from bot import App\napp = App(texts="texts")\n')
    (tmp_path / "shop" / "texts" / "de.toml").write_text('"error.hook" = "Etwas ging schief."')
    monkeypatch.chdir(tmp_path)
    assert added.read(find("shop/main.py").extension.texts) == {"de": {"error.hook": "Etwas ging schief."}}


def test_a_sentence_that_is_not_there_or_lacks_a_value_says_so() -> None:
    for key, line in (
        ("t.nope", "there is no sentence 't.nope'"),
        ("error.bug", "'error.bug' needs code="),
    ):
        with pytest.raises(KeyError, match=line):
            say("en", key)


async def test_nothing_is_added_to_a_bot_that_runs(stage: Stage, bot_app: App) -> None:
    await stage.start()
    late = bot_app.command("late")

    async def any_(*given: Any) -> Any: ...

    def quick(*given: Any) -> Any: ...

    async def life(running: Any) -> AsyncGenerator[None, None]:
        yield

    class Pigeons(OwnTransport):
        async def run(self, door: Door) -> None: ...

        async def send(self, person: int, message: Outgoing, number: int) -> None: ...

    adding: list[Callable[[], object]] = [
        lambda: late(good), lambda: bot_app.tool(stock), lambda: bot_app.model("m", Parrot()),
        lambda: bot_app.press("late")(good), lambda: bot_app.form("late", Filled)(any_),
        lambda: bot_app.middleware(any_), lambda: bot_app.instructions(any_), lambda: bot_app.before_answer(any_),
        lambda: bot_app.after_answer(any_), lambda: bot_app.include_router(Router()),
        lambda: bot_app.job(any_), lambda: bot_app.daily("9:00")(any_), lambda: bot_app.every(minutes=5)(any_),
        lambda: bot_app.lifespan(life), lambda: bot_app.http.post("/late")(any_),
        lambda: bot_app.migration(quick), lambda: bot_app.exports(quick), lambda: bot_app.forgets(quick),
        lambda: bot_app.case("late?")(quick), lambda: bot_app.card(any_), lambda: bot_app.rule(quick),
        lambda: bot_app.transport(Pigeons()), lambda: bot_app.aiohttp(), lambda: bot_app.asgi(),
    ]  # fmt: skip
    for add in adding:
        with pytest.raises(ConfigError, match="the bot runs already: add this before"):
            add()
    await stage.stop()
    bot_app.command("late")(good)


async def test_what_running_cannot_take_is_told_by_its_name(tg: Tg) -> None:
    await tg.user("Ann").say("/help")
    running: Any = tg.running

    async def work(connection: Any) -> None: ...

    later = timedelta(hours=1)
    calls: list[tuple[Any, str]] = [
        (lambda: running.store.write(work), "work is async: it must be an ordinary function"),
        (lambda: running.ask("x", dict), "a pydantic model is expected"),
        (lambda: running.later(work, key="1", at=later), "later takes the name of a job: 'work'"),
        (lambda: running.later("news", key="1", at=later, data={"x": object()}), r"data\['x'\] can't be kept"),
    ]
    for call, line in calls:
        with pytest.raises((ConfigError, TypeError), match=line):
            await call()
