"""Who may do what: closed by default, one table for messages, edits and presses (P23, T12, T15-T17, T20)."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from bot.access.policy import Access, Actor, Decision, Role
from bot.sandbox import painter
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Permission
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.table import table
from tests.support.telegram_side import inbox, said, soon

OWNERS = frozenset({ANNA, 1087968824})


class Some:
    """Boris has a role, and the bot may speak in one group."""

    def __init__(self, role: Role | None = None, group: int = 0) -> None:
        self._role, self._group = role, group

    def role(self, user: int) -> Role | None:
        return self._role if user == BORIS else None

    def allows(self, chat: int) -> bool:
        return chat == self._group != 0


GIVEN = (None, Role.BLOCKED, Role.USER, Role.OPERATOR, Role.ADMIN, Role.OWNER)
POLICIES = [
    Access(is_open, owners, Some(role, group))
    for is_open in (False, True)
    for owners in (frozenset[int](), OWNERS)
    for role in GIVEN
    for group in (0, TEAM)
]
ACTORS = [
    Actor(id_, is_bot, private, firsthand, administers, 0 if private else TEAM)
    for id_ in (0, -100, TEAM, ANNA, BORIS)
    for is_bot, private, firsthand, administers in product((False, True), repeat=4)
]
PERSON = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}
JPEG = painter.draw("a cat", 1, 1, 1)

# --- the table --------------------------------------------------------------------------------------------------------


@table("policy", POLICIES)
def test_programs_and_nobody_may_do_nothing_but_signal(policy: Access) -> None:
    for actor in ACTORS:
        if actor.is_bot or (actor.id <= 0 and not actor.is_group):
            assert _allowed(policy, actor) == {Permission.SIGNAL}


@table("policy", POLICIES)
def test_the_bot_is_administered_by_its_owners_in_private_with_their_own_words(policy: Access) -> None:
    for actor in ACTORS:
        is_owner = _role(policy, actor) is Role.OWNER
        is_admin = _role(policy, actor) in (Role.OWNER, Role.ADMIN)
        by_hand = actor.private and actor.firsthand
        assert (Permission.ADMINISTER in _allowed(policy, actor)) == (is_owner and by_hand)
        assert (Permission.MANAGE in _allowed(policy, actor)) == (is_admin and by_hand)
        assert (Permission.EXCEED in _allowed(policy, actor)) == (is_owner and policy.is_here(actor))
        corrects = _role(policy, actor) >= Role.OPERATOR and policy.is_here(actor)
        assert (Permission.CORRECT in _allowed(policy, actor)) == corrects


@table("policy", POLICIES)
def test_a_closed_bot_is_for_its_members_and_for_the_groups_that_were_allowed(policy: Access) -> None:
    for actor in ACTORS:
        is_let_in = _role(policy, actor) >= Role.USER and policy.is_here(actor)
        assert (Permission.TALK in _allowed(policy, actor)) == is_let_in
        decides = is_let_in and (actor.private or actor.administers)
        assert (Permission.CHOOSE in _allowed(policy, actor)) == decides


@table("policy", POLICIES)
def test_the_blocked_may_do_nothing_anywhere(policy: Access) -> None:
    if policy.directory.role(BORIS) is Role.BLOCKED:
        for actor in ACTORS:
            if actor.id == BORIS and not actor.is_bot:
                assert _allowed(policy, actor) == {Permission.SIGNAL}
                assert policy.authorize(actor, Permission.TALK) is Decision.BLOCKED


def test_a_refusal_says_what_is_missing() -> None:
    policy = Access(is_open=True, owners=OWNERS)
    owner = Actor(ANNA, private=True, firsthand=True)
    reasons = {
        Actor(0): Decision.NOT_IN_PERSON,
        Actor(BORIS, private=True, firsthand=True): Decision.NOT_HIGH_ENOUGH,
        Actor(ANNA, firsthand=True): Decision.NOT_PRIVATE,
        Actor(ANNA, private=True): Decision.NOT_FIRSTHAND,
        owner: Decision.ALLOWED,
    }
    assert {actor: policy.authorize(actor, Permission.ADMINISTER) for actor in reasons} == reasons
    assert Access().authorize(owner, Permission.TALK) is Decision.CLOSED
    assert Access(owners=OWNERS).authorize(Actor(ANNA, chat=TEAM), Permission.TALK) is Decision.NOT_HERE
    assert policy.authorize(Actor(BORIS), Permission.CHOOSE) is Decision.NOT_ADMINISTRATOR


def _role(policy: Access, actor: Actor) -> Role:
    """By other words than the policy's own."""
    if actor.is_bot or (actor.id <= 0 and not actor.is_group):
        return Role.NOBODY
    if actor.id in policy.owners:
        return Role.OWNER
    crowd = Role.USER if policy.is_open or (not actor.private and policy.directory.allows(TEAM)) else Role.STRANGER
    return crowd if actor.id != BORIS else policy.directory.role(BORIS) or crowd


