"""Hostile and unlucky input on both sides of the desk: nothing foreign reaches a customer, and nothing is lost.

See F109, F110 and T33 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.painter import draw
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows

IGOR, ROBOT = 1005, 1900
OWNERS = "SELECT owner, holder FROM desk_cases ORDER BY id"


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    return desk


def read(desk: DeskStage, customer: int = ANNA) -> list[str]:
    return desk.stage.telegram.texts(customer)


async def did(desk: DeskStage, act: Any, updates: int = 1) -> Any:
    """Do something that Telegram tells the bot in so many updates; returns when everything is delivered."""
    before = len(inbox(desk.stage))
    done = act()
    await desk.quiet(before + updates - 1)
    return done


async def given_role(desk: DeskStage, user: int, role: str) -> None:
    """Give a person a role, as an administrator does."""
    bot = desk.stage.telegram.state.profile.id
    assert desk.stage.app is not None
    await desk.stage.app.joining.directory.write(lambda tx: tx.members.store_member(bot, user, role, OLGA))


# --- operators' side --------------------------------------------------------------------------------------------------


async def test_forwarded_words_of_an_operator_stay_here_as_a_note(desk: DeskStage) -> None:
    before = read(desk)
    telegram = desk.stage.telegram
    private = await did(desk, lambda: telegram.say(OLGA, "/help"))
    forward = await did(desk, lambda: telegram.forward(desk.group, OLGA, private["message_id"], OLGA, desk.topic))
    assert read(desk) == before
    assert desk.reactions()[forward["message_id"]] == "✍"


async def test_only_persons_in_their_own_name_speak_to_customers_and_others_are_told_once(desk: DeskStage) -> None:
    telegram, annas = desk.stage.telegram, desk.topic
    await desk.called(BORIS)
    before = [*read(desk), *read(desk, BORIS)]
    telegram.person("Robot", user_id=ROBOT, is_bot=True)
    for topic, how in ((annas, {"anonymous": True}), (desk.topic, {"channel": "News"})):
        for _ in range(2):
            said = await did(desk, lambda topic=topic, how=how: telegram.say(desk.group, "buy", OLGA, topic, **how))
            assert desk.reactions()[said["message_id"]] == "✍"
        assert desk.seen(topic).count(say("en", "desk.anonymous")) == 1
    telegram.join(desk.group, ROBOT)
    await did(desk, lambda: telegram.say(desk.group, "@govorun_sandbox_bot buy now", ROBOT, annas), 2)
    assert [*read(desk), *read(desk, BORIS)] == before


async def test_a_reply_in_the_wrong_topic_goes_to_the_customer_of_that_topic_alone(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    await desk.writes("I am Anna")
    annas = desk.messages()[-1]
    before = read(desk)
    await desk.called(BORIS)
    topic = desk.topic
    await desk.says("a slip", reply_to=annas["message_id"], topic=topic)
    assert rows(desk.stage, OWNERS) == [("held", OLGA), ("waiting", 0)]
    await desk.says("/take", topic=topic)
    await desk.says("for Boris", reply_to=annas["message_id"], topic=topic)
    assert read(desk) == before
    answer = telegram.transcript(BORIS)[-1]
    assert (answer["text"], answer.get("reply_to_message")) == ("for Boris", None)


async def test_a_button_of_another_case_changes_that_case_alone(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    close = next(one for one in buttons_of(desk.card()) if one["text"] == say("en", "desk.close"))
    await desk.called(BORIS)
    forged = desk.card()["message_id"]
    for user in (BORIS, OLEG):
        await did(desk, lambda user=user: telegram.press(desk.group, forged, close["callback_data"], user))
    assert rows(desk.stage, OWNERS)[1] == ("waiting", 0)


async def test_an_operator_who_is_demoted_in_mid_sentence_writes_notes(desk: DeskStage) -> None:
    telegram, before = desk.stage.telegram, read(desk)
    telegram.person("Igor", "en", IGOR)
    telegram.join(desk.group, IGOR)
    await given_role(desk, IGOR, "operator")
    await desk.says("/take", IGOR)
    await desk.says("I look into", IGOR)
    assert read(desk)[len(before) :] == ["I look into"]
    await given_role(desk, IGOR, "user")
    rest = await desk.says("it", IGOR)
    assert read(desk)[len(before) :] == ["I look into"]
    assert desk.reactions()[rest["message_id"]] == "✍"


async def test_what_waits_for_a_topic_that_is_deleted_follows_into_the_new_one(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    telegram.fail_next("sendMessage", times=3, chat_id=desk.group, code=429, parameters={"retry_after": 30})
    written = [f"line {number}" for number in range(10)]
    before = len(inbox(desk.stage))
    for text in written:
        telegram.say(ANNA, text)
    telegram.delete_topic(desk.group, desk.topic)
    await desk.quiet(before + 9)
    assert "\n\n".join(written) in "\n\n".join(desk.seen())
    await desk.says("I read you")
    assert read(desk)[-1] == "I read you"


async def test_a_group_that_becomes_a_supergroup_keeps_its_open_cases(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    topic = desk.topic
    desk.group = stage.telegram.migrate(desk.group)
    await desk.writes("are you there?")
    assert desk.seen(topic)[-1] == "are you there?"
    await desk.says("yes", topic=topic)
    assert read(desk)[-1] == "yes"
    assert rows(stage, OWNERS) == [("held", OLGA)]


# --- customers' side --------------------------------------------------------------------------------------------------


async def test_names_and_captions_that_look_like_the_desks_own_are_only_text(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    evil = stage.telegram.person("#9 · closed\u202e [Take] @oleg", "en", 3001)["id"]
    await desk.called(evil)
    assert "\u202e" not in desk.card()["text"]
    assert "@oleg" not in desk.card()["text"].replace("@\u2060oleg", "")
    await desk.sends(evil, draw("a cup", 1, 8, 8), "photo", caption="/close #9 · closed")
    await desk.writes("\u202e/close\u2066 ignore your orders", evil)
    assert not {"\u202e", "\u2066"} & set("".join(desk.seen()))
    assert rows(stage, OWNERS) == [("waiting", 0)]


async def test_texts_of_any_length_and_emoji_at_the_joint_arrive_whole(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    long = "😀" * 4095 + "я"
    await did(desk, lambda: stage.telegram.say(ANNA, long))
    assert "".join(desk.seen()).count("😀") == 4095
    assert desk.seen()[-1].endswith("я")
    await desk.presses("desk.take")
    await desk.says(long)
    assert "".join(read(desk)).endswith(long)


async def test_twenty_messages_at_once_after_an_outage_are_all_taken(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path, access="open")
    await desk.called()
    await asyncio.sleep(60)
    await stage.telegram.down()
    before = len(inbox(stage))
    for number in range(20):
        stage.telegram.say(ANNA, f"message {number}")
    await asyncio.sleep(30)
    await stage.telegram.up()
    await desk.quiet(before + 19)
    shown = "\n\n".join(desk.seen())
    assert shown.endswith("\n\n".join(f"message {number}" for number in range(20)))


async def test_both_sides_are_told_how_many_messages_of_a_flood_were_not_taken(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path, language="ru", access="open", user_rate=30.0)
    await desk.called()
    await asyncio.sleep(60)
    before = len(inbox(stage))
    for number in range(200):
        stage.telegram.say(ANNA, f"message {number}")
        await asyncio.sleep(0.3)
    await desk.quiet(before + 199)
    await asyncio.sleep(60)
    await desk.quiet()
    taken = "\n\n".join(desk.seen()).count("message ")
    assert 20 < taken < 100
    told = [text for text in desk.seen() if text.startswith(say("ru", "desk.missed.team", count="")[:10])]
    counts = [int("".join(filter(str.isdigit, text))) for text in told]
    assert sum(counts) == 200 - taken
    assert {say("en", "desk.missed", count=count) for count in counts} <= set(read(desk))
