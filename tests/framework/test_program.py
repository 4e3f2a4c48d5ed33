"""A bot that somebody has written: what counts, what is refused, and what its commands may rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot import App, Chunk, File, Finish, Incoming, Outgoing, Profile, Reply, Request, UserError, command
from bot.app import find
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.extension import SANDBOX
from bot.sandbox import painter
from bot.testing.stage import Stage
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg

ROOT = Path(__file__).parents[2]
HEAVY = ("aiogram", "aiohttp", "httpx", "sqlalchemy", "alembic", "cryptography", "pydantic_settings", "pytest")
CALLS: list[str] = []


@command("picture", "Show a cat")
async def picture(incoming: Incoming, reply: Reply) -> Outgoing:
    return Outgoing("A cat", file=File(painter.draw("a cat", 1, 1, 1)))


class Echo:
    name = "echo"
    profile = Profile()

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text=f"You said: {request.messages[-1].text}")
        yield Chunk(finish=Finish.STOP)


@pytest.fixture
def bot_app() -> App:
    CALLS.clear()
    app = App(commands=[picture], system_prompt="You are a parrot.")

    @app.command("silent")
    async def silent(incoming: Incoming, reply: Reply) -> None:
        CALLS.append(incoming.rest)

    @app.command("refuse")
    async def refuse(incoming: Incoming, reply: Reply) -> str:
        raise UserError("Not on Sundays.")

    @app.command("fail")
    async def fail(incoming: Incoming, reply: Reply) -> str:
        raise RuntimeError("a secret of ours")

    @app.command("report", "What was said", owners_only=True)
    async def report(incoming: Incoming, reply: Reply) -> str:
        return f"Calls: {CALLS}"

    return app


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_a_test_reads_the_files_that_the_bot_has_sent(tg: Tg) -> None:
    ann = tg.user("Ann")
    said = await ann.say("/picture")
    assert said.file == painter.draw("a cat", 1, 1, 1)
    assert (await ann.say("/export")).file.startswith(b"PK")
    with pytest.raises(AssertionError, match="the message has no file"):
        _ = (await ann.say("/refuse")).file


async def test_a_command_may_answer_with_a_file_or_with_nothing(tg: Tg) -> None:
    ann = tg.user("Ann")
    said = await ann.say("/picture")
    assert (said.text, "photo" in said.raw) == ("A cat", True)
    ann.write("/silent   as the  grave ")
    await tg.settled()
    assert CALLS == ["as the  grave"]
    assert len(ann.said()) == 1


async def test_what_a_command_refuses_is_told_and_what_breaks_has_a_code(tg: Tg) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/refuse")).text == "Not on Sundays."
    broken = (await ann.say("/fail")).text
    assert "(code " in broken
    assert "secret" not in broken


async def test_a_command_for_owners_does_not_exist_for_others(stage: Stage) -> None:
    await stage.start(owners=(1001,))
    tg = Tg(stage)
    assert (await tg.user("Anna").say("/report")).text == "Calls: []"
    assert "/report – What was said" in (await tg.user("Anna").say("/help")).text
    assert "don't know the command" in (await tg.user("Clara").say("/report")).text
    help_text = (await tg.user("Clara").say("/help")).text
    assert "/report" not in help_text
    assert "/picture – Show a cat" in help_text
    assert "/silent" not in help_text


async def test_a_command_that_a_crash_has_interrupted_is_run_again(stage: Stage, bot_app: App) -> None:
    tg, hangs = Tg(stage), [True]

    @bot_app.command("late")
    async def late(incoming: Incoming, reply: Reply) -> str:
        CALLS.append(incoming.rest)
        if hangs.pop():
            await stage.clock.sleep(1e9)
        hangs.append(False)
        return "At last."

    await stage.start()
    tg.user("Ann").write("/late now")
    await tg.until(lambda: CALLS == ["now"])
    hangs.append(False)
    await tg.crash()
    await tg.settled()
    assert CALLS == ["now", "now"]
    assert tg.last.text == "At last."


@pytest.mark.parametrize("word", ["Hello", "with space", "", "ы", "/hello", "a" * 33])
def test_a_word_that_can_not_be_a_command_is_refused_at_once(word: str) -> None:
    with pytest.raises(ConfigError, match="can't be a command"):
        App().command(word)(picture.run)


async def test_a_word_of_the_desk_is_refused_at_the_start_of_a_bot_that_has_one(
    stage: Stage, bot_app: App, tmp_path: Path
) -> None:
    bot_app.command("human")(picture.run)
    with pytest.raises(ConfigError, match="two features want /human"):
        await stage.start(desk=tmp_path)


# --- settings and models ----------------------------------------------------------------------------------------------


def test_code_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPERATURE", "0.9")
    monkeypatch.setenv("MODEL", "yandexgpt-lite")
    settings = App(temperature=0.1).settings(_env_file=None)
    assert (settings.temperature, settings.model) == (0.1, "yandexgpt-lite")


def test_what_is_no_setting_or_no_value_is_said_in_a_line() -> None:
    misspelt: Any = {"temprature": 0.1}
    with pytest.raises(ConfigError, match="temprature is no setting of Govorun, did you mean temperature"):
        App(**misspelt)
    with pytest.raises(ConfigError, match="TEMPERATURE: "):
        App(temperature=7).settings()


def test_in_the_sandbox_its_own_settings_count_more_than_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SYSTEM_PROMPT=from a file\nYC_IAM_TOKEN=t1.mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_TOKEN", "42:sandbox")
    monkeypatch.setenv(SANDBOX, "BOT_TOKEN,ACCESS")
    settings = App(bot_token="42:mine", greeting="Hello!").settings()
    assert settings.bot_token.get_secret_value() == "42:sandbox"
    assert (settings.greeting, settings.system_prompt) == ("Hello!", "")
    assert settings.yc_iam_token.get_secret_value() == ""


async def test_with_a_model_of_its_own_a_bot_needs_no_key(stage: Stage, bot_app: App) -> None:
    bot_app.model("echo", Echo())
    bot_app.extension.ai.only_models = True
    await stage.start(yc_api_key=SecretStr(""), yc_folder_id="", name_chats=True, summaries=True)
    tg = Tg(stage)
    assert (await tg.user("Ann").say("hello")).text == "You said: hello"
    assert "can't draw" in (await tg.user("Ann").say("/image a cat")).text
    await tg.user("Ann").say("/model")
    assert stage.studio.requests == []


async def test_the_first_model_of_ones_own_answers_unless_the_setting_names_another(
    stage: Stage, studio: StudioSide, bot_app: App
) -> None:
    bot_app.model("echo", Echo())
    bot_app.model("second", Echo())
    await stage.start()
    ann, default = Tg(stage).user("Ann"), Settings.model_fields["model"].default
    assert (await ann.say("hello")).text == "You said: hello"
    for named, answer in (("second", "You said: hello"), (default, "It is AI Studio.")):
        await stage.stop()
        if named == default:
            studio.says(answer)
        app = await stage.start(model=named)
        assert app.signs.routing.default.name == named
        assert {"echo", "second", default} <= {option.name for option in app.signs.routing.options}
        assert (await ann.say("hello")).text == answer


# --- finding an App ---------------------------------------------------------------------------------------------------


def test_an_app_is_found_in_a_file_or_module_and_its_run_does_nothing_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "some_bot.py"
    file.write_text("from bot import App\napp = App(greeting='Hi')\nother = 7\napp.run()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert find(str(file)).given == {"greeting": "Hi"}
    assert find("some_bot:app").given == {"greeting": "Hi"}
    for place, reason in (
        ("some_bot:other", "no App called other"),
        ("some_bot:nothing", "no App called nothing"),
        ("nowhere.py", "no such file"),
        ("nowhere:app", "no such module"),
    ):
        with pytest.raises(ConfigError, match=reason):
            find(place)


def test_importing_the_framework_and_making_an_app_loads_nothing_heavy() -> None:
    code = f"""
import json, sys
from bot import App
app = App(system_prompt="x")
@app.command("hello")
async def hello(incoming, reply): ...
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout) == []
