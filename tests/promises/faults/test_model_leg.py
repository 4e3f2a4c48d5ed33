"""AI Studio fails: what the user sees, how often it is asked, and how long it takes. The wire: `test_yandex_text`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.errors import ModelDenied, ModelRefused, ModelUnavailable
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.faults import Cut
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.promises.faults.wire import failure, line, whole
from tests.support.raw_server import Seen, answer, chunked, drip, head, serve, until_close
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import counted, said, soon

pytestmark = pytest.mark.wire("tcp")

SORRY = say("en", "error.unavailable")
CUT = say("en", "cut.note")
SOON = 30.0  # seconds: long before any deadline
HEAVY = 60  # pieces of an answer that takes a while


def asked(stage: Stage) -> list[float]:
    return [seen.at for seen in stage.studio.seen("completion")]


async def timed(stage: Stage, text: str) -> tuple[str, float]:
    """The answer, and the seconds until it stood there."""
    before = stage.clock.monotonic()
    return await stage.ask(text), stage.clock.monotonic() - before


# --- F63, F64: failures before the first word -------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "reset": {"cut": "reset"},
    "closed": {"cut": "fin"},
    "500": {"status": 500},
    "502 page": {"status": 502},
    "503": {"status": 503},
    "504 page": {"status": 504},
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"retry-after": "2"}},
    "resource exhausted in a 200": {"status": 200, "body": failure(8, "gauge quota limit exceed: allowed 10 requests")},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
async def test_f63_f64_f72_a_failure_that_passes_is_not_seen(stage: Stage, fault: dict[str, Any]) -> None:
    await stage.start()
    stage.studio.script("fine")
    stage.studio.fail_next("completion", times=2, **fault)
    text, took = await timed(stage, "hello")
    assert text == "fine"
    assert took < SOON
    first, second, third = asked(stage)
    assert 0 < second - first < third - first


@pytest.mark.parametrize("name", ["reset", "502 page", "429", "resource exhausted in a 200"])
async def test_f63_f64_f72_a_failure_that_stays_is_an_apology_with_a_way_to_try_again(stage: Stage, name: str) -> None:
    fault = PASSING[name]
    await stage.start()
    stage.studio.fail_next("completion", times=3, **fault)
    text, took = await timed(stage, "hello")
    assert text == SORRY
    assert took < SOON
    assert len(asked(stage)) == 3
    stage.studio.script("fine")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["fine"] or None)
    assert [message["role"] for message in stage.prompts()[-1]] == ["system", "user"]


async def test_f64_a_server_that_says_how_long_is_not_asked_sooner(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("fine")
    stage.studio.fail_next("completion", status=503, headers={"retry-after": "40"})
    text, took = await timed(stage, "hello")
    assert text == "fine"
    assert took >= 40


async def test_f64_p12_a_wait_beyond_the_deadline_is_an_apology_at_once(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", status=429, headers={"retry-after": "3600"})
    text, took = await timed(stage, "hello")
    assert text == SORRY
    assert took < SOON


async def test_f63_those_who_failed_together_do_not_come_back_together(stage: Stage) -> None:
    """Jitter: twenty requests that break at one moment are tried again at different ones."""
    await stage.start(yc_concurrency=20)
    stage.studio.fail_next("completion", status=503, times=20)
    for person in range(2001, 2021):
        stage.telegram.say(person, "hello")
    await soon(stage, lambda: len(asked(stage)) >= 40)
    again = sorted(asked(stage)[20:40])
    assert again[-1] - again[0] > 0.1
    assert len({round(at, 2) for at in again}) > 10


# --- F65: too long ----------------------------------------------------------------------------------------------------

TOO_LONG = {
    "error": {"grpcCode": 3, "httpCode": 400, "message": "number of input tokens must be no more than 5, got 9"}
}


async def test_f65_a_prompt_that_stays_too_long_is_shortened_once_and_then_told(stage: Stage) -> None:
    await stage.start()
    for number in range(4):
        await stage.ask(f"{number} " + "story " * 80)
    before = len(stage.prompts())
    stage.studio.fail_next("completion", status=400, body=TOO_LONG, times=2)
    assert await stage.ask("and now?") == say("en", "error.long")
    first, second = stage.prompts()[before:]
    assert sum(len(message["text"]) for message in second) < sum(len(message["text"]) for message in first)
    assert second[-1]["text"] == "and now?"


# --- F68, F69, P12: silence and drips ---------------------------------------------------------------------------------


async def test_f68_silence_after_the_head_ends_at_the_idle_deadline_and_is_asked_again(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", after_chunks=0, hang=True)
    stage.studio.script("lost", "fine")
    text, took = await timed(stage, "hello")
    assert text == "fine"
    assert 30 <= took < 30 + SOON


async def test_f68_p12_a_server_that_never_answers_is_an_apology_within_the_deadline(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", hang=True, times=99)
    text, took = await timed(stage, "hello")
    assert text == SORRY
    assert took <= stage.settings.answer_deadline + 1


async def test_p12_there_is_a_sign_within_a_second(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("completion", hang=True, times=99)
    before = stage.clock.monotonic()
    stage.telegram.say(ANNA, "hello")
    await stage.until(lambda: stage.telegram.drafts or None)
    assert stage.clock.monotonic() - before <= 1


@pytest.mark.parametrize("piece", [b"\n", b" "], ids=["line ends", "spaces"])
async def test_f69_p12_a_drip_without_words_ends_at_the_deadline(stage: Stage, piece: bytes) -> None:
    async with serve(drip(piece, 10)) as raw:
        await stage.start(yc_llm_url=raw.url)
        text, took = await timed(stage, "hello")
        assert text == SORRY
        assert took <= stage.settings.answer_deadline + 1


async def test_f69_p12_a_drip_of_words_is_kept_and_marked_at_the_deadline(stage: Stage) -> None:
    stage.studio.speed = 0.1
    await stage.start()
    stage.studio.answer(lambda messages: "word " * 400)
    text, took = await timed(stage, "hello")
    assert text.startswith("word")
    assert CUT in text
    assert took <= stage.settings.answer_deadline + 2
    assert len(asked(stage)) == 1  # another would be paid for nothing


async def test_p12_an_answer_that_breaks_off_late_is_not_begun_with_a_new_deadline(stage: Stage) -> None:
    """Each try used to have the whole deadline for itself."""
    stage.studio.speed = 1
    await stage.start()
    stage.studio.answer(lambda messages: "".join(counted(4000)))
    stage.studio.fail_next("completion", after_chunks=80, cut="reset", times=9)
    text, took = await timed(stage, "count")
    assert text.startswith("word0")
    assert CUT in text
    assert took <= stage.settings.answer_deadline + 2
    assert len(asked(stage)) == 2


# --- F70-F72: cut in the middle ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cut", "after"), [("reset", 0), ("fin", 1), ("short", HEAVY // 2), ("clean", -1)])
async def test_f70_p6_an_answer_that_is_cut_is_begun_anew_in_the_same_place(stage: Stage, cut: Cut, after: int) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.answer(lambda messages: "".join(counted(HEAVY)))
    stage.studio.fail_next("completion", after_chunks=after, cut=cut)
    assert (await stage.ask("count")).split() == [f"word{number}" for number in range(HEAVY)]
    assert len(said(stage)) == 1


@pytest.mark.parametrize(("cut", "after"), [("reset", -1), ("fin", 1), ("short", 1), ("clean", -1)])
async def test_f70_p6_an_answer_that_stays_cut_is_kept_and_marked(stage: Stage, cut: Cut, after: int) -> None:
    await stage.start()
    stage.studio.answer(lambda messages: "".join(counted(HEAVY)))
    stage.studio.fail_next("completion", after_chunks=after, cut=cut, times=9)
    text = await stage.ask("count")
    assert text.startswith("word0")
    assert text.endswith(CUT)
    assert [button["text"] for button in buttons_of(said(stage)[-1])] == ["Try again", "Continue"]


async def test_f70_p6_a_body_that_only_the_closed_connection_ends_is_not_taken_for_whole(stage: Stage) -> None:
    async with serve(until_close(line("one") + line("one two"))) as raw:
        await stage.start(yc_llm_url=raw.url)
        text = await stage.ask("count")
        assert text.startswith("one two")
        assert text.endswith(CUT)


LATE: dict[str, bytes] = {
    "overloaded": failure(8, "gauge quota limit exceed"),
    "unavailable": failure(14),
    "internal": failure(13),
    "denied": failure(7, "Permission denied"),
    "no object": b"[1]\n",
    "no JSON": b"{{{\n" + line("never"),
    "a page": b"<html>502 Bad Gateway</html>\n" + line("never"),
}


@pytest.mark.parametrize("end", LATE.values(), ids=LATE.keys())
async def test_f72_p6_what_was_shown_before_an_error_is_kept_and_marked(stage: Stage, end: bytes) -> None:
    """The people have read it: an apology in its place would take it away."""
    async with serve(chunked([line("one"), line("one two"), end])) as raw:
        await stage.start(yc_llm_url=raw.url)
        text = await stage.ask("count")
        assert text.startswith("one two")
        assert text.endswith(CUT)


async def test_f72_words_that_the_service_refuses_in_the_end_are_taken_back(stage: Stage) -> None:
    refusal = failure(3, "it is not possible to generate an image: may violate the terms of use")
    async with serve(chunked([line("something bad"), refusal])) as raw:
        await stage.start(yc_llm_url=raw.url)
        assert await stage.ask("tell me") == say("en", "error.refused")


async def test_f71_calls_that_nobody_asked_for_are_an_apology(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer([""], status="TOOL_CALLS"))
    assert await stage.ask("hello") == say("en", "empty.answer")


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 308])
async def test_a_redirect_of_the_model_server_does_not_get_the_key(stage: Stage, status: int) -> None:
    async with serve(answer(200, whole("stolen"))) as elsewhere:
        location = f"location: {elsewhere.url}/foundationModels/v1/completion"
        async with serve(answer(status, b"", location)) as raw:
            await stage.start(yc_llm_url=raw.url)
            assert await stage.ask("hello") == SORRY
        assert elsewhere.seen == []


# --- T36, T11: sizes --------------------------------------------------------------------------------------------------


async def test_f76_t36_a_line_of_ten_megabytes_is_not_read(stage: Stage) -> None:
    sent = 0

    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head(200, f"content-length: {10 << 20}"))
        for _number in range(160):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
            sent += 1 << 16

    async with serve(endless) as raw:
        await stage.start(yc_llm_url=raw.url)
        assert await stage.ask("hello") == SORRY
        assert sent < 8 << 20


async def test_f76_t11_t36_an_endless_stream_is_kept_as_far_as_two_hundred_thousand_characters(stage: Stage) -> None:
    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "transfer-encoding: chunked"))
        text = ""
        while True:
            text += "endless " * 4000
            data = line(text)
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()

    async with serve(endless) as raw:
        await stage.start(yc_llm_url=raw.url, streaming="off", telegram_chat_rate=0, rich_messages=False)
        stage.telegram.say(ANNA, "never stop")
        await stage.until(lambda: "cut off" in "".join(stage.telegram.texts(ANNA)[-1:]) or None)
    words = "".join(stage.telegram.texts(ANNA))
    assert 190_000 < len(words) < 202_000
    assert len(raw.seen) == 1


# --- the errors themselves --------------------------------------------------------------------------------------------


def test_every_model_error_has_a_sentence_of_its_own() -> None:
    """The user is told whether to wait, to ask otherwise, or that the operator must act."""
    keys = {ModelUnavailable: "error.unavailable", ModelDenied: "error.denied", ModelRefused: "error.refused"}
    for language in ("en", "ru"):
        assert len({say(language, key) for key in keys.values()}) == 3
