"""What operators do by words: give, tags, priorities, canned answers, the queue; and teams with groups of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.desk.policy.canned import Canned, CannedAnswers, read
from bot.prompts.schema import Broken
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.desk_side import BOT, OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.table import table
from tests.support.telegram_side import rows, soon

OWNER = "SELECT owner, holder, team FROM desk_cases ORDER BY id DESC LIMIT 1"
TEAMS = '[team.support]\ntitle = "Support"\n[team.billing]\ntitle.en = "Billing"\ntitle.ru = "Оплата"\n'


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds; Oleg has written in the group."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("here too", OLEG)
    return desk


def can(folder: Path, name: str, text: str) -> None:
    """Write a canned answer."""
    (folder / "canned").mkdir(exist_ok=True)
    (folder / "canned" / f"{name}.md").write_text(text, "utf-8")


async def test_a_case_is_given_to_a_colleague_whose_words_go_to_the_customer(desk: DeskStage) -> None:
    await desk.says("/give oleg")
    assert rows(desk.stage, OWNER) == [("held", OLEG, "")]
    await desk.says("Now it's me.", OLEG)
    assert desk.stage.telegram.texts(ANNA)[-1] == "Now it's me."
    await desk.says("/give", OLGA)
    assert "Oleg" in desk.seen()[-1]
    await desk.says("/give Oleg", OLGA)
    assert desk.seen()[-1] == say("en", "desk.not_yours")
    await desk.says("/give somebody", OLEG)
    assert desk.seen()[-1] == say("en", "desk.give.how", names="Olga")


async def test_a_canned_answer_is_not_sent_before_somebody_has_the_case(desk: DeskStage, tmp_path: Path) -> None:
    can(tmp_path, "bye", "Good bye")
    await desk.says("/release")
    await desk.says("/c bye")
    assert desk.seen()[-1] == say("en", "desk.take_first")
    await desk.says("/take", OLEG)
    await desk.says("/c bye")
    assert desk.seen()[-1] == say("en", "desk.not_yours")


async def test_a_wrong_argument_is_answered_in_one_line_with_an_example_and_changes_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    can(tmp_path, "hours", "We are here.")
    (tmp_path / "desk.toml").write_text('[translate]\nmode = "ask"\n', "utf-8")
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    cases, read = rows(stage, "SELECT * FROM desk_cases"), stage.telegram.texts(ANNA)
    told = {
        "/give Nobody": say("en", "desk.give.how", names="–"),
        "/snooze": say("en", "desk.snooze_how"),
        "/snooze tomorrow": say("en", "desk.snooze_how"),
        "/snooze 0m": say("en", "desk.snooze_past"),
        "/ban 7x spam": say("en", "desk.ban.how"),
        "/translate klingon": say("en", "desk.translate.how", now="–", customer="en"),
        "/translate zz": say("en", "desk.translate.how", now="–", customer="en"),
        "/tag two words": say("en", "desk.tag.how"),
        "/priority urgent": say("en", "desk.priority.how"),
        "/pause": say("en", "desk.pause.how"),
        "/find": say("en", "desk.find.how"),
        "/find nobody": say("en", "desk.find.none"),
        "/label delivery": say("en", "desk.label.none"),
        "/c": say("en", "desk.canned", names="• hours"),
        "/c hourz": say("en", "desk.canned.unknown", names="hours"),
        "/canned qqq": say("en", "desk.canned", names="• hours"),
        "/del": say("en", "desk.del_how"),
        "/draft": say("en", "desk.draft.nothing"),
        "/draft auto": say("en", "desk.auto.how"),
        "/next": say("en", "desk.next.none"),
        "/take": say("en", "desk.is_yours"),
        "/assign Olga": say("en", "desk.words"),
    }
    said = {}
    for word in told:
        await desk.says(word)
        said[word] = desk.seen()[-1]
    assert said == told
    assert (rows(stage, "SELECT * FROM desk_cases"), stage.telegram.texts(ANNA)) == (cases, read)


async def test_a_case_is_given_by_a_reply_to_a_colleague(desk: DeskStage) -> None:
    note = await desk.says("I know this one", OLEG)
    await desk.says("/give", reply_to=note["message_id"])
    assert rows(desk.stage, OWNER) == [("held", OLEG, "")]


async def test_tags_and_a_priority_stand_on_the_card_and_order_the_queue(desk: DeskStage) -> None:
    await desk.says("/tag Refund")
    await desk.says("/priority high")
    assert "priority: high · #refund" in desk.card()["text"]
    await desk.says("/tag refund")
    assert "#refund" not in desk.card()["text"]
    assert len([text for text in desk.seen() if text.startswith("#1")]) == 1  # the card was edited
    for wrong, key in (("/tag two words", "desk.tag.how"), ("/priority urgent", "desk.priority.how")):
        await desk.says(wrong)
        assert desk.seen()[-1] == say("en", key)
    await desk.says("/release")
    topic = desk.topic
    await desk.called(BORIS)
    await desk.says("/next", OLEG, topic=topic)
    assert rows(desk.stage, "SELECT id FROM desk_cases WHERE owner = 'held'") == [(1,)]


async def test_the_queue_is_taken_and_the_own_cases_are_listed_in_the_group(desk: DeskStage) -> None:
    await desk.called(BORIS)
    told = [await desk.stage.ask(word, desk.group, OLEG) for word in ("/next", "/next", "/mine")]
    assert told[0].startswith("You have #2 https://t.me/c/")
    assert told[1] == say("en", "desk.next.none")
    assert told[2].startswith(say("en", "desk.mine", count=1))
    assert await desk.stage.ask("/next", desk.group, BORIS) == say("en", "desk.not_operator")


async def test_a_canned_answer_is_sent_in_the_language_of_the_customer(
    stage: Stage, desk: DeskStage, tmp_path: Path
) -> None:
    await desk.says("/canned")
    assert desk.seen()[-1] == say("en", "desk.canned.none")
    can(tmp_path, "hours", "then: tag asked\nDear {name}, case {number}: we are back on {next opening}. {operator}")
    can(tmp_path, "hours.ru", "Работаем до шести.")
    can(tmp_path, "bye", "then: close\nGoodbye!")
    await desk.says("/canned")
    assert desk.seen()[-1] == say("en", "desk.canned", names="• bye\n• hours")
    await desk.says("/c hour")
    assert desk.seen()[-1] == say("en", "desk.canned.unknown", names="hours")
    sent = await desk.says("/c hours")
    assert stage.telegram.texts(ANNA)[-1].startswith("Dear Anna, case 1: we are back on ")
    assert stage.telegram.texts(ANNA)[-1].endswith(". Olga")
    assert "#asked" in desk.card()["text"]
    await desk.edits(sent, "/c bye", OLGA)
    assert stage.telegram.texts(ANNA)[-1].startswith("Dear Anna")
    assert desk.seen()[-1] == say("en", "desk.edit_word")
    await desk.says("/c hours", OLEG)
    assert desk.seen()[-1] == say("en", "desk.not_yours")
    await desk.says("/c bye")
    assert stage.telegram.texts(ANNA)[-2:] == ["Goodbye!", say("en", "desk.rate.ask")]
    assert rows(stage, OWNER) == [("closed", 0, "")]


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_case_that_is_given_to_another_team_goes_to_its_group(
    stage: Stage, tmp_path: Path, language: str
) -> None:
    (tmp_path / "desk.toml").write_text(TEAMS, "utf-8")
    desk = await desk_on(stage, tmp_path, language=language, team="Support")
    billing = {"en": "Billing", "ru": "Оплата"}[language]
    other = stage.telegram.group("Billing", [OLGA, OLEG], is_forum=True)["id"]
    stage.telegram.promote(other)
    await stage.ask(f"/desk{BOT}", other, OLGA)
    await pressed(stage, billing, chat=other, user=OLGA)
    await desk.quiet()
    await desk.called()
    await desk.presses("desk.take", language=language)
    first = desk.topic
    await desk.says(f"/give {billing}")
    assert rows(stage, OWNER) == [("waiting", 0, "billing")]
    given = say(language, "desk.given", number=1, team=billing)
    assert desk.messages(first)[1]["text"] == given
    moved = DeskStage(stage, other)
    assert len(moved.cards()) == 1
    await desk.writes("And now?")
    assert moved.seen()[-1] == "And now?"
    await desk.says("I could help", topic=first)
    assert desk.seen(first)[-1] == say(language, "desk.elsewhere", team=billing)
    await moved.presses("desk.take", OLEG, language=language)
    await moved.says("Here is Billing.", OLEG)
    assert stage.telegram.texts(ANNA)[-1] == "Here is Billing."


@table(
    ("text", "says"),
    [
        ("", "1 to 4096"), ("x" * 4097, "1 to 4096"), ("then: close\n", "1 to 4096"), ("then: dance\nhello", "'dance'"),
        ("Dear {nmae}", "{nmae} is not known; there are {name}"),
    ],
)  # fmt: skip
def test_a_canned_answer_with_a_mistake_is_told(tmp_path: Path, text: str, says: str) -> None:
    can(tmp_path, "one", text)
    with pytest.raises(Broken, match=r"^one\.md") as caught:
        CannedAnswers(tmp_path).find("one", "en")
    assert says in str(caught.value)


def test_canned_answers_are_found_by_language_and_never_outside_of_their_folder(tmp_path: Path) -> None:
    can(tmp_path, "a.ru", "да")
    can(tmp_path, "b", "then: tag x, close\nboth")
    (tmp_path / "secret.md").write_text("secret")
    answers = CannedAnswers(tmp_path)
    assert answers.names() == ["a", "b"]
    assert answers.find("a", "en") == Canned("да")
    assert answers.find("b", "ru") == Canned("both", ("x",), closes=True)
    assert answers.find("../secret", "en") is None
    (tmp_path / "canned" / "c.md").write_bytes(b"\xff\xfe")
    with pytest.raises(Broken, match="UTF-8"):
        read(tmp_path / "canned" / "c.md")


@pytest.mark.parametrize("said", ["1", "#1", str(ANNA), "ann", "refund"])
async def test_a_case_is_found_by_its_number_its_customer_or_its_tag(desk: DeskStage, said: str) -> None:
    await desk.says("/tag refund")
    await desk.says(f"/find {said}")
    assert desk.seen()[-1].startswith("#1 · answered by Olga")


async def test_what_is_not_found_is_said(desk: DeskStage) -> None:
    for said, told in (("/find zzz", "none"), ("/find", "how"), ("/find 100%", "none")):
        await desk.says(said)
        assert desk.seen()[-1] == say("en", f"desk.find.{told}")


async def test_a_case_of_the_bot_is_taken_where_it_was_found_and_gets_its_topic(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    stage.studio.script("Within a week.")
    await stage.ask("where is my parcel?")
    stage.telegram.say(desk.group, "/find anna", OLGA)
    await soon(stage, lambda: "where is my parcel?" in stage.telegram.texts(desk.group)[-1] or None)
    await desk.presses("desk.take")
    assert rows(stage, OWNER) == [("held", OLGA, "")]
    await desk.says("Here is Olga")
    assert stage.telegram.texts(ANNA)[-1] == "Here is Olga"


async def test_a_banned_customer_is_locked_out_until_the_time_is_over(desk: DeskStage) -> None:
    await desk.says("/ban 7d rude")
    await soon(desk.stage, lambda: say("en", "desk.banned.time") in desk.seen() or None)
    assert rows(desk.stage, OWNER)[0][0] == "closed"
    before = desk.stage.telegram.texts(ANNA)
    await desk.writes("hello?")
    assert [text for text in desk.stage.telegram.texts(ANNA)[len(before) :] if text != say("en", "blocked")] == []
    assert desk.stage.prompts() == []
    desk.stage.clock.shift += 7 * 24 * 3600 + 1
    desk.stage.studio.script("Hello again.")
    assert await desk.stage.ask("hello?") == "Hello again."


async def test_a_colleague_is_not_banned(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called(OLEG)
    await desk.says("/ban")
    await soon(stage, lambda: say("en", "desk.ban.colleague") in desk.seen() or None)
    assert rows(stage, OWNER)[0][0] == "waiting"
