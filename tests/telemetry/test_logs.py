"""Log lines: one for each event, and no secret in any of them (T1, T2, T29, T30)."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from markdown_it import MarkdownIt

from bot.sandbox.ai_studio.server import Answer
from bot.telemetry import logging as logs
from bot.telemetry import turn_log
from bot.telemetry.logging import JsonLines, Redaction
from tests.support.child import PYTHONPATH
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.table import table
from tests.support.telegram_side import soon

pytestmark = pytest.mark.usefixtures("older_models")

TOKEN = "4200000042:AAsandboxSandboxSandboxSandboxSandbox1"
OTHER = "123456789:BBanotherAnotherAnotherAnotherAnother"
KEY = "AQVN+secret/key=="
SECRETS = [TOKEN, KEY]


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    """What a handler would write."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bot.test", logging.WARNING, __file__, 1, message, args, info)
    return Redaction(SECRETS).format(record)


def row(message: str, *args: object, error: BaseException | None = None, **fields: object) -> dict[str, Any]:
    """The same as JSON."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bot.test", logging.WARNING, __file__, 1, message, args, info)
    record.fields = fields
    written = JsonLines(SECRETS).format(record)
    assert len(written.splitlines()) == 1
    found: dict[str, Any] = json.loads(written)
    return found


def raised(text: str) -> BaseException:
    try:
        try:
            raise OSError(text)
        except OSError as error:
            raise ValueError(f"because of {text}") from error
    except ValueError as error:
        return error


def test_a_line_says_when_how_bad_who_and_what() -> None:
    assert line("%s of %d", "two", 3).endswith(" WARNING bot.test: two of 3")


@table("secret", SECRETS)
@table("form", [str, lambda text: quote(text, safe=""), repr])
def test_a_known_secret_is_hidden_wherever_it_stands(secret: str, form: object) -> None:
    assert callable(form)
    shown = form(secret)
    found = [
        line(f"in the message {shown}, twice {shown}"),
        line("in an argument: %s", shown),
        line("in a mapping: %s", {"headers": {"authorization": f"Api-Key {shown}"}}),
        line("in an address: %s", f"https://api.telegram.org/bot{shown}/getMe?x={shown}"),
        line("in errors", error=raised(f"GET https://api.telegram.org/bot{shown}/getMe")),
    ]
    assert [text for text in found if secret in text or quote(secret, safe="") in text] == []
    assert all("***" in text for text in found)


@table(
    "unknown",
    [OTHER, OTHER.replace(":", "%3A"), "t1." + "9euelZ_-" * 8, "y0_" + "AgAAAAB" * 6, "AQVN" + "abcDEF123_-" * 4],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_named_it(unknown: str) -> None:
    found = line("%s https://host/?token=%s&next=%s", unknown, unknown, f"{{'token': '{unknown}'}}")
    assert unknown[4:] not in found
    assert found.endswith("*** https://host/?token=***&next={'token': '***'}")


def test_a_bot_token_that_nobody_named_is_hidden_in_an_address() -> None:
    assert line("https://api.telegram.org/bot%s/getMe", OTHER).endswith("https://api.telegram.org/bot***/getMe")


@table("harmless", ["12:30:45", "127.0.0.1:8080", "chat 1001: 5 tokens", "gpt://b1g/yandexgpt/latest"])
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert line(harmless).endswith(harmless)


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "abcdef-and-more", (), None)
    assert Redaction(["abcdef", "abcdef-and-more"]).format(record).endswith(": ***")


def test_a_secret_of_a_letter_or_two_does_not_make_the_log_unreadable() -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "an answer", (), None)
    assert Redaction(["a", "an", ""]).format(record).endswith("an answer")


@table("code", [*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066])
def test_what_would_move_the_cursor_or_turn_the_text_is_written_out(code: int) -> None:
    found = line("before %s after", chr(code))
    assert chr(code) not in found
    assert found.endswith(" after")


def test_a_message_can_forge_no_line() -> None:
    found = line("a name: %s", "Anna\n2026-11-21 00:00:00,000 INFO    bot: all is well")
    assert len(found.splitlines()) == 1


def test_a_traceback_keeps_its_lines_but_can_forge_no_record() -> None:
    first, *rest = line("failed", error=raised("x\n2026-11-21 00:00:00,000 INFO    bot: all is well")).splitlines()
    assert first.endswith("bot.test: failed")
    assert "Traceback" in rest[0]
    assert all(text.startswith(" ") or not text for text in rest)


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_a_json_line_has_what_a_text_line_has_and_the_values_by_name() -> None:
    found = row("%s of %d", "two", 3, tokens=5, model="yandexgpt")
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING", "logger": "bot.test", "message": "two of 3", "tokens": 5, "model": "yandexgpt",
    }  # fmt: skip


@table("secret", [*SECRETS, OTHER])
def test_no_secret_is_in_any_value_of_a_json_line(secret: str) -> None:
    found = row("%s", secret, error=raised(f"GET /bot{secret}/getMe"), url=f"https://host/bot{secret}")
    assert "Traceback" in found["error"]
    assert secret not in json.dumps(found)
    assert json.dumps(found).count("***") >= 4


def test_control_characters_are_written_out_in_json_too() -> None:
    found = row("a name: %s", "Anna\x1b[2J\u202e\n", name="\u2028")
    assert (found["message"], found["name"]) == (r"a name: Anna\x1b[2J\u202e\x0a", r"\u2028")


# --- the turn ---------------------------------------------------------------------------------------------------------


def test_a_line_names_the_turn_that_it_is_about() -> None:
    with turn_log.about("1234"):
        assert line("it broke").endswith(" WARNING bot.test [turn 1234]: it broke")
        assert row("it broke")["turn"] == "1234"
        with turn_log.about("1235"):
            assert "[turn 1235]" in line("another")
        assert "[turn 1234]" in line("again")
    assert "turn" not in line("nobody's")


@contextmanager
def written(shape: str = "text", level: int = logging.INFO) -> Iterator[io.StringIO]:
    """What a bot in this process writes into its log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.SHAPES[shape](SECRETS))
    logger = logging.getLogger("bot")
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def summaries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [found for text in stream.getvalue().splitlines() if "ending" in (found := json.loads(text))]


