"""What goes from one side to the other: words with their formatting, files, replies and edits; and what does not.

See F109, F111 and T33 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.painter import draw
from bot.texts.catalog import say
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, soon


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    return desk


def read(desk: DeskStage, customer: int = ANNA) -> list[str]:
    return desk.stage.telegram.texts(customer)


async def test_notes_never_reach_the_customer_not_even_by_an_edit(desk: DeskStage) -> None:
    before = read(desk)
    note = await desk.says("// he was rude last time")
    await desk.says("/note look into his orders")
    colleague = await desk.says("I can help with this", OLEG)
    await desk.says("thanks, please do", reply_to=colleague["message_id"])
    stranger = await desk.says("buy my goods", BORIS)
    for message, who in ((note, OLGA), (colleague, OLEG), (stranger, BORIS)):
        await desk.edits(message, "now without the mark", who)
    assert read(desk) == before
    assert {desk.reactions()[one["message_id"]] for one in (note, colleague, stranger)} == {"✍"}


async def test_a_member_who_is_no_operator_is_told_once_that_his_words_stay_here(desk: DeskStage) -> None:
    await desk.says("hello", BORIS)
    await desk.says("hello?", BORIS)
    assert desk.seen().count(say("en", "desk.not_operator")) == 1


async def test_a_colleague_is_told_who_has_the_case_and_may_take_it_over(desk: DeskStage) -> None:
    await desk.says("let me", OLEG)
    assert desk.seen()[-1] == say("en", "desk.others", name="Olga")
    await desk.says("/take", OLEG)
    await desk.says("I go on", OLEG)
    assert read(desk)[-1] == "I go on"
    assert list(desk.reactions().values())[-1] == "👌"
    await desk.says("me too", OLGA)
    assert read(desk)[-1] == "I go on"


async def test_words_before_anybody_has_the_case_are_not_sent_but_offered(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    before = read(desk)
    await desk.says("who takes this?")
    assert read(desk) == before
    assert desk.seen()[-1] == say("en", "desk.offer")
    await desk.presses("desk.send", OLEG)
    assert read(desk)[-1] == "who takes this?"
    assert say("en", "desk.offer") not in desk.seen()
    await desk.says("it is mine", OLEG)
    assert read(desk)[-1] == "it is mine"


async def test_words_after_the_close_stay_here_and_the_operator_is_told(desk: DeskStage) -> None:
    await desk.says("/close")
    before = read(desk)
    late = await desk.says("one thing more")
    assert read(desk) == before
    assert desk.seen()[-1] == say("en", "desk.offer.closed")
    assert desk.reactions()[late["message_id"]] == "✍"


async def test_a_file_before_anybody_has_the_case_is_sent_as_a_file_by_the_button(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    given = {"caption": "this one?", "user_id": OLGA, "thread_id": desk.topic}
    await desk.sends(desk.group, draw("a cup", 1, 1, 1), "photo", **given)
    assert "photo" not in stage.telegram.transcript(ANNA)[-1]
    await desk.presses("desk.send")
    sent = stage.telegram.transcript(ANNA)[-1]
    assert ("photo" in sent, sent.get("caption")) == (True, "this one?")


async def test_a_reply_to_a_customers_message_takes_the_case_and_quotes_it(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    asked = await desk.writes("where is it?")
    mirrored = next(one for one in reversed(desk.messages()) if one.get("text") == "where is it?")
    await desk.says("at the post office", reply_to=mirrored["message_id"])
    answer = stage.telegram.transcript(ANNA)[-1]
    assert (answer["text"], answer["reply_to_message"]["message_id"]) == ("at the post office", asked["message_id"])
    back = await desk.writes("which one?", reply_to=answer["message_id"])
    quoting = desk.messages()[-1]
    assert (back["text"], quoting["reply_to_message"]["text"]) == ("which one?", "at the post office")


async def test_edits_reach_the_other_side_in_place_and_operators_see_the_former_text(desk: DeskStage) -> None:
    sent = await desk.says("it comes on Monday")
    await desk.edits(sent, "it comes on Tuesday", OLGA)
    assert read(desk)[-1] == "it comes on Tuesday"
    assert "it comes on Monday" not in read(desk)
    wrote = await desk.writes("my number is 12")
    await desk.edits(wrote, "my number is 13", ANNA)
    assert desk.seen()[-1] == "my number is 13\n" + say("en", "desk.edited", text="my number is 12")


async def test_an_edit_after_the_answer_marks_the_card_until_somebody_answers_again(desk: DeskStage) -> None:
    wrote = await desk.writes("my number is 12")
    await desk.edits(wrote, "my number is 13", ANNA)
    mark = say("en", "desk.card.edited")
    assert mark not in desk.card()["text"]
    await asyncio.sleep(1)
    await desk.says("12 is ready")
    await asyncio.sleep(1)
    await desk.edits(wrote, "my number is 14", ANNA)
    assert mark in desk.card()["text"]
    await asyncio.sleep(1)
    await desk.says("14 is not")
    assert mark not in desk.card()["text"]
    assert len(desk.cards()) == 1


async def test_an_answer_that_is_edited_into_a_note_is_deleted_at_the_customers(desk: DeskStage) -> None:
    before = read(desk)
    sent = await desk.says("he is wrong")
    assert read(desk)[-1] == "he is wrong"
    await desk.edits(sent, "// he is wrong", OLGA)
    assert read(desk) == before


async def test_files_are_copied_both_ways_without_a_download(desk: DeskStage) -> None:
    downloads = desk.count_calls("getFile")
    await desk.sends(ANNA, draw("a cup", 1, 1, 1), "photo", caption="the broken cup")
    assert desk.messages()[-1]["caption"] == "the broken cup"
    given = {"name": "label.pdf", "mime": "application/pdf", "user_id": OLGA, "thread_id": desk.topic}
    await desk.sends(desk.group, b"%PDF", "document", **given)
    assert desk.stage.telegram.transcript(ANNA)[-1]["document"]["file_name"] == "label.pdf"
    assert desk.count_calls("getFile") == downloads


async def test_what_looks_like_formatting_or_a_card_is_only_text_to_operators(desk: DeskStage) -> None:
    await desk.writes("#9 · closed\n**Olga** [pay here](https://example.com) /close @oleg")
    mirrored = desk.messages()[-1]
    assert (
        mirrored["text"].replace("\u2060", "") == "#9 · closed\n**Olga** [pay here](https://example.com) /close @oleg"
    )
    assert {one["type"] for one in mirrored.get("entities", [])} <= {"url"}
    await desk.says("still yours")
    assert read(desk)[-1] == "still yours"


async def test_reactions_go_both_ways(desk: DeskStage) -> None:
    asked = await desk.writes("it works now")
    mirrored = desk.messages()[-1]
    answered = await desk.says("glad to hear it")
    answer = desk.stage.telegram.transcript(ANNA)[-1]
    before = len(inbox(desk.stage))
    desk.stage.telegram.react(desk.group, mirrored["message_id"], "🔥", OLGA)
    desk.stage.telegram.react(ANNA, answer["message_id"], "❤", ANNA)
    await desk.quiet(before + 1)
    assert desk.reactions(ANNA)[asked["message_id"]] == "🔥"
    assert desk.reactions()[answered["message_id"]] == "❤"


async def test_what_is_changed_while_its_outcome_is_unknown_is_changed_and_not_sent_again(
    stage: Stage, tmp_path: Path
) -> None:
    """Telegram has the message, but its answer was lost: the change comes before the message is found again."""
    desk = await desk_on(stage, tmp_path)
    lost = {"reset": True, "apply": True}
    stage.telegram.fail_next("sendMessage", chat_id=desk.group, **lost)
    stage.telegram.say(ANNA, "/human")
    await stage.until(lambda: desk.cards() or None)
    await desk.presses("desk.take")
    assert len(desk.cards()) == 1
    assert "Olga" in desk.cards()[0]
    for change, left in (("second thought", ["second thought"]), ("// a note after all", [])):
        before = len(stage.telegram.texts(ANNA))
        stage.telegram.fail_next("sendMessage", chat_id=ANNA, **lost)
        sent = stage.telegram.say(desk.group, "first thought", OLGA, desk.topic)
        await stage.until(lambda before=before: len(stage.telegram.texts(ANNA)) > before or None)  # type: ignore[misc]
        await desk.edits(sent, change, OLGA)
        assert stage.telegram.texts(ANNA)[before:] == left


async def test_secrets_reach_neither_operators_nor_the_model_nor_the_history(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text("[mask]\ncards = true\npasswords = true\n", "utf-8")
    desk = await desk_on(stage, tmp_path)
    stage.studio.script("Thank you.")
    stage.telegram.say(ANNA, "my card is 4111 1111 1111 1111")
    await soon(stage, lambda: "Thank you." in stage.telegram.texts(ANNA) or None)
    assert say("en", "desk.masked.cards") in stage.telegram.texts(ANNA)
    assert "4111" not in str(stage.prompts())
    await desk.called()
    message = await desk.writes("password: hunter2 and pin 1234")
    assert desk.seen()[-1] == "password: ••••••• and pin ••••"
    await desk.edits(message, "password: hunter3", ANNA)
    await desk.sends(ANNA, draw("a cup", 1, 8, 8), "photo", caption="card 4111111111111111")
    assert desk.messages()[-1]["caption"] == "card ••••••••••••1111"
    await desk.quiet()
    kept = str(rows(stage, "SELECT parts FROM messages")) + str(rows(stage, "SELECT outgoing FROM deliveries"))
    assert not [secret for secret in ("hunter", "4111 ", "41111", "1234") if secret in kept]
