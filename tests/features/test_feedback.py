"""What people think of an answer is kept with the answer, the prompt, the model and the sources."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bot.features.feedback import value
from bot.ports import Received
from bot.storage.repositories.messages import export_judgements
from bot.telegram.receiving.parsing import Me, read
from bot.types import Kind
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, inbox, rows, soon

KEPT = "SELECT user, value, sign FROM feedback ORDER BY id"


@pytest.mark.parametrize(
    ("sign", "worth"),
    [
        ("👍", 1),
        ("❤", 1),
        ("❤️", 1),
        ("🔥", 1),
        ("💯", 1),
        ("⭐", 1),
        ("👎", -1),
        ("💩", -1),
        ("🤬", -1),
        ("🤔", 0),
        ("?", 0),
    ],
)
def test_a_sign_is_praise_blame_or_neither(sign: str, worth: int) -> None:
    assert value(sign) == worth


async def test_a_reaction_is_kept_with_the_exact_answer_and_its_prompt(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "three")
    for question in ("first?", "second?", "third?"):
        await stage.ask(question)
    _react(stage, "two", "👍")
    await soon(stage, lambda: rows(stage, KEPT) or None)
    (row,) = export_judgements(stage.settings.database_url, [stage.settings.bot_id])
    assert (row["value"], row["sign"], row["user"], row["chat"], row["answer"]) == (1, "👍", ANNA, ANNA, "two")
    assert [said["role"] for said in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert [said["text"] for said in row["prompt"][1:]] == ["first?", "one", "second?"]
    assert row["sources"] == []


async def test_feedback_has_the_request_that_the_model_was_sent_to_the_letter(stage: Stage) -> None:
    """Pinned facts, persona, documents, tools and their results, also after the answer grew and the chat changed."""
    model = ScriptedModel("one", [call("calculator", expression="6 * 7")], "two", "three")
    stage.given = {"routing": model.routing}
    await stage.start()
    stage.telegram.upload(ANNA, b"The capital of Freedonia is Fredville.", "document", name="book.txt")
    await stage.texts(1)
    await stage.ask("/pin my name is Anna")
    await stage.ask("first?")
    await stage.ask("second?")
    sent = model.requests[-1]
    assert sent.tools
    await stage.ask("/pin my name is Eve")
    await stage.ask("third?")
    _react(stage, "two", "👍")
    await soon(stage, lambda: rows(stage, KEPT) or None)
    (row,) = export_judgements(stage.settings.database_url, [stage.settings.bot_id])
    assert [(said["role"], said["text"]) for said in row["prompt"]] == [(one.role, one.text) for one in sent.messages]
    told = "".join(said["text"] for said in row["prompt"])
    assert [words in told for words in ("my name is Anna", "my name is Eve", "Fredville")] == [True, False, True]
    results = [part for said in row["prompt"] for part in said.get("parts", ()) if part["is"] == "toolresult"]
    assert "42" in results[0]["content"]
    assert [tool["name"] for tool in row["request"]["tools"]] == [tool.name for tool in sent.tools]
    assert row["request"]["temperature"] == sent.temperature
    assert row["request"]["max_tokens"] == sent.max_tokens


async def test_the_stored_request_repeats_no_text_of_the_conversation(stage: Stage) -> None:
    await stage.start()
    noise = "".join(chr(0x400 + number * 7919 % 0x2FF) for number in range(3_000))
    stage.studio.script(noise, "two", "three")
    for question in ("first?", "second?", "third?"):
        await stage.ask(question)
    sizes = [size for (size,) in rows(stage, "SELECT length(request) FROM messages WHERE role = 'assistant'")]
    assert len(sizes) == 3
    assert max(sizes) < 1_500
    assert noise in [said["text"] for said in stage.prompts()[-1]]


async def test_a_changed_reaction_changes_it_and_a_removed_one_removes_it(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one")
    await stage.ask("first?")
    for sign, kept in (("👍", (ANNA, 1, "👍")), ("💩", (ANNA, -1, "💩")), ("🤔", (ANNA, 0, "🤔"))):
        _react(stage, "one", sign)
        await soon(stage, lambda kept=kept: rows(stage, KEPT) == [kept] or None)  # type: ignore[misc]
    _react(stage, "one", None)
    await soon(stage, lambda: rows(stage, KEPT) == [] or None)


async def test_only_answers_of_a_model_are_judged(stage: Stage) -> None:
    await stage.start()
    told = await stage.ask("/help")
    _react(stage, told, "👍")
    stage.telegram.react(ANNA, 1, "👍")  # on the own question
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert rows(stage, KEPT) == []
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_in_a_group_everybody_judges(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one")
    await stage.ask(QUESTION, TEAM, ANNA)
    _react(stage, "one", "🔥", TEAM, ANNA)
    _react(stage, "one", "👎", TEAM, BORIS)
    await soon(stage, lambda: rows(stage, KEPT) == [(ANNA, 1, "🔥"), (BORIS, -1, "👎")] or None)


async def test_a_reaction_does_not_wait_for_the_answer_that_is_being_written(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one")
    await stage.ask("first?")
    stage.studio.fail_next("completion", hang=True)
    stage.telegram.say(ANNA, "second?")
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    _react(stage, "one", "👍")
    await soon(stage, lambda: rows(stage, KEPT) or None)


async def test_thumbs_below_an_answer_judge_it_too(stage: Stage) -> None:
    """The buttons of "feedback": the last one pressed counts."""
    await stage.start(feedback_buttons=True)
    stage.studio.script("one")
    await stage.ask("first?")
    for sign, worth in (("👍", 1), ("👎", -1)):
        await stage.press(sign)
        await soon(stage, lambda kept=(ANNA, worth, sign): rows(stage, KEPT) == [kept] or None)  # type: ignore[misc]


async def test_a_storm_of_reactions_is_not_answered(stage: Stage) -> None:
    await stage.start(user_rate=6.0, user_burst=2)
    stage.studio.script("one")
    await stage.ask("first?")
    for _ in range(10):
        _react(stage, "one", "👍")
        _react(stage, "one", "👎")
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    await asyncio.sleep(5)
    assert len(stage.telegram.texts(ANNA)) == 1


@pytest.mark.parametrize(
    ("new", "data"),
    [
        ([{"type": "emoji", "emoji": "👍"}], "👍"),
        ([{"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "🔥"}], "🔥"),
        ([{"type": "paid"}], "⭐"),
        ([{"type": "custom_emoji", "custom_emoji_id": "5"}], "custom_emoji"),
        ([{"type": "emoji"}], "?"),
        ([], ""),
        ("nonsense", ""),
    ],
)
def test_a_reaction_is_read(new: object, data: str) -> None:
    body = {"chat": {"id": 5}, "message_id": 7, "user": {"id": 5, "first_name": "A"}, "new_reaction": new}
    found = read({"message_reaction": body}, _row(), Me(42, "bot"))
    assert found is not None
    assert (found.kind, found.data, found.reply_to, found.private) == (Kind.REACTION, data, 7, True)
    body = {**body, "user": None, "actor_chat": {"id": -100}}
    assert read({"message_reaction": body}, _row(), Me(42, "bot")) is None


def _row() -> Received:
    return Received(1, 42, 1, "{}", 0, datetime(2026, 11, 22, tzinfo=UTC))


def _react(stage: Stage, text: str, sign: str | None, chat: int = ANNA, user: int | None = None) -> None:
    message = next(one for one in stage.telegram.transcript(chat) if one.get("text") == text)
    stage.telegram.react(chat, message["message_id"], sign, user)
