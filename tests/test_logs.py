"""Log lines: one for each event, and no secret in any of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from bot import logs
from bot.logs import Redaction

TOKEN = "4200000042:AAsandboxSandboxSandboxSandboxSandbox1"
OTHER = "123456789:BBanotherAnotherAnotherAnotherAnother"
KEY = "AQVN+secret/key=="
SECRETS = [TOKEN, KEY]


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    """What a handler would write."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bot.test", logging.WARNING, __file__, 1, message, args, info)
    return Redaction(SECRETS).format(record)


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


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", [str, lambda text: quote(text, safe=""), repr])
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


@pytest.mark.parametrize(
    "unknown",
    [OTHER, OTHER.replace(":", "%3A"), "t1." + "9euelZ_-" * 8, "y0_" + "AgAAAAB" * 6, "AQVN" + "abcDEF123_-" * 4],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_named_it(unknown: str) -> None:
    found = line("%s https://host/?token=%s&next=%s", unknown, unknown, f"{{'token': '{unknown}'}}")
    assert unknown[4:] not in found
    assert found.endswith("*** https://host/?token=***&next={'token': '***'}")


def test_a_bot_token_that_nobody_named_is_hidden_in_an_address() -> None:
    assert line("https://api.telegram.org/bot%s/getMe", OTHER).endswith("https://api.telegram.org/bot***/getMe")


@pytest.mark.parametrize(
    "harmless", ["12:30:45", "127.0.0.1:8080", "chat 1001: 5 tokens", "gpt://b1g/yandexgpt/latest"]
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert line(harmless).endswith(harmless)


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "abcdef-and-more", (), None)
    assert Redaction(["abcdef", "abcdef-and-more"]).format(record).endswith(": ***")


def test_a_secret_of_a_letter_or_two_does_not_make_the_log_unreadable() -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "an answer", (), None)
    assert Redaction(["a", "an", ""]).format(record).endswith("an answer")


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066])
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
    for name in ("httpx", "httpcore.http11", "aiogram.event", "aiosqlite", "alembic.runtime"):
        logging.getLogger(name).info("HTTP Request: GET https://api.telegram.org/bot%s/getMe", OTHER)
    logging.getLogger("httpx").warning("but trouble is told")
    assert capsys.readouterr().err.endswith("WARNING httpx: but trouble is told\n")


def test_configuring_twice_does_not_double_the_lines(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", [])
    logs.configure("INFO", [])
    logging.getLogger("bot").warning("once")
    assert capsys.readouterr().err.count("once") == 1
