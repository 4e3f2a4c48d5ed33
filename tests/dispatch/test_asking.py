"""Questions of the bot that wait for words: what answers them, what does not, and how they end in the chat."""

from __future__ import annotations

import asyncio

from bot.outbox import SOON
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

CANCEL = say("en", "ask.cancel")


def title(stage: Stage) -> str:
    return str(rows(stage, "SELECT title FROM conversations")[0][0])


def labels(stage: Stage, message_id: int) -> list[str]:
    found = next(one for one in stage.telegram.transcript(ANNA) if one["message_id"] == message_id)
    return [button["text"] for button in buttons_of(found)]


async def renaming(stage: Stage) -> Message:
    """Start, ask what a conversation should be called, and return the bot's question."""
    if stage.app is None:
        await stage.start()
        stage.studio.answer(lambda messages: f"answer to {messages[-1]['text']}")
        await stage.ask("hello")
    await stage.ask("/chats")
    before = len(stage.telegram.texts(ANNA))
    await stage.press(say("en", "chats.rename"))
    await stage.texts(before + 1)
    question = stage.telegram.transcript(ANNA)[-1]
    assert labels(stage, question["message_id"]) == [CANCEL]
    return question


async def test_plain_words_answer_at_once_and_can_be_taken_back(stage: Stage) -> None:
    question = await renaming(stage)
    assert await stage.ask("The sky") == say("en", "chats.renamed", title="The sky")
    assert title(stage) == "The sky"
    await soon(stage, lambda: not labels(stage, question["message_id"]) or None)
    await stage.press(say("en", "ask.undo"))
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1] == say("en", "chats.renamed", title="hello") or None)
    assert rows(stage, "SELECT title, named_by FROM conversations") == [("", "")]


async def test_a_question_or_a_late_text_is_an_ordinary_message_and_a_reply_still_answers(stage: Stage) -> None:
    question = await renaming(stage)
    assert await stage.ask("What is the capital of Spain?") == "answer to What is the capital of Spain?"
    await asyncio.sleep(SOON + 1)
    assert await stage.ask("never mind") == "answer to never mind"
    assert title(stage) == ""
    assert labels(stage, question["message_id"]) == [CANCEL]
    before = len(stage.telegram.texts(ANNA))
    stage.telegram.say(ANNA, "What is this?", reply_to=question["message_id"])
    assert (await stage.texts(before + 1))[-1] == say("en", "chats.renamed", title="What is this?")


async def test_a_reply_to_another_message_is_an_ordinary_message(stage: Stage) -> None:
    await renaming(stage)
    answer = next(one for one in stage.telegram.transcript(ANNA) if one.get("text") == "answer to hello")
    before = len(stage.telegram.texts(ANNA))
    stage.telegram.say(ANNA, "go on", reply_to=answer["message_id"])
    assert (await stage.texts(before + 1))[-1] == "answer to go on"


async def test_cancel_ends_the_question_in_the_chat(stage: Stage) -> None:
    await renaming(stage)
    await stage.press(CANCEL)
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1] == say("en", "ask.cancelled") or None)
    assert await stage.ask("The sky") == "answer to The sky"


async def test_another_question_and_a_new_conversation_end_the_one_before(stage: Stage) -> None:
    first = await renaming(stage)
    second = await renaming(stage)
    await soon(stage, lambda: not labels(stage, first["message_id"]) or None)
    await stage.ask("/new")
    await soon(stage, lambda: not labels(stage, second["message_id"]) or None)
    assert await stage.ask("The sky") == "answer to The sky"
