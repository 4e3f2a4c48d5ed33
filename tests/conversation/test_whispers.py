"""What only one member of a group sees: answers to /whisper, and what is said where that can't be (P4)."""

from __future__ import annotations

from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import buttons_of
from bot.telegram.sending.messages import NOTHING
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import counted
from tests.support.whispering import CANNOT, WORD, begin, press, whispers


def everybody_saw(stage: Stage) -> str:
    """What was sent or edited without being for one person, and what stands in the group."""
    calls = [call for call in stage.telegram.calls if call.method.startswith(("send", "editMessage"))]
    loud = [call.params for call in calls if "ephemeral_message_parameters" not in call.params]
    return f"{loud} {stage.telegram.transcript(TEAM)}"


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
    stage.telegram.state.short_edits = True
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
    stage.telegram.state.ephemeral = False
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
