"""Chats know nothing of each other, and foreign text is only ever text (T13, T14, T27, T28)."""

from __future__ import annotations

import pytest

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
