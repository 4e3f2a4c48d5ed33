"""The connections to the Bot API: one TLS context for all bots of a process, and the ways through a proxy."""

from __future__ import annotations

import ssl
from pathlib import Path

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

import pytest
from aiogram.methods import GetMe

from bot.http.client import Http
from bot.telegram.client.api import Api
from bot.telegram.client.session import Session
from tests.support.proxy import KINDS, proxy_of_kind
from tests.support.raw_server import answer, serve

TOKEN = "42:AAtoken"
ME = answer(200, {"ok": True, "result": {"id": 42, "is_bot": True, "first_name": "Govorun"}})


@pytest.mark.parametrize("way", KINDS)
async def test_the_bot_api_is_called_through_a_proxy_of_every_kind(
    way: str, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with proxy_of_kind(way, tls) as proxy, serve(ME) as server:
        api = Api(token=TOKEN, url=server.url, proxy=proxy.address)
        assert (await api.call(GetMe()))["id"] == 42
        await api.close()
    assert proxy.asked == ["127.0.0.1, True"]


async def test_the_certificates_are_read_once_for_all_clients_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def noted(*how: object, **more: object) -> ssl.SSLContext:
        made.append(create(*how, **more))  # type: ignore[arg-type]
        return made[-1]

    async def clients() -> None:
        async with Http(), serve(ME) as server:
            for _bot in range(2):
                api = Api(token=TOKEN, url=server.url)
                await api.call(GetMe())
                await api.close()

    await clients()
    monkeypatch.setattr("ssl.create_default_context", noted)
    await clients()
    assert made == []
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    await clients()
    assert len(made) == 1


async def test_a_handler_of_a_mounted_router_downloads_a_file() -> None:
    async with serve(answer(200, b"x" * 100_000)) as server:
        session = Session()
        pieces = [piece async for piece in session.stream_content(server.url)]
        await session.close()
    assert b"".join(pieces) == b"x" * 100_000
