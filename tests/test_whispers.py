"""What only one member of a group sees: answers to /whisper, and notices where the group wants them so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from stage import ANNA, BORIS, TEAM, Stage
from telegram_side import counted, rows, settled, soon

from bot.sandbox.studio import Answer
from bot.sandbox.telegram import buttons_of
from bot.telegram.screen import NOTHING
from bot.texts.catalog import say
from bot.types import Address, File, Outgoing

CLARA = 1003
CANNOT = say("en", "alone.cannot")
PICTURES = ("sendPhoto", "sendDocument", "editEphemeralMessageMedia")
WORD = "periwinkle"  # nobody but Anna may ever see it


async def begin(stage: Stage, **changes: Any) -> None:
    """The bot runs and its menu is set."""
    await stage.start(**changes)
    await stage.until(lambda: len(stage.telegram.calls_of("setMyCommands")) >= 4 or None)


async def whispers(stage: Stage, count: int, user: int = ANNA) -> list[str]:
    """Wait until one person alone was told so much and nothing is under way any more."""
    await stage.until(lambda: len(stage.telegram.whispers(TEAM, user)) >= count or None)
    await soon(stage, lambda: idle(stage) or None)
    return stage.telegram.whispers(TEAM, user)


def idle(stage: Stage) -> bool:
    return not rows(stage, "SELECT 1 FROM deliveries WHERE state NOT IN ('sent', 'dead')") and not rows(
        stage, "SELECT 1 FROM updates WHERE state IN ('new', 'begun')"
    )


def everybody_saw(stage: Stage) -> str:
    """What was sent or edited without being for one person, and what stands in the group."""
    calls = [call for call in stage.telegram.calls if call.method.startswith(("send", "editMessage"))]
    loud = [call.params for call in calls if "ephemeral_message_parameters" not in call.params]
    return f"{loud} {stage.telegram.transcript(TEAM)}"


async def press(stage: Stage, label: str, user: int = ANNA) -> None:
    """Press the newest button with that label, under what only this person sees."""
    for message in reversed(stage.telegram.unseen(TEAM, user)):
        for button in buttons_of(message):
            if button["text"] == label:
                number = message["ephemeral_message_id"]
                stage.telegram.press(TEAM, number, button["callback_data"], user, unseen=True)
                return
    raise AssertionError(f"there is no button {label!r}")


# --- /whisper ---------------------------------------------------------------------------------------------------------


async def test_a_whispered_question_is_answered_for_the_asker_alone(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script("ask in the morning")
    stage.telegram.say(TEAM, "/whisper how do I ask for a raise?", ANNA)
    assert await whispers(stage, 1) == ["ask in the morning"]
    assert stage.telegram.transcript(TEAM) == []
    assert stage.telegram.whispers(TEAM, BORIS) == []


async def test_a_whispered_answer_grows_and_nobody_is_shown_typing(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 2
    stage.studio.script(Answer(counted(60)))
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await whispers(stage, 1)
    frames = [call.params["text"] for call in stage.telegram.calls_of("editEphemeralMessageText")]
    assert len(frames) > 3
    assert frames == sorted(frames, key=len)
    assert stage.telegram.calls_of("sendChatAction") == []


async def test_a_whispered_answer_has_a_stop_button_of_its_own(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 2
    stage.studio.script(Answer(counted(200)))
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await stage.until(lambda: any(buttons_of(one) for one in stage.telegram.unseen(TEAM, ANNA)) or None)
    await press(stage, "⏹ " + say("en", "stop"))
    (shown,) = await whispers(stage, 1)
    assert say("en", "stop.note") in shown
    assert "word199" not in shown


async def test_what_one_person_saw_is_in_no_prompt_of_others_nor_the_other_way_round(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script(f"the word is {WORD}", "noted", "nothing", "still that")
    stage.telegram.say(TEAM, f"/whisper remember {WORD}", ANNA)
    (shown,) = await whispers(stage, 1)
    await stage.ask("@govorun_sandbox_bot the meeting is at nine", TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot what do you know?", TEAM, BORIS)
    stage.telegram.say(TEAM, "/whisper and what was it?", ANNA)
    await whispers(stage, 2)
    first, second, third, fourth = (str(prompt) for prompt in stage.prompts())
    assert WORD in first
    assert WORD in fourth
    assert WORD not in second + third
    assert "nine" in third
    assert "nine" not in fourth
    assert WORD in shown
    assert WORD not in everybody_saw(stage)


async def test_two_people_who_whisper_have_two_conversations(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.say(TEAM, f"/whisper {WORD}", ANNA)
    await whispers(stage, 1)
    stage.telegram.say(TEAM, "/whisper what did she say?", BORIS)
    await whispers(stage, 1, BORIS)
    assert WORD not in str(stage.prompts()[1])


async def test_a_reply_to_a_whispered_answer_goes_on_from_it(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script("seven", "eight")
    stage.telegram.say(TEAM, "/whisper a number", ANNA)
    await whispers(stage, 1)
    answer = stage.telegram.unseen(TEAM, ANNA)[-1]["ephemeral_message_id"]
    stage.telegram.whisper(TEAM, "one more", ANNA, reply_to=answer)
    assert (await whispers(stage, 2))[-1] == "eight"
    assert "seven" in str(stage.prompts()[1])
    assert stage.telegram.transcript(TEAM) == []


async def test_a_public_reply_to_a_message_with_the_same_number_does_not_reach_what_was_whispered(stage: Stage) -> None:
    """The numbers of what one person sees are counted by themselves, from one like those of the group."""
    await begin(stage)
    stage.studio.script(f"the word is {WORD}", "public", "more")
    stage.telegram.say(TEAM, "/whisper a word", ANNA)
    await whispers(stage, 1)
    (number,) = (one["ephemeral_message_id"] for one in stage.telegram.unseen(TEAM, ANNA) if one["from"]["is_bot"])
    while not (shown := stage.telegram.transcript(TEAM)) or shown[-1]["message_id"] < number:
        stage.telegram.say(TEAM, "chatter", BORIS)
    stage.telegram.say(TEAM, "@govorun_sandbox_bot and this?", BORIS, reply_to=number)
    await stage.texts(1, TEAM)
    assert WORD not in str(stage.prompts()[1])


async def test_another_answer_is_written_over_the_whispered_one(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script("first", "second")
    stage.telegram.say(TEAM, "/whisper say something", ANNA)
    await whispers(stage, 1)
    await press(stage, "↻")
    await stage.until(lambda: stage.telegram.whispers(TEAM, ANNA) == ["second"] or None)
    assert stage.telegram.transcript(TEAM) == []


async def test_whisper_without_a_question_says_how(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.say(TEAM, "/whisper", ANNA)
    assert await whispers(stage, 1) == [say("en", "whisper.what")]


async def test_a_failure_while_whispering_is_told_to_the_asker_alone(stage: Stage) -> None:
    await begin(stage)
    stage.studio.fail_next("completion", status=500, times=3)
    stage.telegram.say(TEAM, f"/whisper {WORD}", ANNA)
    assert len(await whispers(stage, 1)) == 1
    assert stage.telegram.transcript(TEAM) == []


async def test_a_long_whispered_answer_arrives_whole(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    stage.studio.script(" ".join(counted(900)))
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    shown = " ".join(await whispers(stage, 1))
    assert all(f"word{number}" in shown for number in range(900))


async def test_a_long_whispered_answer_arrives_whole_where_edits_take_little(stage: Stage) -> None:
    await begin(stage, rich_messages=False)
    stage.telegram.promote(TEAM)
    stage.telegram.api.short_edits = True
    stage.studio.script("".join(counted(700)))
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await whispers(stage, 5)
    shown = stage.telegram.whispers(TEAM, ANNA)
    assert all(len(text) <= 1024 for text in shown)
    assert "".join(shown).replace(" ", "").replace("\n", "") == "".join(counted(700)).replace(" ", "")


# --- where it can't be done -------------------------------------------------------------------------------------------


async def test_an_administrator_may_answer_a_whisper_that_everybody_could_read(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    stage.studio.script("only for you")
    stage.telegram.say(TEAM, "/whisper hello", ANNA, aloud=True)
    assert await whispers(stage, 1) == ["only for you"]
    assert stage.telegram.texts(TEAM) == []


async def test_where_nothing_can_be_shown_to_one_alone_that_is_said_and_the_model_is_not_asked(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.say(TEAM, f"/whisper {WORD}", ANNA, aloud=True)
    assert await stage.texts(1, TEAM) == [CANNOT]
    assert stage.prompts() == []
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA) != ""
    assert WORD not in str(stage.prompts())


async def test_it_is_said_in_the_language_of_the_asker(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.say(TEAM, "/whisper тайна", BORIS, aloud=True)
    assert await stage.texts(1, TEAM) == [say("ru", "alone.cannot")]


async def test_an_older_server_that_would_show_it_to_everybody_gets_no_word_of_it(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.api.ephemeral = False
    stage.telegram.promote(TEAM)
    stage.studio.script(f"the word is {WORD}")
    stage.telegram.say(TEAM, "/whisper a word", ANNA)
    await stage.until(lambda: stage.telegram.texts(TEAM) == [CANNOT] or None)
    assert stage.prompts() == []
    sent = [call.params["text"] for call in stage.telegram.calls_of("sendMessage")]
    assert sent == [NOTHING, CANNOT]


async def test_an_anonymous_administrator_is_told_that_it_takes_a_person(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    stage.telegram.say(TEAM, "/whisper hello", ANNA, anonymous=True)
    assert await stage.texts(1, TEAM) == [CANNOT]


async def test_in_private_a_whisper_is_a_question_like_any_other(stage: Stage) -> None:
    await begin(stage)
    assert await stage.ask("/whisper") == say("en", "whisper.private")
    stage.studio.script("here")
    assert await stage.ask("/whisper hello") == "here"
    assert stage.prompts()[0][-1]["text"] == "hello"


async def test_an_answer_that_vanished_while_it_was_written_is_shown_again_or_that_is_said(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 2
    stage.studio.script(Answer(counted(40)), Answer(counted(40)))
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await stage.until(lambda: "word5" in str(stage.telegram.whispers(TEAM, ANNA)) or None)
    stage.telegram.vanish(TEAM)
    assert await stage.texts(1, TEAM) == [CANNOT]
    assert "word" not in everybody_saw(stage)

    stage.telegram.promote(TEAM)
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await stage.until(lambda: "word5" in str(stage.telegram.whispers(TEAM, ANNA)) or None)
    stage.telegram.vanish(TEAM)
    (shown,) = await whispers(stage, 1)
    assert "word39" in shown
    assert len(stage.telegram.texts(TEAM)) == 1


# --- never lost, never doubled ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("admin", [True, False])
async def test_a_crash_after_the_message_was_opened_costs_an_empty_message_at_most(stage: Stage, admin: bool) -> None:
    """Telegram has it and its id was never heard: the next one is another, and the answer stands in one of them."""
    await begin(stage)
    stage.telegram.promote(TEAM, admin)
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await stage.until(lambda: stage.telegram.whispers(TEAM, ANNA) or None)
    await stage.crash()
    fault.remove()
    await stage.start()
    await stage.until(lambda: "just once" in stage.telegram.whispers(TEAM, ANNA) or None)
    await soon(stage, lambda: idle(stage) or None)
    shown = stage.telegram.whispers(TEAM, ANNA)
    assert [text for text in shown if text != NOTHING] == ["just once"]
    assert len(shown) <= 3
    assert stage.telegram.transcript(TEAM) == []


async def test_an_answer_that_was_written_and_not_confirmed_stands_once_after_a_crash(stage: Stage) -> None:
    await begin(stage, streaming="off")
    fault = stage.telegram.fail_next("editEphemeralMessageText", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await stage.until(lambda: "just once" in stage.telegram.whispers(TEAM, ANNA) or None)
    await stage.crash()
    await stage.clock.sleep(60)  # no new message could be opened any more
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.whispers(TEAM, ANNA) == ["just once"]
    assert stage.telegram.texts(TEAM) == []


async def test_a_crash_while_the_model_writes_costs_nothing(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 2
    stage.studio.script(Answer(counted(40)), "the whole answer")
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await stage.until(lambda: "word5" in str(stage.telegram.whispers(TEAM, ANNA)) or None)
    await stage.crash()
    await stage.clock.sleep(60)
    stage.studio.speed = 0
    await stage.start()
    await stage.until(lambda: stage.telegram.whispers(TEAM, ANNA) == ["the whole answer"] or None)
    assert stage.telegram.texts(TEAM) == []


async def usage_for_anna(stage: Stage) -> None:
    """Anna asks for her chart in a group that wants it to be seen by the asker alone."""
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    stage.telegram.say(TEAM, "/usage@govorun_sandbox_bot", ANNA)


def charts(stage: Stage) -> list[dict[str, Any]]:
    return [message for message in stage.telegram.unseen(TEAM, ANNA) if "photo" in message or "document" in message]


@pytest.mark.parametrize("apply", [True, False])
async def test_a_chart_for_one_person_stands_once_after_a_crash_in_its_sending(stage: Stage, apply: bool) -> None:
    sends = [stage.telegram.fail_next(method, reset=True, apply=apply, times=None) for method in PICTURES]
    await usage_for_anna(stage)
    await soon(stage, lambda: any(fault.hits for fault in sends) or None)
    await stage.crash()
    for fault in sends:
        fault.remove()
    await stage.start()
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == len(stage.telegram.whispers(TEAM, ANNA)) == 1


async def test_a_chart_that_vanished_before_it_was_confirmed_is_shown_again(stage: Stage) -> None:
    fault = stage.telegram.fail_next("editEphemeralMessageMedia", reset=True, apply=True, times=None)
    await usage_for_anna(stage)
    await soon(stage, lambda: charts(stage) or None)
    await stage.crash()
    stage.telegram.vanish(TEAM)
    fault.remove()
    await stage.start()
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == 1


@pytest.mark.parametrize(
    "fault", [{"code": 400, "description": "Bad Request: file upload isn't allowed"}, {"code": 404}]
)
async def test_where_no_file_can_be_written_into_a_message_it_is_sent_by_itself(
    stage: Stage, fault: dict[str, Any]
) -> None:
    stage.telegram.fail_next("editEphemeralMessageMedia", times=None, **fault)
    await usage_for_anna(stage)
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == len(stage.telegram.whispers(TEAM, ANNA)) == 1
    assert len(stage.telegram.texts(TEAM)) == 3  # what came of choosing it


@pytest.mark.parametrize("apply", [True, False])
async def test_a_spoken_answer_for_one_person_never_comes_twice(stage: Stage, apply: bool) -> None:
    """It can't be written into a message: where nobody knows whether it was sent, that is said instead."""
    fault = stage.telegram.fail_next("sendVoice", reset=True, apply=apply, times=None)
    await begin(stage)
    stage.telegram.promote(TEAM)
    assert stage.app is not None
    to = Address("telegram", stage.app.telegram.api.id, TEAM, only=ANNA)
    note = Outgoing(file=File(b"OggS", "voice", "answer.ogg"), instead="my words stand above")
    await stage.app.store.write(lambda tx: tx.deliveries.add("1.voice", to, note))
    sending = asyncio.create_task(stage.app.telegram.reply(to, "1").finish())
    await soon(stage, lambda: fault.hits or None)
    await stage.crash()
    sending.cancel()
    fault.remove()
    await stage.start()
    await soon(stage, lambda: "my words stand above" in stage.telegram.whispers(TEAM, ANNA) or None)
    await soon(stage, lambda: idle(stage) or None)
    assert len([message for message in stage.telegram.unseen(TEAM, ANNA) if "voice" in message]) == apply
    assert NOTHING not in stage.telegram.whispers(TEAM, ANNA)


