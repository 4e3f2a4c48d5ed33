"""How people and groups are let in: the first-run code, links, questions to the admins, and what admins may do.

See T18 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import re
from itertools import product
from typing import Any

import pytest

from bot.access.members import InviteTerms
from bot.access.policy import Role, may_set
from bot.runtime.bot import Bot
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.repositories.money.budgets import DAY
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, said, soon

CLARA = 1003
LINK = re.compile(r"https://t\.me/govorun_sandbox_bot\?start=([\w-]{16,64})")
MENTION = "@govorun_sandbox_bot hello"
ASK, ALLOW, REFUSE = say("ru", "join.ask"), say("en", "join.allow"), say("en", "join.refuse")


async def _closed(stage: Stage, **changes: Any) -> Bot:
    """Anna owns it; Clara is a third person."""
    stage.telegram.state.add_person(Person(CLARA, "Clara", "", "en"))
    return await stage.start(**{"access": "closed", "owners": (ANNA,), **changes})


async def _give(app: Bot, user: int, role: str, expires: float | None = None) -> None:
    await app.joining.directory.write(
        lambda tx: tx.members.store_member(app.telegram.api.id, user, role, ANNA, expires)
    )


# --- the first owner --------------------------------------------------------------------------------------------------


async def test_the_first_run_code_makes_one_owner_and_is_gone(stage: Stage) -> None:
    app = await _closed(stage, owners=())
    code = app.joining.code
    assert len(code) >= 16
    assert await stage.ask("/start nonsense") == say("en", "join.over")
    assert await stage.ask(f"/start {code}") == say("en", "join.owner", name="Anna")
    assert app.joining.code == ""
    assert await stage.ask(f"/start {code}", BORIS) == say("ru", "join.over")
    assert code not in str(rows(stage, "SELECT raw FROM updates"))
    await stage.stop()
    app = await stage.start()
    assert app.joining.code == ""
    stage.studio.script("welcome")
    assert await stage.ask("hello") == "welcome"


async def test_who_guesses_codes_may_not_go_on(stage: Stage) -> None:
    app = await _closed(stage, owners=())
    for _ in range(5):
        await stage.ask("/start guess", BORIS)
    assert await stage.ask(f"/start {app.joining.code}", BORIS) == say("ru", "join.tries")


async def test_strangers_who_guess_take_nobody_elses_tries_and_stand_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    app = await _closed(stage, owners=())
    for stranger in range(2000, 2011):
        stage.telegram.state.add_person(Person(stranger, "Guess", "", "en"))
        for number in range(6):
            await stage.ask(f"/start guess{number}", stranger)
    assert await stage.ask(f"/start {app.joining.code}", 2000) == say("en", "join.tries")
    assert await stage.ask(f"/start {app.joining.code}") == say("en", "join.owner", name="Anna")
    lines = [line for line in caplog.messages if "wrong first-run code" in line]
    assert lines[0] == "account 2000 has tried a wrong first-run code"
    assert 5 <= len(lines) <= 6  # of 55: no flood of guesses floods the log
    assert "guess" not in caplog.text
    assert rows(stage, "SELECT user, role FROM members") == [(ANNA, "owner")]


async def test_a_wrong_code_is_logged_again_when_the_log_was_calm_for_a_while(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await _closed(stage, owners=())
    for round_ in range(2):
        for stranger in range(2000 + 10 * round_, 2006 + 10 * round_):
            stage.telegram.state.add_person(Person(stranger, "Guess", "", "en"))
            await stage.ask("/start guess", stranger)
        await stage.clock.sleep(60)
    lines = [line for line in caplog.messages if "wrong first-run code" in line]
    assert len(lines) == 6
    assert lines[5] == "account 2010 has tried a wrong first-run code"


async def test_a_forwarded_code_opens_nothing(stage: Stage) -> None:
    app = await _closed(stage, owners=())
    place = {"id": ANNA, "type": "private", "first_name": "Anna"}
    message = {"message_id": 900, "date": 1_800_000_000, "chat": place, "text": f"/start {app.joining.code}"}
    person = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}
    origin = {"type": "hidden_user", "date": 1, "sender_user_name": "x"}
    stage.telegram.push_raw({"message": {**message, "from": person, "forward_origin": origin}})
    assert await stage.texts(1) == [say("en", "closed", id=ANNA)]


async def test_there_is_no_code_where_the_settings_name_an_owner(stage: Stage) -> None:
    assert (await _closed(stage)).joining.code == ""


# --- links ------------------------------------------------------------------------------------------------------------


async def test_a_link_lets_in_as_many_as_it_says_and_only_its_hash_is_kept(stage: Stage) -> None:
    await _closed(stage)
    stage.studio.script("yes", "yes")
    code = LINK.findall(await stage.ask("/invite operator 1x 3d"))[0]
    await soon(stage, lambda: code not in str(rows(stage, "SELECT outgoing FROM deliveries")) or None)
    assert code not in str(rows(stage, "SELECT * FROM invites"))
    assert await stage.ask(f"/start {code}", BORIS) == say("ru", "join.operator", name="Борис")
    assert await stage.ask("hello", BORIS) == "yes"
    assert await stage.ask(f"/start {code}", CLARA) == say("en", "join.over")
    assert rows(stage, "SELECT user, role, by FROM members") == [(BORIS, "operator", ANNA)]


async def test_a_link_ends_by_itself_or_is_taken_back(stage: Stage) -> None:
    await _closed(stage)
    code = LINK.findall(await stage.ask("/invite 9x"))[0]
    await stage.press(say("en", "invite.revoke"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == [say("en", "invite.revoked")] or None)
    assert await stage.ask(f"/start {code}", BORIS) == say("ru", "join.over")
    code = LINK.findall(await stage.ask("/invite 9x 2d"))[0]
    _jump(2 * DAY + 1)
    assert await stage.ask(f"/start {code}", BORIS) == say("ru", "join.over")


async def test_a_member_whose_time_is_over_is_a_stranger_again(stage: Stage) -> None:
    await _closed(stage)
    stage.studio.script("yes")
    code = LINK.findall(await stage.ask("/invite stay 1d"))[0]
    await stage.ask(f"/start {code}", BORIS)
    assert await stage.ask("hello", BORIS) == "yes"
    _jump(DAY + 1)
    assert await stage.ask("hello", BORIS) == say("ru", "closed", id=BORIS)


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        ("", InviteTerms()),
        ("admin", InviteTerms(Role.ADMIN)),
        ("5x", InviteTerms(uses=5)),
        ("operator 5x 30d stay 90d", InviteTerms(Role.OPERATOR, 5, 30, 90)),
        ("user stay 3d", InviteTerms(stay=3)),
        ("owner", None),
        ("0x", None),
        ("400d", None),
        ("5", None),
        ("operator5x", None),
    ],
)
def test_what_a_link_is_to_be_is_said_in_a_few_words(words: str, wish: InviteTerms | None) -> None:
    assert InviteTerms.of(words) == wish


async def test_nonsense_after_invite_is_answered_with_an_example(stage: Stage) -> None:
    await _closed(stage)
    for words in ("everybody", "30d 100x", "2000x", "400d"):
        assert await stage.ask(f"/invite {words}") == say("en", "invite.usage", uses=1000, days=365)


# --- questions to the admins ------------------------------------------------------------------------------------------


async def test_a_stranger_asks_once_and_hears_what_the_admins_decided(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, CLARA, "admin")
    stage.studio.script("yes")
    await stage.ask("hello", BORIS)
    await stage.press(ASK, BORIS)
    assert (await stage.texts(2, BORIS))[1] == say("ru", "join.sent")
    question = say("en", "join.question", name="Борис", id=BORIS)
    assert await stage.texts(1, ANNA) == await stage.texts(1, CLARA) == [question]
    await stage.ask("hello?", BORIS)
    assert not buttons_of(said(stage, BORIS)[-1])
    await stage.press(ALLOW, CLARA)
    await stage.until(lambda: stage.telegram.texts(CLARA) == [say("en", "join.let", name="Борис")] or None)
    assert (await stage.texts(4, BORIS))[3] == say("ru", "join.welcome.asked")
    await stage.press(REFUSE, ANNA)
    await stage.until(lambda: stage.telegram.texts(ANNA) == [say("en", "join.decided")] or None)
    assert not buttons_of(said(stage, ANNA)[-1])
    assert await stage.ask("hello", BORIS) == "yes"
    assert rows(stage, "SELECT actor, action, subject FROM audit") == [(CLARA, "allowed", str(BORIS))]


async def test_who_was_refused_is_told_so_and_can_not_ask_again(stage: Stage) -> None:
    await _closed(stage)
    await stage.ask("hello", BORIS)
    await stage.press(ASK, BORIS)
    await stage.texts(1, ANNA)
    await stage.press(REFUSE)
    assert (await stage.texts(3, BORIS))[2] == say("ru", "join.refused")
    assert await stage.ask("hello", BORIS) == say("ru", "join.refused")
    assert len(buttons_of(said(stage, BORIS)[-1])) == 0


async def test_a_strange_name_is_shown_as_plain_text(stage: Stage) -> None:
    await _closed(stage)
    stage.telegram.state.add_person(Person(1004, "*[Anna](tg://user?id=1)*", "", "en"))
    await stage.ask("hello", 1004)
    await stage.press(say("en", "join.ask"), 1004)
    (question,) = await stage.texts(1, ANNA)
    assert question.startswith("*[Anna](tg:")
    assert not said(stage)[0].get("entities")


async def test_the_button_of_a_question_works_for_admins_only(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, CLARA, "admin")
    await stage.ask("hello", BORIS)
    await stage.press(ASK, BORIS)
    await stage.texts(1, CLARA)
    await _give(app, CLARA, "user")
    await stage.press(ALLOW, CLARA)
    toast = await stage.until(lambda: stage.telegram.calls_of("answerCallbackQuery")[-1].params.get("text"))
    assert toast == say("en", "admins.only")
    assert rows(stage, "SELECT state FROM applications") == [("open",)]


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_a_group_hears_one_sentence_until_an_admin_allows_it(stage: Stage) -> None:
    await _closed(stage)
    stage.studio.script("for all")
    assert await stage.ask(MENTION, TEAM, BORIS) == say("ru", "group.waiting")
    for text in (MENTION, "/help", "/stop", "/help@govorun_sandbox_bot"):
        stage.telegram.say(TEAM, text, BORIS)
    stage.telegram.say(TEAM, MENTION, ANNA)
    question = say("en", "group.question", name="Team", id=TEAM)
    assert await stage.texts(1, ANNA) == [question]
    await soon(stage, lambda: inbox(stage) == ["done"] * 6 or None)
    assert len(stage.telegram.texts(TEAM)) == 1
    await stage.press(ALLOW, ANNA)
    assert (await stage.texts(2, TEAM))[1] == say("ru", "group.welcome")
    assert await stage.ask(MENTION, TEAM, BORIS) == "for all"
    assert await stage.ask("hello", BORIS) == say("ru", "closed", id=BORIS)


async def test_a_group_that_calls_the_bot_is_asked_for(stage: Stage) -> None:
    await _closed(stage)
    stage.telegram.kick(TEAM)
    stage.telegram.kick(TEAM, gone=False, user_id=BORIS)
    assert await stage.texts(1, ANNA) == [say("en", "group.question", name="Team", id=TEAM)]
    assert await stage.texts(1, TEAM) == [say("ru", "group.waiting")]


async def test_a_refused_group_stays_silent_until_an_admin_speaks_in_it(stage: Stage) -> None:
    await _closed(stage)
    await stage.ask(MENTION, TEAM, BORIS)
    await stage.texts(1, ANNA)
    await stage.press(REFUSE)
    await stage.until(lambda: stage.telegram.texts(ANNA) == [say("en", "join.not", name="Team")] or None)
    stage.telegram.say(TEAM, MENTION, BORIS)
    await soon(stage, lambda: inbox(stage) == ["done"] * 3 or None)
    assert len(stage.telegram.texts(TEAM)) == 1
    stage.telegram.say(TEAM, MENTION, ANNA)
    assert (await stage.texts(2, ANNA))[1].startswith("I was called")


async def test_an_allowed_group_keeps_that_when_it_moves_and_loses_it_when_it_is_withdrawn(stage: Stage) -> None:
    app = await _closed(stage)
    stage.studio.script("here", "there")
    where = Address("telegram", app.telegram.api.id, TEAM)
    await app.joining.directory.write(lambda tx: tx.members.set_group_allowed(where, allowed=True))
    assert await stage.ask(MENTION, TEAM, BORIS) == "here"
    chat = {"id": TEAM, "type": "group", "title": "Team"}
    stage.telegram.push_raw(
        {"message": {"message_id": 900, "date": 1_800_000_000, "chat": chat, "migrate_to_chat_id": -1009}}
    )
    await soon(stage, lambda: app.joining.directory.allows(-1009) or None)
    assert not app.joining.directory.allows(TEAM)
    await stage.ask("/members")
    await stage.press(say("en", "group.withdraw", name=-1009))
    assert (await stage.texts(2))[1] == say("en", "group.withdrawn")
    assert not app.joining.directory.allows(-1009)
    assert rows(stage, "SELECT action, subject FROM audit") == [("withdrawn", "-1009")]


async def test_an_anonymous_admin_speaks_for_the_group_and_a_channel_for_nobody(stage: Stage) -> None:
    """T16: only where the group itself is the sender of its own message."""
    await stage.start()
    stage.studio.script("for the group")
    group = {"id": TEAM, "type": "supergroup", "title": "Team"}
    sender = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    message = {"message_id": 900, "date": 1_800_000_000, "chat": group, "from": sender, "text": MENTION}
    channel = {"id": -1007, "type": "channel", "title": "News"}
    stage.telegram.push_raw({"message": {**message, "sender_chat": channel}})
    stage.telegram.push_raw({"message": {**message, "message_id": 901, "from": {**sender, "id": 777000}}})
    stage.telegram.say(TEAM, MENTION, ANNA, anonymous=True)
    assert await stage.texts(1, TEAM) == ["for the group"]
    stage.telegram.say(TEAM, "/model@govorun_sandbox_bot", ANNA, anonymous=True)
    await stage.texts(2, TEAM)
    assert len(stage.prompts()) == 1
    label = buttons_of(said(stage, TEAM)[-1])[1]["text"]
    await stage.press(label, TEAM, BORIS)
    toast = await stage.until(
        lambda: [call.params.get("text") for call in stage.telegram.calls_of("answerCallbackQuery")]
    )
    assert toast == [say("ru", "admins.only")]
    await stage.press(label, TEAM, ANNA)
    await stage.until(lambda: len(stage.telegram.calls_of("answerCallbackQuery")) == 2 or None)
    assert toasts(stage)[1] == say("en", "model.chosen", model="YandexGPT 5 Lite")
    assert rows(stage, "SELECT DISTINCT user FROM usage") == [(TEAM,)]


# --- what admins do ---------------------------------------------------------------------------------------------------


def test_nobody_changes_the_own_rank_or_gives_a_higher_one() -> None:
    for actor, target, new in product(Role, repeat=3):
        may = may_set(actor, target, new)
        assert may == (actor is Role.OWNER or (actor is Role.ADMIN and max(target, new) < Role.ADMIN))


async def test_an_admin_sees_the_members_and_changes_a_role(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, BORIS, "user")
    await _give(app, CLARA, "admin")
    stage.studio.script("yes")
    await stage.ask("hello", BORIS)
    assert str(ANNA) in await stage.ask("/members", CLARA)
    await stage.press(f"Борис · {say('en', 'role.user')}", CLARA)
    card = (await stage.texts(2, CLARA))[1]
    assert "Борис" in card
    labels = {button["text"] for button in buttons_of(said(stage, CLARA)[-1])}
    assert labels == {say("en", f"members.{name}") for name in ("operator", "block", "remove", "allowance")}
    await stage.press(say("en", "members.operator"), CLARA)
    await stage.until(lambda: stage.telegram.texts(CLARA)[-1].endswith(f"{say('en', 'role.operator')}.") or None)
    assert not buttons_of(said(stage, CLARA)[-1])
    assert app.joining.directory.role(BORIS) is Role.OPERATOR
    assert rows(stage, "SELECT actor, action, subject, details FROM audit") == [
        (CLARA, "role", str(BORIS), '{"role": "operator"}')
    ]
    log = await stage.ask("/audit", CLARA)
    assert log.endswith(f"Clara ({CLARA}): changed a role: Борис ({BORIS}), now operator")


async def test_the_log_names_people_and_speaks_the_language_of_its_reader(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, BORIS, "admin")
    await stage.ask("/invite operator 5x 30d", BORIS)
    assert (await stage.ask("/audit", BORIS)).endswith(
        f"Борис ({BORIS}): создана ссылка 1 (роль: оператор, использований: 5, дней: 30)"
    )


async def test_the_card_of_a_stranger_says_only_what_is_known(stage: Stage) -> None:
    await _closed(stage, owners=())
    await stage.ask(f"/start {stage.app.joining.code if stage.app else ''}")
    assert await stage.ask("/members 12345") == "12345\nRole: not let in"
    assert "settings" not in await stage.ask("/members")


async def test_who_is_blocked_gets_silence_and_no_link_helps(stage: Stage) -> None:
    await _closed(stage)
    code = LINK.findall(await stage.ask("/invite"))[0]
    await stage.ask(f"/members {BORIS}")
    await stage.press(say("en", "members.block"))
    await stage.until(lambda: "blocked" in stage.telegram.texts(ANNA)[-1] or None)
    for text in ("hello", f"/start {code}", "/help"):
        stage.telegram.say(BORIS, text)
    await soon(stage, lambda: inbox(stage) == ["done"] * 6 or None)
    assert stage.telegram.texts(BORIS) == []
    await stage.ask(f"/members {BORIS}")
    await stage.press(say("en", "members.remove"))
    await stage.until(lambda: "not let in" in stage.telegram.texts(ANNA)[-1] or None)
    assert await stage.ask("hello", BORIS) == say("ru", "closed", id=BORIS)


async def test_an_old_card_gives_no_right_that_was_lost(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, CLARA, "owner")
    await stage.ask(f"/members {BORIS}", CLARA)
    await _give(app, CLARA, "admin")
    await stage.press(say("en", "members.owner"), CLARA)
    assert (await stage.texts(2, CLARA))[1] == say("en", "members.not")
    assert app.joining.directory.role(BORIS) is None


async def test_a_user_learns_nothing_of_the_admins_commands(stage: Stage) -> None:
    app = await _closed(stage)
    await _give(app, BORIS, "operator")
    for word in ("/members", "/invite", "/audit"):
        assert await stage.ask(word, BORIS) == say("ru", "unknown.command", command=word)
        assert word not in await stage.ask("/help", BORIS)
        assert word in await stage.ask("/help", ANNA)


async def test_more_members_than_fit_stand_on_pages(stage: Stage) -> None:
    app = await _closed(stage)

    def crowd(tx: Tx) -> None:
        for number in range(20):
            tx.members.store_member(app.telegram.api.id, 3000 + number, "user", ANNA)

    await app.joining.directory.write(crowd)
    await stage.ask("/members")
    await stage.press(say("en", "members.more"))
    await stage.texts(2)
    await stage.press(say("en", "members.more"))
    await stage.texts(3)
    assert [len(buttons_of(message)) for message in said(stage)] == [9, 9, 4]


async def test_a_setting_of_a_group_stands_in_the_log(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model@govorun_sandbox_bot", TEAM, ANNA)
    await pressed(stage, "YandexGPT 5 Lite", chat=TEAM, user=ANNA)
    assert rows(stage, "SELECT actor, action, subject FROM audit") == [(ANNA, "settings", str(TEAM))]


def test_the_buttons_have_names() -> None:
    """Each is pressed above, by its label."""
    names = ("join.allow", "join.refuse", "members.show", "members.page", "members.set", "group.withdraw")
    assert len({*names, "invite.revoke"}) == 7


def _jump(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds
