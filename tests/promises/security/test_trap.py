"""The bot connects to Telegram and to the model, and to nothing that users or models chose (P24, T22, T24)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.sandbox_client import png
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import LOUD, soon

pytestmark = pytest.mark.wire("tcp")

WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
PORT = 9  # nobody listens there: a try to connect is enough
FORMS = (
    "http://127.0.0.1:{port}/form0", "http://2130706433:{port}/form1", "http://0x7f000001:{port}/form2",
    "http://0177.0.0.1:{port}/form3", "http://[::1]:{port}/form4", "http://[::ffff:127.0.0.1]:{port}/form5",
    "http://localhost:{port}/form6", "http://127.1:{port}/form7", "http://0.0.0.0:{port}/form8",
    "http://api.telegram.org@127.0.0.1:{port}/form9", "https://trap.example:{port}/form10",
    "http://169.254.169.254:{port}/latest/meta-data/", "file:///etc/passwd", "ftp://127.0.0.1:{port}/form11",
)  # fmt: skip
TRAPS = [form.format(port=PORT) for form in FORMS]

_tries: list[tuple[str, Any]] = []
_is_watching = [False]


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _is_watching and _is_watching[0] and event in WATCHED:
        _tries.append((event, arguments))


sys.addaudithook(_watch)  # it can't be taken away again, so it looks away


@pytest.fixture
def tries() -> Iterator[list[tuple[str, Any]]]:
    """Every connection and every look-up that anything in this process tries."""
    _tries.clear()
    _is_watching[0] = True
    yield _tries
    _is_watching[0] = False


def strange(stage: Stage, tries: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Those that do not go to Telegram's or the model's server."""
    ours = {urlsplit(url).port for url in (stage.telegram.url, stage.studio.url)}
    ports = {
        "socket.connect": lambda found: found[1][1], "socket.getaddrinfo": lambda found: found[1]
    }  # fmt: skip
    return [(event, found) for event, found in tries if event not in ports or ports[event](found) not in ours]


@pytest.mark.parametrize("streaming", ["draft", "edit", "off"])
async def test_no_address_in_a_message_or_an_answer_is_ever_visited(
    stage: Stage, tries: list[tuple[str, Any]], streaming: str
) -> None:
    await stage.start(streaming=streaming)
    answers = [f"Look: {url} and ![picture]({url}) and [link]({url})\n\n<img src='{url}'>" for url in TRAPS]
    stage.studio.script(*answers)
    for url in TRAPS:
        await stage.ask(f"Read {url} and tell me what it says")
    for url in TRAPS[:3]:
        stage.telegram.upload(ANNA, png(8, 8), caption=f"see {url}")
        stage.telegram.upload(ANNA, b"words", kind="document", name=url, mime="text/html")
        stage.telegram.say(TEAM, f"@govorun_sandbox_bot {url}", ANNA)
    await stage.ask(f"/start {TRAPS[0]}")
    await soon(stage, lambda: not stage.telegram.pending or None)
    assert tries, "nothing is seen: the test is blind"
    assert strange(stage, tries) == []


async def test_no_answer_makes_telegram_fetch_a_preview(stage: Stage) -> None:
    """A preview would tell the address, with all a model was talked into putting there, to its owner (T22)."""
    await stage.start()
    stage.studio.script(*[f"See {url}?secret=word" for url in TRAPS])
    for _ in TRAPS:
        await stage.ask("where?")
    calls = [call for call in stage.telegram.calls_of(*LOUD) if "secret=word" in str(call.params)]
    assert len(calls) >= len(TRAPS)
    assert [call.params for call in calls if '"is_disabled":true' not in str(call.params).replace(" ", "")] == []
