"""A conversation one can steer: other answers, the way between versions, going on, replies to what was said before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bot.ai import Chunk, Finish, Profile, Request, Source
from bot.errors import ModelError, ModelUnavailable
from bot.llm.routing import ModelOption, Routing
from bot.prompts.catalog import instruct
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolOutput
from tests.support.stage import ANNA, BORIS, CODE, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, soon


def labels(stage: Stage, chat: int = ANNA) -> list[str]:
    """What stands below the newest message of a chat."""
    return [button["text"] for button in buttons_of(stage.telegram.transcript(chat)[-1])]


def asked(stage: Stage) -> list[str]:
    """The last prompt without the system's part."""
    return [part["text"] for part in stage.prompts()[-1][1:]]


async def shows(stage: Stage, *texts: str, chat: int = ANNA) -> None:
    await soon(
        stage,
        lambda: (
            ([CODE.sub("", text) for text in stage.telegram.texts(chat)] == list(texts) and not stage.growing(chat))
            or None
        ),
    )


async def test_another_answer_takes_the_place_of_the_first_and_both_can_be_seen(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "three", "four")
    await stage.ask("question")
    assert labels(stage) == ["↻"]
    await stage.press("↻")
    await shows(stage, "two")
    assert labels(stage) == ["‹", "2/2", "›", "↻"]
    assert asked(stage) == ["question"]
    await stage.press("‹")
    await shows(stage, "one")
    assert labels(stage) == ["‹", "1/2", "›", "↻"]
    await stage.ask("next")
    assert asked(stage) == ["question", "one", "next"]
    assert stage.telegram.texts(ANNA) == ["one", "three"]


