"""Templates of users: a question is kept under a name, and asked again with one tap."""

from __future__ import annotations

import asyncio

from bot.features.user_templates import LONGEST_TEXT, MOST
from bot.outbox import SOON
from bot.storage.store import Tx
from bot.storage.tables.history import SavedTemplate
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

GOOSE = "Write a limerick about a goose"


def names(stage: Stage) -> list[str]:
    return [name for (name,) in rows(stage, "SELECT name FROM templates ORDER BY id")]


def question(stage: Stage) -> str:
    text: str = stage.prompts()[-1][-1]["text"]
    return text


async def replied(stage: Stage, text: str, to: int, chat: int = ANNA) -> str:
    """What the chat shows last after a reply to a message."""
    count = len(stage.telegram.calls_of("sendMessage"))
    stage.telegram.say(chat, text, reply_to=to)
    await soon(stage, lambda: len(stage.telegram.calls_of("sendMessage")) > count or None)
    return stage.telegram.texts(chat)[-1]


async def kept(stage: Stage, name: str, text: str) -> str:
    """The page of a template that was made by words."""
    await stage.ask(f"/template {name}")
    return await stage.ask(text)


async def test_a_question_is_kept_by_a_reply_and_asked_again_with_one_tap(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("honk", "honk again")
    asked = stage.telegram.say(ANNA, GOOSE)
    await soon(stage, lambda: "honk" in stage.telegram.texts(ANNA) or None)
    page = await replied(stage, "/template Goose", asked["message_id"])
    assert page == f"📋 Goose\n\n{GOOSE}"
    assert say("en", "template.about", blank="{topic}") in await stage.ask("/templates")
    assert labels(stage)[:3] == ["Goose", "✏️", say("en", "template.add")]
    assert await pressed(stage, "Goose") == "honk again"
    assert question(stage) == GOOSE


async def test_a_reply_to_the_answer_keeps_its_question_under_its_first_words(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("honk")
    await stage.ask(GOOSE + " in five lines that rhyme")
    answer = stage.telegram.transcript(ANNA)[-1]["message_id"]
    await replied(stage, "/template", answer)
    await replied(stage, "/template", answer)
    first = "Write a limerick about a goose in five…"
    assert names(stage) == [first, f"{first} 2"]
    assert await replied(stage, f"/template {first.upper()}", answer) == say("en", "template.taken", name=first.upper())


async def test_what_is_no_question_is_not_kept(stage: Stage) -> None:
    await stage.start()
    command = stage.telegram.say(ANNA, "/model")
    await stage.texts(1)
    assert await replied(stage, "/template", command["message_id"]) == say("en", "template.usage")
    too_long = "x" * (LONGEST_TEXT + 1)
    told = say("en", "template.long", limit=LONGEST_TEXT, length=LONGEST_TEXT + 1)
    assert await kept(stage, "long", too_long) == told


async def test_a_question_that_is_written_after_the_command_is_kept(stage: Stage) -> None:
    await stage.start()
    assert (await stage.ask("/template hello Say hello to {name}")).endswith("\n\nhello Say hello to {name}")
    assert await stage.ask("/template A poem\nWrite a poem\nthat rhymes") == "📋 A poem\n\nWrite a poem\nthat rhymes"
    assert "“Say hello to Ann”" in await stage.ask("/template Say hello to Ann")
    assert names(stage) == ["hello Say hello to {name}", "A poem"]


async def test_words_in_braces_are_asked_for_each_time_in_the_language_of_the_chat(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("Гусь!")
    await stage.ask("/шаблон Стих", BORIS)
    await stage.ask("Напиши {форма} про {кто}: {форма}!", BORIS)
    await stage.ask("/шаблоны", BORIS)
    assert await pressed(stage, "Стих", chat=BORIS) == (
        say("ru", "template.fill", name="Стих", place="форма") + "\n\n" + say("ru", "ask.how")
    )
    assert labels(stage, BORIS) == [say("ru", "ask.cancel")]
    assert "кто" in await stage.ask("лимерик", BORIS)
    assert await stage.ask("гуся {форма}", BORIS) == "Гусь!"
    assert question(stage) == "Напиши лимерик про гуся {форма}: лимерик!"
    assert rows(stage, "SELECT action FROM awaited") == []


async def test_a_text_with_a_question_mark_is_kept_and_put_in(stage: Stage) -> None:
    await stage.start()
    assert await kept(stage, "German", "What is “{text}” in German?") == "📋 German\n\nWhat is “{text}” in German?"
    stage.studio.script("Wo bist du?")
    await pressed(stage, say("en", "template.use"))
    assert await stage.ask("Where are you?") == "Wo bist du?"
    assert question(stage) == "What is “Where are you?” in German?"


async def test_a_new_name_is_no_question_and_what_comes_late_is_not_put_in(stage: Stage) -> None:
    await stage.start()
    await kept(stage, "Goose", "A poem about {whom}")
    stage.studio.script("noon", "evening")
    await pressed(stage, say("en", "chats.rename"))
    assert await stage.ask("what time is it?") == "noon"
    await stage.ask("/template goose")
    await asyncio.sleep(SOON + 1)
    assert await stage.ask("good evening") == "evening"
    assert question(stage) == "good evening"
    await stage.ask("/template goose")
    assert await pressed(stage, say("en", "ask.cancel")) == say("en", "ask.cancelled")
    assert labels(stage) == []


async def test_it_is_renamed_deleted_and_both_can_be_taken_back(stage: Stage) -> None:
    await stage.start()
    await kept(stage, "Goose", GOOSE)
    await kept(stage, "Duck", "Write about a duck")
    await pressed(stage, say("en", "chats.rename"))
    assert await stage.ask("GOOSE") == say("en", "template.taken", name="GOOSE")
    assert await stage.ask("Drake") == say("en", "template.renamed", name="Drake")
    assert await pressed(stage, say("en", "ask.undo")) == say("en", "template.renamed", name="Duck")
    await stage.ask("/template")
    await pressed(stage, "✏️", say("en", "template.delete"))
    assert names(stage) == ["Duck"]
    assert await pressed(stage, say("en", "template.restore", name="Goose")) == f"📋 Goose\n\n{GOOSE}"
    assert names(stage) == ["Duck", "Goose"]


async def test_there_are_at_most_so_many_of_a_person(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("honk")
    asked = stage.telegram.say(ANNA, GOOSE)
    await soon(stage, lambda: "honk" in stage.telegram.texts(ANNA) or None)
    assert stage.app is not None
    bot = stage.app.telegram.api.id

    def fill(tx: Tx) -> None:
        for number in range(MOST):
            tx.add(SavedTemplate(bot=bot, user=ANNA, name=f"n{number}", text="text", at=0.0))

    await stage.app.store.write(fill)
    assert await replied(stage, "/template", asked["message_id"]) == say("en", "template.many", limit=MOST)
    await stage.ask("/template his", BORIS)
    await stage.ask("text", BORIS)
    assert len(names(stage)) == MOST + 1


async def test_templates_belong_to_the_private_chat_and_to_one_person(stage: Stage) -> None:
    await stage.start()
    await kept(stage, "Secret", GOOSE)
    assert await stage.ask("/template@govorun_sandbox_bot", TEAM, ANNA) == say("en", "own.private")
    assert say("ru", "template.none", blank="{тема}") in await stage.ask("/template", BORIS)


async def test_a_button_of_a_deleted_template_says_so(stage: Stage) -> None:
    await stage.start()
    await kept(stage, "Goose", GOOSE)
    await stage.ask("/write")
    await pressed(stage, say("en", "settings.templates"))
    assert stage.app is not None
    await stage.app.store.write(lambda tx: tx.remove(SavedTemplate, id=1))
    assert await pressed(stage, "Goose") == say("en", "template.gone")
