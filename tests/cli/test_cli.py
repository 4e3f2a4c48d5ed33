"""The command `govorun` as people run it, with an environment of its own.

What only prints something runs in this process (`typed`); what lives longer, or changes how a process logs, in another
(`govorun`).
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import pty
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from bot.sandbox.telegram.server_facade import Telegram
from bot.storage.maintenance import migrations
from tests.support.child import PYTHONPATH
from tests.support.forked import Forked
from tests.support.raw_server import answer, closed_port, serve

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "COLUMNS": "120"}
HEAVY = ("aiogram", "aiohttp", "httpx", "sqlalchemy", "alembic", "cryptography", "pydantic_settings")
PATIENCE = 60.0  # seconds for a process: a loaded machine is slow
COMMANDS = ("run", "sandbox", "migrate", "doctor", "models")


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


async def govorun(*arguments: str, cwd: Path, **environment: str) -> Done:
    """Run the command in a process with nothing of our environment but what is given."""
    words, given, pipe = ("-m", "bot", *arguments), {**BARE, **environment}, asyncio.subprocess.PIPE
    async with (
        asyncio.timeout(PATIENCE),
        Forked.running(*words, directory=cwd, environment=given, stdout=pipe, stderr=pipe) as process,
    ):
        out, err = await process.communicate()
        return Done(await process.wait(), out.decode(), err.decode())


async def typed(*arguments: str, cwd: Path, **environment: str) -> Done:
    """Run the command in a thread of this process, with nothing of our environment but what is given."""
    out, err = io.StringIO(), io.StringIO()

    def run() -> int:
        with unchanged_logging(), pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(os, "environ", {**BARE, **environment})
            patch.setattr(sys, "argv", ["govorun", *arguments])
            patch.chdir(cwd)
            try:
                main()
            except SystemExit as end:
                return int(end.code or 0)
            return 0

    return Done(await asyncio.to_thread(run), out.getvalue(), err.getvalue())


@contextmanager
def unchanged_logging() -> Iterator[None]:
    """Give the process back its log as it was: commands set level and handlers of the root logger."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers = handlers


