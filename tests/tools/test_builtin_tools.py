"""The tools that come along: calculator, time, and the web with its sources, as a tool and as /search."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from bot.ai import Source
from bot.clock import SystemClock
from bot.config.settings import load
from bot.errors import BadInput, ModelProtocolError, ModelRefused
from bot.http.client import Http
from bot.providers.yandex.search import YandexSearch
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import Studio
from bot.texts.catalog import say
from bot.tools import current_time
from bot.tools.calculator import calculate
from bot.tools.tool import ToolContext
from bot.types import Address
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows
from tests.support.virtual import VirtualClock


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 2", "4"),
        ("0.1 + 0.2", "0.3"),
        ("(2 + 3.5) * 4 ^ 2", "88"),
        ("1/3", "≈ 0.333333333333333"),
        ("15% * 80", "12"),
        ("200 * 15%", "30"),
        ("7 mod 3", "1"),
        ("7 % 3", "1"),
        ("-7 // 2", "-4"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("2 ** 0.5", "≈ 1.4142135623731"),
        ("sqrt(144)", "12"),
        ("sqrt(2.25)", "1.5"),
        ("round(2.5)", "3"),
        ("round(-1234.567, 1)", "-1234.6"),
        ("factorial(20)", "2432902008176640000"),
        ("max(1, 2, 3) − min(4, 5)", "-1"),
        ("12 × 3 ÷ 4", "9"),
        ("sin(pi/2)", "1"),
        ("ln(e)", "≈ 1"),
        ("1e3 * 2", "2000"),
        ("10 ** 80", "1E+80"),
        ("1 000 000", "error"),
    ],
)
def test_the_calculator_is_exact_where_it_can_be(expression: str, result: str) -> None:
    if result == "error":
        with pytest.raises(BadInput):
            calculate(expression)
    else:
        assert calculate(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "", "2 +", "1/0", "sqrt(-1)", "9**9**9", "10**10**10", "2**-99999999", "(1/3)**99999", "factorial(9999)",
        "factorial(300)**300", "__import__('os').system('true')", "().__class__", "open('/etc/passwd')", "x",
        "[1 for _ in (1,)]", "lambda: 1", "True + 1", "'a' * 1000000000", "1 if 1 else 2", "1j", "1 << 99999", "f(1)",
        "sqrt(1, 2)", "sqrt(x=1)", "(" * 400, "exp(99999)", "9" * 501, "1_0.5.5",
        "ln(0)", "tan", "0 ** -1", "(-8) ** 0.5", "round(1, 999)", "round(1.5, 0.5)", "1e99999",
    ],
)  # fmt: skip
def test_the_calculator_runs_nothing_and_takes_no_time(expression: str) -> None:
    begun = time.process_time()
    with pytest.raises(BadInput):
        calculate(expression)
    assert time.process_time() - begun < 0.5


async def test_the_time_is_told_in_the_zone_of_the_user() -> None:
    tool, here = current_time.tool(), Address("telegram", 1, 1)
    asker = ToolContext(here, zone="Europe/Moscow", clock=VirtualClock())
    nobody = ToolContext(here, clock=VirtualClock())
    assert (await tool.call({}, asker)).text == "Friday, 2027-01-15 11:00:00, Europe/Moscow (+03:00 from UTC)"
    assert "2027-01-15 17:00:00, Asia/Tokyo" in (await tool.call({"zone": "Asia/Tokyo"}, asker)).text
    assert (await tool.call({}, nobody)).text.endswith("UTC (+00:00 from UTC); the user's time zone is not known")
    for wrong in ("Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe", "\0"):
        assert "is no IANA time zone" in (await tool.call({"zone": wrong}, asker)).text


async def test_the_zone_that_a_user_told_is_used(stage: Stage) -> None:
    model = ScriptedModel("Hello.", [call("current_time")], "It is late.")
    stage.given = {"routing": model.routing}
    app = await stage.start()
    await stage.ask("hello")
    zone = "UPDATE users SET timezone = 'Asia/Tokyo'"
    await app.store.write(lambda tx: tx.buttons.connection.exec_driver_sql(zone))
    await stage.ask("what time is it?")
    assert "Asia/Tokyo (+09:00 from UTC)" in model.results["current_time-1"]


# --- the web ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    studio = Studio(quotas=False)
    await studio.start()
    yield studio
    await studio.close()


@pytest.fixture
async def searcher(studio: Studio) -> AsyncIterator[YandexSearch]:
    settings = load(_env_file=None, **studio.settings())
    async with Http() as http:
        yield YandexStudio(settings=settings, http=http, clock=SystemClock(), random=random.Random(1)).search()


@pytest.mark.parametrize("framing", ["object", "array", "lines"])
async def test_an_answer_from_the_web_counts_the_sources_that_it_used(
    studio: Studio, searcher: YandexSearch, framing: Literal["object", "array", "lines"]
) -> None:
    studio.search.framing = framing
    found = await searcher.search("  cats\n ")
    assert found.text == "About cats: one source says so [1], another agrees [2]."
    assert found.sources == (
        Source("An encyclopedia", "https://encyclopedia.example/article"),
        Source("A newspaper", "https://news.example/2026/11"),
    )
    seen = studio.seen("gen/search")[0]
    assert seen.body["messages"] == [{"content": "cats", "role": "ROLE_USER"}]
    assert seen.body["folderId"] == studio.access.folder


async def test_marks_that_lead_nowhere_are_left_out(studio: Studio, searcher: YandexSearch) -> None:
    studio.search.answers.append(
        ("So [7], and so [2].", [("A", "https://a.example", False), ("B", "https://b.example", False)])
    )
    found = await searcher.search("x")
    assert (found.text, found.sources) == ("So , and so [1].", (Source("B", "https://b.example"),))


async def test_a_search_that_is_rejected_is_a_refusal(studio: Studio, searcher: YandexSearch) -> None:
    studio.search.rejects = True
    with pytest.raises(ModelRefused):
        await searcher.search("x")


async def test_searches_are_a_second_apart_and_none_is_bought_twice(studio: Studio, searcher: YandexSearch) -> None:
    await asyncio.gather(searcher.search("one"), searcher.search("two"))
    first, second = studio.seen("gen/search")
    assert second.at - first.at > 0.9


async def test_pages_come_with_what_they_say(studio: Studio, searcher: YandexSearch) -> None:
    first, *_ = found = await searcher.pages("cats & dogs")
    assert len(found) == 3
    assert first.source == Source("An encyclopedia: cats & dogs", "https://encyclopedia.example/article")
    assert first.text == "Page 1 on cats & dogs. … And more."
    body = studio.seen("web/search")[0].body
    assert body["query"]["searchType"] == "SEARCH_TYPE_COM"
    assert (await searcher.pages("кошки"))[0].text.startswith("Page 1 on кошки")
    assert studio.seen("web/search")[1].body["query"]["searchType"] == "SEARCH_TYPE_RU"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"<yandexsearch><response><error code='32'>limit</error></response></yandexsearch>", ModelRefused),
        (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", ModelProtocolError),
        (b"<a><b></a>", ModelProtocolError),
        (b"", ModelProtocolError),
    ],
)
async def test_pages_that_are_none_are_an_error(
    studio: Studio, searcher: YandexSearch, raw: bytes, error: type[Exception]
) -> None:
    studio.search.raw.append(raw)
    with pytest.raises(error):
        await searcher.pages("x")


async def test_where_nothing_is_found_there_are_no_pages(studio: Studio, searcher: YandexSearch) -> None:
    studio.search.raw.append(b"<yandexsearch><response><error code='15'>nothing</error></response></yandexsearch>")
    assert await searcher.pages("x") == ()


async def test_the_model_searches_and_the_sources_stand_below_its_answer(stage: Stage) -> None:
    model = ScriptedModel([call("web_search", query="cats")], "They purr [1].")
    stage.given = {"routing": model.routing}
    await stage.start(tools=("search",))
    said = await stage.ask("cats?")
    assert said.startswith(
        "They purr [1].\n\nSources:\n1. An encyclopedia: cats (https://encyclopedia.example/article)\n2. "
    )
    assert "Page 1 on cats. … And more." in model.results["web_search-1"]
    assert "news.example" in rows(stage, "SELECT sources FROM messages WHERE role = 'assistant'")[0][0]


async def test_the_model_asks_the_search_for_an_answer(stage: Stage) -> None:
    model = ScriptedModel([call("web_answer", query="cats")], "They purr [2].")
    stage.given = {"routing": model.routing}
    await stage.start(tools=("search",))
    said = await stage.ask("cats?")
    assert said.endswith("2. A newspaper (https://news.example/2026/11)")
    assert "About cats: one source says so [1]" in model.results["web_answer-1"]


@pytest.mark.parametrize(("name", "route"), [("web_search", "web/search"), ("web_answer", "gen/search")])
async def test_a_search_that_fails_is_said_to_the_model(stage: Stage, name: str, route: str) -> None:
    model = ScriptedModel([call(name, query="cats")], "I can't look.")
    stage.given = {"routing": model.routing}
    stage.studio.fail_next(route, status=503, times=9)
    await stage.start(tools=("search",))
    assert await stage.ask("cats?") == "I can't look."
    assert model.results[f"{name}-1"] == f"{name} does not work at the moment."


async def test_people_search_with_a_command(stage: Stage) -> None:
    await stage.start(tools=("search",))
    said = await stage.ask("/search cats")
    assert said.startswith("About cats: one source says so [1], another agrees [2].\n\nSources:\n1. An encyclopedia")
    assert await stage.ask("/search") == say("en", "search.usage")
    stage.studio.fail_next("gen/search", status=503, times=3)
    assert await stage.ask("/search dogs") == say("en", "search.failed")
    stage.studio.search.answers.append(("", []))
    assert await stage.ask("/search nothing") == say("en", "search.empty")
    assert stage.studio.seen("completion") == []


async def test_where_nobody_has_switched_it_on_nothing_is_searched(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/search cats", ANNA) == say("en", "search.off")
    assert stage.studio.seen("gen/search") == []
