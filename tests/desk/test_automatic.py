"""Drafts that go out without a person: about proven topics, after an administrator's word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.desk.assistance.automatic import EACH, LAST, goes_to_person, lower_bound, verdict
from bot.storage.store import Tx
from bot.storage.tables.desk import ASKED, DROPPED, EDITED, ON, SENT, Draft
from bot.texts.catalog import say
from tests.support.choosing import actions
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, soon

ROUTING = (
    '[topic.delivery]\ntitle = "Delivery"\nwords = ["parcel*"]\n'
    'examples = ["where is it", "when does it come", "the courier"]\n'
    '[topic.drinks]\ntitle = "Drinks"\nwords = ["tea"]\nexamples = ["a cup of tea", "hot coffee", "is it sweet"]\n'
    '[topic.other]\ntitle = "Other"\n'
)

AUTO = '[draft]\nmode = "auto"\n'
KILLS = (0.0, 0.1, 1.9, 2.0, 2.05, 2.1, 2.3, 3.0)  # seconds after the question; a draft is begun after two


@pytest.mark.parametrize(
    ("unchanged", "of", "bound"),
    [(0, 0, 0.0), (50, 50, 0.9287), (46, 50, 0.8117), (45, 50, 0.7864), (9, 10, 0.5958), (0, 50, 0.0)],
)
def test_the_lower_bound_is_wilsons(unchanged: int, of: int, bound: float) -> None:
    assert lower_bound(unchanged, of) == pytest.approx(bound, abs=1e-4)


@pytest.mark.parametrize(
    ("states", "now", "after"),
    [
        ([SENT] * 49, "", ""),
        ([SENT] * 50, "", ASKED),
        ([SENT] * 46 + [EDITED] * 4, "", ASKED),
        ([SENT] * 45 + [EDITED] * 5, "", ""),
        ([SENT] * 50 + [DROPPED] * 50, "", ASKED),
        ([DROPPED] * 4 + [SENT] * 46, ASKED, ASKED),
        ([DROPPED] * 5 + [SENT] * 45, ON, ON),
        ([DROPPED] * 10 + [SENT] * 40, ON, ""),
        ([EDITED] * 10 + [SENT] * 40, ASKED, ""),
    ],
)
def test_a_topic_is_offered_when_it_is_proven_and_ends_when_it_gets_worse(
    states: list[str], now: str, after: str
) -> None:
    assert verdict(states, now) == after


def test_one_draft_in_twenty_goes_to_a_person_all_the_same() -> None:
    assert [number for number in range(1, 61) if goes_to_person(number)] == [EACH, 2 * EACH, 3 * EACH]


def kept(tx: Tx, name: str, state: str, count: int) -> None:
    """Store so many drafts about deliveries on which people have decided."""
    for number in range(count):
        draft = Draft(
            bot=tx.cases.list_bots()[0],
            case_id=1,
            key=f"{name}.{number}",
            question=0,
            seen=0.0,
            text="x",
            label="delivery",
            state=state,
        )
        tx.drafts.add_draft(draft)


async def written(stage: Stage, work: Callable[[Tx], None]) -> None:
    """Change the database of the running bot."""
    assert stage.app is not None
    await stage.app.store.write(work)


async def proven(
    stage: Stage, folder: Path, *, language: str = "en", drafts: int = LAST - 1, rules: str = AUTO
) -> DeskStage:
    """A desk with automatic drafts, and a case of Anna that Olga holds; nearly enough drafts were sent unchanged."""
    (folder / "desk.toml").write_text(rules, "utf-8")
    (folder / "routing.toml").write_text(ROUTING, "utf-8")
    desk = await desk_on(stage, folder, language=language, routing=folder / "routing.toml")
    await desk.called()
    await desk.presses("desk.take", language=language)

    await written(stage, lambda tx: kept(tx, "old", SENT, drafts))
    return desk


async def asked(desk: DeskStage, question: str, answer: str, head: str, *, language: str = "en") -> None:
    """The customer asks, and a draft with the answer stands in the topic below this head."""
    desk.stage.studio.script(answer)
    await desk.writes(question)
    title = say(language, f"desk.draft.{head}")
    await soon(desk.stage, lambda: any(one.startswith(title) and answer in one for one in desk.seen()) or None)
    await desk.quiet()


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_drafts_about_a_proven_topic_go_out_by_themselves_after_an_administrators_word(
    stage: Stage, tmp_path: Path, language: str
) -> None:  # fmt: skip
    desk = await proven(stage, tmp_path, language=language)
    await asked(desk, "where is my parcel?", "On Monday.", "own", language=language)
    assert "On Monday." not in stage.telegram.texts(ANNA)
    await desk.presses("desk.send.draft", language=language)
    assert say(language, "desk.auto.ask", label="delivery", sent=50, of=50) in stage.telegram.texts(desk.group)
    await asked(desk, "another parcel?", "On Tuesday.", "own", language=language)
    assert "On Tuesday." not in stage.telegram.texts(ANNA)  # nobody has agreed yet
    assert "desk.auto" in actions(stage)
    await desk.presses("desk.auto.agree", language=language)
    assert say(language, "desk.auto.agreed", label="delivery") in stage.telegram.texts(desk.group)
    await asked(desk, "and the third parcel?", "On Friday.", "alone", language=language)
    assert stage.telegram.texts(ANNA)[-1] == "On Friday."
    await asked(desk, "do you like tea?", "Very much.", "own", language=language)  # about nothing that is proven
    assert "Very much." not in stage.telegram.texts(ANNA)


async def test_it_ends_by_itself_when_drafts_are_corrected(stage: Stage, tmp_path: Path) -> None:
    desk = await proven(stage, tmp_path, drafts=LAST)
    await written(stage, lambda tx: tx.drafts.store_automatic(tx.cases.list_bots()[0], "delivery", ON))
    await asked(desk, "where is my parcel?", "On Monday.", "alone")
    await written(stage, lambda tx: kept(tx, "new", EDITED, 10))
    await asked(desk, "another parcel?", "On Sunday.", "own")
    assert "On Sunday." not in stage.telegram.texts(ANNA)
    await desk.presses("desk.send.draft")
    assert say("en", "desk.auto.ended", label="delivery", sent=40, of=50) in stage.telegram.texts(desk.group)
    assert rows(stage, "SELECT state FROM desk_automatic") == []


async def waiting(stage: Stage, folder: Path) -> DeskStage:
    """A desk whose drafts about deliveries go out by themselves, and a case of Anna that nobody has."""
    desk = await proven(stage, folder, drafts=LAST)
    await written(stage, lambda tx: tx.drafts.store_automatic(tx.cases.list_bots()[0], "delivery", ON))
    await desk.says("/release")
    return desk


async def test_while_nobody_has_the_case_a_draft_goes_out_by_itself(stage: Stage, tmp_path: Path) -> None:
    desk = await waiting(stage, tmp_path)
    await asked(desk, "where is my parcel?", "On Monday.", "alone")
    assert stage.telegram.texts(ANNA)[-1] == "On Monday."


async def test_a_draft_whose_case_was_taken_while_it_was_written_goes_to_the_person(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await waiting(stage, tmp_path)
    stage.studio.speed = 1
    stage.studio.script("On Monday. " * 60)
    stage.telegram.say(ANNA, "where is my parcel?", None, 0, None)
    await asyncio.sleep(4)
    assert stage.prompts()
    await desk.says("/take")
    await soon(stage, lambda: any(one.startswith(say("en", "desk.draft.own")) for one in desk.seen()) or None)
    await desk.quiet()
    assert "On Monday." not in str(stage.telegram.texts(ANNA))
    assert rows(stage, "SELECT state, automatic FROM desk_drafts WHERE \"key\" LIKE 'case.%'") == [("offered", 0)]


async def test_killed_anywhere_an_automatic_draft_is_written_and_sent_once(stage: Stage, tmp_path: Path) -> None:
    desk = await proven(stage, tmp_path, drafts=LAST)
    await written(stage, lambda tx: tx.drafts.store_automatic(tx.cases.list_bots()[0], "delivery", ON))
    for number, seconds in enumerate(KILLS):
        answer = f"Parcel {number} comes on Monday."
        stage.studio.script(answer, answer)  # the second for the process that begins anew
        before = len(inbox(stage))
        stage.telegram.say(ANNA, f"where is parcel {number}?", None, 0, None)
        await asyncio.sleep(seconds)
        await stage.crash()
        await stage.start()
        await soon(stage, lambda answer=answer: answer in stage.telegram.texts(ANNA) or None)  # type: ignore[misc]
        await desk.quiet(before)
        await asyncio.sleep(30)
        stage.studio.source.queue.clear()
    sent = [text for text in stage.telegram.texts(ANNA) if text.startswith("Parcel")]
    assert sent == [f"Parcel {number} comes on Monday." for number in range(len(KILLS))]
    alone = [text for text in desk.seen() if text.startswith(say("en", "desk.draft.alone"))]
    assert len(alone) == len(KILLS)
    assert rows(stage, "SELECT COUNT(*) FROM desk_drafts WHERE automatic = 1") == [(len(KILLS),)]


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_only_an_administrators_word_lets_proven_drafts_go_out(
    stage: Stage, tmp_path: Path, language: str
) -> None:
    desk = await proven(stage, tmp_path, language=language, drafts=30)
    await asked(desk, "where is my parcel?", "On Monday.", "own", language=language)
    await desk.says("/draft auto")
    assert desk.seen()[-1] == say(language, "desk.auto.refused", label="delivery", sent=30, of=30)
    await written(stage, lambda tx: kept(tx, "more", SENT, 20))
    await desk.says("/draft auto please")
    assert desk.seen()[-1] == say(language, "desk.auto.how")
    await written(stage, lambda tx: tx.members.store_member(tx.cases.list_bots()[0], BORIS, "operator", OLGA))
    await stage.crash()
    await stage.start()
    await desk.says("/draft auto", BORIS)
    assert desk.seen()[-1] == say(language, "desk.auto.admin")
    assert rows(stage, "SELECT state FROM desk_automatic") == []
    await desk.says("/draft auto")
    assert desk.seen()[-1] == say(language, "desk.auto.agreed", label="delivery")
    await asked(desk, "another parcel?", "On Friday.", "alone", language=language)
    assert stage.telegram.texts(ANNA)[-1] == "On Friday."
    await desk.says("/draft auto off")
    assert desk.seen()[-1] == say(language, "desk.auto.off", label="delivery")
    await asked(desk, "a third parcel?", "On Sunday.", "own", language=language)
    assert "On Sunday." not in stage.telegram.texts(ANNA)


async def test_leads_read_in_private_that_drafts_about_a_topic_come_to_people_again(
    stage: Stage, tmp_path: Path
) -> None:
    rules = f'[draft]\nmode = "auto"\n[promise]\nlead = [{OLEG}]\n'
    desk = await proven(stage, tmp_path, rules=rules, drafts=LAST)
    await stage.ask("/start", OLEG)
    await written(stage, lambda tx: tx.drafts.store_automatic(tx.cases.list_bots()[0], "delivery", ON))
    await written(stage, lambda tx: kept(tx, "new", DROPPED, 10))  # people have answered in their own words
    await asked(desk, "where is my parcel?", "On Sunday.", "own")
    told = say("en", "desk.auto.ended", label="delivery", sent=40, of=50)
    assert stage.telegram.texts(desk.group).count(told) == 1
    assert stage.telegram.texts(OLEG)[-1] == told
    assert "On Sunday." not in stage.telegram.texts(ANNA)


async def test_a_take_over_withdraws_an_automatic_draft_that_still_waits(stage: Stage, tmp_path: Path) -> None:
    desk = await waiting(stage, tmp_path)
    stage.telegram.fail_next("sendMessage", times=1, chat_id=ANNA, code=429, parameters={"retry_after": 60})
    stage.studio.script("On Monday.")
    stage.telegram.say(ANNA, "where is my parcel?", None, 0, None)
    await soon(stage, lambda: any(one.startswith(say("en", "desk.draft.alone")) for one in desk.seen()) or None)
    stage.telegram.say(desk.group, "/take", OLGA, desk.topic)
    await soon(stage, lambda: say("en", "desk.auto.withdrawn") in desk.seen() or None)
    await asyncio.sleep(120)
    assert "On Monday." not in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT state FROM desk_drafts WHERE automatic = 1") == [("dropped",)]
    await desk.says("On Tuesday.")
    assert stage.telegram.texts(ANNA)[-1] == "On Tuesday."
    stage.studio.script("As my colleague says.")
    await desk.says("/draft")
    await soon(stage, lambda: any("As my colleague says." in one for one in desk.seen()) or None)
    assert "On Monday." not in str(stage.prompts()[-1])  # nobody has read it