@pytest.fixture
async def services() -> AsyncIterator[dict[str, str]]:
    """What a bot must be told to use the sandbox's servers."""
    telegram, studio = Telegram(), Studio()
    url, _ = await telegram.start(), await studio.start()
    settings = {name.upper(): value for name, value in studio.settings().items()}
    yield {**settings, "BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "OWNERS": "1001"}
    await studio.close()
    await telegram.close()


# --- help -------------------------------------------------------------------------------------------------------------


async def test_help_names_every_command(tmp_path: Path) -> None:
    done = await typed("--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [command for command in COMMANDS if command not in done.out] == []


async def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from bot.__main__ import main
for arguments in (["--help"], ["run", "--help"], ["models", "fetch", "--help"]):
    sys.argv = ["govorun", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, env=BARE,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert (process.returncode, err.strip()) == (0, b"[]")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["sandbox", "--port", "many"], ["run", "now"], ["models", "fetch"]]
)
async def test_a_slip_of_the_fingers_is_answered_with_a_hint(tmp_path: Path, arguments: list[str]) -> None:
    done = await typed(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "--help" in done.err
    assert "Traceback" not in done.err


# --- run --------------------------------------------------------------------------------------------------------------


async def test_run_without_settings_says_what_is_missing_and_offers_the_sandbox(tmp_path: Path) -> None:
    done = await typed("run", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    token, key, folder, offer = done.err.splitlines()
    assert token.startswith("govorun: BOT_TOKEN is missing: open @BotFather")
    assert "123456:ABC-DEF" in token
    assert key.startswith("YC_API_KEY is missing: console.yandex.cloud")
    assert folder.startswith("YC_FOLDER_ID is missing: console.yandex.cloud")
    assert "govorun sandbox" in offer
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BOT_TOKEN", "hush", "BOT_TOKEN does not look like 123456:ABC-DEF..."),
        pytest.param(
            "YC_API_KEY", "hush\nhush", "YC_API_KEY: has spaces or letters that no key has", marks=pytest.mark.e2e
        ),
        pytest.param(
            "MODEL", "hush://folder/model", "MODEL: 'hush://folder/model' is not a model", marks=pytest.mark.e2e
        ),
        ("MODELS", "hush", "MODELS"),
        pytest.param("DATABASE_URL", "hush", "DATABASE_URL", marks=pytest.mark.e2e),
        pytest.param("DATABASE_URL", "sqlite:///govorun.db", "DATABASE_URL", marks=pytest.mark.e2e),
        pytest.param("DATABASE_URL", "sqlite+aiosqlite:///nowhere/govorun.db", "DATABASE_URL", marks=pytest.mark.e2e),
        pytest.param("TELEGRAM_PROXY", "hush.example:3128", "TELEGRAM_PROXY", marks=pytest.mark.e2e),
        pytest.param("ALL_PROXY", "hush://user:hush@proxy.example:1080", "ALL_PROXY", marks=pytest.mark.e2e),
    ],
)
async def test_run_with_a_wrong_setting_names_it_in_one_line(
    tmp_path: Path, services: dict[str, str], name: str, value: str, words: str
) -> None:
    done = await govorun("run", cwd=tmp_path, **services | {name: value})
    said = done.err.replace("\nTo try the bot without any account: govorun sandbox", "").splitlines()
    line = "\n".join(
        text for text in said if " bot.runtime.event_loop: " not in text
    )  # a busy machine is no fault of the setting
    assert (done.code, done.out, len(line.splitlines())) == (2, "", 1), done.err
    assert words in line
    assert name == "MODEL" or "hush" not in line
    assert list(tmp_path.glob("*.db")) == []  # a start that is refused changes nothing


@pytest.mark.e2e
async def test_run_with_a_token_that_telegram_does_not_know_ends_in_a_sentence(
    tmp_path: Path, services: dict[str, str]
) -> None:
    token = "4200000042:AAanotherAnotherAnotherAnotherAnother"
    done = await govorun("run", cwd=tmp_path, **services | {"BOT_TOKEN": token})
    *log, last = done.err.splitlines()
    assert (done.code, last) == (2, "govorun: BOT_TOKEN: Telegram does not know it; copy it anew from @BotFather")
    # A job may meet the token before the check does.
    harmless = (" INFO ", "the event loop was held up", "The messenger does not know this bot's token.")
    assert [line for line in log if not any(sign in line for sign in harmless)] == []


# --- migrate ----------------------------------------------------------------------------------------------------------


async def test_migrate_and_verify_make_no_database_where_there_is_none(tmp_path: Path) -> None:
    line = "govorun: DATABASE_URL: there is no database new.db; govorun run makes it at its first start\n"
    for word in ("migrate", "verify"):
        done = await typed(word, cwd=tmp_path, DATABASE_URL="sqlite+aiosqlite:///new.db")
        assert (done.code, done.out, done.err) == (2, "", line)
    assert list(tmp_path.iterdir()) == []


async def test_migrate_refuses_the_file_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "songs.db").write_bytes(b"these are no tables\n" * 100)
    done = await typed("migrate", cwd=tmp_path, DATABASE_URL="sqlite+aiosqlite:///songs.db")
    assert done.code == 2
    assert done.err.startswith("govorun: DATABASE_URL: ")
    assert len(done.err.splitlines()) == 1


# --- doctor -----------------------------------------------------------------------------------------------------------


async def test_the_doctor_finds_a_healthy_bot_healthy(tmp_path: Path, services: dict[str, str]) -> None:
    done = await govorun("doctor", cwd=tmp_path, **services)
    assert (done.code, done.err) == (0, "")
    assert {line.split()[0] for line in done.out.splitlines()} == {"ok"}
    assert "\x1b" not in done.out
    assert os.listdir(tmp_path) == []


async def test_the_doctor_gives_its_advice_under_what_is_wrong(tmp_path: Path, services: dict[str, str]) -> None:
    done = await govorun("doctor", cwd=tmp_path, **services | {"YC_FOLDER_ID": "b1gwrongwrongwrongwr"})
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    wrong = next(number for number, line in enumerate(lines) if line.startswith("FAIL  text"))
    assert lines[wrong + 1].startswith(f"                 YC_FOLDER_ID={SANDBOX_FOLDER} ")


