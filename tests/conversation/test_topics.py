"""Topics: what is chosen in one holds there alone, the bot may answer every message of one, and a deleted one loses
nothing.
"""

from __future__ import annotations

import pytest

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, said, soon

BOT = "@govorun_sandbox_bot"
EVERY = {ANNA: say("en", "answers.all"), BORIS: say("ru", "answers.all")}
HERE = {ANNA: say("en", "settings.answers"), BORIS: say("ru", "settings.answers")}


async def forum(stage: Stage, owner: int) -> tuple[int, int, int]:
    """A group with two topics: the ids of the group and of the topics."""
    await stage.start()
    group = stage.telegram.group("Forum", [owner, ANNA + BORIS - owner], is_forum=True)["id"]
    own, other = (stage.telegram.topic(group, owner, name)["id"] for name in ("Govorun", "Other"))
    return group, own, other


async def open_topic(stage: Stage, group: int, topic: int, owner: int) -> None:
    await stage.ask(f"/settings{BOT}", group, owner, topic)
    await pressed(stage, HERE[owner], EVERY[owner], chat=group, user=owner)


async def quiet(stage: Stage) -> None:
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)


@pytest.mark.parametrize("owner", [ANNA, BORIS])
async def test_in_a_topic_of_its_own_the_bot_answers_without_a_mention(stage: Stage, owner: int) -> None:
    group, own, other = await forum(stage, owner)
    stage.telegram.say(group, "hello there", owner, own)
    await quiet(stage)
    assert stage.prompts() == []
    await open_topic(stage, group, own, owner)
    stage.studio.script("hello to you")
    assert await stage.ask("hello again", group, owner, own) == "hello to you"
    stage.telegram.say(group, "is anybody in?", owner, other)
    stage.telegram.say(group, "nobody in particular", owner)
    await quiet(stage)
    assert len(stage.prompts()) == 1


async def test_a_topic_of_its_own_stays_so_after_a_restart_and_can_be_given_back(stage: Stage) -> None:
    group, own, _ = await forum(stage, ANNA)
    await open_topic(stage, group, own, ANNA)
    await stage.crash()
    await stage.start()
    stage.studio.script("still here")
    assert await stage.ask("hello", group, BORIS, own) == "still here"
    await stage.ask(f"/settings{BOT}", group, ANNA, own)
    await pressed(stage, HERE[ANNA], say("en", "answers.mentions"), chat=group, user=ANNA)
    stage.telegram.say(group, "and now?", ANNA, own)
    await quiet(stage)
    assert len(stage.prompts()) == 1


async def test_what_is_said_to_somebody_else_in_its_topic_is_not_answered(stage: Stage) -> None:
    group, own, _ = await forum(stage, ANNA)
    await open_topic(stage, group, own, ANNA)
    stage.studio.script("yes?")
    await stage.ask("a question", group, ANNA, own)
    asked = next(message for message in stage.telegram.transcript(group) if message.get("text") == "a question")
    stage.telegram.say(group, "I think so, too", BORIS, own, reply_to=asked["message_id"])
    stage.telegram.say(group, "@anna what do you say?", BORIS, own)
    stage.telegram.say(group, "/start@another_bot", BORIS, own)
    await quiet(stage)
    assert len(stage.prompts()) == 1
    stage.studio.script("a reply")
    answer = said(stage, group)[-1]["message_id"]
    stage.telegram.say(group, "and you?", BORIS, own, reply_to=answer)
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)


async def test_only_an_administrator_gives_the_bot_a_topic(stage: Stage) -> None:
    group, own, _ = await forum(stage, ANNA)
    await stage.ask(f"/settings{BOT}", group, BORIS, own)
    await pressed(stage, HERE[BORIS], EVERY[BORIS], chat=group, user=BORIS)
    assert toasts(stage)[-1] == say("ru", "admins.only")
    assert rows(stage, "SELECT * FROM topics") == []