def _allowed(policy: Access, actor: Actor) -> set[Permission]:
    return {action for action in Permission if policy.authorize(actor, action) is Decision.ALLOWED}


# --- who talks --------------------------------------------------------------------------------------------------------


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


async def test_who_is_blocked_can_not_stop_an_owners_answer(stage: Stage) -> None:
    stage.studio.speed = 10
    app = await stage.start(access="closed", owners=(ANNA,))

    def let_in(tx: Tx) -> None:
        where = Address("telegram", app.telegram.api.id, TEAM)
        tx.members.set_group_allowed(where, allowed=True)
        tx.members.store_member(where.bot, BORIS, "blocked", ANNA)

    await app.joining.directory.write(let_in)
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
    await stage.press("YandexGPT 5 Lite", BORIS)
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
    await stage.ask("hello")
    assert stage.telegram.texts(TEAM) == []


async def test_a_stranger_who_floods_is_told_the_number_a_few_times_only(stage: Stage) -> None:
    await stage.start(access="closed", owners=(ANNA,))
    for number in range(1, 9):
        stage.telegram.say(BORIS, "hello")
        await soon(stage, lambda number=number: inbox(stage) == ["done"] * number or None)  # type: ignore[misc]
    await asyncio.sleep(10)
    assert stage.telegram.texts(BORIS) == [say("ru", "closed", id=BORIS)] * 5


async def test_a_bot_gets_no_answer_however_it_speaks(stage: Stage) -> None:
    """T12: two programs could talk to each other for ever."""
    await stage.start(owners=(ANNA,))
    robot = {"id": 777, "is_bot": True, "first_name": "Robot"}
    place = {"id": 777, "type": "private", "first_name": "Robot"}
    message = {"message_id": 5, "date": 1_800_000_000, "chat": place, "from": robot, "text": "hello"}
    for update in (
        {"message": message},
        {"edited_message": {**message, "edit_date": 1_800_000_001}},
        {"message": {**message, "message_id": 6, "text": "/stop"}},
        {"callback_query": {"id": "1", "from": robot, "message": message, "data": "x", "chat_instance": "1"}},
    ):
        stage.telegram.push_raw(update)
    await soon(stage, lambda: inbox(stage) == ["done"] * 4 or None)
    await stage.ask("are you there?")
    assert [call.chat_id for call in stage.telegram.calls_of("sendMessage")] == [ANNA]
    assert len(stage.prompts()) == 1


