"""Who may talk to the bot: closed by default."""

from __future__ import annotations

from stage import ANNA, BORIS, TEAM, Stage

from bot.texts.catalog import say


async def test_an_owner_talks_and_a_stranger_is_told_the_own_number_once_a_message(stage: Stage) -> None:
    await stage.start(access="closed", owners=(ANNA,))
    stage.studio.script("welcome")
    assert await stage.ask("hello") == "welcome"
    refusal = say("ru", "closed", id=BORIS)
    assert str(BORIS) in refusal
    for number, text in enumerate(("hello", "/start", "/image a cat", "/stop", "\u2800"), 1):
        stage.telegram.say(BORIS, text)
        assert await stage.texts(number, BORIS) == [refusal] * number
    assert len(stage.prompts()) == 1
    assert stage.studio.bought == 0


async def test_a_stranger_with_nobody_as_owner_is_told_the_number_too(stage: Stage) -> None:
    await stage.start(access="closed", owners=())
    assert await stage.ask("hello") == say("en", "closed", id=ANNA)


async def test_a_group_of_strangers_hears_nothing(stage: Stage) -> None:
    await stage.start(access="closed", owners=(ANNA,))
    stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", BORIS)
    stage.telegram.say(TEAM, "/stop", BORIS)
    stage.telegram.say(TEAM, "/help@govorun_sandbox_bot", BORIS)
    stage.studio.script("for Anna")
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA) == "for Anna"
    assert stage.telegram.texts(TEAM) == ["for Anna"]


async def test_a_stranger_can_not_stop_an_owners_answer(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start(access="closed", owners=(ANNA,))
    stage.studio.script([f"word{number} " for number in range(60)])
    stage.telegram.say(TEAM, "@govorun_sandbox_bot count", ANNA)
    shown = await stage.until(lambda: stage.telegram.transcript(TEAM)[1:] or None)
    stop = shown[0]["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    stage.telegram.press(TEAM, shown[0]["message_id"], stop, BORIS)
    stage.telegram.say(TEAM, "/stop", BORIS)
    await stage.until(lambda: "word59" in stage.telegram.texts(TEAM)[-1] or None)
    assert len(stage.telegram.texts(TEAM)) == 1


async def test_a_strangers_press_is_refused(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model", BORIS)
    await stage.stop()
    await stage.start(access="closed", owners=(ANNA,))
    await stage.press("YandexGPT Lite", BORIS)
    answer = await stage.until(lambda: next(iter(stage.telegram.calls_of("answerCallbackQuery")), None))
    assert answer.params["text"] == say("ru", "closed", id=BORIS)
    assert len(stage.telegram.texts(BORIS)) == 1


async def test_the_stop_button_of_a_draft_works_for_an_owner(stage: Stage) -> None:
    """Telegram does not say who pressed it: a private chat has only one who could."""
    stage.studio.speed = 10
    await stage.start(access="closed", owners=(ANNA,))
    stage.studio.script([f"word{number} " for number in range(500)])
    stage.telegram.say(ANNA, "count")
    draft = await stage.until(lambda: next(iter(stage.telegram.drafts), None))
    stage.telegram.stop(ANNA, draft["draft_id"])
    assert "stopped" in (await stage.texts(1))[0].lower()


async def test_nobody_in_person_is_nobodys_owner(stage: Stage) -> None:
    """Anonymous administrators, channels and forwards of Telegram itself have ids that anybody can appear under."""
    await stage.start(access="closed", owners=(ANNA, 1087968824, 136817688, 777000))
    for number, sender in enumerate((1087968824, 136817688, 777000)):
        chat = {"id": TEAM, "type": "supergroup", "title": "Team"}
        message = {"message_id": 900 + number, "date": 1_800_000_000, "chat": chat, "text": "/help"}
        stage.telegram.push_raw({"message": {**message, "from": {"id": sender, "is_bot": False, "first_name": "x"}}})
    stage.studio.script("for Anna")
    await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA)
    assert stage.telegram.texts(TEAM) == ["for Anna"]
