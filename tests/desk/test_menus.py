"""The menus of a card: put aside, give, canned answers, each with two presses and no typing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.desk.test_rules import TEAMS, ruled
from tests.support.choosing import actions, pressed, toasts
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows

STATE = "SELECT owner, holder, team FROM desk_cases"


async def held(stage: Stage, folder: Path, *, language: str = "en") -> DeskStage:
    """A case of Anna that Olga holds, at a desk with a canned answer."""
    (folder / "canned").mkdir()
    (folder / "canned" / "refund.md").write_text("then: tag money, close\nDear {name}, within a week.", "utf-8")
    desk = await desk_on(stage, folder, language=language)
    await desk.called()
    await desk.presses("desk.take", language=language)
    return desk


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_case_is_put_aside_by_two_presses(stage: Stage, tmp_path: Path, language: str) -> None:
    desk = await held(stage, tmp_path, language=language)
    buttons = desk.labels()
    await desk.presses("desk.menu.snooze", language=language)
    assert desk.labels()[-1] == "←"
    assert {"desk.menu", "desk.snooze", "desk.card"} <= actions(stage)
    await pressed(stage, "←", chat=desk.group, user=OLGA)
    await desk.quiet()
    assert desk.labels() == buttons
    await desk.presses("desk.menu.snooze", language=language)
    await pressed(stage, desk.labels()[0], chat=desk.group, user=OLGA)
    await desk.quiet()
    assert rows(stage, STATE) == [("snoozed", OLGA, "")]
    assert say(language, "desk.take") in desk.labels()


async def test_a_case_is_given_to_a_colleague_or_a_team_by_two_presses(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, TEAMS)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("// hello", OLEG)  # a colleague of whom the bot knows the name
    await desk.presses("desk.menu.give")
    assert desk.labels() == ["Billing", "Oleg", "←"]
    assert "desk.give" in actions(stage)
    await pressed(stage, "Oleg", chat=desk.group, user=OLGA)
    await desk.quiet()
    assert rows(stage, STATE) == [("held", OLEG, "")]
    await desk.presses("desk.menu.give", OLEG)
    await pressed(stage, "Billing", chat=desk.group, user=OLEG)
    await desk.quiet()
    assert rows(stage, STATE) == [("waiting", 0, "billing")]


async def test_only_the_holder_gives_a_case_away(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path)
    await desk.says("// hello", OLEG)
    await desk.presses("desk.menu.snooze", OLEG)
    await pressed(stage, desk.labels()[0], chat=desk.group, user=OLEG)
    assert toasts(stage)[-1] == say("en", "desk.not_yours")
    assert rows(stage, STATE) == [("held", OLGA, "")]


async def test_a_canned_answer_is_read_before_it_is_sent(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path)
    await desk.presses("desk.menu.canned")
    before = stage.telegram.texts(ANNA)
    assert "desk.canned" in actions(stage)
    await pressed(stage, "refund", chat=desk.group, user=OLGA)
    await desk.quiet()
    assert desk.seen()[-1] == say("en", "desk.canned.offer") + "\nDear Anna, within a week."
    assert stage.telegram.texts(ANNA) == before
    await desk.presses("desk.send.draft")
    assert "Dear Anna, within a week." in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT owner, tags FROM desk_cases") == [("closed", "money")]


async def test_a_menu_with_nothing_in_it_says_so(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.presses("desk.menu.canned")
    assert toasts(stage)[-1] == say("en", "desk.canned.none")
    await desk.presses("desk.menu.give")
    assert toasts(stage)[-1] == say("en", "desk.menu.give.none")


ROUTING = (
    '[topic.money]\ntitle = "Money"\nwords = ["refund*"]\nexamples = ["a wrong sum", "by card", "my money back"]\n'
    '[topic.other]\ntitle = "Other"\n'
)


async def test_an_operator_says_what_a_question_is_about_and_it_is_learned(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "routing.toml").write_text(ROUTING, "utf-8")
    desk = await desk_on(stage, tmp_path, routing=tmp_path / "routing.toml")
    await desk.called()
    await desk.presses("desk.take")
    await desk.writes("you took 4711 from my account")
    await desk.says("/label")
    assert "• money – Money" in desk.seen()[-1]
    await desk.says("/label Money")
    assert rows(stage, "SELECT topic, text FROM topic_samples") == [("money", "you took 0 from my account")]
    await desk.says("/label")
    assert "is about: Money" in desk.seen()[-1]
    await desk.says("/label tea")
    assert "• money – Money" in desk.seen()[-1]


async def test_without_a_routing_file_a_question_has_no_topic(stage: Stage, tmp_path: Path) -> None:
    desk = await held(stage, tmp_path)
    await desk.says("/label money")
    assert desk.seen()[-1] == say("en", "desk.label.none")