async def test_an_answer_is_summed_up_in_one_line(stage: Stage) -> None:
    stage.studio.ttft = 0.5
    with written("json") as log:
        app = await stage.start()
        stage.studio.script("one two three")
        await stage.ask("hello")
        await soon(stage, lambda: not app.signs.turns.running)
    (found,) = summaries(log)
    assert (found["turn"], found["chat"], found["user"]) == ("1", ANNA, ANNA)
    assert (found["ending"], found["model"], found["requests"]) == ("stop", "yandexgpt", 1)
    assert found["prompt_tokens"] > 0
    assert found["completion_tokens"] > 0
    assert 0 <= found["queue"] <= found["first_token"] <= found["last_token"] <= found["delivered"]
    assert found["first_token"] >= 0.5
    assert found["request"] == stage.studio.seen("completion")[0].headers["x-client-request-id"]


async def test_a_message_that_waited_says_how_long(stage: Stage) -> None:
    stage.studio.speed = 10
    with written("json") as log:
        app = await stage.start()
        stage.studio.script([f"word{number} " for number in range(50)], "second")
        stage.telegram.say(ANNA, "count")
        stage.telegram.say(ANNA, "and then?")
        await stage.texts(2)
        await soon(stage, lambda: not app.signs.turns.running)
    first, second = summaries(log)
    assert first["queue"] < 1
    assert second["queue"] >= 4
    assert second["first_token"] >= second["queue"]


async def test_an_answer_that_failed_says_why(stage: Stage) -> None:
    with written("json") as log:
        app = await stage.start()
        stage.studio.set_faults({"error500": 1.0})
        await stage.ask("hello")
        await soon(stage, lambda: not app.signs.turns.running)
    (found,) = summaries(log)
    assert (found["ending"], found["error"]) == ("cut", "ModelUnavailable")


async def test_trouble_on_the_way_names_the_turn(stage: Stage) -> None:
    with written() as log:
        await stage.start()
        await stage.ask("hello", BORIS)
        stage.studio.fail_next("completion", status=500)
        stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 3})
        await stage.ask("hello")
    lines = log.getvalue().splitlines()
    for about in ("AI Studio refused request", "Telegram asks to wait"):
        assert [text for text in lines if about in text and "[turn 2]" in text], about


