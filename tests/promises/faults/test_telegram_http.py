"""HTTP that is not what Telegram would send: proxies, portals, redirects, certificates of others, answers without end.

See P8 in docs/promises.md.

After a send whose answer can't be believed the outcome is unknown, and the answer stands in the chat once all the same:
`test_delivery_unknown.BROKEN` has these cases for sends; here are those that are about the wire.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiogram.methods import GetMe, SendMessage
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.errors import Refused, TransportError, Unauthorized
from bot.telegram.client.api import Api, Flood, NotSent, Unknown
from bot.telegram.client.session import LARGEST
from tests.support.raw_server import Play, Seen, answer, closed_port, head, serve
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import deliveries, loud, settled, soon

pytestmark = pytest.mark.wire("tcp")

TOKEN = "123456:" + "s" * 35


async def outcome(*script: Play, method: Any = None) -> TransportError:
    """The error that a call to a server with this script ends in."""
    async with serve(*script) as raw:
        api = Api(token=TOKEN, url=raw.url)
        try:
            with pytest.raises(TransportError) as caught:
                await api.call(method or GetMe(), deadline=5)
        finally:
            await api.close()
    assert TOKEN not in str(caught.value)
    return caught.value


# --- F6, F33: bodies --------------------------------------------------------------------------------------------------

UNREADABLE: dict[str, tuple[int, Any]] = {
    "a page": (200, b"<html>502 Bad Gateway</html>"),
    "half": (200, b'{"ok":true,"result":{"id'),
    "nothing": (200, b""),
    "a list": (200, []),
    "null": (200, b"null"),
    "no result": (200, {"ok": True}),
    "a result of another kind": (200, {"ok": True, "result": True}),
    "a result that lacks what it must have": (200, {"ok": True, "result": {"unknown": 1}}),
    "not UTF-8": (200, b'{"ok":true,"result":"\xff\xfe"}'),
    "a failure without words": (400, {"ok": False}),
    "a failure without words in a 500": (500, {"ok": False, "error_code": 500}),
    "a failure with status 200": (200, {"ok": False}),
    "a page with 403": (403, b"<html>Forbidden</html>"),
    "a page with 404": (404, b"<html>Not Found</html>"),
    "a login portal": (511, b"<html>Log in</html>"),
}


@pytest.mark.parametrize(("status", "body"), UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_f6_f33_an_answer_that_makes_no_sense_leaves_the_outcome_open(status: int, body: Any) -> None:
    assert isinstance(await outcome(answer(status, body)), Unknown)


@pytest.mark.parametrize(
    "name", ["a page", "no result", "a result of another kind", "a failure without words in a 500"]
)
async def test_f6_f33_a_poll_that_makes_no_sense_is_asked_again(stage: Stage, name: str) -> None:
    status, body = UNREADABLE[name]
    await stage.start()
    await stage.ask("hello")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fault = stage.telegram.fail_next("getUpdates", code=status, body=data or b" ", times=3)
    assert await stage.ask("still there?")
    assert await stage.ask("and now?")
    await soon(stage, lambda: fault.spent)


async def test_f33_an_answer_with_fields_that_nobody_knows_is_read() -> None:
    me = {"id": 7, "is_bot": True, "first_name": "G", "username": "g_bot", "has_wings": {"left": [1]}, "new": None}
    async with serve(answer(200, {"ok": True, "result": me, "weather": "fine"})) as raw:
        api = Api(token=TOKEN, url=raw.url)
        assert (await api.call(GetMe()))["id"] == 7
        await api.close()


async def test_f6_an_answer_without_end_is_not_kept_in_memory() -> None:
    sent = 0

    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head(200, f"content-length: {1 << 40}", "content-type: application/json"))
        while True:
            writer.write(b" " * (1 << 20))
            await writer.drain()
            sent += 1 << 20

    assert isinstance(error := await outcome(endless), Unknown)
    assert "larger" in str(error)
    assert LARGEST < sent < 2 * LARGEST


# --- F8: redirects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 308])
async def test_f8_a_redirect_is_not_followed_and_the_alarm_names_it(
    stage: Stage, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    async with serve(answer(200, {"ok": True, "result": []})) as elsewhere:
        await stage.start()
        await stage.ask("hello")
        where = {"Location": f"{elsewhere.url}/bot{stage.telegram.token}/getUpdates"}
        fault = stage.telegram.fail_next("*", code=status, headers=where, times=None)
        await stage.clock.sleep(130)
        assert elsewhere.seen == []
        fault.remove()
        assert await stage.ask("still there?")
    assert any(r.levelname == "ERROR" and f"redirect ({status})" in r.getMessage() for r in caplog.records)
    assert stage.telegram.token.partition(":")[2] not in caplog.text


# --- F9: addresses ----------------------------------------------------------------------------------------------------


async def test_f9_no_connection_is_told_apart_from_an_unknown_outcome() -> None:
    api = Api(token=TOKEN, url=closed_port())
    with pytest.raises(NotSent):
        await api.call(GetMe())
    await api.close()


# --- F10: certificates ------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody has signed, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elsewhere.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("elsewhere.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + signed.public_bytes(pem))
    return path


class Impostor:
    """A TLS server with a certificate that is not the right one; `heard` is what came through to it."""

    def __init__(self, folder: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate(folder))
        self.heard = b""
        self.connections = 0
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.read(1000)
        writer.close()

    async def __aenter__(self) -> Impostor:
        self.server = await asyncio.start_server(self.connected, "127.0.0.1", 0, ssl=self.context)
        self.url = f"https://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()


async def test_f10_t35_the_certificate_of_another_host_is_refused_and_nothing_is_said_to_it(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Impostor(tmp_path) as impostor:
        await stage.start(telegram_api_url=impostor.url)
        await stage.clock.sleep(200)
        assert impostor.heard == b""
        assert "certificate" in caplog.text
        await stage.crash()


async def test_f10_t35_no_key_is_shown_to_a_model_server_with_the_wrong_certificate(
    stage: Stage, tmp_path: Path
) -> None:
    async with Impostor(tmp_path) as impostor:
        await stage.start(yc_llm_url=impostor.url)
        assert "does not answer" in await stage.ask("hello")
        assert impostor.heard == b""


# --- F15, F26, F30: statuses without their JSON -----------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>Too Many Requests</html>", {"ok": False}, {"ok": False, "description": "no"}])
async def test_f15_a_429_in_any_shape_is_a_flood_wait(body: Any) -> None:
    assert isinstance(error := await outcome(answer(429, body)), Flood)
    assert error.retry_after == 0


async def test_f26_the_404_of_a_wrong_token_is_told_apart_from_an_unknown_method() -> None:
    wrong = {"ok": False, "error_code": 404, "description": "Not Found"}
    assert isinstance(await outcome(answer(404, wrong)), Unauthorized)
    unknown = {"ok": False, "error_code": 404, "description": "Not Found: method not found"}
    assert isinstance(await outcome(answer(404, unknown)), Refused)


@pytest.mark.parametrize("body", [b"<html>413 Request Entity Too Large</html>", {"ok": False, "error_code": 413}])
async def test_f30_a_413_in_any_shape_is_a_refusal(body: Any) -> None:
    error = await outcome(answer(413, body), method=SendMessage(chat_id=1, text="x"))
    assert type(error) is Refused


# --- F29: the server's own errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [500, 504])
@pytest.mark.parametrize("apply", [False, True], ids=["before", "after"])
async def test_f29_an_error_of_the_server_leaves_one_answer(stage: Stage, code: int, apply: bool) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=code, apply=apply, times=3)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]


@pytest.mark.parametrize("status", [302, 511])
async def test_f8_an_answer_that_met_a_portal_is_delivered_once_behind_it(stage: Stage, status: int) -> None:
    stage.studio.ttft = 5
    await stage.start()
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await soon(stage, stage.prompts)
    fault = stage.telegram.fail_next("*", code=status, body=b"<html>Log in</html>", times=None)
    await stage.clock.sleep(100)
    assert deliveries(stage) == ["sending"]
    fault.remove()
    assert await stage.texts(1) == ["just once"]
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]
    assert len(loud(stage)) <= 20