# --- what only owners may ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"forward_origin": {"type": "user", "date": 1, "sender_user": PERSON}},
        {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Anna"}},
        {"via_bot": {"id": 9, "is_bot": True, "first_name": "Inline"}},
        {"from": {**PERSON, "id": BORIS}},
        {"from": {**PERSON, "id": BORIS, "username": "anna"}},
        {"chat": {"id": TEAM, "type": "supergroup", "title": "Team"}, "text": "/audit@govorun_sandbox_bot"},
    ],
)
async def test_an_owners_command_works_only_from_the_owners_own_hand(stage: Stage, how: dict[str, Any]) -> None:
    """T15, T20. Others learn not even that there is such a command."""
    await stage.start(owners=(ANNA,))
    place = {"id": ANNA, "type": "private", "first_name": "Anna"}
    message = {"message_id": 900, "date": 1_800_000_000, "chat": place, "from": PERSON, "text": "/audit", **how}
    stage.telegram.push_raw({"message": message})
    answer = (await stage.texts(1, message["chat"]["id"]))[0]
    assert answer.startswith(say("en", "unknown.command", command="/audit")[:20])


async def test_an_edit_into_an_owners_command_does_nothing(stage: Stage) -> None:
    await stage.start(owners=(ANNA,))
    message = stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    stage.telegram.edit(ANNA, message["message_id"], "/audit")
    await soon(stage, lambda: inbox(stage) == ["done"] * 2 or None)
    assert say("en", "audit.empty") not in stage.telegram.texts(ANNA)


# --- buttons ----------------------------------------------------------------------------------------------------------


async def test_a_key_works_only_under_the_message_it_was_put_under(stage: Stage) -> None:
    """T17: the same person, in the same chat, on another message of the bot, and on none."""
    await stage.start()
    await stage.ask("hello")
    await stage.ask("/model")
    answer, menu = said(stage)
    key = buttons_of(menu)[1]["callback_data"]
    stage.telegram.press(ANNA, answer["message_id"], key)
    press = {"id": "4000000000009", "from": PERSON, "data": key, "chat_instance": "1"}
    stage.telegram.push_raw({"callback_query": {**press, "inline_message_id": "AAAA"}})
    stage.telegram.push_raw({"callback_query": {**press, "id": "5", "message": {**menu, "message_id": 0, "date": 0}}})
    assert await _toasts(stage, 3) == [say("en", "old.button")] * 3
    stage.telegram.press(ANNA, menu["message_id"], key)
    assert (await _toasts(stage, 4))[3] == say("en", "model.chosen", model="YandexGPT 5 Lite")


async def test_a_picture_is_ordered_once_by_a_button_however_often_it_is_pressed(stage: Stage) -> None:
    stage.studio.paint(*[JPEG] * 5)
    await stage.start()
    await stage.ask("/image a cat")
    photo = said(stage)[-1]
    again = next(button["callback_data"] for button in buttons_of(photo) if button["text"] == "Again")
    for _ in range(5):
        stage.telegram.press(ANNA, photo["message_id"], again)
    assert sorted(await _toasts(stage, 5)) == ["", *[say("en", "old.button")] * 4]
    await asyncio.sleep(600)
    assert stage.studio.bought == 2


async def test_in_a_group_only_who_asked_may_ask_again(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA)
    stage.studio.set_faults({"error500": 0.0})
    asked = len(stage.prompts())
    await stage.press("Try again", TEAM, BORIS)
    assert await _toasts(stage, 1) == [say("ru", "old.button.group")]
    assert len(stage.prompts()) == asked
    await stage.press("Try again", TEAM, ANNA)
    await stage.until(lambda: len(stage.prompts()) == asked + 1 or None)


async def test_a_button_works_after_a_crash_between_its_sending_and_our_knowing(stage: Stage) -> None:
    """Until Telegram has answered, the message has no number of ours: any newer one may be it."""
    await stage.start()
    stage.telegram.fail_next("sendMessage", reset=True, apply=True)
    await stage.ask("/model")
    menu = said(stage)[-1]
    stage.telegram.press(ANNA, menu["message_id"], buttons_of(menu)[1]["callback_data"])
    assert await _toasts(stage, 1) == [say("en", "model.chosen", model="YandexGPT 5 Lite")]


async def _toasts(stage: Stage, count: int) -> list[str]:
    await soon(stage, lambda: len(stage.telegram.calls_of("answerCallbackQuery")) >= count or None)
    return [call.params.get("text", "") for call in stage.telegram.calls_of("answerCallbackQuery")]
