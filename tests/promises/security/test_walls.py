"""Chats know nothing of each other, and foreign text is only ever text (P4, F46, T13, T14, T26, T27, T28)."""

from __future__ import annotations

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

BOT = "@govorun_sandbox_bot"
HOSTILE = (
    "'; DROP TABLE messages; --",
    '"); DELETE FROM updates; --',
    "' OR '1'='1",
    "%' OR chat LIKE '%",
    "_" * 20 + "%" * 20,
    'NEAR("a" OR b*) AND NOT c:',
    "{0.__class__.__mro__}",
    "{text} {name} {}",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "%s %d %(token)s %n",
    "${jndi:ldap://127.0.0.1/a}",
    "__import__('os').system('true')",
    "!!python/object/apply:os.system ['true']",
    "$(id) `id` ; id | id && id",
    "../../../../etc/passwd",
    "\\x00\\u0000 \\N{BELL}",
)


def prompts_of(stage: Stage, word: str) -> list[str]:
    """The prompts that have a word in them, each as one text."""
    return [text for prompt in stage.prompts() if word in (text := str(prompt))]


async def test_what_is_said_in_one_place_is_in_no_prompt_of_another(stage: Stage) -> None:
    await stage.start()
    topics = [stage.telegram.topic(ANNA, ANNA, name)["id"] for name in ("first", "second")]
    places = {
        "alpha": (ANNA, ANNA, 0), "bravo": (BORIS, BORIS, 0), "charlie": (TEAM, ANNA, 0),
        "delta": (ANNA, ANNA, topics[0]), "echo": (ANNA, ANNA, topics[1]),
    }  # fmt: skip
    stage.studio.answer(lambda messages: f"you said {messages[-1]['text']}".replace(BOT, ""))
    for question in ("my word is {word}", "what is the word? ({word})"):
        for word, (chat, user, thread) in places.items():
            name = f"{BOT} " if chat == TEAM else ""
            await stage.ask(name + question.format(word=word), chat, user, thread)
    for word in places:
        found = prompts_of(stage, word)
        assert len(found) == 2
        assert [other for other in places if other != word and any(other in text for text in found)] == []


async def test_a_document_of_one_place_is_in_no_prompt_of_another_and_in_none_after_forget(stage: Stage) -> None:
    """T26, P4: also where it is long, so that its passages are looked for by their meaning."""
    await stage.start()
    filler = "The weather was fine that day, and nothing happened. " * 40
    for place, word, times in ((ANNA, "alpha", 20), (BORIS, "bravo", 1)):
        text = "\n\n".join(f"{filler}\n\nThe secret word of page {page} is {word}." for page in range(times))
        stage.telegram.upload(place, text.encode(), "document", name="secrets.txt")
        await stage.texts(1, place)
    for place, own, other in ((ANNA, "alpha", "bravo"), (BORIS, "bravo", "alpha")):
        await stage.ask("what is the secret word?", place)
        assert own in str(stage.prompts()[-1])
        assert other not in str(stage.prompts()[-1])
    assert stage.studio.seen("textEmbedding")
    await stage.ask("/new")
    await stage.ask("what is the secret word?")
    assert len(prompts_of(stage, "alpha")) == 1
    await stage.ask("/forget", BORIS)
    await pressed(stage, say("ru", "forget.yes"), chat=BORIS)
    await stage.ask("what is the secret word?", BORIS)
    assert len(prompts_of(stage, "bravo")) == 1


async def test_a_search_of_conversations_takes_every_text_to_the_letter(stage: Stage) -> None:
    """F46, T27."""
    await stage.start()
    for text in HOSTILE[:6]:
        await stage.ask(f"I say {text} to you")
        await stage.ask("/new")
    for text in (*HOSTILE[:6], *HOSTILE[9:]):
        count = int(text in HOSTILE[:6])
        words = " ".join(text.split())
        assert await stage.ask(f"/chats {text}") == say("en", "chats.found", count=count, words=words)


@pytest.mark.parametrize("command", ["/start", "/new", "/help", "/settings", "/model", "/image", "/status", "/stop"])
async def test_a_number_of_another_chat_opens_nothing(stage: Stage, command: str) -> None:
    await stage.start()
    stage.studio.answer(lambda messages: messages[-1]["text"])
    await stage.ask("my word is alpha")
    before = rows(stage, f"SELECT id, at FROM conversations WHERE chat = {ANNA}")
    for argument in (ANNA, f"chat_{ANNA}", f"c{ANNA}_1", "1", f"{ANNA}/0", "turn_1"):
        stage.telegram.say(BORIS, f"{command} {argument}")
    await soon(stage, lambda: not stage.telegram.pending or None)
    assert await stage.ask("so?") == "so?"
    assert rows(stage, f"SELECT id, at FROM conversations WHERE chat = {ANNA}") == before
    assert [text for text in stage.telegram.texts(BORIS) if "alpha" in text] == []
    assert len(prompts_of(stage, "alpha")) == 2


async def test_hostile_text_is_kept_asked_and_answered_to_the_letter(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    stage.studio.answer(lambda messages: f"```\n{messages[-1]['text']}\n```")
    for text in HOSTILE:
        assert (await stage.ask(text)).strip() == text
    assert [prompt[-1]["text"] for prompt in stage.prompts()] == list(HOSTILE)
    assert await stage.ask("and now?") == "and now?"
    counted = rows(stage, "SELECT count(*) FROM messages")
    assert counted == [(2 * len(HOSTILE) + 2,)]


async def test_a_hostile_name_of_a_person_is_only_a_name(stage: Stage) -> None:
    await stage.start()
    stage.studio.answer(lambda _messages: "fine")
    for number, name in enumerate(HOSTILE):
        stage.telegram.person(name, user_id=2000 + number)
        assert await stage.ask("hello", 2000 + number) == "fine"
        await stage.ask("/settings", 2000 + number)
    assert [name for (name,) in rows(stage, "SELECT name FROM users ORDER BY id")] == list(HOSTILE)


async def test_hostile_arguments_of_commands_and_errors_of_the_model_are_only_text(stage: Stage) -> None:
    await stage.start()
    for text in HOSTILE:
        await stage.ask(f"/model {text}")
        stage.studio.fail_next("completion", status=400, body={"error": {"message": text}})
        said = await stage.ask("fail")
        assert text not in said
    assert rows(stage, "SELECT count(*) FROM chats") == [(1,)]
