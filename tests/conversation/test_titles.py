"""The conversations of a chat: the list, the search, the names that a model gives, topics."""

from __future__ import annotations

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon


def labels(stage: Stage) -> list[str]:
    """The buttons of the newest message."""
    return [button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])]


def asked(stage: Stage) -> list[str]:
    return [part["text"] for part in stage.prompts()[-1][1:]]


async def two_conversations(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("a fruit", "a star", "more of it")
    await stage.ask("what is an apricot?")
    await stage.ask("/new")
    await stage.ask("what is Vega?")


async def test_the_list_shows_what_was_begun_and_leads_back_to_it(stage: Stage) -> None:
    await two_conversations(stage)
    assert await stage.ask("/chats") == say("en", "chats.list", title="what is Vega?", count=2)
    assert labels(stage)[:2] == ["● what is Vega?", "what is an apricot?"]
    await stage.press("what is an apricot?")
    await soon(stage, lambda: "● what is an apricot?" in labels(stage) or None)
    await stage.ask("tell me more")
    assert asked(stage) == ["what is an apricot?", "a fruit", "tell me more"]


async def test_words_find_a_conversation_by_what_was_said_in_any_case(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("Это Звёздный каталог", "a fruit")
    await stage.ask("что это?")
    await stage.ask("/new")
    await stage.ask("what is an apricot?")
    assert await stage.ask("/chats ЗВЕЗДНЫЙ") == say("en", "chats.found", count=1, words="ЗВЕЗДНЫЙ")
    assert labels(stage)[0] == "что это?"
    assert await stage.ask("/chats 100%") == say("en", "chats.found", count=0, words="100%")
    assert await stage.ask("/chats text") == say("en", "chats.found", count=0, words="text")


async def test_a_conversation_is_renamed_pinned_and_archived(stage: Stage) -> None:
    await two_conversations(stage)
    await stage.ask("/chats")
    actions = rows(stage, "SELECT DISTINCT action FROM buttons WHERE action LIKE 'chats%' ORDER BY action")
    assert [name for (name,) in actions] == [
        "chats.archive", "chats.open", "chats.page", "chats.pin", "chats.rename",
    ]  # fmt: skip
    await stage.press("✏️ Rename")
    assert (await stage.texts(5))[-1].startswith(say("en", "chats.rename.ask"))
    assert await stage.ask("The summer  sky") == say("en", "chats.renamed", title="The summer sky")
    await stage.ask("/chats")
    assert labels(stage)[0] == "● The summer sky"
    await stage.press("📌 Pin")
    await soon(stage, lambda: "Unpin" in labels(stage) or None)
    await stage.press(say("en", "chats.archive"))
    await soon(stage, lambda: "● The summer sky" not in labels(stage) or None)
    assert labels(stage)[0] == "what is an apricot?"
    await stage.press(say("en", "chats.archive.open"))
    await soon(stage, lambda: "The summer sky" in str(labels(stage)) or None)
    stage.studio.script("fresh")
    await stage.ask("and now?")
    assert asked(stage) == ["and now?"]


async def test_a_long_list_has_pages(stage: Stage) -> None:
    await stage.start(telegram_chat_rate=0)
    for number in range(8):
        await stage.ask(f"question {number}")
        await stage.ask("/new")
    await stage.ask("/chats")
    assert "1/2" in labels(stage)
    assert labels(stage)[0] == "question 7"
    await stage.press("›")
    await soon(stage, lambda: "2/2" in labels(stage) or None)
    assert [label for label in labels(stage) if label.startswith("question")] == ["question 1", "question 0"]


async def test_what_is_put_aside_gets_a_name_from_the_cheap_model_and_it_is_paid(stage: Stage) -> None:
    await stage.start(name_chats=True)
    stage.studio.script("a fruit", '**"Apricots."**\n\nBecause they are about apricots')
    await stage.ask("what is an apricot?")
    await stage.ask("/new")
    await soon(stage, lambda: rows(stage, "SELECT title FROM conversations ORDER BY id")[0] == ("Apricots",) or None)
    assert stage.studio.seen("completion")[-1].body["modelUri"].endswith("/yandexgpt-5-lite")
    assert rows(stage, "SELECT mode, user FROM usage ORDER BY id") == [("sync", ANNA), ("aside", ANNA)]
    await stage.ask("/chats")
    assert labels(stage)[0] == "Apricots"


async def test_a_name_that_does_not_come_is_given_up_and_disturbs_nobody(stage: Stage) -> None:
    await stage.start(name_chats=True)
    await stage.ask("hello")
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("/new")
    await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs") or None)
    stage.studio.set_faults({"error500": 0.0})
    await stage.ask("/chats")
    assert labels(stage)[0] == "hello"


async def test_a_topic_is_named_after_its_first_answer_unless_a_person_named_it(stage: Stage) -> None:
    await stage.start(name_chats=True)
    unnamed, named = stage.telegram.topic(ANNA)["id"], stage.telegram.topic(ANNA, name="Mine")["id"]
    stage.studio.script("a fruit", "Apricots", "a star")
    await stage.ask("what is an apricot?", thread=unnamed)
    topics = stage.telegram.state.chats[ANNA].topics
    await soon(stage, lambda: topics[unnamed].name == "Apricots" or None)
    await stage.ask("what is Vega?", thread=named)
    await stage.clock.sleep(30)
    assert topics[named].name == "Mine"
    assert len(stage.prompts()) == 3
