"""/forget: everything of a person goes, everywhere, down to the bytes of the files; what others said stays (P21)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from bot.storage.store import Tx
from bot.texts.catalog import say
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

WORD = "xylophone"  # of Anna, and of answers to her
YES = say("en", "forget.yes")


def _bytes(stage: Stage) -> bytes:
    """Everything that lies beside the database, and the database."""
    folder = Path(stage.settings.database_url.partition(":///")[2]).parent
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def _forget(stage: Stage) -> str:
    """Press the button of "forget"; the sentence that says what was removed."""
    await stage.ask("/forget")
    told = await pressed(stage, YES)
    await soon(stage, lambda: rows(stage, "SELECT * FROM jobs WHERE kind = 'scrub'") == [] or None)
    return told


async def test_the_words_are_gone_from_the_bytes_of_the_files(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(*[f"{WORD} {number} " * 50 for number in range(12)])
    for number in range(12):
        await stage.ask(f"what is {WORD} number {number}? " + "really " * number * 20)
    stage.studio.paint("refused")
    await stage.ask(f"/image a {WORD}")
    answer = stage.telegram.transcript(ANNA)[-3]
    stage.telegram.react(ANNA, answer["message_id"], "👍")
    await soon(stage, lambda: rows(stage, "SELECT * FROM feedback") or None)
    assert WORD.encode() in _bytes(stage)
    told = await _forget(stage)
    for line in ("conversations: 1", "messages: 24", "ratings: 1", "pictures and later answers: 1"):
        assert line in told
    assert WORD.encode() not in _bytes(stage)
    assert b"Anna" not in _bytes(stage)
    await stage.stop()
    assert WORD.encode() not in _bytes(stage)


async def test_the_bot_begins_anew_with_whom_it_has_forgotten(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("well", "who are you?")
    await stage.ask(f"I love my {WORD}")
    await _forget(stage)
    await stage.ask("what do I love?")
    assert [said["text"] for said in stage.prompts()[-1][1:]] == ["what do I love?"]


async def test_in_groups_the_own_questions_and_their_answers_go_and_the_rest_stays(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("boris gets this", f"about the {WORD}", "boris goes on")
    await stage.ask("@govorun_sandbox_bot first of boris", TEAM, BORIS)
    await stage.ask(f"@govorun_sandbox_bot my {WORD}", TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot second of boris", TEAM, BORIS)
    assert "messages: 2" in await _forget(stage)
    kept = [parts for (parts,) in rows(stage, "SELECT parts FROM messages ORDER BY id")]
    assert len(kept) == 4
    assert all("boris" in parts for parts in kept)
    assert WORD.encode() not in _bytes(stage)


async def test_what_went_on_from_a_removed_message_goes_on_from_the_one_before(stage: Stage) -> None:
    app = await stage.start()
    stage.studio.script("1", "2", "3")
    await stage.ask("@govorun_sandbox_bot first of boris", TEAM, BORIS)
    await stage.ask("@govorun_sandbox_bot of anna", TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot second of boris", TEAM, BORIS)
    ids = [id_ for (id_,) in rows(stage, "SELECT id FROM messages ORDER BY id")]

    def chain(tx: Tx) -> None:
        for above, id_ in pairwise(ids):
            tx.connection.exec_driver_sql("UPDATE messages SET parent = ? WHERE id = ?", (above, id_))
        tx.connection.exec_driver_sql("UPDATE conversations SET head = ?", (ids[3],))

    await app.store.write(chain)
    await _forget(stage)
    assert rows(stage, "SELECT id, parent FROM messages WHERE id = ?".replace("?", str(ids[4]))) == [(ids[4], ids[1])]
    assert rows(stage, "SELECT head FROM conversations") == [(ids[1],)]


async def test_the_ledger_keeps_its_sums_as_nobodys(stage: Stage) -> None:
    await stage.start()
    await stage.ask(f"what is a {WORD}?")
    before = rows(stage, "SELECT sum(prompt), sum(completion) FROM usage")
    await _forget(stage)
    assert rows(stage, "SELECT sum(prompt), sum(completion) FROM usage") == before
    assert rows(stage, "SELECT user, chat, turn FROM usage") == [(0, 0, "")]
    assert rows(stage, "SELECT * FROM users") == []


async def test_the_daily_share_is_not_given_back(stage: Stage) -> None:
    await stage.start(user_daily_tokens=50)
    stage.studio.script("word " * 60)
    await stage.ask("hello")
    await _forget(stage)
    assert (
        await stage.ask("again") == say("en", "limit.tokens.user", wait="") or "limit" in stage.telegram.texts(ANNA)[-1]
    )


async def test_forgetting_during_an_answer_ends_it_and_leaves_nothing(stage: Stage) -> None:
    """F112: and a second time finds nothing."""
    await stage.start()
    stage.studio.script("first")
    await stage.ask("hello")
    await stage.ask("/forget")
    stage.studio.script(f"{WORD} " * 500)
    stage.studio.fail_next("completion", hang=True)
    stage.telegram.say(ANNA, f"what is a {WORD}?")
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    await stage.press(YES)
    await soon(stage, lambda: any("Removed" in text for text in stage.telegram.texts(ANNA)) or None)
    await soon(stage, lambda: rows(stage, "SELECT * FROM jobs") == [] or None)
    assert WORD.encode() not in _bytes(stage)
    await asyncio.sleep(30)
    assert rows(stage, "SELECT * FROM messages") == []
    assert "nothing was left" in await _forget(stage)


@pytest.mark.usefixtures("draws_by_operations")
async def test_what_is_under_way_is_cancelled(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint("never")
    stage.telegram.say(ANNA, f"/image a {WORD}")
    await soon(stage, lambda: stage.studio.seen("operation") or None)
    await _forget(stage)
    polls = len(stage.studio.seen("operation"))
    await asyncio.sleep(600)
    assert len(stage.studio.seen("operation")) <= polls + 1
    assert rows(stage, "SELECT * FROM operations") == []
    assert WORD.encode() not in _bytes(stage)


@pytest.mark.usefixtures("draws_by_operations")
async def test_money_for_what_was_never_ordered_is_given_back(stage: Stage) -> None:
    await stage.start(user_daily_money=Decimal(5), image_price=Decimal(3))
    stage.studio.fail_next("imageGenerationAsync", status=503, times=1000)
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("imageGenerationAsync") or None)
    await soon(stage, lambda: rows(stage, "SELECT state FROM operations") == [("asked",)] or None)
    await _forget(stage)
    assert rows(stage, "SELECT * FROM reservations") == []
    assert rows(stage, "SELECT * FROM spending WHERE kind = 'money'") == []


async def test_an_update_that_was_set_aside_is_emptied(stage: Stage) -> None:
    await stage.start()
    sender = {"id": ANNA, "is_bot": False, "first_name": "Anna"}
    place = {"id": ANNA, "type": "private"}
    stage.telegram.push_raw({"message": {"message_id": "broken", "chat": place, "from": sender, "text": WORD}})
    await soon(stage, lambda: rows(stage, "SELECT * FROM updates WHERE state = 'dead'") or None)
    assert WORD.encode() in _bytes(stage)
    await _forget(stage)
    assert WORD.encode() not in _bytes(stage)


async def test_a_button_of_before_does_nothing(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    await _forget(stage)
    await pressed(stage, "Language")
    assert toasts(stage)[-1] == say("en", "old.button")


async def test_retention_removes_what_is_older_by_kind_of_chat(stage: Stage) -> None:
    await stage.start(retention_private_days=10, retention_group_days=30)
    stage.studio.script(*["answer"] * 4)
    await stage.ask("old one")
    await stage.ask("@govorun_sandbox_bot old one of the group", TEAM, BORIS)
    await _pass(stage, 11)
    await soon(stage, lambda: len(rows(stage, "SELECT * FROM messages")) == 2 or None)
    assert [chat for (chat,) in rows(stage, "SELECT DISTINCT chat FROM messages")] == [TEAM]
    assert rows(stage, f"SELECT * FROM deliveries WHERE chat = {ANNA}") == []
    await _pass(stage, 20)
    await soon(stage, lambda: rows(stage, "SELECT * FROM conversations") == [] or None)
    assert await stage.ask("a new one") == "answer"


async def test_without_a_setting_everything_is_kept(stage: Stage) -> None:
    await stage.start()
    await stage.ask("old one")
    await _pass(stage, 60)
    await asyncio.sleep(10)
    assert len(rows(stage, "SELECT * FROM messages")) == 2


async def _pass(stage: Stage, days: int) -> None:
    """The bot is off for some days."""
    await stage.stop()
    loop = asyncio.get_running_loop()
    loop.now += days * 86_400  # type: ignore[attr-defined]
    await stage.start()
