"""The operators' group: connected by an administrator, never given up, and a topic that is gone is made again.

See F108 and F110 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import actions
from tests.support.desk_side import BOT, OLEG, OLGA, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

REFUSED = "Bad Request: MESSAGE_NOT_WANTED"


async def test_without_a_connected_group_the_bot_goes_on_and_says_so(stage: Stage, tmp_path: Path) -> None:
    await stage.start(desk=tmp_path)
    assert await stage.ask("/human") == say("en", "desk.nobody")
    stage.studio.script("still me")
    assert await stage.ask("hello") == "still me"


@pytest.mark.parametrize(("forum", "admin", "lacks", "missing"), [
    (False, True, [], ["supergroup"]),
    (True, False, [], ["administrator", "can_manage_topics", "can_delete_messages"]),
    (True, True, ["can_manage_topics"], ["can_manage_topics"]),
])  # fmt: skip
async def test_what_the_bot_lacks_in_a_group_is_said_by_name(
    stage: Stage, tmp_path: Path, forum: bool, admin: bool, lacks: list[str], missing: list[str]
) -> None:
    stage.telegram.person("Olga", "ru", OLGA)
    await stage.start(desk=tmp_path, owners=frozenset({OLGA}))
    group = stage.telegram.group("Support", [OLGA], is_forum=forum)["id"]
    stage.telegram.promote(group, admin)
    stage.telegram.state.chats[group].lacks += lacks
    told = await stage.ask(f"/desk{BOT}", group, OLGA)
    named = "; ".join(say("ru", f"desk.right.{name}") for name in missing)
    assert told == say("ru", "desk.group.missing", rights=named)


async def test_only_an_administrator_of_the_bot_connects_a_group(stage: Stage, tmp_path: Path) -> None:
    await stage.start(desk=tmp_path, access="open")
    group = stage.telegram.group("Support", [ANNA, BORIS], is_forum=True)["id"]
    stage.telegram.promote(group)
    stage.telegram.say(group, f"/desk{BOT}", ANNA)
    assert await stage.ask("/desk", ANNA)
    assert not rows(stage, "SELECT 1 FROM desk_groups")
    assert "desk.use" not in actions(stage)


async def test_desk_says_how_many_wait(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    told = await stage.ask(f"/desk{BOT}", desk.group, OLGA)
    assert told.startswith(say("en", "desk.group.state", waiting=1, held=0, snoozed=0))
    assert "cases 1, without a person 0, calls 1, closed 0" in told
    assert say("en", "desk.load", load="0.3") in told
    await desk.says(f"/desk{BOT}")  # in a topic
    assert desk.seen()[-1].startswith(say("en", "desk.group.state", waiting=1, held=0, snoozed=0))
    assert await stage.ask("/desk", OLGA) == say("en", "desk.group.private")


async def test_a_topic_that_is_deleted_is_made_again_and_nothing_is_lost(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    old = desk.topic
    stage.telegram.delete_topic(desk.group, old)
    await desk.writes("are you there?")
    assert desk.topic != old
    assert "are you there?" in desk.seen()
    assert desk.card()["message_thread_id"] == desk.topic
    await desk.says("yes")
    assert stage.telegram.texts(ANNA)[-1] == "yes"
    stage.telegram.delete_topic(desk.group, desk.topic)
    await desk.writes("and now?")
    await desk.presses("desk.bot")
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.returned")
    assert desk.card()["text"].startswith("#1 · the bot answers")


async def test_a_topic_that_is_deleted_again_before_its_card_has_come_gets_one_card(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path, telegram_rate=30.0, telegram_chat_rate=1.0)
    await desk.called()
    await desk.presses("desk.take")
    for _ in range(2):
        stage.telegram.delete_topic(desk.group, desk.topic)
        stage.telegram.say(ANNA, "are you there?")
        await stage.until(lambda: stage.telegram.state.chats[desk.group].topics or None)
    await desk.quiet()
    assert [text.partition("\n")[0] for text in desk.seen() if text.startswith("#")] == ["#1 · answered by Olga"]


async def test_a_customer_keeps_the_topic_for_the_next_case(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    for _ in range(2):
        await desk.called()
        await desk.presses("desk.take")
        await desk.says("/close")
    assert len(stage.telegram.state.chats[desk.group].topics) == 1


@pytest.mark.parametrize("rights", ["member", "topics"])
async def test_while_the_group_cant_be_reached_everything_waits_admins_know_and_then_it_comes_at_once_in_order(
    stage: Stage, tmp_path: Path, rights: str
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    if rights == "member":
        stage.telegram.kick(desk.group)
    else:
        stage.telegram.delete_topic(desk.group, desk.topic)
        stage.telegram.promote(desk.group, up=False)
    for text in ("one", "two", "three"):
        stage.telegram.say(ANNA, text)
    await soon(stage, lambda: len(rows(stage, "SELECT 1 FROM desk_relays WHERE side = 'customer'")) == 3 or None)
    await asyncio.sleep(200)
    for admin in (OLGA, OLEG):
        (told,) = [one for one in stage.telegram.texts(admin) if one.startswith("I can't write to the operators")]
        assert {"member": "bot was kicked", "topics": "not enough rights"}[rights] in told
    if rights == "member":
        stage.telegram.kick(desk.group, False)
        await asyncio.sleep(1)
    begun = stage.clock.monotonic()
    stage.telegram.promote(desk.group)
    await desk.quiet()
    assert stage.clock.monotonic() - begun < 10
    texts = [text for text in desk.seen() if text and not text.startswith("#")]
    assert "\n\n".join(texts) == "one\n\ntwo\n\nthree"


async def test_a_customer_who_blocks_the_bot_closes_the_case_and_operators_read_it_once(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    stage.telegram.block(ANNA)
    await desk.quiet()
    await desk.says("hello?")
    assert desk.seen().count(say("en", "desk.blocked")) == 1
    assert rows(stage, "SELECT owner FROM desk_cases") == [("closed",)]


async def test_what_telegram_refuses_is_told_below_the_operators_message(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    stage.telegram.fail_next("sendMessage", times=None, chat_id=ANNA, code=400, description=REFUSED)
    sent = await desk.says("hello")
    told = desk.messages()[-1]
    assert told["reply_to_message"]["message_id"] == sent["message_id"]
    assert told["text"] == say("en", "desk.refused", reason=REFUSED)
