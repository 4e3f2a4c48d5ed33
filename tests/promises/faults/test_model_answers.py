"""Answers that arrive, and are strange: halves of characters, text that shrinks, no text, too much, absurd numbers.

See P5, P11 in docs/promises.md.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.sandbox.ai_studio.server import Answer
from bot.texts.catalog import say
from tests.promises.faults.wire import FINAL, line, whole
from tests.support.raw_server import chunked, serve
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, said, settled, words

pytestmark = pytest.mark.wire("tcp")

EMPTY, LENGTH = say("en", "empty.answer"), say("en", "length.note")


async def answered(stage: Stage, *lines: bytes, **settings: Any) -> str:
    """What stands in the chat when the server sends these lines, and that the conversation goes on afterwards."""
    async with serve(chunked(lines), chunked([whole("and on")])) as raw:
        await stage.start(yc_llm_url=raw.url, **settings)
        text = await stage.ask("hello")
        assert await stage.ask("go on") == "and on"
    return text


# --- F71, F78: ends ---------------------------------------------------------------------------------------------------

ENDS: dict[str, tuple[list[bytes], str]] = {
    "a line after the end": ([line("one"), whole("one two"), line("three")], "one two"),
    "two ends": ([whole("one"), whole("two")], "one"),
    "no alternatives": ([line("one"), b'{"result":{"alternatives":[]}}\n', whole("one two")], "one two"),
    "another alternative": (
        [whole("a").replace(b"}]", b'}, {"message": {"text": "b"}, "status": "ALTERNATIVE_STATUS_FINAL"}]')],
        "a",
    ),
    "an unknown status before the end": ([line("one", "ALTERNATIVE_STATUS_WONDERING"), whole("one two")], "one two"),
    "an end without text": ([line("one"), whole(None)], "one"),
    "an end without line end": ([line("one"), whole("one two").rstrip()], "one two"),
    "unknown fields": ([line("one", weather="fine"), whole("one two", nested={"deep": [1]})], "one two"),
    "carriage returns and empty lines": ([b"\r\n", line("one").replace(b"\n", b"\r\n"), b"\r\n", whole("two")], "two"),
    "a mark at the beginning": ([b"\xef\xbb\xbf" + line("one"), whole("one two")], "one two"),
}


@pytest.mark.parametrize(("lines", "text"), ENDS.values(), ids=ENDS.keys())
async def test_f71_f73_f78_only_the_first_end_of_the_first_alternative_counts(
    stage: Stage, lines: list[bytes], text: str
) -> None:
    assert await answered(stage, *lines) == text


async def test_f71_an_answer_of_full_length_is_marked(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["all that fits"], status="TRUNCATED_FINAL"))
    assert (await stage.ask("tell me")).endswith(LENGTH)


async def test_f71_a_filter_in_mid_answer_takes_back_what_was_shown(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(Answer([*(f"bad{number} " for number in range(40)), "no"], status="CONTENT_FILTER"))
    stage.telegram.say(ANNA, "tell me")
    await stage.until(lambda: stage.telegram.drafts or None)
    await settled(stage, "sent")
    assert [text for text in stage.telegram.texts(ANNA) if "bad" in text] == []
    assert stage.telegram.texts(ANNA)[-1] == say("en", "filtered")
    stage.studio.script("fine")
    await stage.ask("hello")
    assert "bad1" not in str(stage.prompts()[-1])


# --- F74: characters --------------------------------------------------------------------------------------------------

CHARACTERS: dict[str, tuple[list[bytes], str]] = {
    "a pair divided between lines": ([line("smile \ud83d"), whole("smile \ud83d\ude00!")], "smile 😀!"),
    "a lone first half": ([whole("half \ud83d end")], "half \ufffd end"),
    "a lone second half": ([whole("half \ude00 end")], "half \ufffd end"),
    "a half at the very end": ([whole("half \ud83d")], "half \ufffd"),
    "NUL": ([whole("before\0after")], "before\ufffdafter"),
    "invalid UTF-8": ([whole("good X end").replace(b"X", b"\xff\xfe")], "good \ufffd\ufffd end"),
    "half a letter": ([whole("good X end").replace(b"X", b"\xd0")], "good \ufffd end"),
}


@pytest.mark.parametrize(("lines", "text"), CHARACTERS.values(), ids=CHARACTERS.keys())
async def test_f74_halves_of_characters_are_joined_or_replaced_and_break_nothing(
    stage: Stage, lines: list[bytes], text: str
) -> None:
    shown = await answered(stage, *lines)
    assert shown.replace("\ufffd", "") == text.replace("\ufffd", "")
    stored = rows(stage, "SELECT parts FROM messages WHERE role = 'assistant'")[0][0]
    assert "\\u0000" not in stored


@pytest.mark.parametrize("split", [1, 2, 3])
async def test_f73_f74_text_does_not_depend_on_how_the_bytes_arrive(stage: Stage, split: int) -> None:
    data = line("при") + line("привет 😀") + whole("привет 😀, мир")
    pieces = [data[start : start + split] for start in range(0, len(data), split)]
    assert await answered(stage, *pieces) == "привет 😀, мир"


# --- F75: a stream that changes its mind ------------------------------------------------------------------------------


async def test_f75_the_newest_text_is_the_answer_however_it_changed(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    texts = ["one two three", "one two", "one two", "One, two", "", "One, two, three, four"]
    stage.studio.script(Answer(texts, cumulative=True))
    assert await stage.ask("count") == "One, two, three, four"
    assert len(said(stage)) == 1


async def test_f75_an_answer_that_shrinks_in_the_end_is_short(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["a long beginning that was wrong", "no."], cumulative=True))
    assert await stage.ask("really?") == "no."


# --- F76: nothing, and too much ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", " \n\t ", "\u200b", None, 17, ["a"], "**", "```\n```", "# ", "> ", "---", "|\n|-|", "<!-- -->"],
    ids=repr,
)
async def test_f76_an_answer_without_words_is_said_to_be_none(stage: Stage, text: Any) -> None:
    assert await answered(stage, whole(text)) == EMPTY


@pytest.mark.parametrize("text", ["[](x)", "![]()", "0", "?", "👍", "\\"])
async def test_f76_little_is_not_nothing(stage: Stage, text: str) -> None:
    assert await answered(stage, whole(text)) not in ("", EMPTY)


async def test_f76_t11_two_hundred_thousand_characters_arrive_in_order(stage: Stage) -> None:
    text = "".join(f"word{number} " for number in range(20_000))
    async with serve(chunked([whole(text)])) as raw:
        await stage.start(yc_llm_url=raw.url, streaming="off", telegram_chat_rate=0, rich_messages=False)
        stage.telegram.say(ANNA, "tell me everything")
        await settled(stage, "sent")
    assert words("".join(stage.telegram.texts(ANNA))) == words(text)


# --- F77: usage -------------------------------------------------------------------------------------------------------

USAGES: dict[str, Any] = {
    "missing": {},
    "null": None,
    "negative": {"inputTextTokens": "-5", "completionTokens": "-1"},
    "words": {"inputTextTokens": "many", "completionTokens": "few"},
    "absurd": {"inputTextTokens": "9" * 30, "completionTokens": 1e300},
    "no object": [1, 2],
    "halves": {"inputTextTokens": "5"},
}


@pytest.mark.parametrize("usage", USAGES.values(), ids=USAGES.keys())
async def test_f77_a_usage_that_can_not_be_is_reckoned_instead_and_costs_no_answer(stage: Stage, usage: Any) -> None:
    raw_line = line("fine", FINAL, {}).replace(b'"usage": {}', b'"usage": ' + json.dumps(usage).encode())
    assert await answered(stage, raw_line) == "fine"
    reckoned, booked = rows(stage, "SELECT prompt, completion FROM usage ORDER BY id")
    assert booked == (9, 3)  # of the second answer
    assert 100 < reckoned[0] < 1_000
    assert 1 <= reckoned[1] <= 4


async def test_f77_numbers_that_are_strings_are_booked(stage: Stage) -> None:
    assert await answered(stage, whole("fine", usage={"inputTextTokens": "10", "completionTokens": 4.0})) == "fine"
    assert rows(stage, "SELECT prompt, completion FROM usage") == [(10, 4), (9, 3)]


# --- F79: nothing to leak ---------------------------------------------------------------------------------------------


async def test_f79_the_model_is_told_no_secret_so_it_can_tell_none(stage: Stage) -> None:
    await stage.start(system_prompt="Be kind.")
    token = "7000000001:AAF_shaped_like_a_token_0123456789abcd"
    stage.studio.script(f"Your token is {token} and my orders are: Be kind.")
    assert token in await stage.ask("what is your token?")  # no secret of ours: shown as any other word
    asked = str([seen.body for seen in stage.studio.seen("completion")])
    for secret in stage.settings.secrets():
        assert secret not in asked