async def test_flood_waits_of_the_group_delay_a_whisper_and_cost_nothing(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30})
    stage.studio.script("worth waiting for")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    assert await whispers(stage, 1) == ["worth waiting for"]


async def test_an_update_that_comes_twice_is_answered_once_and_a_number_that_comes_again_is_another(
    stage: Stage,
) -> None:
    await begin(stage)
    stage.studio.script("one", "two")
    message = stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await whispers(stage, 1)
    stage.telegram.push_raw({"message": message})
    await stage.clock.sleep(30)
    assert stage.telegram.whispers(TEAM, ANNA) == ["one"]
    stage.telegram.vanish(TEAM)
    again = stage.telegram.say(TEAM, "/whisper hello", ANNA)
    assert again["ephemeral_message_id"] == message["ephemeral_message_id"]
    assert await whispers(stage, 1) == ["two"]


async def test_whispers_move_with_their_group(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script("seven", "you said seven")
    stage.telegram.say(TEAM, "/whisper a number", ANNA)
    await whispers(stage, 1)
    new = stage.telegram.migrate(TEAM)
    stage.telegram.promote(new)
    stage.telegram.say(new, "/whisper which one?", ANNA)
    await stage.until(lambda: stage.telegram.whispers(new, ANNA) or None)
    await soon(stage, lambda: len(stage.prompts()) > 1 or None)
    assert "seven" in str(stage.prompts()[1])


async def test_forget_removes_what_was_whispered(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script(f"the word is {WORD}")
    stage.telegram.say(TEAM, "/whisper a word", ANNA)
    await whispers(stage, 1)
    await stage.ask("/forget")
    await stage.press(say("en", "forget.yes"))
    await stage.texts(2)
    tables = ("messages", "deliveries", "conversations")
    left = str([rows(stage, f"SELECT * FROM {table}") for table in tables])
    assert WORD not in left
    assert rows(stage, "SELECT 1 FROM conversations WHERE only <> 0") == []


# --- notices ----------------------------------------------------------------------------------------------------------


async def quiet(stage: Stage) -> None:
    """Anna, who owns the group, has chosen that only the asker sees notices."""
    await stage.ask("/settings@govorun_sandbox_bot", TEAM, ANNA)
    await stage.press(say("en", "settings.notices"), TEAM, ANNA)
    await stage.texts(2, TEAM)
    await stage.press(say("en", "notices.alone"), TEAM, ANNA)
    await stage.texts(3, TEAM)


async def test_a_group_may_want_notices_to_be_seen_by_the_asker_alone(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    before = stage.telegram.texts(TEAM)
    assert before[-1] == say("en", "settings.saved")
    for command in ("/usage", "/model", "/help", "/allowance", "/settings", "/nothing"):
        stage.telegram.say(TEAM, f"{command}@govorun_sandbox_bot", BORIS)
    assert len(await whispers(stage, 6, BORIS)) == 6
    assert stage.telegram.texts(TEAM) == before
    assert stage.telegram.whispers(TEAM, CLARA) == []


async def test_answers_are_for_everybody_all_the_same(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    stage.studio.script("for all")
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, BORIS) == "for all"


async def test_a_button_under_a_notice_works_for_who_sees_it(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    stage.telegram.say(TEAM, "/settings@govorun_sandbox_bot", ANNA)
    await whispers(stage, 1)
    await press(stage, say("en", "settings.streaming"))
    await whispers(stage, 2)
    await press(stage, say("en", "streaming.off"))
    assert (await whispers(stage, 3))[-1] == say("en", "settings.saved")
    assert rows(stage, f"SELECT streaming FROM chats WHERE id = {TEAM}") == [("off",)]


async def test_limits_are_told_to_who_ran_into_them(stage: Stage) -> None:
    await begin(stage, daily_tokens=10)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    await stage.ask("@govorun_sandbox_bot hello", TEAM, BORIS)
    before = stage.telegram.texts(TEAM)
    stage.telegram.say(TEAM, "@govorun_sandbox_bot and again", BORIS)
    assert len(await whispers(stage, 1, BORIS)) == 1
    assert stage.telegram.texts(TEAM) == before


async def test_a_defect_of_ours_is_told_to_who_met_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    before = stage.telegram.texts(TEAM)
    assert stage.app is not None
    monkeypatch.setattr(stage.app.commands, "attached", None)
    stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", BORIS)
    assert len(await whispers(stage, 1, BORIS)) == 1
    assert stage.telegram.texts(TEAM) == before


async def test_only_administrators_of_the_group_choose_it(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await stage.ask("/settings@govorun_sandbox_bot", TEAM, BORIS)
    await stage.press(say("ru", "settings.notices"), TEAM, BORIS)
    await stage.texts(2, TEAM)
    await stage.press(say("ru", "notices.alone"), TEAM, BORIS)
    toast = say("ru", "admins.only")
    await stage.until(
        lambda: toast in [c.params.get("text") for c in stage.telegram.calls_of("answerCallbackQuery")] or None
    )
    assert rows(stage, f"SELECT notices FROM chats WHERE id = {TEAM}") == [("",)]


async def test_it_can_not_be_chosen_where_the_bot_is_no_administrator(stage: Stage) -> None:
    await begin(stage)
    await quiet(stage)
    assert stage.telegram.texts(TEAM)[-1] == say("en", "notices.cannot")
    assert rows(stage, f"SELECT notices FROM chats WHERE id = {TEAM}") == [("",)]


async def test_a_private_chat_has_no_such_setting(stage: Stage) -> None:
    await begin(stage)
    await stage.ask("/settings")
    labels = [button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])]
    assert say("en", "settings.notices") not in labels


async def test_a_bot_that_is_no_administrator_any_more_shows_a_notice_to_nobody_and_says_so(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    stage.telegram.promote(TEAM, False)
    assert await stage.ask("/usage@govorun_sandbox_bot", TEAM, ANNA) == CANNOT