async def test_the_doctor_asks_the_model_only_after_a_yes_to_the_price(
    tmp_path: Path, services: dict[str, str]
) -> None:
    asked = await govorun("doctor", "--model", cwd=tmp_path, **services)
    assert (asked.code, "10 questions" in asked.out, "--yes agrees" in asked.out) == (0, True, True), asked
    assert "KNOWLEDGE=" not in asked.out
    done = await govorun("doctor", "--model", "--yes", cwd=tmp_path, **services)
    assert (done.code, "10 questions" in done.out, "KNOWLEDGE=" in done.out) == (0, True, True), done


async def test_the_doctor_names_settings_that_can_not_be_read(tmp_path: Path) -> None:
    done = await govorun("doctor", cwd=tmp_path, TEMPERATURE="hot", OWNERS="@hush")
    assert (done.code, done.err) == (1, "")
    assert ["FAIL  settings   " in line for line in done.out.splitlines()] == [True, True]
    assert "hush" not in done.out


@pytest.mark.e2e
async def test_the_doctor_finds_more_than_one_illness(tmp_path: Path, services: dict[str, str]) -> None:
    (tmp_path / ".env").write_text("BOT_TOKN=hush\n")
    (tmp_path / ".env").chmod(0o644)
    wrong = {"TELEGRAM_API_URL": closed_port(), "YC_API_KEY": "AQVNhush", "OWNERS": ""}
    done = await govorun("doctor", cwd=tmp_path, **services | wrong)
    assert done.code == 1
    verdicts = [tuple(line.split()[:2]) for line in done.out.splitlines() if not line.startswith(" ")]
    assert verdicts.count(("warn", "settings")) == 3
    assert [leg for verdict, leg in verdicts if verdict == "FAIL"] == ["telegram", "text"]
    assert "hush" not in done.out + done.err


