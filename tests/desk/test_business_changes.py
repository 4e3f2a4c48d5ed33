"""Chats of accounts in which messages are edited, deleted, forgotten or overtaken: nothing unwanted is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import find_button
from bot.texts.catalog import say
from tests.support.business_side import HOUR, Shop, shop
from tests.support.choosing import pressed
from tests.support.desk_side import OLGA
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox, rows

ALWAYS = 'answer = "always"\nnotice = false'


async def test_messages_that_are_deleted_together_are_in_no_prompt(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    first = await account.asked("my password is 4711", "Thanks.")
    second = await account.asked("and the pin is 9922", "Thanks.")
    await account.deletes(first, second)
    await account.asked("When do you open?", "At nine.")
    prompt = str(stage.prompts()[-1])
    assert "4711" not in prompt
    assert "9922" not in prompt
    assert "4711" not in str(rows(stage, "SELECT parts FROM messages"))


async def test_a_question_is_answered_though_the_one_before_it_is_deleted(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    count, before = len(account.told()), len(inbox(stage))
    stage.studio.script("At nine.")
    first = stage.telegram.business.say(account.connection, ANNA, "oops")
    stage.telegram.business.say(account.connection, ANNA, "When do you open?")
    stage.telegram.business.delete(account.connection, ANNA, [int(first["message_id"])])
    await account.quiet(before + 2)
    assert len(account.told()) == count + 1
    assert "When do you open?" in account.told()[-1]


async def test_the_deletion_of_an_answered_message_keeps_what_was_said_later(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS)
    typo = await account.asked("my pin is 4711", "What?")
    await account.asked("I am allergic to nuts", "Noted.")
    await account.deletes(typo)
    await account.asked("What can I eat?", "Rice.")
    assert "allergic" in str(stage.prompts()[-1])
    assert "4711" not in str(stage.prompts()[-1])


async def test_the_owners_words_are_in_prompts_as_they_stand_in_the_chat(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, 'quiet = "1h"')
    await account.asked("When do you open?", "At nine.")
    deleted = await account.owner_writes("the safe code is 5566")
    edited = await account.owner_writes("at tne")
    await account.deletes(deleted)
    await account.edits(edited, "at ten")
    stage.clock.shift += 3 * HOUR
    await account.asked("Hello?", "Hi.")
    prompt = str(stage.prompts()[-1])
    assert "5566" not in prompt
    assert "tne" not in prompt
    assert "at ten" in prompt


async def test_the_edit_of_an_answered_question_gets_no_second_answer(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS)
    asked = await account.asked("When do you opn?", "At nine.")
    await account.asked("I am allergic to nuts", "Noted.")
    await account.edits(asked, "When do you open?")
    assert account.said() == ["When do you open?", "At nine.", "I am allergic to nuts", "Noted."]


async def test_drafts_go_on_after_the_customer_has_had_everything_forgotten(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    count = len(account.told())
    await stage.ask("/start", ANNA)
    await stage.ask("/forget", ANNA)
    await pressed(stage, say("en", "forget.yes"), chat=ANNA, user=ANNA)
    await account.quiet()
    assert rows(stage, "SELECT * FROM desk_account_chats") == []
    await account.asked("And on Sunday?", "Closed.")
    assert len(account.told()) == count + 1
    assert "And on Sunday?" in account.told()[-1]


@pytest.mark.parametrize("by", ["button", "command"])
async def test_what_the_owner_has_forgotten_stands_nowhere(stage: Stage, tmp_path: Path, by: str) -> None:
    account = await shop(stage, tmp_path)
    await account.asked("my address is Elm Street 5", "Elm Street 5 is noted.")
    if by == "button":
        await account.presses("business.forget")
    else:
        await stage.ask("/forget", OLGA)
        await account.presses("forget.yes")
    tables = [name for (name,) in rows(stage, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert [name for name in tables if "Elm Street" in str(rows(stage, f'SELECT * FROM "{name}"'))] == []


async def test_an_answer_that_a_disconnection_has_withdrawn_is_shown_and_in_no_prompt(
    stage: Stage, tmp_path: Path
) -> None:  # fmt: skip
    account = await shop(stage, tmp_path, ALWAYS)
    account.holds_back()
    stage.studio.script("At nine, secretly.")
    stage.telegram.business.say(account.connection, ANNA, "When do you open?")
    await account.tried()
    await account.allows()
    assert say("en", "business.unsent", name="Anna", text="At nine, secretly.") in account.told()[-1]
    await account.allows("can_reply")
    await account.asked("Hello?", "Hi.")
    assert "secretly" not in str(stage.prompts()[-1])
    assert account.said() == ["When do you open?", "Hello?", "Hi."]


async def test_what_telegram_sends_for_the_owner_does_not_silence_the_bot(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS)
    await account.asked("One?", "First.")
    await account.owner_writes("We are away", offline=True)
    await account.asked("Two?", "Second.")
    assert account.said()[-1] == "Second."


async def test_a_demoted_owners_account_is_not_answered_for_any_more(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS)
    await stage.stop()
    await stage.start(desk=tmp_path, owners=frozenset({ANNA}))
    await account.asked("One?", "First.")
    await account.allows()
    assert account.said() == ["One?"]
    assert account.told()[-1] == say("en", "business.not_allowed")
    assert rows(stage, "SELECT may_reply FROM desk_accounts") == [(0,)]


async def test_a_chat_in_which_nobody_writes_any_more_is_forgotten(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS, desk_keep_days=10)
    await account.asked("my address is Elm Street 5", "Noted.")
    stage.clock.shift += 9 * 24 * HOUR
    await asyncio.sleep(3_700)
    assert "Elm Street" in str(rows(stage, "SELECT parts FROM messages"))
    stage.clock.shift += 2 * 24 * HOUR
    await asyncio.sleep(3_700)
    assert "Elm Street" not in str(rows(stage, "SELECT parts FROM messages"))
    assert rows(stage, "SELECT * FROM desk_account_chats") == []


# --- no word after the owner's ----------------------------------------------------------------------------------------


async def _approves(account: Shop) -> None:
    await account.asked("When do you open?", "At nine.")
    account.holds_back()
    await account.stage.press(say("en", "business.send"), OLGA, OLGA)


async def _dictates(account: Shop) -> None:
    await account.asked("When do you open?", "At eleven.")
    await account.presses("business.edit")
    account.holds_back()
    await account.stage.ask("At nine.", OLGA)


@pytest.mark.parametrize("approve", [_approves, _dictates])
async def test_words_that_wait_when_the_owner_writes_come_back_to_him(
    stage: Stage, tmp_path: Path, approve: Callable[[Shop], Awaitable[None]]
) -> None:
    account = await shop(stage, tmp_path)
    await approve(account)
    await account.tried()
    await account.owner_writes("At ten")
    await asyncio.sleep(300)
    assert account.said() == ["When do you open?", "At ten"]
    assert account.told()[-1] == say("en", "business.unsent", name="Anna", text="At nine.")


async def test_an_answer_to_a_deleted_question_is_not_sent(stage: Stage, tmp_path: Path) -> None:
    account = await shop(stage, tmp_path, ALWAYS)
    account.holds_back()
    stage.studio.script("At nine.")
    asked = stage.telegram.business.say(account.connection, ANNA, "When do you open?")
    await account.tried()
    await account.deletes(int(asked["message_id"]))
    await asyncio.sleep(300)
    assert account.said() == []


@pytest.mark.turns(3)
@pytest.mark.parametrize("held", [False, True], ids=["sent at once", "held by a flood wait"])
@pytest.mark.parametrize("mode", ["always", "draft"])
@pytest.mark.parametrize("seconds", [0, 0.5, 1, 1.9, 2, 2.05, 2.5, 3, 8])
async def test_no_word_of_the_bot_comes_after_the_owners(
    stage: Stage, tmp_path: Path, seconds: float, mode: str, held: bool
) -> None:  # fmt: skip
    account = await shop(stage, tmp_path, f'answer = "{mode}"\nnotice = false')
    account.holds_back() if held else None
    stage.studio.answer(lambda messages: "At nine.")
    stage.telegram.business.say(account.connection, ANNA, "When do you open?")
    await asyncio.sleep(seconds)
    await account.owner_writes("At ten")
    await asyncio.sleep(120)
    if mode == "draft" and say("en", "business.send") in str(stage.telegram.transcript(OLGA)):
        await account.presses("business.send")
    assert account.said()[-1] == "At ten"


@pytest.mark.turns(3)
@pytest.mark.parametrize("ticks", [0, 5, 20, 60])
@pytest.mark.parametrize("what", ["owner_writes", "business.send", "business.edit", "allows"])
async def test_a_kill_doubles_and_loses_nothing_that_the_owner_does(
    stage: Stage, tmp_path: Path, what: str, ticks: int
) -> None:  # fmt: skip
    account = await shop(stage, tmp_path)
    await account.asked("When do you open?", "At nine.")
    if what == "business.edit":
        await account.presses("business.edit")
    before = len(inbox(stage))
    if what == "owner_writes":
        stage.telegram.business.say(account.connection, ANNA, "At ten", by_owner=True)
    elif what == "allows":
        stage.telegram.business.allow(account.connection, [])
    elif what == "business.edit":
        stage.telegram.say(OLGA, "At ten")
    else:
        stage.telegram.press(OLGA, *find_button(stage.telegram.transcript(OLGA), say("en", "business.send")))
    for _ in range(ticks):
        await asyncio.sleep(0)
    await stage.crash()
    await stage.start()
    await account.quiet(before)
    said = {"owner_writes": ["At ten"], "business.edit": ["At ten"], "business.send": ["At nine."], "allows": []}
    assert account.said() == ["When do you open?", *said[what]]
    told = say("en", "business.disconnected")
    assert account.told().count(told) == (what == "allows")