async def test_the_way_between_versions_goes_round(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two")
    await stage.ask("question")
    await stage.press("↻")
    await shows(stage, "two")
    await stage.press("›")
    await shows(stage, "one")
    await stage.press("1/2")
    await stage.clock.sleep(5)
    assert stage.telegram.texts(ANNA) == ["one"]


async def test_a_version_that_was_turned_to_is_the_one_that_others_are_counted_from(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "three")
    await stage.ask("question")
    await stage.press("↻")
    await shows(stage, "two")
    await stage.press("‹")
    await shows(stage, "one")
    await stage.press("↻")
    await shows(stage, "three")
    assert labels(stage) == ["‹", "3/3", "›", "↻"]
    await stage.ask("next")
    assert asked(stage) == ["question", "three", "next"]


@pytest.mark.parametrize("streaming", ["draft", "edit", "off"])
async def test_another_answer_is_seen_as_it_grows_and_survives_a_crash(stage: Stage, streaming: str) -> None:
    await stage.start(streaming=streaming)
    stage.studio.script("one")
    await stage.ask("question")
    stage.studio.speed = 5
    stage.studio.script(counted(100), counted(20, "whole"))
    await stage.press("↻")
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    if streaming != "off":
        await soon(stage, lambda: stage.telegram.texts(ANNA)[0].startswith("word0") or None)
    assert not stage.telegram.drafts
    await stage.crash()
    await stage.start()
    await soon(stage, lambda: "whole19" in stage.telegram.texts(ANNA)[0] or None)
    assert len(stage.telegram.texts(ANNA)) == 1
    await stage.press("‹")
    await shows(stage, "one")


async def test_a_version_that_does_not_come_about_leaves_the_one_before(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one")
    await stage.ask("question")
    stage.studio.set_faults({"error500": 1.0})
    await stage.press("↻")
    await shows(stage, f"one\n\n{say('en', 'error.unavailable')}")
    assert labels(stage) == ["↻"]


async def test_a_short_version_of_a_long_answer_leaves_no_piece_behind(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    stage.studio.script("word " * 1638, "short")
    await stage.ask("question")
    await stage.texts(2)
    await stage.press("↻")
    await shows(stage, "short")
    await stage.press("‹")
    await soon(stage, lambda: len(stage.telegram.texts(ANNA)) == 2 or None)


async def test_an_answer_that_was_stopped_goes_on_where_it_ended(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(100), "and the end")
    stage.telegram.say(ANNA, "question")
    await soon(stage, lambda: "word9" in str(stage.telegram.drafts) or None)
    stage.telegram.say(ANNA, "/stop")
    half = (await stage.texts(1))[0].removesuffix("\n\nstopped")
    assert labels(stage) == ["↻", "Continue"]
    await stage.press("Continue")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[0].endswith("and the end") or None)
    await shows(stage, f"{half.strip()} and the end")
    assert asked(stage)[-1] == instruct("en", "resume")
    assert asked(stage)[1].strip() == half.strip()
    await stage.ask("next")
    assert asked(stage)[1].endswith("and the end")
    assert len(asked(stage)) == 3


async def test_an_answer_that_was_cut_short_can_go_on_more_than_once(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(
        Answer(["a"], status="TRUNCATED_FINAL"), Answer(["b"], status="TRUNCATED_FINAL"), "c", "to the next"
    )
    await stage.ask("question")
    for _ in range(2):
        await stage.press("Continue")
        await stage.clock.sleep(5)
    await shows(stage, "abc")
    assert labels(stage) == ["↻"]


async def test_a_reply_to_an_older_message_goes_on_from_there(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "three", "four")
    question = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    answer = stage.telegram.transcript(ANNA)[-1]["message_id"]
    await stage.ask("second")
    stage.telegram.say(ANNA, "back to it", reply_to=answer)
    await stage.texts(3)
    assert asked(stage) == ["first", "one", "back to it"]
    stage.telegram.say(ANNA, "and", reply_to=question["message_id"])
    await stage.texts(4)
    assert asked(stage) == ["first", "one", "and"]


async def test_a_reply_to_something_else_goes_on_as_always_and_brings_its_words(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/help")
    helped = stage.telegram.transcript(ANNA)[-1]["message_id"]
    stage.studio.script("one", "two")
    await stage.ask("first")
    stage.telegram.say(ANNA, "second", reply_to=helped)
    await stage.texts(3)
    first, one, second = asked(stage)
    assert (first, one, second.splitlines()[0]) == ("first", "one", "second")
    assert "> /new – New conversation" in second


async def test_in_a_group_the_model_reads_who_speaks_as_soon_as_there_are_two(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "three")
    await stage.ask(QUESTION, TEAM, ANNA)
    assert asked(stage) == ["what now?"]
    await stage.ask(QUESTION, TEAM, BORIS)
    names = [stage.telegram.state.people[person].first_name for person in (ANNA, BORIS)]
    assert asked(stage) == [f"{names[0]}: what now?", "one", f"{names[1]}: what now?"]


async def test_only_who_asked_may_ask_for_another_answer(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two")
    await stage.ask(QUESTION, TEAM, ANNA)
    await stage.press("↻", TEAM, BORIS)
    await stage.clock.sleep(5)
    assert stage.telegram.texts(TEAM) == ["one"]
    await stage.press("↻", TEAM, ANNA)
    await shows(stage, "two", chat=TEAM)


async def test_a_version_that_is_turned_to_names_its_sources_again(stage: Stage) -> None:
    async def look(word: str) -> ToolOutput:
        """Look a word up.

        word: the word
        """
        return ToolOutput(f"about {word}", (Source("A page", "https://example.org/a"),))

    stage.given["tools"] = [Tool.of(look)]
    await stage.start()
    stage.studio.script(Answer(calls=[("look", {"word": "x"})]), "one", "two")
    first = await stage.ask("question")
    assert "example.org" in first
    await stage.press("↻")
    await shows(stage, "two")
    await stage.press("‹")
    await shows(stage, first)


# --- as it was when it was written ------------------------------------------------------------------------------------


class Thinker:
    """Says what it was given, each with a thought before it. An answer that ends in "-" was longer than it may be."""

    def __init__(self, *answers: str | ModelError, name: str = "thinker") -> None:
        self.name = name
        self.profile = Profile(reasoning=True)
        self.answers = list(answers)

    async def stream(self, _request: Request) -> AsyncGenerator[Chunk, None]:
        answer = self.answers.pop(0)
        if isinstance(answer, ModelError):
            raise answer
        yield Chunk(reasoning=f"What if I said {answer}?")
        yield Chunk(answer, finish=Finish.LENGTH if answer.endswith("-") else Finish.STOP)


async def thinking(stage: Stage, *models: Thinker) -> None:
    stage.given["routing"] = Routing([ModelOption(model.name, model.name.title(), model) for model in models])
    await stage.start(show_reasoning=True)


def looks(stage: Stage) -> tuple[str, list[dict[str, Any]]]:
    """What the newest message says, and how."""
    message = stage.telegram.transcript(ANNA)[-1]
    return message["text"], message["entities"]


async def test_a_version_that_is_turned_to_looks_as_it_did_when_it_was_written(stage: Stage) -> None:
    await thinking(stage, Thinker("one-", "two"))
    await stage.ask("question")
    first = looks(stage)
    assert first[0].startswith("What if I said one-?\n\none-")
    assert [entity["type"] for entity in first[1]] == ["expandable_blockquote", "italic"]
    await stage.press("↻")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[0].endswith("two") or None)
    second = looks(stage)
    for before in (first, second, first):
        await stage.press("‹")
        await soon(stage, lambda before=before: looks(stage) == before or None)  # type: ignore[misc]
    assert labels(stage) == ["‹", "1/2", "›", "↻", "Continue"]


async def test_what_was_said_below_a_version_is_said_again(stage: Stage) -> None:
    """Here: that the answer begs pardon for being late."""
    await thinking(stage, Thinker("one", "two"))
    person = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}
    question = {"message_id": 1, "from": person, "chat": {"id": ANNA, "type": "private"}, "text": "question"}
    stage.telegram.push_raw({"message": {**question, "date": int(stage.clock.time()) - 7200}})
    await stage.texts(1)
    first = looks(stage)
    assert first[0].endswith(say("en", "late.note"))
    await stage.press("↻")
    await soon(stage, lambda: "two" in stage.telegram.texts(ANNA)[0] or None)
    await stage.press("‹")
    await soon(stage, lambda: looks(stage) == first or None)


async def test_an_answer_that_goes_on_keeps_what_was_thought_and_all_of_it_is_turned_back_to(stage: Stage) -> None:
    await thinking(stage, Thinker("one-", "-more", "other"))
    await stage.ask("question")
    await stage.press("Continue")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[0].endswith("one--more") or None)
    whole = looks(stage)
    assert whole[0] == "What if I said one-?\n\nWhat if I said -more?\n\none--more"
    await stage.press("↻")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[0].endswith("other") or None)
    await stage.press("‹")
    await soon(stage, lambda: looks(stage) == whole or None)


async def test_a_version_that_does_not_come_about_leaves_the_one_before_as_it_was(stage: Stage) -> None:
    model = Thinker("one")
    await thinking(stage, model)
    await stage.ask("question")
    (before, _), model.answers = looks(stage), [ModelUnavailable() for _ in range(9)]
    await stage.press("↻")
    await soon(stage, lambda: say("en", "error.unavailable") in stage.telegram.texts(ANNA)[0] or None)
    assert looks(stage)[0].startswith(before)