async def test_a_picture_is_followed_under_the_name_of_its_turn(stage: Stage) -> None:
    with written() as log:
        await stage.start()
        stage.telegram.fail_next("sendPhoto", code=429, parameters={"retry_after": 3})
        stage.telegram.say(ANNA, "/image a cat")
        await stage.until(lambda: stage.telegram.transcript(ANNA)[-1].get("photo"))
    assert [text for text in log.getvalue().splitlines() if "asks to wait" in text and "[turn 1]" in text]


async def test_what_people_say_is_in_no_line_unless_the_operator_wants_it(stage: Stage) -> None:
    with written(level=logging.DEBUG) as log:
        app = await stage.start()
        stage.studio.script("a purple answer", Answer(["a purple answer"], status="CONTENT_FILTER"))
        await stage.ask("a purple question")
        await stage.ask("a purple question")
        stage.studio.fail_next("completion", status=500, times=9)
        stage.telegram.fail_next("sendMessage", code=400, description="Bad Request: can't parse entities")
        await stage.ask("a purple question")
        await soon(stage, lambda: not app.signs.turns.running)
    assert "purple" not in log.getvalue()
    assert "ending=cut" in log.getvalue()


async def test_with_log_content_questions_and_answers_are_logged(stage: Stage) -> None:
    with written("json") as log:
        app = await stage.start(log_content=True)
        stage.studio.script("a purple answer")
        await stage.ask("a purple\nquestion")
        await soon(stage, lambda: not app.signs.turns.running)
    (found,) = summaries(log)
    assert (found["question"], found["answer"]) == (r"a purple\x0aquestion", "a purple answer")


# --- the process ------------------------------------------------------------------------------------------------------


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.NOISY}
    root.handlers = []
    yield root
    root.handlers = before
    root.setLevel(level)
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)


def test_everything_goes_to_stderr_in_one_shape(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", SECRETS)
    logging.getLogger("bot.anything").info("token %s", TOKEN)
    logging.getLogger("bot.anything").debug("not this")
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.endswith("INFO    bot.anything: token ***\n")


def test_libraries_that_log_whole_addresses_are_quiet(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("DEBUG", SECRETS)
    of_mcp = ("httpx2", "httpcore2.connection", "mcp.client.streamable_http", "client")
    for name in ("httpx", "httpcore.http11", "aiogram.event", "aiosqlite", "alembic.runtime", *of_mcp):
        logging.getLogger(name).info("HTTP Request: GET https://api.telegram.org/bot%s/getMe", OTHER)
    logging.getLogger("httpx").warning("but trouble is told")
    assert capsys.readouterr().err.endswith("WARNING httpx: but trouble is told\n")


def test_debug_lines_of_libraries_are_left_out(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: seen.append(record.name)  # type: ignore[method-assign]
    logs.configure("DEBUG", SECRETS)
    root.addHandler(listener)
    MarkdownIt().render("> a *quote*")
    assert {name.partition(".")[0] for name in seen} == {"markdown_it"}
    logging.getLogger("bot.anything").debug("this")
    logging.getLogger("a_bot_of_somebody").debug("and this")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("DEBUG   ")[2] for line in lines] == ["bot.anything: this", "a_bot_of_somebody: and this"]


def test_configuring_twice_does_not_double_the_lines(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", [])
    logs.configure("INFO", [])
    logging.getLogger("bot").warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_json_is_chosen_by_its_name(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", SECRETS, "json")
    logging.getLogger("bot").info("token %s", TOKEN)
    assert json.loads(capsys.readouterr().err)["message"] == "token ***"


BROKEN = """
import contextlib, logging, os, sys
from bot.telemetry import logging as logs
with logs.standard_streams():
    logs.configure("INFO", [])
    for _ in range(1000):
        logging.getLogger("bot").info("a line")
    file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.write(2, b"a library complains")
    os.write(file, b"went on")
"""


@pytest.mark.process
@pytest.mark.parametrize("streams", [">/dev/full 2>/dev/full", "<&- >&- 2>&-", "2>&-", ">&- 2>/dev/full"])
def test_f104_a_log_that_can_not_be_written_is_all_that_is_lost(streams: str, tmp_path: Any) -> None:
    command = f"exec '{sys.executable}' -c '{BROKEN}' '{tmp_path}/file' {streams}"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}
    done = subprocess.run(["/bin/sh", "-c", command], env=bare, check=False)
    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"went on"