async def test_the_choice_is_offered_in_topics_of_groups_only(stage: Stage) -> None:
    group, own, _ = await forum(stage, ANNA)
    private = stage.telegram.topic(ANNA)["id"]
    for chat, thread, offered in ((group, own, True), (group, 0, False), (ANNA, private, False)):
        text = await stage.ask(f"/settings{BOT}", chat, ANNA, thread)
        labels = [button["text"] for button in buttons_of(said(stage, chat)[-1])]
        assert (HERE[ANNA] in labels, say("en", "settings.topic") in text) == (offered, thread != 0)


@pytest.mark.usefixtures("older_models")
async def test_model_persona_and_reasoning_are_those_of_the_topic(stage: Stage) -> None:
    await stage.start()
    one, two = (stage.telegram.topic(ANNA, name=name)["id"] for name in ("One", "Two"))

    async def values(thread: int) -> list[str]:
        text = await stage.ask("/settings", ANNA, None, thread)
        wanted = tuple(say("en", f"settings.{name}") for name in ("model", "persona", "reasoning"))
        return [line.partition(": ")[2] for line in text.splitlines() if line.startswith(wanted) and ": " in line]

    before = await values(0)
    await stage.ask("/persona", ANNA, None, one)
    await pressed(stage, "Teacher")
    await stage.ask("/reasoning", ANNA, None, one)
    await pressed(stage, say("en", "reasoning.on"))
    await stage.ask("/model", ANNA, None, two)
    await pressed(stage, "Qwen3 235B")
    assert before == ["YandexGPT Pro", "Assistant", say("en", "reasoning.auto")]
    assert await values(one) == ["YandexGPT Pro", "Teacher", say("en", "reasoning.on")]
    assert await values(two) == ["Qwen3 235B", "Assistant"]
    assert await values(0) == before


async def test_a_topic_without_a_choice_follows_the_chat_and_one_with_a_choice_does_not(stage: Stage) -> None:
    await stage.start()
    one, two = (stage.telegram.topic(ANNA, name=name)["id"] for name in ("One", "Two"))
    await stage.ask("/persona", ANNA, None, one)
    await pressed(stage, "✓ Assistant")
    await stage.ask("/persona")
    await pressed(stage, "Teacher")
    names = [(await stage.ask("/settings", ANNA, None, thread)).split("Persona: ")[1] for thread in (one, two)]
    assert [name.splitlines()[0] for name in names] == ["Assistant", "Teacher"]


async def test_a_conversation_whose_topic_was_deleted_goes_on_in_the_chat(stage: Stage) -> None:
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="Fruit")["id"]
    stage.studio.script("a fruit", "orange")
    await stage.ask("what is an apricot?", ANNA, None, topic)
    stage.telegram.delete_topic(ANNA, topic)
    assert await stage.ask("/chats apricot") == say("en", "chats.found", count=1, words="apricot")
    await pressed(stage, "# Fruit")
    assert said(stage)[-1]["text"] == say("en", "chats.topic", title="Fruit")
    await pressed(stage, say("en", "chats.move"))
    assert buttons_of(said(stage)[-1])[0]["text"] == "● Fruit"
    assert await stage.ask("of what colour?") == "orange"
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["what is an apricot?", "a fruit", "of what colour?"]


async def test_a_conversation_of_a_topic_stays_there_until_somebody_moves_it(stage: Stage) -> None:
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="Fruit")["id"]
    stage.studio.script("a fruit", "orange", "hello")
    await stage.ask("what is an apricot?", ANNA, None, topic)
    await stage.ask("/chats")
    await pressed(stage, "# Fruit", say("en", "chats.back"))
    assert await stage.ask("of what colour?", ANNA, None, topic) == "orange"
    assert len(stage.prompts()[-1]) == 4
    assert await stage.ask("hi") == "hello"
    assert len(stage.prompts()[-1]) == 2
