"""What is no answer is paid for too: speech, voices, vectors and searches are held back, settled and in the ledger.

See P16, T10 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.config.entries import ModelConfig
from bot.media.voice import MARK
from bot.sandbox import media, painter
from bot.sandbox.ai_studio.server import Answer, Studio
from bot.sandbox.ai_studio.wire import count_tokens
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import Telegram
from bot.storage.repositories.money.budgets import DAY
from bot.texts.catalog import say
from tests.knowledge.test_documents import LONG, pdf
from tests.media.test_voice import say_it, voices
from tests.promises.e2e.surroundings import Process
from tests.support.choosing import speaks
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, soon

pytestmark = pytest.mark.usefixtures("older_models")

PRICES = {
    "speech_price": Decimal("0.2"), "speech_long_price": Decimal("0.1"), "voice_price": Decimal(100),
    "embedding_price": Decimal("0.01"), "search_price": Decimal("0.5"), "search_answer_price": Decimal(2),
    "model_search_price": Decimal("0.7"),
}  # fmt: skip
MUCH = {"monthly_money": Decimal(1000), **PRICES}
BOOKED = "SELECT user, chat, model, mode, units, cost FROM usage WHERE mode NOT IN ('sync', 'image')"
JPEG = painter.draw("a cat", 1, 1, 1)
DEAR = {"inputTextTokens": "990", "completionTokens": "10", "totalTokens": "1000"}
YES = Answer(["yes"], usage={"inputTextTokens": "80", "completionTokens": "20", "totalTokens": "100"})


# --- the ledger -------------------------------------------------------------------------------------------------------


async def test_a_short_note_is_booked_by_its_begun_blocks(stage: Stage) -> None:
    await stage.start(speech="on", **MUCH)
    say_it(stage, "How long is this?", 16)
    await stage.texts(2)
    assert rows(stage, BOOKED) == [(ANNA, ANNA, "speech-recognition", "speech", 16, 400_000)]
    assert _spent(stage) == 400_000 + _answers(stage)
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_a_long_note_is_booked_when_the_service_takes_it_whatever_comes_of_it(stage: Stage) -> None:
    await stage.start(speech="on", **MUCH)
    stage.studio.operations.polls["text"] = 2
    say_it(stage, "First sentence. Second one!", 90)
    await stage.texts(2)
    body = {"id": "x", "done": True, "error": {"code": 13, "message": "internal"}}
    stage.studio.fail_next("operation", status=200, body=body)
    say_it(stage, "Another one", 31)
    assert (await stage.texts(3))[-1] == say("en", "voice.failed")
    assert rows(stage, BOOKED) == [
        (ANNA, ANNA, "speech-recognition-long", "speech", 90, 600_000),
        (ANNA, ANNA, "speech-recognition-long", "speech", 31, 300_000),
    ]


async def test_a_long_note_is_paid_once_though_the_process_dies_while_it_is_asked_about(stage: Stage) -> None:
    await stage.start(speech="on", **MUCH)
    stage.studio.operations.polls["text"] = 3
    stage.studio.speed = 0.2
    say_it(stage, "Tell me. " * 9, 60)
    await soon(stage, lambda: rows(stage, "SELECT operation FROM operations") or None)
    await stage.crash()
    stage.studio.speed = 40
    await stage.start()
    await stage.texts(2)
    assert rows(stage, BOOKED) == [(ANNA, ANNA, "speech-recognition-long", "speech", 60, 400_000)]


async def test_what_a_note_says_of_its_own_length_counts_and_not_what_was_claimed(stage: Stage) -> None:
    await stage.start(speech="on", speech_seconds=60, **MUCH)
    stage.telegram.upload(ANNA, media.note("hello", 40), "voice", duration=1)
    await stage.texts(2)
    assert rows(stage, BOOKED) == [(ANNA, ANNA, "speech-recognition-long", "speech", 40, 300_000)]
    stage.telegram.upload(ANNA, media.note("hello", 61), "voice", duration=1)
    assert (await stage.texts(3))[-1] == say("en", "voice.long", minutes=1)


@pytest.mark.parametrize("failure", [{"status": 429}, {"status": 403}, {"status": 400}])
async def test_what_the_service_did_not_do_costs_nothing(stage: Stage, failure: dict[str, Any]) -> None:
    await stage.start(speech="on", tools=("search",), **MUCH)
    stage.studio.fail_next("recognize", times=9, **failure)
    stage.studio.fail_next("gen/search", times=9, **failure)
    say_it(stage, "hello")
    await stage.texts(1)
    await stage.ask("/search cats")
    assert rows(stage, BOOKED) == []
    assert _spent(stage) == 0
    assert rows(stage, "SELECT * FROM reservations") == []


@pytest.mark.parametrize("failure", [{"status": 500}, {"status": 200, "body": b"<html>"}])
async def test_what_may_have_been_done_is_paid_in_full(stage: Stage, failure: dict[str, Any]) -> None:
    await stage.start(speech="on", **MUCH)
    stage.studio.fail_next("recognize", **failure)
    say_it(stage, "hello", 5)
    assert await stage.texts(1) == [say("en", "voice.failed")]
    assert rows(stage, BOOKED) == [(ANNA, ANNA, "speech-recognition", "speech", 5, 200_000)]
    assert _spent(stage) == 200_000


async def test_a_spoken_answer_is_booked_by_its_characters_as_of_who_has_asked(stage: Stage) -> None:
    await stage.start(speech="on", **MUCH)
    await speaks(stage)
    stage.studio.script("It is **four**.")
    say_it(stage, "What is two and two?")
    await soon(stage, lambda: voices(stage) or None)
    assert rows(stage, BOOKED)[1:] == [(ANNA, ANNA, "speech-synthesis", "voice", 11, 1_100_000)]


async def test_vectors_are_booked_by_the_tokens_that_the_service_counts(stage: Stage) -> None:
    await stage.start(**MUCH)
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    await stage.ask("What is the capital of Freedonia?")
    booked = rows(stage, BOOKED)
    seen = stage.studio.seen("textEmbedding")
    assert {model for _, _, model, *_ in booked} == {"text-search-doc", "text-search-query"}
    assert sum(row[4] for row in booked) == sum(_counted(one.body["text"]) for one in seen)
    assert _spent(stage) == sum(row[5] for row in booked) + _answers(stage)
    before = len(booked)
    await stage.ask("And who founded it?")
    assert [row[2] for row in rows(stage, BOOKED)[before:]] == ["text-search-query"]  # the others are kept


async def test_of_vectors_that_failed_in_part_the_others_are_paid_and_kept(stage: Stage) -> None:
    await stage.start(**MUCH)
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.studio.fail_next("textEmbedding", status=400)
    await stage.ask("What is the capital of Freedonia?")
    (kept,) = rows(stage, "SELECT count(*) FROM passages WHERE vector IS NOT NULL")[0]
    assert kept == 19
    ((*_, units, cost),) = rows(stage, BOOKED)
    assert cost == units * 10


async def test_a_stop_while_documents_are_searched_pays_for_what_was_under_way(stage: Stage) -> None:
    await stage.start(**MUCH)
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.studio.fail_next("textEmbedding", hang=True, times=9)
    stage.telegram.say(ANNA, "What is the capital of Freedonia?")
    await soon(stage, lambda: stage.studio.seen("textEmbedding") or None)
    stage.telegram.say(ANNA, "/stop")
    await soon(stage, lambda: not rows(stage, "SELECT * FROM reservations") or None)
    ((*_, cost),) = rows(stage, BOOKED)
    assert _spent(stage) == cost > 0


@pytest.mark.parametrize(("tool", "cost"), [("web_search", 500_000), ("web_answer", 2_000_000)])
async def test_a_search_of_the_model_is_booked_as_of_who_has_asked(stage: Stage, tool: str, cost: int) -> None:
    stage.given = {"routing": ScriptedModel([call(tool, query="cats")], "They purr.").routing}
    await stage.start(tools=("search",), **MUCH)
    await stage.ask("@govorun_sandbox_bot cats?", TEAM, BORIS)
    name = {"web_search": "search-pages", "web_answer": "search-answer"}[tool]
    assert rows(stage, BOOKED) == [(BORIS, TEAM, name, "search", 1, cost)]
    ((turn,),) = rows(stage, "SELECT DISTINCT turn FROM usage")
    assert turn == rows(stage, "SELECT turn FROM messages WHERE role = 'assistant'")[0][0]


async def test_a_search_that_a_model_makes_by_itself_is_booked_beside_its_tokens(stage: Stage) -> None:
    await stage.start(models=[ModelConfig(name="yandexgpt", search=True)], **MUCH)
    stage.studio.script("News.")
    await stage.ask("What is new?")
    assert rows(stage, BOOKED) == [(ANNA, ANNA, "web-search", "search", 1, 700_000)]
    assert _spent(stage) == 700_000 + _answers(stage)


async def test_without_prices_and_limits_it_is_counted_all_the_same(stage: Stage) -> None:
    await stage.start(speech="on", tools=("search",))
    say_it(stage, "How long is this?", 16)
    await stage.texts(2)
    await stage.ask("/search cats")
    assert [(row[3], row[4], row[5]) for row in rows(stage, BOOKED)] == [("speech", 16, 0), ("search", 1, 0)]
    text = await stage.ask("/usage")
    assert say("en", "usage.speech", cost="0.00 RUB", units=16) in text
    assert say("en", "usage.search", cost="0.00 RUB", units=1) in text


async def test_usage_and_allowance_account_for_it(stage: Stage) -> None:
    await stage.start(
        speech="on", tools=("search",), user_daily_money=Decimal(10), helper_model="yandexgpt-lite", **PRICES
    )
    stage.studio.script(YES)
    say_it(stage, "How long is this?", 16)
    await stage.texts(2)
    await stage.ask("/search cats")
    await stage.ask("/search dogs")
    text = await stage.ask("/usage")
    assert say("en", "usage.today", cost="4.52 RUB", tokens=100, images=0) in text
    assert say("en", "usage.speech", cost="0.40 RUB", units=16) in text
    assert say("en", "usage.search", cost="4.00 RUB", units=2) in text
    left = await stage.ask("/allowance")
    assert left.startswith("You today: 5.48 RUB of 10.00 RUB left")


# --- refused ----------------------------------------------------------------------------------------------------------


async def test_a_note_that_a_budget_refuses_is_kept_and_taken_by_its_button(stage: Stage) -> None:
    await stage.start(speech="on", user_daily_money=Decimal("0.35"), **PRICES)
    stage.studio.script(Answer(["one"]), Answer(["two"]))
    say_it(stage, "First", 31)
    await stage.texts(2)
    say_it(stage, "Second", 5, caption="Listen:")
    refusal = (await stage.texts(3))[-1]
    assert refusal.startswith("You have reached your limit for today.")
    assert len(stage.studio.speech.heard) == 1
    await stage.press(say("en", "retry"))  # "attached.again"
    assert (await stage.texts(4))[-1].startswith("You have reached your limit for today.")
    _jump(DAY)
    await stage.press(say("en", "retry"))
    assert (await stage.texts(6))[4:] == [f"{MARK}Second", "two"]
    assert stage.prompts()[-1][-1]["text"] == "Listen:\nSecond"
    await stage.press(say("en", "retry"))
    await stage.clock.sleep(10)
    assert len(stage.studio.speech.heard) == 2
    assert rows(stage, "SELECT count(*) FROM buttons WHERE action = 'attached.again'") == [(2,)]


async def test_a_search_that_a_budget_refuses_is_said(stage: Stage) -> None:
    await stage.start(tools=("search",), user_daily_money=Decimal(2), **PRICES)
    await stage.ask("/search cats")
    assert (await stage.ask("/search dogs")).startswith("You have reached your limit for today.")
    assert len(stage.studio.seen("gen/search")) == 1


async def test_a_model_is_told_that_a_budget_refuses_its_search(stage: Stage) -> None:
    model = ScriptedModel([call("web_answer", query="cats")], "I can't look.", price_out=Decimal("0.1"))
    stage.given = {"routing": model.routing}
    await stage.start(tools=("search",), user_daily_money=Decimal(1), **PRICES)
    assert await stage.ask("cats?") == "I can't look."
    assert model.results["web_answer-1"].startswith("web_answer refused: ")
    assert stage.studio.seen("gen/search") == []


async def test_where_the_budget_allows_no_vectors_a_document_is_searched_by_its_words_and_that_is_said(
    stage: Stage,
) -> None:
    await stage.start(user_daily_money=Decimal(100), embedding_price=Decimal(10_000))
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    stage.studio.script("Fredville [book.pdf, p. 34]")
    text = await stage.ask("What is the capital of Freedonia?")
    assert say("en", "document.words", limit=say("en", "limit.soon")) in text
    assert "called Fredville" in stage.prompts()[-1][-1]["text"]
    assert stage.studio.seen("textEmbedding") == []
    assert rows(stage, "SELECT count(*) FROM documents") == [(1,)]


async def test_an_answer_that_a_budget_lets_not_be_spoken_is_there_in_writing_with_the_reason(stage: Stage) -> None:
    await stage.start(speech="on", user_daily_money=Decimal("1.2"), **PRICES)
    await speaks(stage)
    stage.studio.script(Answer(["It is four, and it was always four."], usage=DEAR))
    say_it(stage, "What is two and two?")
    spoken = (await stage.texts(4))[-1]
    assert spoken.startswith(f"{say('en', 'voice.unspoken')} You have reached your limit")
    assert stage.studio.speech.spoken == []


# --- asked first ------------------------------------------------------------------------------------------------------


async def test_an_expensive_search_is_asked_about(stage: Stage) -> None:
    await stage.start(tools=("search",), confirm_above=Decimal(1), **PRICES)
    assert await stage.ask("/search cats") == say("en", "price.search.ask", price="2.00 RUB")
    assert stage.studio.seen("gen/search") == []
    await stage.press(say("en", "price.search"))  # "price.search"
    assert (await stage.texts(2))[1].startswith("About cats")
    await stage.press(say("en", "price.search"))
    await stage.clock.sleep(10)
    assert len(stage.studio.seen("gen/search")) == 1
    await stage.ask("/search dogs")
    await stage.press(say("en", "price.drop"))
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == say("en", "price.dropped") or None)
    assert len(stage.studio.seen("gen/search")) == 1


async def test_an_expensive_note_is_asked_about_and_kept(stage: Stage) -> None:
    await stage.start(speech="on", confirm_above=Decimal("3.5"), **{**PRICES, "speech_long_price": Decimal(1)})
    stage.studio.script("Four.", "Five.")
    say_it(stage, "Cheap enough", 5)
    await stage.texts(2)
    say_it(stage, "What is two and two?", 60)
    assert (await stage.texts(3))[2] == say("en", "price.listen.ask", price="4.00 RUB")
    assert len(stage.studio.speech.heard) == 1
    await stage.press(say("en", "price.listen"))
    assert (await stage.texts(5))[3:] == [f"{MARK}What is two and two?", "Five."]
    say_it(stage, "And three?", 60)
    await stage.texts(6)
    await stage.press(say("en", "price.drop"))
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == say("en", "price.dropped") or None)
    assert len(stage.studio.speech.heard) == 2


async def test_the_price_of_an_answer_that_is_asked_about_has_the_vectors_of_its_documents(stage: Stage) -> None:
    stage.studio.script("Fredville [book.pdf, p. 34]", "It was sailors.")
    await stage.start(confirm_above=Decimal(1000), embedding_price=Decimal(1000))
    stage.telegram.upload(ANNA, pdf(*LONG), "document", name="book.pdf")
    await stage.texts(1)
    question = await stage.ask("What is the capital of Freedonia?")
    assert question.startswith("This answer costs about ")
    assert stage.studio.seen("textEmbedding") == []
    await stage.press(say("en", "price.answer"))
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1].startswith("Fredville") or None)
    assert (await stage.ask("And who founded it?")).startswith("It was sailors.")  # they are kept


# --- at once, and struck ----------------------------------------------------------------------------------------------


async def test_fifty_at_once_of_all_kinds_never_cost_more_than_one_request_over_the_money(stage: Stage) -> None:
    """Questions, pictures, voice notes short and long, searches, and questions about a document."""
    stage.studio.script(*[YES] * 50)
    stage.studio.paint(*[JPEG] * 50)
    stage.studio.ttft = 2.0
    cap, dearest = 15_000_000, 2_200_000
    wishes: list[Callable[[int], object]] = [
        lambda person: stage.telegram.say(person, "hello"),
        lambda person: stage.telegram.say(person, "/image a cat"),
        lambda person: stage.telegram.say(person, "/search cats"),
        lambda person: stage.telegram.upload(person, media.note("hello", 5), "voice", duration=5),
        lambda person: stage.telegram.upload(person, media.note("hello", 60), "voice", duration=60),
        lambda person: stage.telegram.upload(person, BOOK, "document", name="book.txt", caption="Freedonia?"),
    ]
    await stage.start(
        speech="on",
        tools=("search",),
        monthly_money=Decimal(15),
        max_tokens=30,
        **{**PRICES, "embedding_price": Decimal("0.05")},
    )
    for number in range(50):
        stage.telegram.state.add_person(Person(5001 + number, f"Person {number}", "", "en"))
        wishes[number % len(wishes)](5001 + number)
    await soon(stage, lambda: inbox(stage) == ["done"] * 50 or None)
    await soon(stage, lambda: not rows(stage, "SELECT * FROM reservations") or None)
    assert cap / 2 < _spent(stage) <= cap + dearest
    (booked,) = rows(stage, "SELECT sum(cost) FROM usage")[0]
    assert booked == _spent(stage)
    assert len({mode for (mode,) in rows(stage, "SELECT mode FROM usage")}) > 1  # which of them came first is chance


BOOK = ("Freedonia is far away, and few have seen it. " * 800).encode()


@pytest.mark.parametrize("route", ["recognize", "recognizeFileAsync", "gen/search", "synthesize", "textEmbedding"])
async def test_kill_minus_nine_between_the_request_and_its_settlement_is_paid_in_full(stage: Stage, route: str) -> None:
    """What nobody can settle any more is found at the next start; here as the database looks after such a death."""
    await stage.start(speech="on", tools=("search",), **MUCH)
    stage.studio.fail_next(route, hang=True, times=9)
    await _asks(stage, route)
    await soon(stage, lambda: stage.studio.seen(route) or None)
    ((held,),) = rows(stage, "SELECT max(amount) FROM reservations WHERE kind = 'money'")
    before, died = _spent(stage), stage.clock.time()
    await _die(stage)
    await stage.start()
    await soon(stage, lambda: not rows(stage, f"SELECT * FROM reservations WHERE at <= {died}") or None)
    assert _spent(stage) >= before + held > before


@pytest.mark.e2e
async def test_a_search_that_is_killed_again_and_again_costs_no_more_than_its_budget(tmp_path: Path) -> None:
    """A real kill -9 while the service is asked: too little is left for another, and the user is told so."""
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    environment = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": await telegram.start(), "ACCESS": "open"}
    await studio.start()
    environment |= {name.upper(): value for name, value in studio.settings().items()}
    environment |= {"TOOLS": "search", "SEARCH_ANSWER_PRICE": "2", "MONTHLY_MONEY": "5"}
    studio.fail_next("gen/search", hang=True, times=9)
    telegram.say(ANNA, "/search cats")
    try:
        for kills in range(1, 4):
            async with Process.start("run", directory=tmp_path, **environment) as process, asyncio.timeout(60):
                while len(studio.seen("gen/search")) < kills and not telegram.texts(ANNA):
                    await asyncio.sleep(0.05)
                process.signal(signal.SIGKILL)
        assert telegram.texts(ANNA)[0].startswith("This costs 2.00 RUB, and only 1.00 RUB is left.")
        assert len(studio.seen("gen/search")) == 2
    finally:
        await studio.close()
        await telegram.close()


async def _asks(stage: Stage, route: str) -> None:
    """Something that comes to that request."""
    if route == "gen/search":
        stage.telegram.say(ANNA, "/search cats")
    elif route == "textEmbedding":
        stage.telegram.upload(ANNA, BOOK, "document", name="book.txt", caption="Freedonia?")
    else:
        if route == "synthesize":
            await speaks(stage)
            stage.studio.script("Four.")
        say_it(stage, "What is two and two?", 60 if route == "recognizeFileAsync" else 5)


async def _die(stage: Stage) -> None:
    """As after a kill -9: the files are as they are now, and nothing that ends in order changes them any more."""
    path = Path(stage.settings.database_url.partition(":///")[2])
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(path.with_suffix(".then"))) as then:
        live.backup(then)
    await stage.crash()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.with_suffix(".then").replace(path)


def _spent(stage: Stage) -> int:
    (spent,) = rows(stage, "SELECT coalesce(sum(amount), 0) FROM spending WHERE scope = 'bot' AND kind = 'money'")[0]
    return int(spent)


def _answers(stage: Stage) -> int:
    """What the answers of models have cost."""
    (cost,) = rows(stage, "SELECT coalesce(sum(cost), 0) FROM usage WHERE mode = 'sync'")[0]
    return int(cost)


def _counted(text: str) -> int:
    """As the sandbox counts the tokens of an embedding."""
    return count_tokens(text) + 2


def _jump(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds
