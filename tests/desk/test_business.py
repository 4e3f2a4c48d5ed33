"""The bot in chats of somebody's account: the owner decides, never do both speak, and Telegram's limits are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.desk.business.rules import WINDOW, forbidden, goes_alone, is_owners
from bot.desk.policy.desk_file import Accounts
from bot.storage.tables.desk import Account, AccountChat
from bot.texts.catalog import say
from bot.types import Kind
from tests.support.business_side import HOUR, shop
from tests.support.choosing import actions
from tests.support.desk_side import OLGA
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, soon


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_customers_message_becomes_a_draft_and_the_owner_sends_it(
    stage: Stage, tmp_path: Path, language: str
) -> None:  # fmt: skip
    account = await shop(stage, tmp_path, language=language)
    assert account.told()[-1] == say(language, "business.connected")
    await account.asked("When do you open?", "At **nine**.")
    assert account.said() == ["When do you open?"]
    draft = account.told()[-1]
    assert draft.startswith(say(language, "business.asks", name="Anna"))
    assert "When do you open?" in draft
    assert "At **nine**." in draft
    assert {"business.send", "business.edit", "business.drop", "business.forget"} <= actions(stage)
    await account.presses("business.send", language)
    assert account.said() == ["When do you open?", "At nine."]
    assert account.told()[-1] == say(language, "business.sent", text="At nine.")
    assert stage.telegram.texts(ANNA) == []  # nothing in the customer's chat with the bot itself


async def test_several_messages_get_one_draft(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    count = len(account.told())
    stage.telegram.business.say(account.connection, ANNA, "Hello!")
    await account.asked("When do you open?", "At nine.")
    assert len(account.told()) == count + 1
    assert "Hello!" in str(stage.prompts()[-1])


async def test_the_owner_sends_own_words_in_place_of_a_draft(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    await account.presses("business.edit")
    await stage.ask("At ten, as always?", OLGA)
    await account.quiet()
    assert account.said()[-1] == "At ten, as always?"
    await account.asked("And on Sunday?", "Closed.")
    assert "At ten, as always?" in str(stage.prompts()[-1])
    assert "At nine." not in str(stage.prompts()[-1])


async def test_after_the_owners_own_word_the_bot_is_silent_until_it_was_quiet(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"\nquiet = "2h"')
    await account.asked("When do you open?", "At nine.")
    assert account.said()[-1] == "At nine.\n\n" + say("en", "business.notice")
    await account.owner_writes("At ten, sorry")
    count = len(account.told())
    await account.asked("Thanks. And on Sunday?")
    assert account.said()[-1] == "Thanks. And on Sunday?"
    assert len(account.told()) == count
    stage.clock.shift += 3 * HOUR
    await account.asked("Hello?", "Closed on Sunday.")
    assert account.said()[-1] == "Closed on Sunday."  # the notice is said once


async def test_a_draft_is_not_sent_after_something_else_was_said(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    await account.owner_writes("At ten")
    await account.presses("business.send")
    assert account.told()[-1] == say("en", "business.older")
    assert account.said() == ["When do you open?", "At ten"]


async def test_an_answer_that_is_being_written_when_the_owner_writes_is_not_sent(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"')
    stage.studio.script("At nine.")
    before = len(inbox(stage))
    stage.telegram.business.say(account.connection, ANNA, "When do you open?")
    stage.telegram.business.say(account.connection, ANNA, "I am here, at ten", by_owner=True)
    await account.quiet(before + 1)
    assert account.said() == ["When do you open?", "I am here, at ten"]


async def test_the_bots_own_messages_are_not_taken_for_the_owners(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"')
    await account.asked("One?", "First.")
    await account.asked("Two?", "Second.")
    assert account.said()[-1] == "Second."
    assert rows(stage, "SELECT owned FROM desk_account_chats") == [(0.0,)]


async def test_a_day_after_the_last_message_nothing_is_sent_and_the_owner_gets_the_text(
    stage: Stage, tmp_path: Path
) -> None:  # fmt: skip
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    stage.clock.shift += WINDOW + HOUR
    await stage.press(say("en", "business.send"), OLGA, OLGA)
    await soon(stage, lambda: say("en", "business.too_late") in account.told() or None)
    assert account.said() == ["When do you open?"]


async def test_without_the_right_to_answer_nothing_is_sent(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"')
    before = len(inbox(stage))
    stage.telegram.business.allow(account.connection, [])
    await account.quiet(before)
    assert account.told()[-1] == say("en", "business.disconnected")
    await account.asked("When do you open?", "At nine.")
    assert account.said() == ["When do you open?"]
    assert "At nine." in account.told()[-1]
    assert say("en", "business.no_right") in account.told()[-1]
    before = len(inbox(stage))
    stage.telegram.business.allow(account.connection, ["can_reply"])
    await account.quiet(before)
    assert account.told()[-1] == say("en", "business.connected")
    assert account.said() == ["When do you open?"]  # nothing old is sent afterwards


async def test_a_stranger_can_not_connect_an_account(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, owner=BORIS)
    assert stage.telegram.texts(BORIS)[-1] == say("ru", "business.not_allowed")
    await account.asked("When do you open?")
    assert account.said() == ["When do you open?"]
    assert stage.prompts() == []


async def test_an_edited_question_is_answered_as_it_is_now(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    message = await account.asked("When do you opn?", "At nine.")
    stage.studio.script("On Sunday at ten.")
    before = len(inbox(stage))
    stage.telegram.business.edit(account.connection, ANNA, message, "When do you open on Sunday?")
    await account.quiet(before)
    assert "When do you open on Sunday?" in account.told()[-1]
    assert "On Sunday at ten." in account.told()[-1]
    assert "opn" not in str(stage.prompts()[-1])


async def test_a_deleted_question_is_in_no_prompt_and_its_draft_is_not_sent(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    message = await account.asked("my password is 4711", "Thank you.")
    before = len(inbox(stage))
    stage.telegram.business.delete(account.connection, ANNA, [message])
    await account.quiet(before)
    await account.presses("business.send")
    assert account.told()[-1] == say("en", "business.older")
    await account.asked("When do you open?", "At nine.")
    assert "4711" not in str(stage.prompts()[-1])


async def test_only_answers_about_the_labels_go_out_alone(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "routing.toml").write_text(
        '[topic.hours]\ntitle = "Hours"\nwords = ["open*"]\nexamples = ["when do you open", "are you in", "at noon"]\n'
        '[topic.tea]\ntitle = "Tea"\nwords = ["tea"]\nexamples = ["a cup", "is it sweet", "green"]\n'
        '[topic.other]\ntitle = "Other"\n'
    )
    settings = 'answer = "always"\nlabels = ["hours"]\nnotice = false'
    account = await shop(stage, tmp_path, settings, routing=tmp_path / "routing.toml")
    await account.asked("is it open?", "Yes.")
    assert account.said()[-1] == "Yes."
    await account.asked("tea?", "Green.")
    assert account.said()[-1] == "tea?"
    assert "Green." in account.told()[-1]


async def test_what_telegram_refuses_is_told_to_the_owner(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    stage.telegram.fail_next(
        "sendMessage", chat_id=ANNA, code=400, description="Bad Request: BUSINESS_PEER_INVALID", times=None
    )
    await account.presses("business.send")
    assert any("BUSINESS_PEER_INVALID" in text and "At nine." in text for text in account.told())


async def test_the_owner_can_forget_a_chat(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("my address is Elm Street 5", "Noted.")
    await account.presses("business.forget")
    assert account.told()[-1] == say("en", "business.forgotten")
    assert rows(stage, "SELECT * FROM desk_account_chats") == []
    assert "Elm Street" not in str(rows(stage, "SELECT parts FROM messages"))


async def test_what_is_not_wanted_is_dropped(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    await account.presses("business.drop")
    assert account.told()[-1] == say("en", "business.dropped")
    assert account.said() == ["When do you open?"]


async def test_where_the_model_fails_the_owner_reads_the_question(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"')
    stage.studio.fail_next("*", times=20, status=503)
    await account.asked("When do you open?")
    assert "When do you open?" in account.told()[-1]
    assert say("en", "desk.draft.failed") in account.told()[-1]
    assert account.said() == ["When do you open?"]


@pytest.mark.parametrize("ticks", [0, 5, 15, 30, 60, 100])
async def test_a_kill_neither_loses_nor_doubles_an_answer(stage: Stage, tmp_path: Path, ticks: int) -> None:
    account = await shop(stage, tmp_path, 'answer = "always"\nnotice = false')
    stage.studio.answer(lambda messages: f"to {messages[-1]['text']}")
    before = len(inbox(stage))
    stage.telegram.business.say(account.connection, ANNA, "one")
    for _ in range(ticks):
        await asyncio.sleep(0)
    await stage.crash()
    await stage.start()
    await account.quiet(before)
    assert account.said() == ["one", "to one"]


async def test_without_the_table_no_chat_of_an_account_is_asked_for(stage: Stage, tmp_path: Path) -> None:
    stage.telegram.person("Olga", "en", OLGA)
    await stage.start(desk=tmp_path, owners=frozenset({OLGA}))
    await stage.ask("/start", OLGA)
    asked = next(call for call in reversed(stage.telegram.calls) if call.method == "getUpdates")
    assert Kind.BUSINESS.value not in str(asked.params.get("allowed_updates"))
    assert "business_message" not in str(asked.params.get("allowed_updates"))


NOW = 1_000_000.0
OPEN = Account(bot=42, id="bc1", user=1, place=1, may_reply=True)


@pytest.mark.parametrize(
    ("owned", "quiet", "expected"),
    [(0.0, 2 * HOUR, False), (NOW, 2 * HOUR, True), (NOW - HOUR, 2 * HOUR, True), (NOW - 2 * HOUR, 2 * HOUR, False)],
)
def test_the_owner_has_a_chat_until_it_was_quiet(owned: float, quiet: float, expected: bool) -> None:
    chat = AccountChat(bot=42, account="bc1", user=2, owned=owned)
    assert is_owners(chat, NOW, Accounts.model_construct(quiet=quiet)) is expected


@pytest.mark.parametrize(
    ("account", "heard", "why"),
    [
        (OPEN, NOW, ""),
        (OPEN, NOW - WINDOW + 1, ""),
        (OPEN, NOW - WINDOW, "business.too_late"),
        (None, NOW, "business.no_right"),
        (Account(bot=42, id="bc1", user=1, place=1, may_reply=False), NOW, "business.no_right"),
        (Account(bot=42, id="bc1", user=1, place=1, may_reply=False), NOW - 2 * WINDOW, "business.no_right"),
    ],
)
def test_nothing_is_sent_without_the_right_or_after_a_day(account: Account | None, heard: float, why: str) -> None:
    assert forbidden(account, AccountChat(bot=42, account="bc1", user=2, heard=heard), NOW) == why


@pytest.mark.parametrize(
    ("answer", "labels", "label", "is_open", "alone"),
    [
        ("draft", (), "", False, False),
        ("draft", ("a",), "a", False, False),
        ("always", (), "", True, True),
        ("always", (), "", False, True),
        ("always", ("a",), "a", True, True),
        ("always", ("a",), "b", True, False),
        ("always", ("a",), "", True, False),
        ("closed", (), "", True, False),
        ("closed", (), "", False, True),
        ("closed", ("a",), "a", False, True),
        ("closed", ("a",), "b", False, False),
        ("closed", ("a",), "a", True, False),
    ],
)
def test_what_goes_out_alone(answer: str, labels: tuple[str, ...], label: str, is_open: bool, alone: bool) -> None:
    settings = Accounts.model_validate({"answer": answer, "labels": labels})
    assert goes_alone(settings, label=label, is_open=is_open) is alone
