"""Notices that only who asked sees, where the group wants them so."""

from __future__ import annotations

import pytest

from bot.dispatch.questions import Questions
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows
from tests.support.whispering import CANNOT, begin, press, quiet, whispers

CLARA = 1003


async def test_a_group_may_want_notices_to_be_seen_by_the_asker_alone(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    before = stage.telegram.texts(TEAM)
    assert toasts(stage)[-1] == say("en", "settings.saved")
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
    for label in (say("en", "settings.streaming"), say("en", "streaming.off")):
        count = len(toasts(stage))
        await press(stage, label)
        await stage.until(lambda count=count: len(toasts(stage)) > count or None)  # type: ignore[misc]
        await whispers(stage, 1)
    assert toasts(stage)[-1] == say("en", "settings.saved")
    assert "✓ " + say("en", "streaming.off") in [
        button["text"] for button in buttons_of(stage.telegram.unseen(TEAM, ANNA)[-1])
    ]
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
    monkeypatch.setattr(Questions, "_answer", None)
    stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", BORIS)
    assert len(await whispers(stage, 1, BORIS)) == 1
    assert stage.telegram.texts(TEAM) == before


async def test_only_administrators_of_the_group_choose_it(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    await stage.ask("/settings@govorun_sandbox_bot", TEAM, BORIS)
    await pressed(stage, say("ru", "settings.notices"), say("ru", "notices.alone"), chat=TEAM, user=BORIS)
    assert toasts(stage)[-1] == say("ru", "admins.only")
    assert rows(stage, f"SELECT notices FROM chats WHERE id = {TEAM}") == [("",)]


async def test_it_can_not_be_chosen_where_the_bot_is_no_administrator(stage: Stage) -> None:
    await begin(stage)
    await quiet(stage)
    assert toasts(stage)[-1] == say("en", "notices.cannot")
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
