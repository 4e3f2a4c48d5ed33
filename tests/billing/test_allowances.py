"""What is left to spend, and what admins let one person spend: by a command, by a button, in the audit log."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from bot.billing.allowances import AllowanceChange, audited, read
from bot.runtime.bot import Bot
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, said

pytestmark = pytest.mark.usefixtures("older_models")

CLARA = 1003
YES = Answer(["yes"], usage={"inputTextTokens": "80", "completionTokens": "20", "totalTokens": "100"})  # 0.12 RUB
RUB = 1_000_000


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        ("200", AllowanceChange(200 * RUB)),
        ("200 a day", AllowanceChange(200 * RUB)),
        ("12.5 RUB per day", AllowanceChange(12_500_000)),
        ("0,5 \u20bd в день", AllowanceChange(500_000)),
        ("3000 a month", AllowanceChange(None, 3000 * RUB)),
        ("3000 руб. в месяц", AllowanceChange(None, 3000 * RUB)),
        ("200/day 3000/month", AllowanceChange(200 * RUB, 3000 * RUB)),
        ("3000 a month and 200 a day", AllowanceChange(200 * RUB, 3000 * RUB)),
        ("200 в день, 3000 в месяц", AllowanceChange(200 * RUB, 3000 * RUB)),
        ("none", AllowanceChange(0, 0)),
        ("Без лимита", AllowanceChange(0, 0)),
        ("default", AllowanceChange(as_everybody=True)),
        ("как у всех", AllowanceChange(as_everybody=True)),
        ("200 a day 300 a day", None),
        ("200 a year", None),
        ("-5", None),
        ("1e9", None),
        ("9999999999", None),
        ("", None),
        ("much", None),
    ],
)
def test_an_amount_is_read_as_admins_write_it(words: str, wish: AllowanceChange | None) -> None:
    assert AllowanceChange.of(words) == wish


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("1002", ("1002", "")),
        ("1002 200 a day", ("1002", "200 a day")),
        ("1002 nonsense", ("1002", "nonsense")),
        ("Boris", ("Boris", "")),
        ("@boris 200", ("@boris", "200")),
        ("Anna Maria 3000 a month", ("Anna Maria", "3000 a month")),
        ("Анна Мария как у всех", ("Анна Мария", "как у всех")),
        ("R2 D2 5 a day", ("R2 D2", "5 a day")),
    ],
)
def test_whom_an_admin_means_may_be_several_words(words: str, found: tuple[str, str]) -> None:
    assert read(words) == found


async def test_an_admin_sets_what_one_person_may_spend_from_the_next_request_on(stage: Stage) -> None:
    app = await _open(stage, user_daily_money=Decimal(100))
    assert await stage.ask("hello", BORIS) == "yes"
    text = await stage.ask(f"/allowance {BORIS} 0.2 a day", CLARA)
    day, month = "0.20 RUB", say("en", "allowance.default")
    assert text == say("en", "allowance.set", name="Борис", id=BORIS, day=day, month=month)
    left = await stage.ask("/allowance", BORIS)
    assert left.startswith("Вам на сегодня: осталось 0,08\u00a0₽ из 0,20\u00a0₽")
    assert await stage.ask("more", BORIS) == "yes"
    assert (await stage.ask("and more", BORIS)).startswith("На сегодня ваш лимит исчерпан.")
    assert await stage.ask("hello") == "yes"
    entry = ("allowance", str(BORIS))
    (actor, *what, details) = rows(stage, "SELECT actor, action, subject, details FROM audit")[0]
    assert (actor, tuple(what), json.loads(details)) == (CLARA, entry, {"day": "0.2"})
    told = say("en", "audit.allowance", subject=f"Борис ({BORIS})", changes="a day: 0.20 RUB, a month: as everybody")
    assert told in await stage.ask("/audit", CLARA)
    await stage.crash()
    await stage.start()
    assert (await stage.ask("still?", BORIS)).startswith("На сегодня ваш лимит исчерпан.")
    await stage.ask(f"/allowance {BORIS} none", CLARA)
    assert await stage.ask("and now?", BORIS) == "yes"
    await stage.ask(f"/allowance {BORIS} default", CLARA)
    assert rows(stage, "SELECT * FROM allowances") == []
    assert app.settings.user_daily_money == 100


def test_the_audit_log_tells_an_allowance_in_words() -> None:
    assert audited("RUB", "ru", {"day": "0.2", "month": "0"}) == "на день: 0,20\u00a0₽, на месяц: нет"
    assert audited("USD", "en", {}) == "a day: as everybody, a month: as everybody"


async def test_where_nothing_else_is_limited_an_allowance_holds_and_the_month_too(stage: Stage) -> None:
    await _open(stage)
    await stage.ask(f"/allowance {BORIS} 1 a day", CLARA)
    text = await stage.ask(f"/allowance {BORIS} 0.1 a month", CLARA)
    assert text == say("en", "allowance.set", name="-", id=BORIS, day="1.00 RUB", month="0.10 RUB")
    assert await stage.ask("hello", BORIS) == "yes"
    assert (await stage.ask("more", BORIS)).startswith("На этот месяц ваш лимит исчерпан.")


async def test_a_personal_allowance_counts_instead_of_that_of_the_role(stage: Stage) -> None:
    app = await _open(stage, role_daily_money={"operator": Decimal("0.1")})
    await _give(app, BORIS, "operator")
    await stage.ask(f"/allowance {BORIS} 0.3", CLARA)
    assert [await stage.ask("more", BORIS) for _ in range(3)] == ["yes"] * 3


async def test_an_allowance_is_shown_and_changed_by_buttons(stage: Stage) -> None:
    app = await _open(stage, user_daily_money=Decimal(100))
    await _give(app, BORIS, "user")
    await stage.ask("hello", BORIS)
    await stage.ask(f"/members {BORIS}", CLARA)
    await stage.press(say("en", "members.allowance"), CLARA)  # "allowance.of"
    card = (await stage.texts(2, CLARA))[1]
    assert card == say(
        "en", "allowance.card", name="Борис", id=BORIS, day="100.00 RUB", month=say("en", "allowance.unlimited"),
        today="0.12 RUB", this_month="0.12 RUB", whose=say("en", "allowance.everybody"),
    )  # fmt: skip
    assert [button["text"] for button in buttons_of(said(stage, CLARA)[-1])] == [say("en", "allowance.change")]
    await stage.press(say("en", "allowance.change"), CLARA)  # "allowance.change"
    assert (await stage.texts(3, CLARA))[2].startswith(say("en", "allowance.ask"))
    assert await stage.ask("a lot", CLARA) == say("en", "allowance.ask")
    assert "0.50 RUB" in await stage.ask("0.5 a day", CLARA)
    assert await stage.ask("hello", CLARA) == "yes"
    assert say("en", "allowance.personal") in await stage.ask(f"/allowance {BORIS}", CLARA)
    await stage.press(say("en", "allowance.reset"), CLARA)
    assert (await stage.texts(8, CLARA))[7].startswith("Борис (ID 1002): limit a day: as everybody")
    assert app.joining.directory.allowance(BORIS) is None


async def test_nobody_sets_that_of_the_own_rank_or_above_and_owners_have_none(stage: Stage) -> None:
    app = await _open(stage, owners=(ANNA,))
    await _give(app, BORIS, "admin")
    for whom, answer in ((BORIS, "members.not"), (CLARA, "members.not"), (ANNA, "allowance.owner")):
        assert await stage.ask(f"/allowance {whom} 5", CLARA) == say("en", answer)
    assert "5.00 RUB" in await stage.ask(f"/allowance {CLARA} 5")
    await stage.ask(f"/members {ANNA}", CLARA)
    assert say("en", "members.allowance") not in [button["text"] for button in buttons_of(said(stage, CLARA)[-1])]


async def test_others_see_only_their_own_and_admins_write_it_in_private(stage: Stage) -> None:
    app = await _open(stage, user_daily_money=Decimal(1))
    await _give(app, BORIS, "operator")
    text = await stage.ask(f"/allowance {ANNA} 5", BORIS)
    assert text.startswith("Вам на сегодня: осталось 1,00\u00a0₽ из 1,00\u00a0₽")
    await _give(app, ANNA, "admin")
    assert await stage.ask(f"/allowance@govorun_sandbox_bot {BORIS} 5", TEAM, ANNA) == say("en", "allowance.private")
    assert rows(stage, "SELECT * FROM allowances") == []


async def test_what_can_not_be_meant_is_said(stage: Stage) -> None:
    await _open(stage)
    assert await stage.ask(f"/allowance {BORIS} a lot", CLARA) == say("en", "allowance.usage")
    assert await stage.ask("/allowance Nobody 5", CLARA) == say("en", "allowance.nobody", name="Nobody")


@pytest.mark.parametrize(("wish", "again"), [("5 a day", "/allowance ID 5 a day"), ("", "/allowance ID")])
async def test_a_name_changes_nothing_and_is_answered_with_the_numbers_that_it_fits(
    stage: Stage, wish: str, again: str
) -> None:
    """Also where it fits one person only: anybody may call themselves like somebody who has not written yet."""
    await _open(stage)
    stage.telegram.state.add_person(Person(7, "борис", "", "ru"))
    await stage.ask("hello", 7)
    text = await stage.ask(f"/allowance Борис {wish}".strip(), CLARA)
    assert text == say("en", "allowance.which", people="7 · борис", words=wish).rstrip()
    assert text.endswith(again)
    await stage.ask("hello", BORIS)
    text = await stage.ask(f"/allowance Борис {wish}".strip(), CLARA)
    assert text == say("en", "allowance.which", people="7 · борис\n1002 · Борис", words=wish).rstrip()
    assert not buttons_of(said(stage, CLARA)[-1])
    assert rows(stage, "SELECT * FROM allowances") == []
    assert rows(stage, "SELECT * FROM audit") == []


async def test_members_are_listed_before_a_crowd_of_their_name(stage: Stage) -> None:
    app = await _open(stage, user_rate=0.0)
    stage.studio.script(*[YES] * 40)
    for number in range(3000, 3022):
        stage.telegram.state.add_person(Person(number, "Twin", "", "en"))
        await stage.ask("hello", number)
    await _give(app, 3021, "user")
    lines = (await stage.ask("/allowance twin 5", CLARA)).splitlines()
    assert lines[1:4] == ["3021 · Twin", "3000 · Twin", "3001 · Twin"]
    assert lines[-2] == say("en", "allowance.more", count=2)


async def test_a_username_is_no_name_because_it_may_be_another_persons_tomorrow(stage: Stage) -> None:
    app = await _open(stage)
    stage.telegram.state.add_person(Person(7, "Twin", "twin", "en"))
    await stage.ask("hello", 7)
    assert await stage.ask("/allowance @twin 5", CLARA) == say("en", "allowance.username")
    await _give(app, BORIS, "admin")
    assert await stage.ask("/allowance @twin 5", BORIS) == say("ru", "allowance.username")
    assert rows(stage, "SELECT * FROM allowances") == []


async def test_a_lost_right_ends_a_question_that_was_begun(stage: Stage) -> None:
    app = await _open(stage)
    await stage.ask(f"/allowance {BORIS}", CLARA)
    await stage.press(say("en", "allowance.change"), CLARA)
    await stage.texts(2, CLARA)
    await _give(app, CLARA, "user")
    assert await stage.ask("500", CLARA) == "yes"
    assert rows(stage, "SELECT * FROM allowances") == []


async def _open(stage: Stage, **settings: object) -> Bot:
    """Clara is an admin of an open bot."""
    stage.studio.script(*[YES] * 20)
    stage.telegram.state.add_person(Person(CLARA, "Clara", "", "en"))
    app = await stage.start(max_tokens=30, **settings)
    await _give(app, CLARA, "admin")
    return app


async def _give(app: Bot, user: int, role: str) -> None:
    await app.joining.directory.write(lambda tx: tx.members.store_member(app.telegram.api.id, user, role, 1))
