"""What a request will contain: facts that are pinned, summaries of what is long past, the page that shows it."""

from __future__ import annotations

from bot.conversation import memory
from bot.prompts.catalog import instruct
from bot.storage.store import Tx
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon


async def long_talk(stage: Stage, turns: int) -> None:
    stage.studio.answer(lambda messages: _said(messages[0]["text"], messages[-1]["text"]))
    for number in range(turns):
        await stage.ask(f"question {number}")


def _said(system: str, question: str) -> str:
    return "they counted questions" if system == instruct("en", "summary") else f"answer to {question}"


def system(stage: Stage) -> str:
    return stage.prompts()[-1][0]["text"]


async def test_a_fact_that_is_pinned_goes_along_until_it_is_taken_away(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/pin my name is Anna") == say("en", "pin.done")
    await stage.ask("hello")
    assert instruct("en", "facts.preface") + "\n- my name is Anna" in system(stage)
    assert "📌 my name is Anna" in await stage.ask("/context")
    await stage.press("✕ my name is Anna")
    await soon(stage, lambda: "my name" not in stage.telegram.texts(ANNA)[-1] or None)
    await stage.ask("and now?")
    assert "my name" not in system(stage)


async def test_a_message_is_pinned_by_a_reply(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("the code is 4711", "yes")
    await stage.ask("what is the code?")
    answer = stage.telegram.transcript(ANNA)[-1]["message_id"]
    stage.telegram.say(ANNA, "/pin", reply_to=answer)
    await stage.texts(2)
    await stage.ask("do you remember?")
    assert "- the code is 4711" in system(stage)


async def test_what_can_not_be_pinned_is_said(stage: Stage) -> None:
    await stage.start(telegram_chat_rate=0)
    assert await stage.ask("/pin") == say("en", "pin.usage")
    long = memory.LONGEST_FACT + 1
    assert await stage.ask("/pin " + "x" * long) == say("en", "pin.long", limit=memory.LONGEST_FACT, length=long)
    for number in range(memory.MOST_FACTS):
        await stage.ask(f"/pin fact {number}")
    assert await stage.ask("/pin one more") == say("en", "pin.many", limit=memory.MOST_FACTS)


async def test_another_conversation_has_facts_of_its_own(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/pin my name is Anna")
    await stage.ask("/new")
    await stage.ask("hello")
    assert "Anna" not in system(stage)


async def test_the_page_says_what_the_next_request_holds_and_how_large_it_is(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    text = await stage.ask("/context")
    assert text.splitlines()[0] == say("en", "context.model", model="YandexGPT 5.1 Pro", window="32,768")
    assert "word for word: 2, about" in text


async def test_a_long_conversation_is_summarised_and_the_newest_turns_stay_word_for_word(stage: Stage) -> None:
    await stage.start(summaries=True, telegram_chat_rate=0)
    await long_talk(stage, 21)
    await soon(stage, lambda: rows(stage, "SELECT author FROM summaries") == [("model",)] or None)
    assert rows(stage, "SELECT count(*) FROM messages") == [(42,)]
    await stage.ask("question 21")
    assert instruct("en", "summary.preface") + "\nthey counted questions" in system(stage)
    prompt = [part["text"] for part in stage.prompts()[-1][1:]]
    assert "question 0" not in prompt
    assert prompt[-3:] == ["question 20", "answer to question 20", "question 21"]
    assert len(prompt) > memory.VERBATIM
    assert await stage.ask("/summary") == "they counted questions"


async def test_what_is_summarised_says_who_asked_and_that_the_bot_answered(stage: Stage) -> None:
    await stage.start(summaries=True, telegram_chat_rate=0)
    await long_talk(stage, 21)
    await soon(stage, lambda: rows(stage, "SELECT text FROM summaries") or None)
    asked = instruct("en", "summary")
    (told,) = [prompt[-1]["text"] for prompt in stage.prompts() if prompt[0]["text"] == asked]
    assert "Anna: question 0\n\nassistant: answer to question 0" in told


async def test_a_summary_can_be_changed_and_the_version_before_comes_back(stage: Stage) -> None:
    await stage.start(summaries=True, telegram_chat_rate=0)
    await long_talk(stage, 21)
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM summaries") or None)
    await stage.ask("/pin a fact")
    await stage.ask("/context")
    actions = rows(stage, "SELECT DISTINCT action FROM buttons WHERE action LIKE '%.%' ORDER BY action")
    assert actions == [("fact.unpin",), ("summary.edit",)]
    await stage.press("✏️ Edit the summary")
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1].startswith(say("en", "summary.edit.ask")) or None)
    assert await stage.ask("they spoke of numbers") == say("en", "summary.saved")
    assert (await stage.ask("/summary")).startswith("they spoke of numbers\n")
    assert "(edited by you): they spoke of numbers" in await stage.ask("/context")
    await stage.press("↶ The version before")
    await soon(stage, lambda: "they counted questions" in stage.telegram.texts(ANNA)[-1] or None)
    assert rows(stage, "SELECT version, author FROM summaries") == [(1, "model"), (2, "user"), (3, "model")]


async def test_all_versions_of_a_summary_can_be_reached_backwards_and_forwards(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    ((conversation, tip),) = rows(stage, "SELECT id, head FROM conversations")

    def keep(tx: Tx) -> None:
        for number in (1, 2, 3):
            tx.memory.add_summary(conversation, f"summary {number}", tip, "model")

    await app.store.write(keep)
    assert "version 3 of 3" in await stage.ask("/context")
    for label, place in (("summary.undo", 2), ("summary.undo", 1), ("summary.redo", 2), ("summary.redo", 3)):
        await stage.press(say("en", label))
        await soon(stage, lambda place=place: f"version {place} of 3" in stage.telegram.texts(ANNA)[-1] or None)  # type: ignore[misc]
        assert await stage.ask("/summary") == f"summary {place}\n\n" + version(place)
        await stage.ask("/context")


def version(number: int) -> str:
    return say("en", "context.version", number=number, count=3)


async def test_each_version_of_a_summary_is_read_in_full_where_it_is_shown(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    ((conversation, tip),) = rows(stage, "SELECT id, head FROM conversations")
    texts = [f"summary {number}: " + "and so on, " * 40 for number in (1, 2, 3)]

    def keep(tx: Tx) -> None:
        for text in texts:
            tx.memory.add_summary(conversation, text.strip(), tip, "model")

    await app.store.write(keep)
    assert await stage.ask("/summary") == f"{texts[2].strip()}\n\n{version(3)}"
    assert await pressed(stage, say("en", "summary.undo")) == f"{texts[1].strip()}\n\n{version(2)}"
    assert await pressed(stage, say("en", "summary.undo")) == f"{texts[0].strip()}\n\n{version(1)}"
    assert labels(stage) == [say("en", "summary.edit"), say("en", "summary.redo")]
    await pressed(stage, say("en", "summary.edit"))
    assert await stage.ask("my own summary") == say("en", "summary.saved")
    assert await stage.ask("/summary") == "my own summary\n\n" + say("en", "context.version", number=4, count=4)


async def test_a_summary_of_one_branch_is_none_of_another(stage: Stage) -> None:
    await stage.start(summaries=True, telegram_chat_rate=0)
    stage.studio.answer(lambda messages: _said(messages[0]["text"], messages[-1]["text"]))
    first = stage.telegram.say(ANNA, "question 0")
    await stage.texts(1)
    for number in range(1, 21):
        await stage.ask(f"question {number}")
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM summaries") or None)
    stage.telegram.edit(ANNA, first["message_id"], "something else")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[0] == "answer to something else" or None)
    assert instruct("en", "summary.preface") not in system(stage)


async def test_a_short_conversation_has_no_summary(stage: Stage) -> None:
    await stage.start(summaries=True)
    assert await stage.ask("/summary") == say("en", "summary.none", count=memory.ENOUGH)
