"""What ends with a role: links, questions to decide and buttons, whichever way the role falls (T32)."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bot.access import rights
from bot.access.policy import Role
from bot.features.knowledge.panel import ACTS
from bot.runtime.bot import Bot
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.repositories.money.budgets import DAY
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, said, soon

CLARA, DINA = 1003, 1004
LINK = re.compile(r"\?start=([\w-]{16,64})")
OVER = {BORIS: say("ru", "join.over"), CLARA: say("en", "join.over"), DINA: say("en", "join.over")}
ASK, ALLOW = say("en", "join.ask"), say("ru", "join.allow")


async def _closed(stage: Stage, **roles: str) -> Bot:
    """Anna owns it by the settings; the others get the roles that are named."""
    for number, name in ((CLARA, "Clara"), (DINA, "Dina")):
        stage.telegram.state.add_person(Person(number, name, "", "en"))
    stage.studio.script(*["yes"] * 9)
    app = await stage.start(access="closed", owners=(ANNA,))
    for name, role in roles.items():
        await _give(app, {"boris": BORIS, "clara": CLARA, "dina": DINA}[name], role)
    for number in (BORIS, CLARA, DINA)[: len(roles)]:
        await stage.ask("hello", number)  # so that their names are known
    return app


async def _give(app: Bot, user: int, role: str, expires: float | None = None) -> None:
    await app.joining.directory.write(
        lambda tx: tx.members.store_member(app.telegram.api.id, user, role, ANNA, expires)
    )


async def _elsewhere(app: Bot, user: int, role: str) -> None:
    """Another process has changed a role, and this one was not told yet."""
    await app.store.write(lambda tx: tx.members.store_member(app.telegram.api.id, user, role, ANNA))


async def _link(stage: Stage, by: int, wish: str) -> str:
    return str(LINK.findall(await stage.ask(f"/invite {wish}", by))[0])


async def _set(stage: Stage, user: int, label: str, by: int = ANNA) -> None:
    """Press a button of /members, and wait until it is done."""

    def done() -> int:
        return sum(text.startswith(f"ID {user} is now") for text in stage.telegram.texts(by))

    def labels() -> list[str]:
        return [button["text"] for message in said(stage, by) for button in buttons_of(message)]

    before, word = done(), say("en", f"members.{label}")
    stage.telegram.say(by, f"/members {user}")
    await stage.until(lambda: word in labels() or None)  # something else may be told first
    await stage.press(word, by)
    await stage.until(lambda: done() > before or None)


async def _toast(stage: Stage, label: str, chat: int) -> Any:
    """Press a button; what the messenger shows for a moment."""
    before = len(stage.telegram.calls_of("answerCallbackQuery"))
    await stage.press(label, chat)
    calls = await stage.until(lambda: stage.telegram.calls_of("answerCallbackQuery")[before:] or None)
    return calls[0].params.get("text")


def _jump(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "wish", "label"),
    [
        ("owner", "admin 9x 365d", "remove"),
        ("owner", "admin 9x", "user"),
        ("owner", "admin 9x", "operator"),
        ("owner", "admin 9x", "admin"),
        ("owner", "admin 9x", "block"),
        ("admin", "operator 9x", "remove"),
        ("admin", "operator 9x", "block"),
        ("admin", "user 9x", "user"),
    ],
)
async def test_whose_role_falls_neither_comes_back_nor_lets_others_in_by_an_own_link(
    stage: Stage, role: str, wish: str, label: str
) -> None:
    app = await _closed(stage, boris=role)
    code = await _link(stage, BORIS, wish)
    await _set(stage, BORIS, label)
    fallen = app.joining.directory.role(BORIS)
    stage.telegram.say(BORIS, f"/start {code}")
    assert await stage.ask(f"/start {code}", CLARA) == OVER[CLARA]
    assert app.joining.directory.role(BORIS) is fallen
    assert app.joining.directory.role(CLARA) is None


async def test_a_link_that_ended_stays_so_when_its_maker_gets_the_role_back(stage: Stage) -> None:
    await _closed(stage, boris="admin")
    code = await _link(stage, BORIS, "operator 9x")
    await _set(stage, BORIS, "remove")
    await _set(stage, BORIS, "admin")
    assert await stage.ask(f"/start {code}", CLARA) == OVER[CLARA]


async def test_the_links_of_others_go_on(stage: Stage) -> None:
    await _closed(stage, boris="admin")
    code = await _link(stage, ANNA, "operator")
    await _set(stage, BORIS, "remove")
    assert await stage.ask(f"/start {code}", CLARA) == say("en", "join.operator", name="Clara")


async def test_a_higher_role_leaves_the_links_alone(stage: Stage) -> None:
    await _closed(stage, boris="admin")
    code = await _link(stage, BORIS, "operator")
    await _set(stage, BORIS, "owner")
    assert await stage.ask(f"/start {code}", CLARA) == say("en", "join.operator", name="Clara")


async def test_a_link_gives_nothing_that_its_maker_may_not_give_at_that_moment(stage: Stage) -> None:
    """Also where another process has lowered the maker, and this one does not know it yet."""
    app = await _closed(stage, boris="owner")
    code = await _link(stage, BORIS, "admin 9x")
    await _elsewhere(app, BORIS, "admin")
    assert await stage.ask(f"/start {code}", CLARA) == OVER[CLARA]
    assert app.joining.directory.role(CLARA) is None


async def test_the_links_of_an_admin_end_with_the_admins_time(stage: Stage) -> None:
    app = await _closed(stage, boris="user")
    await _give(app, BORIS, "admin", stage.clock.time() + DAY)
    code = await _link(stage, BORIS, "operator 9x 30d")
    _jump(DAY + 1)
    assert await stage.ask(f"/start {code}", BORIS) == OVER[BORIS]
    assert await stage.ask(f"/start {code}", CLARA) == OVER[CLARA]
    await stage.clock.sleep(3600)
    assert rows(stage, "SELECT uses FROM invites") == [(0,)]
    (told,) = (text for text in stage.telegram.texts(ANNA) if "Boris" not in text and "1002" in text)
    assert told == say("en", "rights.ended", whom=f"Борис ({BORIS})", role=say("en", "role.stranger"), links=1)
    assert rows(stage, "SELECT actor, action, subject, details FROM audit WHERE action = 'ended'") == [
        (BORIS, "ended", str(BORIS), '{"links": 1}')
    ]
    assert f"Борис ({BORIS}): {say('en', 'audit.ended')}" in await stage.ask("/audit")


async def test_an_admin_who_comes_back_after_the_time_finds_no_old_link(stage: Stage) -> None:
    app = await _closed(stage, boris="user")
    await _give(app, BORIS, "admin", stage.clock.time() + 60)
    code = await _link(stage, BORIS, "operator 9x 30d")
    _jump(61)  # the clean-up of the hour has not come by
    await _set(stage, BORIS, "admin")
    assert await stage.ask(f"/start {code}", CLARA) == OVER[CLARA]


async def test_the_links_of_an_owner_end_when_the_settings_name_another(stage: Stage) -> None:
    await _closed(stage)
    code = await _link(stage, ANNA, "admin 9x")
    await stage.stop()
    await stage.start(owners=(CLARA,))
    assert await stage.ask(f"/start {code}", ANNA) == say("en", "join.over")
    assert await stage.ask(f"/start {code}", BORIS) == OVER[BORIS]
    await soon(stage, lambda: rows(stage, "SELECT uses FROM invites") == [(0,)] or None)
    told = say("en", "rights.ended", whom=f"Anna ({ANNA})", role=say("en", "role.stranger"), links=1)
    assert await stage.texts(1, CLARA) == [told]
    await stage.stop()
    await stage.start(owners=(ANNA, CLARA))
    assert await stage.ask(f"/start {code}", BORIS) == OVER[BORIS]
    assert stage.telegram.texts(CLARA) == [told]


async def test_an_own_link_is_no_way_round_a_block_that_another_process_has_made(stage: Stage) -> None:
    app = await _closed(stage)
    code = await _link(stage, ANNA, "operator")
    await _elsewhere(app, BORIS, "blocked")
    assert await stage.ask(f"/start {code}", BORIS) == OVER[BORIS]
    assert rows(stage, "SELECT role FROM members") == [("blocked",)]


# --- who is told ------------------------------------------------------------------------------------------------------


async def test_each_other_owner_is_told_once_whose_rights_were_lowered_by_whom_and_what_ended(stage: Stage) -> None:
    await _closed(stage, boris="admin", clara="owner", dina="owner")
    for wish in ("operator 9x", "user 5x"):
        await _link(stage, BORIS, wish)
    await _set(stage, BORIS, "user", CLARA)
    whom, by, role = f"Борис ({BORIS})", f"Clara ({CLARA})", say("en", "role.user")
    told = say("en", "rights.lowered", whom=whom, by=by, role=role, links=2)
    await stage.clock.sleep(60)
    assert [stage.telegram.texts(owner).count(told) for owner in (ANNA, DINA, CLARA, BORIS)] == [1, 1, 0, 0]
    details = rows(stage, "SELECT actor, subject, details FROM audit WHERE action = 'role'")
    assert [(*who, json.loads(what)) for *who, what in details] == [(CLARA, str(BORIS), {"role": "user", "links": 2})]
    log = await stage.ask("/audit", CLARA)
    assert log.splitlines()[0].endswith(f"changed a role: {whom}, now user; links ended: 2")


async def test_what_lowers_nobody_who_had_rights_is_told_to_nobody(stage: Stage) -> None:
    await _closed(stage, boris="user", clara="owner")
    await _set(stage, BORIS, "block")
    await _set(stage, BORIS, "remove")
    await _set(stage, BORIS, "admin")
    await stage.clock.sleep(60)
    assert len(stage.telegram.texts(CLARA)) == 1


async def test_a_removed_owner_is_not_told_with_the_owners(stage: Stage) -> None:
    await _closed(stage, boris="owner")
    await _set(stage, BORIS, "remove")
    await stage.clock.sleep(60)
    assert len(stage.telegram.texts(BORIS)) == 1


# --- questions and buttons --------------------------------------------------------------------------------------------


async def test_old_buttons_stay_dead_when_the_role_comes_back(stage: Stage) -> None:
    await _closed(stage, boris="admin")
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(2, BORIS)
    await stage.ask(f"/members {DINA}", BORIS)
    await _set(stage, BORIS, "remove")
    await _set(stage, BORIS, "admin")
    for label in (ALLOW, say("ru", "members.operator")):
        assert await _toast(stage, label, BORIS) == say("ru", "old.button")
    assert rows(stage, "SELECT state FROM applications") == [("open",)]


async def test_who_asked_only_an_admin_that_is_none_any_more_may_ask_again(stage: Stage) -> None:
    app = await _closed(stage, boris="admin")
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(2, BORIS)
    await _give(app, DINA, "owner")
    await stage.stop()
    await stage.start(owners=())  # Anna, who was asked too, is no owner any more
    await _set(stage, BORIS, "remove", DINA)
    await stage.ask("hello?", CLARA)
    await stage.press(ASK, CLARA)
    question = say("en", "join.question", name="Clara", id=CLARA)
    await stage.until(lambda: question in stage.telegram.texts(DINA) or None)


async def test_a_question_that_others_can_decide_waits_on(stage: Stage) -> None:
    await _closed(stage, boris="admin")
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(1, ANNA)
    await _set(stage, BORIS, "remove")
    assert await stage.ask("hello?", CLARA) == say("en", "join.waiting", id=CLARA)
    await stage.press(say("en", "join.allow"), ANNA)
    assert say("en", "join.welcome.asked") in (await stage.texts(4, CLARA))


async def test_a_block_decides_the_question_of_the_blocked(stage: Stage) -> None:
    app = await _closed(stage, boris="admin")
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(2, BORIS)
    await _set(stage, CLARA, "block")
    await stage.press(ALLOW, BORIS)
    await stage.until(lambda: say("ru", "join.decided") in stage.telegram.texts(BORIS) or None)
    assert app.joining.directory.role(CLARA) is Role.BLOCKED
    assert len(stage.telegram.texts(CLARA)) == 2


async def test_a_press_does_nothing_for_who_has_lost_the_right_in_another_process(stage: Stage) -> None:
    app = await _closed(stage, boris="admin", dina="user")
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(2, BORIS)
    await stage.ask("/invite", BORIS)
    await stage.ask(f"/members {DINA}", BORIS)
    before = rows(stage, "SELECT user, role FROM members WHERE user != 1002"), rows(stage, "SELECT uses FROM invites")
    await _elsewhere(app, BORIS, "user")
    count = len(stage.telegram.texts(BORIS))
    for label in ("join.allow", "members.operator", "invite.revoke"):
        await stage.press(say("ru", label), BORIS)
        count += 1
        assert (await stage.texts(count, BORIS))[-1] == say("ru", "members.not")
    for command in ("/invite", f"/allowance {DINA} 5"):
        assert await stage.ask(command, BORIS) == say("ru", "members.not")
    assert rows(stage, "SELECT state FROM applications") == [("open",)]
    assert rows(stage, "SELECT * FROM allowances") == []
    after = rows(stage, "SELECT user, role FROM members WHERE user != 1002"), rows(stage, "SELECT uses FROM invites")
    assert after == before


async def test_nobody_is_let_in_over_a_block_of_another_process(stage: Stage) -> None:
    app = await _closed(stage)
    await stage.ask("hello", CLARA)
    await stage.press(ASK, CLARA)
    await stage.texts(1, ANNA)
    await _elsewhere(app, CLARA, "blocked")
    await stage.press(say("en", "join.allow"))
    await soon(stage, lambda: inbox(stage) == ["done"] * 3 or None)
    assert rows(stage, "SELECT role FROM members") == [("blocked",)]


async def test_a_group_is_withdrawn_only_by_who_may_at_that_moment(stage: Stage) -> None:
    app = await _closed(stage, boris="admin")
    stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", BORIS)
    await stage.texts(2, BORIS)
    await stage.press(ALLOW, BORIS)
    await soon(stage, lambda: app.joining.directory.allows(TEAM) or None)
    await stage.ask("/members", BORIS)
    await _elsewhere(app, BORIS, "user")
    await stage.press(say("ru", "group.withdraw", name="Team"), BORIS)
    await stage.until(lambda: say("ru", "members.not") in stage.telegram.texts(BORIS) or None)
    assert rows(stage, "SELECT is_allowed FROM chats WHERE id < 0") == [(1,)]


def test_every_button_of_admins_ends_with_their_rights() -> None:
    sources = "".join(path.read_text() for path in Path(rights.__file__).parents[1].rglob("*.py"))
    pressed = re.findall(r'@press\(\s*((?:"[\w.]+",\s*)+)requires=Permission\.MANAGE', sources)
    named = {name for names in pressed for name in re.findall(r"[\w.]+", names)}
    assert named | {*ACTS} == set(rights.MANAGING)