@pytest.mark.e2e
async def test_the_doctor_is_colourful_on_a_terminal(tmp_path: Path, services: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    environment = {**BARE, "TERM": "xterm", **services}
    words = ("-m", "bot", "doctor")
    async with Forked.running(
        *words, directory=tmp_path, environment=environment, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        assert await process.wait() == 0
    assert b"\x1b[32mok" in os.read(ours, 65_536)
    os.close(ours)


# --- models -----------------------------------------------------------------------------------------------------------


async def test_the_models_of_the_folder_are_listed(tmp_path: Path, services: dict[str, str]) -> None:
    done = await typed("models", "list", cwd=tmp_path, **services)
    assert (done.code, "2026-10-03" in done.err) == (0, True)
    lines = done.out.splitlines()
    assert {line.partition("://")[0] for line in lines} == {"gpt", "art"}
    assert any("/yandexgpt/latest" in line and "32,768 tokens" in line for line in lines)
    (qwen,) = [line for line in lines if "/qwen3.6-35b-a3b/" in line]
    assert qwen.split("tokens; ")[1] == "0.20 in, 0.30 out RUB; sees pictures, calls tools"


async def test_the_folder_is_told_when_models_are_listed(tmp_path: Path) -> None:
    reply = {"data": [{"id": "gpt://b1g/new-one/latest"}, {"id": "emb://b1g/text-search-doc"}, {"id": 5}, "odd"]}
    async with serve(answer(200, reply)) as server:
        settings = {"YC_API_KEY": "AQVN", "YC_FOLDER_ID": "b1g", "YC_OPENAI_URL": f"{server.url}/v1"}
        done = await typed("models", "list", cwd=tmp_path, **settings)
        assert done.out == "gpt://b1g/new-one/latest\n"
        assert server.seen[0].path == "/v1/models"
        assert server.seen[0].headers["openai-project"] == "b1g"


async def test_without_a_key_the_built_in_models_are_listed(tmp_path: Path) -> None:
    done = await typed("models", "list", cwd=tmp_path)
    assert done.code == 0
    assert "No key is set" in done.err
    assert {"yandexgpt", "yandexgpt-lite", "gpt-oss-20b"} <= {line.split()[0] for line in done.out.splitlines()}
    (ended,) = [line for line in done.out.splitlines() if line.startswith("gpt-oss-120b")]
    assert ended.endswith("batch runs; until 2026-10-30, then deepseek-v4.1-flash")


async def test_a_refused_list_of_models_ends_in_a_sentence(tmp_path: Path, services: dict[str, str]) -> None:
    done = await typed("models", "list", cwd=tmp_path, **services | {"YC_API_KEY": "AQVNhush"})
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert done.err == "govorun: 401: Unknown api key\n"


async def test_a_model_is_fetched_into_its_folder(tmp_path: Path) -> None:
    weights = b"GGUF" + bytes(1_000)
    async with serve(answer(200, weights)) as server:
        done = await typed("models", "fetch", f"{server.url}/tiny.gguf", "--directory", "here", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "here/tiny.gguf\n", "")
    assert (tmp_path / "here" / "tiny.gguf").read_bytes() == weights


@pytest.mark.parametrize("name", ["no-such-model", "notes.txt"])
async def test_what_is_no_model_is_not_fetched(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text(json.dumps({"not": "a model"}))
    done = await typed("models", "fetch", name, cwd=tmp_path)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert name in done.err


# --- an App of one's own ----------------------------------------------------------------------------------------------

SHOP = """
from govorun import App
app = App(database_url="sqlite+aiosqlite:///shop_bot.db", bot_token="42:shop", yc_api_key="AQVNx", yc_folder_id="b1g")
"""


async def test_every_command_works_for_the_app_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    toml = {"pyproject.toml": '[tool.govorun]\napp = "shop.py"\n'}
    ways: list[tuple[dict[str, str], list[str], dict[str, str]]] = [
        ({}, ["--app", "shop:app"], {}), ({}, [], {"GOVORUN_APP": "shop.py:app"}), (toml, [], {}),
    ]  # fmt: skip
    for files, more, environment in ways:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        for word in ("migrate", "feedback", "audit", "personas"):
            done = await typed(word, *more, cwd=tmp_path, **environment)
            assert (done.code, "no database shop_bot.db; govorun run makes it" in done.err) == (2, True), (word, done)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["pyproject.toml", "shop.py"]
    await migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'shop_bot.db'}")
    for words in (
        ["migrate"], ["backup", "copy.db"], ["verify"], ["feedback"], ["log"], ["kb", "list"], ["batch", "list"],
        ["personas"], ["audit"],
    ):  # fmt: skip
        done = await typed(*words, cwd=tmp_path)
        assert done.code == 0, (words, done)
    assert not (tmp_path / "govorun.db").exists()
    (tmp_path / "shop.py").write_text(
        'from govorun import App\napp = App(database_url="sqlite+aiosqlite:///shop_bot.db")'
    )
    examined = await typed("doctor", "--app", "./shop.py", cwd=tmp_path)
    assert "shop_bot.db" in examined.out, examined


async def test_cases_of_an_app_with_models_of_its_own_need_no_key(tmp_path: Path) -> None:
    case = '\napp.case("hi", must_contain="hi")(len)\n'
    (tmp_path / "own.py").write_text((ROOT / "examples" / "own_model.py").read_text() + case)
    await migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'govorun.db'}")
    done = await typed("eval", "--app", "own.py", cwd=tmp_path, BOT_TOKEN="42:own")
    assert (done.code, "1 case: 1 right" in done.out) == (0, True), done


async def test_an_app_with_models_of_its_own_needs_no_key(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text((ROOT / "examples" / "own_model.py").read_text())
    done = await typed(
        "doctor", "--app", "own.py", cwd=tmp_path, BOT_TOKEN="42:" + "a" * 35, TELEGRAM_API_URL=closed_port()
    )
    assert "YC_API_KEY" not in done.out, done
    assert "models of your own" in done.out


async def test_each_command_says_how_an_app_is_named(tmp_path: Path) -> None:
    for words in (
        ["run"],
        ["sandbox"],
        ["migrate"],
        ["kb", "sync"],
        ["desk", "init"],
        ["topics", "eval"],
        ["batch", "run"],
    ):
        assert "--app" in (await typed(*words, "--help", cwd=tmp_path)).out, words
    refused = await typed("migrate", "--app", "nowhere.py", cwd=tmp_path)
    assert (refused.code, refused.err) == (2, "govorun: --app nowhere.py: there is no such file\n")
    (tmp_path / "pyproject.toml").write_text("[tool.govorun")
    refused = await typed("migrate", cwd=tmp_path)
    assert (refused.code, refused.err.startswith("govorun: pyproject.toml: ")) == (2, True)
