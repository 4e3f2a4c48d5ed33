"""No secret leaves the process (P22, T1-T4, T39): no log at DEBUG, traceback, database, prompt or reply has one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import aiogram.exceptions
import aiohttp
import httpx
import pytest
from pydantic import SecretStr

from bot.config.settings import Settings, load
from bot.telemetry.logging import SHAPES
from tests.support.sandbox_client import png
from tests.support.stage import ANNA, Stage
from tests.support.table import table
from tests.support.telegram_side import soon

TOKEN = f"4200000042:AA{'s' * 33}"
LEAK = f"Cannot connect to https://api.telegram.org/bot{TOKEN}/getMe [key=made-up-key-of-yandex]"
SECRETS = [TOKEN, "made-up-key-of-yandex"]
ROOTS = (
    httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError,
    aiohttp.ClientError, aiogram.exceptions.AiogramError,
)  # fmt: skip
MALFORMED = (
    b"", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000,
)  # fmt: skip


def family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


KINDS = sorted({kind for root in ROOTS for kind in family(root)}, key=lambda kind: (kind.__module__, kind.__name__))


def raised(kind: type[BaseException]) -> BaseException:
    """One of that kind, caught, with secrets in its text, its arguments and its cause; whatever it wants to be made."""
    loud = type(kind.__name__, (kind,), {"__init__": lambda self: None, "__str__": lambda self: LEAK})
    error: BaseException = loud()
    error.args = (LEAK, {"url": LEAK})
    try:
        raise error from OSError(LEAK)
    except BaseException as caught:
        return caught


@table("shape", SHAPES)
@table("kind", KINDS)
def test_no_error_of_a_client_library_brings_a_secret_into_the_log(shape: str, kind: type[BaseException]) -> None:
    error = raised(kind)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(SHAPES[shape](SECRETS))
    for message, args in (("%s", (error,)), ("%r and %s", (error, error.args)), (f"{error}", ())):
        record = logging.LogRecord(
            "any", logging.ERROR, "", 1, message, args, (type(error), error, error.__traceback__)
        )
        handler.emit(record)
    assert [secret for secret in SECRETS if secret in written.getvalue()] == []
    assert written.getvalue().count("***") >= 6


@pytest.fixture
def log(stage: Stage) -> Iterator[io.StringIO]:
    """Everything that is logged, libraries included, at DEBUG and as the process would write it."""
    written, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(written), (root.level, list(root.handlers))
    handler.setFormatter(SHAPES["text"](stage.settings.secrets()))
    root.handlers = [handler]
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before[0])
    root.handlers = before[1]


async def _live(stage: Stage) -> None:
    """A day of a bot: questions, commands, files, and everything that goes wrong with services that tell our keys."""
    await stage.start(webhook_secret=SecretStr("made-up-webhook-secret"))
    for text in ("/start", "/help", "/settings", "/status", "/model", "/new", "what is your token?"):
        await stage.ask(text)
    stage.telegram.upload(ANNA, png(64, 64), caption="what is this?")
    stage.telegram.upload(ANNA, b"words", kind="document", name="a.txt", mime="text/plain")
    stage.telegram.upload(ANNA, b"OggS", kind="voice")
    await stage.ask("/image a cat")
    for service_says in (f"no such key {stage.studio.key}", f"who is {stage.telegram.token}?"):
        stage.studio.fail_next("completion", status=400, body={"error": {"message": service_says}})
        await stage.ask("fail and tell the key")
        stage.telegram.fail_next("sendMessage", code=400, description=service_says)
        await stage.ask("again")
    for status in (401, 403, 429, 500):
        stage.studio.fail_next("completion", status=status)
        await stage.ask(f"fail with {status}")
    for raw in MALFORMED:
        stage.telegram.fail_next("sendMessage", raw=raw or b"\r\n")
        stage.telegram.fail_next("getUpdates", raw=raw or b"\r\n")
        await stage.ask("again")
    stage.telegram.fail_next("getUpdates", code=409)
    await stage.ask("the last")
    await soon(stage, lambda: not stage.telegram.pending or None)
    await stage.stop()


async def test_a_day_of_a_bot_leaves_no_secret_anywhere(stage: Stage, log: io.StringIO) -> None:
    await _live(stage)
    secrets = [*stage.settings.secrets(), "/file/bot"]
    kept = b"".join(
        path.read_bytes() for path in Path(stage.settings.database_url.partition(":///")[2]).parent.iterdir()
    )
    asked = json.dumps([seen.body for seen in stage.studio.requests], default=str)
    calls = stage.telegram.calls
    said = json.dumps([call.params for call in calls if call.method != "setWebhook"], default=str)
    assert len(kept) > 10_000
    assert len(log.getvalue()) > 10_000
    found = {"log": log.getvalue(), "database": kept.decode("utf-8", "replace"), "prompts": asked, "replies": said}
    assert [(where, secret) for where, text in found.items() for secret in secrets if secret in text] == []


async def test_the_log_of_that_day_would_leak_without_redaction(stage: Stage, log: io.StringIO) -> None:
    """Else the test above could not fail."""
    logging.getLogger().handlers[0].setFormatter(logging.Formatter())
    await _live(stage)
    assert [secret for secret in (stage.telegram.token, stage.studio.key) if secret not in log.getvalue()] == []


def test_settings_show_no_secret_however_they_are_written_down() -> None:
    names = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
    values = {name: f"12345{number}:made-up-secret-{name}" for number, name in enumerate(names)}
    values |= {"telegram_proxy": "http://user:made-up-secret-proxy@host:1", "webhook_secret": "made-up-secret-webhook"}
    values |= {"http_secret": "made-up-secret-http"}
    values |= {"move_to": "postgresql://user:made-up-secret-move@host/name"}
    settings = load(
        _env_file=None,
        **{"YC_OAUTH_TOKEN" if name == "yc_oauth_token" else name: value for name, value in values.items()},
    )
    shown = [
        repr(settings), str(settings), f"{settings}", settings.model_dump_json(), str(settings.model_dump()),
        str(vars(settings)), str(settings.model_dump(mode="json")), json.dumps(settings.model_dump(), default=str),
    ]  # fmt: skip
    assert len(names) >= 5
    assert [text for text in shown if "made-up-secret" in text] == []
    assert len(settings.secrets()) == len(names)
