"""Reminders come when they are due on the clock of the person's wall, once, also after the bot was away."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.features.reminders import KIND
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import toasts
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

MOSCOW = ZoneInfo("Europe/Moscow")
DUE = f"SELECT due FROM jobs WHERE kind = '{KIND}'"


async def _begin(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/timezone Moscow")


async def test_the_zone_is_asked_once_and_the_reminder_repeated_back(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/remind tomorrow 9:00 tea") == say("en", "remind.zone.ask")
    moscow = datetime.fromtimestamp(stage.clock.time(), MOSCOW)
    await stage.press(f"Moscow {moscow:%H:%M}")  # a "reminder.zone"
    due = moscow + timedelta(days=1)
    await stage.until(lambda: "I will" in stage.telegram.texts(ANNA)[0] or None)
    (told,) = await stage.texts(1)  # the question is gone, with its twelve buttons
    assert told == f"I will remind you tomorrow, {due.day} {due:%B}, at 9:00 (Moscow): tea"
    assert (await stage.ask("/remind in 2 hours more tea")).endswith("(Moscow): more tea")


async def test_a_span_needs_no_zone(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/remind in 20 minutes tea") == "I will remind you in 20 min: tea"
    assert (await stage.texts(2))[1] == say("en", "remind.zone.ask")  # told first that it is set, then asked
    await asyncio.sleep(1100)
    assert len(stage.telegram.texts(ANNA)) == 2
    assert (await stage.texts(3))[2] == "⏰ tea"
    stage.telegram.say(BORIS, "/remind через полтора часа пирог")
    told, asked = await stage.texts(2, BORIS)
    assert told == "Напомню через 1 ч 30 мин: пирог"
    assert asked == say("ru", "remind.zone.ask")
    assert " UTC: пирог" in await stage.ask("/jobs", BORIS)
    assert await stage.ask("/remind in 2 days tea") == say("en", "remind.zone.ask")  # summer time may begin


async def test_all_reminders_that_wait_for_the_zone_are_set_with_it(stage: Stage) -> None:
    await stage.start()
    for phrase in ("tomorrow 9:00 call mum", "tomorrow at 4 cake", "every weekday at 8:30 exercise"):
        assert await stage.ask(f"/remind {phrase}") == say("en", "remind.zone.ask")
    told = (await stage.ask("Berlin")).splitlines()
    assert [line.partition(": ")[2] for line in told] == ["call mum", "tomorrow at 4 cake", "exercise"]
    assert told[1] == say("en", "remind.again", phrase="tomorrow at 4 cake")
    assert len(rows(stage, DUE)) == 2
    await stage.press("✕ call mum")
    await stage.until(lambda: len(rows(stage, DUE)) == 1 or None)


async def test_no_more_than_ten_reminders_wait_for_the_zone(stage: Stage) -> None:
    await stage.start()
    for number in range(10):
        assert await stage.ask(f"/remind tomorrow 9:00 tea {number}") == say("en", "remind.zone.ask")
    assert await stage.ask("/remind tomorrow 9:00 more tea") == say("en", "remind.zone.unknown")


async def test_the_zone_can_be_told_in_words(stage: Stage) -> None:
    await stage.start()
    stage.telegram.say(BORIS, "/remind завтра в 9:00 чай")
    await stage.texts(1, BORIS)
    told = await stage.ask("Екатеринбург", BORIS)
    assert told.startswith("Напомню завтра, ")
    assert told.endswith("(Екатеринбург): чай")
    assert rows(stage, f"SELECT timezone FROM users WHERE id = {BORIS}") == [("Asia/Yekaterinburg",)]
    assert stage.prompts() == []


async def test_a_zone_set_by_command_while_it_is_asked_goes_on_with_the_reminder_once(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/remind tomorrow 9:00 tea")
    asked = stage.telegram.transcript(ANNA)[-1]
    told = await stage.ask("/timezone Berlin")
    assert told.startswith("I will remind you tomorrow, ")
    assert told.endswith("(Berlin): tea")
    await stage.until(lambda: not buttons_of(_message(stage, asked["message_id"])) or None)
    assert len(rows(stage, DUE)) == 1


async def test_a_zone_that_is_not_understood_asks_again_and_keeps_the_reminder(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/remind tomorrow 9:00 tea")
    assert await stage.ask("/timezone Atlantis") == say("en", "remind.zone.ask")
    assert (await stage.ask("Berlin")).endswith("(Berlin): tea")


async def test_places_and_days_are_told_in_the_language_of_the_chat(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/timezone", BORIS)
    labels = [button["text"].rpartition(" ")[0] for button in buttons_of(stage.telegram.transcript(BORIS)[-1])]
    assert labels[:2] == ["Калининград", "Москва"]
    assert labels[-3:-1] == ["Нью-Йорк", "UTC"]
    told = await stage.ask("/timezone Ташкент", BORIS)
    assert told.startswith("Ваш часовой пояс: Ташкент, ")
    told = await stage.ask("/remind каждый понедельник 9:00 планёрка", BORIS)
    assert told == "Напомню по понедельникам в 9:00 (Ташкент): планёрка"


async def test_a_time_alone_is_kept_while_the_text_is_asked_for(stage: Stage) -> None:
    await stage.start()
    assert (await stage.ask("/remind in 20 minutes")).startswith(say("en", "remind.about.soon", span="20 min"))
    stage.telegram.say(ANNA, "is the tea ready?")
    told, asked = (await stage.texts(3))[1:]  # the zone of somebody new is asked only now
    assert told == "I will remind you in 20 min: is the tea ready?"
    assert asked == say("en", "remind.zone.ask")
    await stage.ask("/timezone Moscow")
    assert (await stage.ask("/remind noon")).startswith("About what? I will remind you ")
    assert (await stage.ask("lunch")).endswith("at 12:00 (Moscow): lunch")
    assert (await stage.ask("/remind tomorrow at 5")).startswith(say("en", "remind.about.which"))
    assert await stage.ask("meet Ann") == say("en", "remind.which", text="meet Ann")
    due = "SELECT count(*) FROM jobs WHERE kind = 'reminder'"
    assert rows(stage, due) == [(2,)]


async def test_a_time_that_passes_while_the_text_is_asked_for_is_told(stage: Stage) -> None:
    await _begin(stage)
    await stage.ask("/remind in 1 minute")
    await asyncio.sleep(90)
    assert await stage.ask("tea") == say("en", "remind.past")
    assert rows(stage, DUE) == []


async def test_a_reminder_given_twice_is_set_once(stage: Stage) -> None:
    await _begin(stage)
    told = await stage.ask("/remind tomorrow 9:00 call mum")
    again = await stage.ask("/remind call Mum tomorrow at 9 am")
    assert again.startswith("You have that already, tomorrow, ")
    assert told.startswith("I will remind you tomorrow, ")
    assert len(rows(stage, DUE)) == 1
    await stage.ask("/remind every day at 9:00 call mum")
    assert len(rows(stage, DUE)) == 2


async def test_two_causes_are_two_sentences(stage: Stage) -> None:
    await _begin(stage)
    assert await stage.ask("/remind sometime call mum") == say("en", "remind.unclear")
    assert await stage.ask("/remind yesterday call mum") == say("en", "remind.past")
    assert await stage.ask("/remind today at 0:00 call mum") == say("en", "remind.past")
    assert await stage.ask("/remind every 2 hours drink") == say("en", "remind.repeat")


async def test_what_is_no_place_is_a_question_like_any_other(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/remind tomorrow 9:00 tea")
    stage.studio.script("hello")
    assert await stage.ask("why do you ask?") == "hello"


async def test_it_comes_at_its_time_on_the_wall(stage: Stage) -> None:
    await _begin(stage)
    told = await stage.ask("/remind tomorrow 9:00 call mum")
    ((due,),) = rows(stage, DUE)
    at = datetime.fromtimestamp(due, MOSCOW)
    assert (at.hour, at.minute) == (9, 0)
    assert told == f"I will remind you tomorrow, {at.day} {at:%B}, at 9:00 (Moscow): call mum"


async def test_it_survives_a_restart_and_says_when_it_is_late(stage: Stage) -> None:
    await _begin(stage)
    await stage.ask("/remind in 10 minutes tea")
    await stage.crash()
    await _away(stage, 3600)
    assert (await stage.texts(3))[2].startswith("⏰ tea\n(late, sorry: it should have come on ")
    await asyncio.sleep(60)
    assert len(stage.telegram.texts(ANNA)) == 3


async def test_a_repeated_one_goes_on_from_when_it_was_due_and_not_for_days_past(stage: Stage) -> None:
    await _begin(stage)
    assert "every day at 8:00" in await stage.ask("/remind every day 8:00 pills")
    ((first,),) = rows(stage, DUE)
    await stage.stop()
    await _away(stage, first - stage.clock.time() + 2 * 86_400 + 3600)
    await stage.texts(3)
    ((following,),) = rows(stage, DUE)
    assert following == first + 3 * 86_400
    await asyncio.sleep(60)
    assert len(stage.telegram.texts(ANNA)) == 3


async def test_it_can_be_cancelled_where_it_was_set_and_by_jobs(stage: Stage) -> None:
    await _begin(stage)
    await stage.ask("/remind in 20 minutes tea")
    await stage.press("Cancel")
    assert (await stage.texts(3))[2] == say("en", "jobs.cancelled")
    await stage.until(lambda: not buttons_of(stage.telegram.transcript(ANNA)[-2]) or None)  # it is decided
    await stage.ask("/remind every monday 9:00 report")
    assert await stage.ask("/jobs") == "Reminders:\n· every Monday at 9:00: report"
    await stage.press("✕ report")
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == say("en", "jobs.none") or None)
    assert toasts(stage)[-1] == say("en", "jobs.cancelled")
    assert rows(stage, DUE) == []
    await asyncio.sleep(3600)
    assert len(stage.telegram.texts(ANNA)) == 5


async def test_a_list_names_each_reminder_on_its_button_and_keeps_the_buttons_of_those_that_are_left(
    stage: Stage,
) -> None:
    await _begin(stage)
    for when, what in (("every monday 9:00", "tea"), ("on weekends at 9:00", "report"), ("every day at 8:00", "tea")):
        await stage.ask(f"/remind {when} {what}")
    await stage.ask("/jobs")
    listed = stage.telegram.transcript(ANNA)[-1]["message_id"]
    await stage.press("✕ report")

    def left() -> list[str]:
        return [button["text"] for button in buttons_of(_message(stage, listed)) if "✕" in button["text"]]

    await stage.until(lambda: left() == ["✕ every day at 8:00: tea", "✕ every Monday at 9:00: tea"] or None)
    for label in left():
        await stage.press(label)
    await stage.until(lambda: left() == [] or None)
    assert rows(stage, DUE) == []


async def test_what_is_not_understood_is_said_with_an_example(stage: Stage) -> None:
    await _begin(stage)
    assert await stage.ask("/remind") == say("en", "remind.usage")
    assert await stage.ask("/remind call mum") == say("en", "remind.unclear")
    assert "500" in await stage.ask("/remind tomorrow " + "x" * 501)


def _message(stage: Stage, number: int) -> dict[str, Any]:
    return next(one for one in stage.telegram.transcript(ANNA) if one["message_id"] == number)


async def _away(stage: Stage, seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds
    await stage.start()
    await soon(stage, lambda: True)


async def test_a_model_sets_a_reminder_once_and_is_told_where_it_can_not(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(calls=[("remind", {"when": "in 20 minutes", "text": "tea"})]), "tell me your zone")
    assert await stage.ask("remind me of tea") == "tell me your zone"
    assert say("en", "remind.zone.unknown") in str(stage.prompts()[-1])
    await stage.ask("/timezone Moscow")
    call = ("remind", {"when": "in 20 minutes", "text": "tea"})
    stage.studio.script(Answer(calls=[call, call]), "done")
    assert await stage.ask("remind me of tea") == "done"
    assert "I will remind you today, " in str(stage.prompts()[-1])
    assert len(rows(stage, DUE)) == 1
    await stage.clock.sleep(1_100)
    await soon(stage, lambda: "⏰ tea" in stage.telegram.texts(ANNA) or None)


async def test_a_repetition_that_reminders_do_not_have_is_said_and_not_taken_for_one_time(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/timezone Moscow")
    for phrase in (
        "каждые 2 дня в 9 полить цветы",
        "every other day at 9 water",
        "каждые полчаса пить",
        "раз в 3 часа",
    ):
        assert await stage.ask(f"/remind {phrase}") == say("en", "remind.repeat")


async def test_a_time_with_two_meanings_is_asked_about_and_set_by_a_tap(stage: Stage) -> None:
    await _begin(stage)
    tomorrow = datetime.fromtimestamp(stage.clock.time(), MOSCOW) + timedelta(days=1)
    day = f"tomorrow, {tomorrow.day} {tomorrow:%B}, at"
    assert await stage.ask("/remind tomorrow at 5 meet Ann") == say("en", "remind.which", text="meet Ann")
    asked = stage.telegram.transcript(ANNA)[-1]
    assert [button["text"] for button in buttons_of(asked)] == [f"{day} 5:00", f"{day} 17:00"]
    assert rows(stage, DUE) == []
    await stage.press(f"{day} 17:00")
    await stage.until(lambda: rows(stage, DUE) or None)
    told = await stage.until(lambda: stage.telegram.texts(ANNA)[-1].startswith("I will") or None)
    assert told
    assert stage.telegram.texts(ANNA)[-1] == f"I will remind you {day} 17:00 (Moscow): meet Ann"
    ((due,),) = rows(stage, DUE)
    assert datetime.fromtimestamp(due, MOSCOW) == tomorrow.replace(hour=17, minute=0, second=0, microsecond=0)
    stage.telegram.press(ANNA, asked["message_id"], buttons_of(asked)[0]["callback_data"])
    await asyncio.sleep(60)
    assert rows(stage, DUE) == [(due,)]


async def test_a_chosen_time_that_is_past_by_now_is_not_set(stage: Stage) -> None:
    await _begin(stage)
    await stage.ask("/remind tomorrow at 5 meet Ann")
    asked = stage.telegram.transcript(ANNA)[-1]
    await stage.stop()  # two days of polling for updates take 10 s
    await asyncio.sleep(2 * 86_400)
    await stage.start()
    stage.telegram.press(ANNA, asked["message_id"], buttons_of(asked)[0]["callback_data"])
    assert (await stage.texts(3))[2] == say("en", "remind.past")
    assert rows(stage, DUE) == []


async def test_a_model_that_gives_a_vague_time_is_told_what_it_may_mean(stage: Stage) -> None:
    await _begin(stage)
    call = ("remind", {"when": "tomorrow at 5", "text": "tea in the evening"})
    stage.studio.script(Answer(calls=[call]), "morning or evening?")
    assert await stage.ask("remind me of tea") == "morning or evening?"
    assert "at 5:00; tomorrow" in str(stage.prompts()[-1])
    exact = ("remind", {"when": "tomorrow at 17:00", "text": "tea in the evening"})
    stage.studio.script(Answer(calls=[exact]), "done")
    assert await stage.ask("in the evening") == "done"
    assert "at 17:00 (Moscow): tea in the evening" in str(stage.prompts()[-1])
    assert len(rows(stage, DUE)) == 1


async def test_a_second_tap_on_a_place_is_too_late(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/remind tomorrow 9:00 tea")
    asked = stage.telegram.transcript(ANNA)[-1]
    first, second = (button["callback_data"] for button in buttons_of(asked)[:2])
    stage.telegram.press(ANNA, asked["message_id"], first)
    stage.telegram.press(ANNA, asked["message_id"], second)
    await asyncio.sleep(60)
    assert len(rows(stage, DUE)) == 1
