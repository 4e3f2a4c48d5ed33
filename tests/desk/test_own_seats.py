"""Operators with own seats see each case in a topic of their private chat with the bot, and the group has a board."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.telegram.server_facade import buttons_of, find_button
from bot.texts.catalog import say
from tests.desk.test_albums import CUPS
from tests.desk.test_joining import COUNTED
from tests.support.choosing import pressed
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, soon

OWN = 'seats = "own"\n'
OWNER = "SELECT owner, holder FROM desk_cases ORDER BY id DESC LIMIT 1"


async def own_seats(
    stage: Stage, folder: Path, *, topics: bool = True, more: str = "", **changes: Any
) -> DeskStage:  # fmt: skip
    """A desk whose operators have seats of their own. Without `topics` private chats have none."""
    stage.telegram.state.profile.topics, stage.telegram.state.profile.people_make_topics = topics, False
    (folder / "desk.toml").write_text(OWN + more, "utf-8")
    return await desk_on(stage, folder, **changes)


def board(desk: DeskStage) -> dict[str, Any]:
    """The only board of the group."""
    title = say("en", "desk.board", count="").strip()
    found = [one for one in desk.stage.telegram.transcript(desk.group) if one.get("text", "").startswith(title)]
    assert len(found) == 1
    return found[0]


async def on_board(desk: DeskStage, words: str) -> dict[str, Any]:
    """The board when it says this."""

    def there() -> dict[str, Any] | None:
        texts = desk.stage.telegram.texts(desk.group)
        return board(desk) if any(words in text for text in texts) else None

    return await soon(desk.stage, there)


async def taken(desk: DeskStage, operator: int = OLGA, customer: int = ANNA) -> int:
    """The customer calls a person, the operator takes the case from the board. Returns the topic, 0 for none."""
    await desk.called(customer)
    number = rows(desk.stage, "SELECT MAX(id) FROM desk_cases")[0][0]
    label = f"{say('en', 'desk.take')} #{number}"
    await on_board(desk, f"#{number}")
    await pressed(desk.stage, label, chat=desk.group, user=operator)
    await desk.quiet()
    return max(desk.stage.telegram.state.chats[operator].topics, default=0)


async def says(desk: DeskStage, text: str, topic: int, operator: int = OLGA, *, reply_to: int = 0) -> dict[str, Any]:
    """An operator writes in private; returns the message when everything is delivered."""
    before = len(inbox(desk.stage))
    message = desk.stage.telegram.say(operator, text, None, topic, reply_to or None)
    await desk.quiet(before)
    return message


async def test_a_case_stands_on_the_board_and_opens_in_private_with_whom_takes_it(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    assert not stage.telegram.state.chats[desk.group].topics
    seen = stage.telegram.texts(OLGA, topic)
    assert seen[1].startswith("#1 · answered by Olga")
    await desk.writes("my printer smokes")
    assert stage.telegram.texts(OLGA, topic)[-1] == "my printer smokes"
    await says(desk, "pull the plug", topic)
    assert stage.telegram.texts(ANNA)[-1] == "pull the plug"
    await says(desk, "// he sounds calm", topic)
    assert stage.telegram.texts(ANNA)[-1] == "pull the plug"
    shown = await on_board(desk, "answered by Olga")
    assert buttons_of(shown) == []
    await says(desk, "/close", topic)
    assert rows(stage, OWNER) == [("closed", 0)]
    await on_board(desk, say("en", "desk.board", count=0))


async def test_what_is_written_while_nobody_has_the_case_comes_to_who_takes_it(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    await desk.called()
    first = await desk.writes("first")
    await desk.sends(ANNA, b"%PDF", "document", name="bill.pdf")
    await desk.writes("secnd")
    await desk.edits(first, "first, edited", ANNA)
    await on_board(desk, "#1")
    await pressed(stage, f"{say('en', 'desk.take')} #1", chat=desk.group, user=OLGA)
    await desk.quiet()
    topic = max(stage.telegram.state.chats[OLGA].topics)
    found = [one for one in stage.telegram.transcript(OLGA) if one.get("message_thread_id") == topic]
    assert [one.get("text") or one["document"]["file_name"] for one in found[2:]] == [
        "first, edited",
        "bill.pdf",
        "secnd",
    ]
    await desk.edits(first, "first, again", ANNA)
    assert any(text.startswith("first, again") for text in stage.telegram.texts(OLGA, topic))


async def test_a_case_that_is_given_opens_at_the_colleague_s_and_the_former_words_are_notes(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await stage.ask("/on", OLEG)
    await desk.writes("unanswered")
    await says(desk, "/give Oleg", topic)
    theirs = max(stage.telegram.state.chats[OLEG].topics)
    seen = stage.telegram.texts(OLEG, theirs)
    assert seen[1].startswith("#1 · answered by Oleg")
    assert seen[-1] == "unanswered"
    assert say("en", "desk.given.to", number=1, name="Oleg") in stage.telegram.texts(OLGA, topic)
    await says(desk, "I am still here", topic)
    assert "I am still here" not in stage.telegram.texts(ANNA)
    assert stage.telegram.texts(OLGA, topic)[-1] == say("en", "desk.others", name="Oleg")
    await says(desk, "now it is me", theirs, OLEG)
    assert stage.telegram.texts(ANNA)[-1] == "now it is me"


async def test_an_operator_who_goes_off_hands_the_next_messages_to_the_team(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await says(desk, "/off", topic)
    assert rows(stage, OWNER) == [("waiting", 0)]
    await desk.writes("anybody?")
    assert "anybody?" not in stage.telegram.texts(OLGA, topic)
    await on_board(desk, "waiting")
    await pressed(stage, f"{say('en', 'desk.take')} #1", chat=desk.group, user=OLEG)
    await desk.quiet()
    assert stage.telegram.texts(OLEG, max(stage.telegram.state.chats[OLEG].topics))[-1] == "anybody?"


async def test_a_private_topic_that_is_deleted_is_made_again(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    stage.telegram.delete_topic(OLGA, topic)
    await desk.writes("are you there?")
    new = max(stage.telegram.state.chats[OLGA].topics)
    assert new != topic
    seen, card = stage.telegram.texts(OLGA, new)[-2:]
    assert seen == "are you there?"
    assert card.startswith("#1 · answered by Olga")
    await says(desk, "yes", new)
    assert stage.telegram.texts(ANNA)[-1] == "yes"
    before = len(inbox(stage))
    stage.telegram.press(OLGA, *find_button(stage.telegram.transcript(OLGA), say("en", "desk.bot")))
    await desk.quiet(before)
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.returned")
    assert any(text.startswith("#1 · the bot answers") for text in stage.telegram.texts(OLGA, new))


async def test_without_private_topics_replies_say_to_whom_and_a_bare_message_is_asked_about(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await own_seats(stage, tmp_path, topics=False)
    assert await taken(desk) == 0
    await taken(desk, customer=BORIS)
    await desk.writes("from Ann")
    await desk.writes("from Boris", BORIS)
    seen = {one.get("text"): one for one in stage.telegram.transcript(OLGA)}
    assert seen["from Ann"]["reply_to_message"]["text"].startswith("#1")
    assert seen["from Boris"]["reply_to_message"]["text"].startswith("#2")
    await says(desk, "to Ann", 0, reply_to=seen["from Ann"]["message_id"])
    assert stage.telegram.texts(ANNA)[-1] == "to Ann"
    before = (stage.telegram.texts(ANNA), stage.telegram.texts(BORIS))
    await says(desk, "to whom?", 0)
    assert (stage.telegram.texts(ANNA), stage.telegram.texts(BORIS)) == before
    assert stage.telegram.texts(OLGA)[-1] == say("en", "desk.to")
    labels = [button["text"] for button in buttons_of(stage.telegram.transcript(OLGA)[-1])]
    assert [label.split()[0] for label in labels] == ["#1", "#2"]
    await pressed(stage, labels[1], chat=OLGA, user=OLGA)
    await desk.quiet()
    assert stage.telegram.texts(BORIS)[-1] == "to whom?"
    assert "to whom?" not in stage.telegram.texts(ANNA)


async def test_topics_that_are_switched_off_lose_nothing(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    stage.telegram.state.profile.topics = False
    stage.telegram.delete_topic(OLGA, topic)
    await desk.writes("still there?")
    shown = next(one for one in stage.telegram.transcript(OLGA) if one.get("text") == "still there?")
    assert "message_thread_id" not in shown
    await says(desk, "yes", 0, reply_to=shown["message_id"])
    assert stage.telegram.texts(ANNA)[-1] == "yes"


async def test_the_case_of_an_operator_who_can_t_be_reached_waits_again(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    await taken(desk)
    stage.telegram.state.people[OLGA].blocked = True
    await desk.writes("hello?")
    await soon(stage, lambda: rows(stage, OWNER) == [("waiting", 0)] or None)
    await soon(stage, lambda: any("can't be reached" in text for text in stage.telegram.texts(desk.group)) or None)
    await on_board(desk, "waiting")
    await pressed(stage, f"{say('en', 'desk.take')} #1", chat=desk.group, user=OLEG)
    await desk.quiet()
    assert stage.telegram.texts(OLEG, max(stage.telegram.state.chats[OLEG].topics))[-1] == "hello?"


async def test_a_case_is_offered_in_private(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path, more="[assign]\nhow = 'round'\n")
    await stage.ask("/on", OLGA)
    await desk.called()
    offer = say("en", "desk.offered.own", number=1)
    await soon(stage, lambda: offer in stage.telegram.texts(OLGA) or None)
    await pressed(stage, say("en", "desk.take"), chat=OLGA, user=OLGA)
    assert rows(stage, OWNER) == [("held", OLGA)]


@pytest.mark.parametrize("word", ["/mine", "/next"])
async def test_an_operator_asks_for_cases_in_private(stage: Stage, tmp_path: Path, word: str) -> None:
    desk = await own_seats(stage, tmp_path)
    await desk.called()
    told = await stage.ask(word, OLGA)
    assert "#1" in told if word == "/next" else told == say("en", "desk.mine", count=0)


async def test_files_go_along_when_a_case_is_given_and_answered_texts_stand_on_the_card(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await desk.writes("the text")
    await desk.sends(ANNA, b"%PDF", "document", name="bill.pdf")
    await says(desk, "answered", topic)
    await stage.ask("/on", OLEG)
    await says(desk, "/give Oleg", topic)
    theirs = max(stage.telegram.state.chats[OLEG].topics)
    found = [one for one in stage.telegram.transcript(OLEG) if one.get("message_thread_id") == theirs]
    assert "the text" in found[1]["text"]
    assert [one["document"]["file_name"] for one in found[2:]] == ["bill.pdf"]


async def test_a_reply_quotes_the_message_only_where_it_stands(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await desk.writes("a question")
    shown = next(one for one in stage.telegram.transcript(OLGA) if one.get("text") == "a question")
    await says(desk, "an answer", topic, reply_to=shown["message_id"])
    answer = stage.telegram.transcript(ANNA)[-1]
    assert answer["reply_to_message"]["text"] == "a question"
    await stage.ask("/on", OLEG)
    await says(desk, "/give Oleg", topic)
    await desk.writes("and now?", reply_to=answer["message_id"])
    theirs = max(stage.telegram.state.chats[OLEG].topics)
    newest = stage.telegram.transcript(OLEG)[-1]
    told = say("en", "desk.beside.reply", author=say("en", "desk.beside.bot"))
    assert (newest["text"], newest["message_thread_id"]) == (f"and now?\n{told}\nan answer", theirs)
    assert newest.get("reply_to_message", {}).get("text") != "an answer"


async def test_the_first_text_in_a_private_topic_takes_a_case_that_waits(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await says(desk, "/release", topic)
    await desk.writes("hello?")
    await says(desk, "here I am", topic)
    assert rows(stage, OWNER) == [("held", OLGA)]
    assert stage.telegram.texts(ANNA)[-1] == "here I am"
    assert "hello?" in stage.telegram.texts(OLGA, topic)


async def test_a_customer_who_is_forgotten_leaves_nothing_in_private_chats(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    await desk.writes("my secret is 4711")
    await says(desk, "/release", topic)
    await desk.writes("my other secret is 4712")
    await on_board(desk, "waiting")
    await asyncio.sleep(10)
    await stage.ask("/forget", ANNA)
    await pressed(stage, say("en", "forget.yes"), chat=ANNA)
    await soon(stage, lambda: topic not in stage.telegram.state.chats[OLGA].topics or None)
    await soon(stage, lambda: say("en", "desk.erased") in stage.telegram.texts(OLGA) or None)
    assert rows(stage, "SELECT * FROM desk_seats") == []
    assert not rows(stage, "SELECT 1 FROM deliveries WHERE outgoing LIKE '%471%'")
    await on_board(desk, say("en", "desk.board", count=0))
    await taken(desk, customer=BORIS)
    await on_board(desk, "answered by Olga")
    await asyncio.sleep(10)
    assert not rows(stage, "SELECT key FROM deliveries WHERE outgoing LIKE '%Anna%'")


async def test_an_album_that_waits_comes_as_an_album(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    await desk.called()
    before = len(inbox(stage))
    stage.telegram.album(ANNA, CUPS)
    await desk.quiet(before)
    await says(desk, "/next", 0)
    topic = max(stage.telegram.state.chats[OLGA].topics)
    photos = [
        one for one in stage.telegram.transcript(OLGA) if one.get("message_thread_id") == topic and "photo" in one
    ]
    assert len({one["media_group_id"] for one in photos}) == 1
    assert len(photos) == len(CUPS)


async def test_a_board_is_written_once_in_five_seconds_and_only_if_it_changes(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    for number in range(10):
        stage.telegram.person(f"Customer {number}", "en", 3000 + number)
        stage.telegram.say(3000 + number, "/human")
    await desk.quiet()
    await on_board(desk, "Customer 9")
    calls = [call for call in stage.telegram.calls if call.chat_id == desk.group]
    assert len([call for call in calls if call.method in ("sendMessage", "editMessageText")]) <= 5
    await desk.writes("more", 3001)
    await desk.quiet()
    board(desk)


async def test_without_topics_a_note_and_a_file_are_never_sent_by_mistake(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path, topics=False)
    await taken(desk)
    await says(desk, "// a note to nobody", 0)
    assert stage.telegram.texts(OLGA)[-1] == say("en", "desk.to.note")
    await desk.sends(OLGA, b"%PDF", "document", name="manual.pdf")
    question = stage.telegram.transcript(OLGA)[-1]
    assert question["text"] == say("en", "desk.to")
    label = buttons_of(question)[0]["text"]
    await pressed(stage, label, chat=OLGA, user=OLGA)
    await desk.quiet()
    assert stage.telegram.transcript(ANNA)[-1]["document"]["file_name"] == "manual.pdf"
    assert "note" not in str(stage.telegram.texts(ANNA))


async def test_an_edit_of_an_operator_in_private_changes_the_customer_s_copy(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path)
    topic = await taken(desk)
    message = await says(desk, "tomorow", topic)
    await desk.edits(message, "tomorrow", OLGA)
    assert stage.telegram.texts(ANNA)[-1] == "tomorrow"
    await desk.edits(message, "// tomorrow", OLGA)
    assert "tomorrow" not in str(stage.telegram.texts(ANNA))


async def test_without_topics_the_messages_of_a_forgotten_customer_are_deleted(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path, topics=False)
    await taken(desk)
    await desk.writes("my secret is 4711")
    assert "my secret is 4711" in stage.telegram.texts(OLGA)
    await stage.ask("/forget", ANNA)
    await pressed(stage, say("en", "forget.yes"), chat=ANNA)
    await soon(stage, lambda: "my secret is 4711" not in stage.telegram.texts(OLGA) or None)
    await soon(stage, lambda: say("en", "desk.erased") in stage.telegram.texts(OLGA) or None)
    assert not any(text.startswith("#1") for text in stage.telegram.texts(OLGA))


async def test_d5_twenty_own_seats_get_two_hundred_messages_a_minute_within_a_second(
    stage: Stage, tmp_path: Path
) -> None:  # fmt: skip
    operators = [OLGA, *range(5001, 5020)]
    for operator in operators[1:]:
        stage.telegram.person(f"Operator {operator}", "en", operator)
    limits: dict[str, Any] = {"telegram_rate": 30.0, "telegram_chat_rate": 1.0, "user_rate": 0.0}
    desk = await own_seats(stage, tmp_path, owners=frozenset(operators), **limits)
    for operator in operators:
        await taken(desk, operator, stage.telegram.person(f"Customer {operator}", "en", 1000 + operator)["id"])
    began: list[float] = []
    for number in range(400):
        began.append(asyncio.get_running_loop().time())
        stage.telegram.say(1000 + operators[number % 20], f"text {number}")
        await asyncio.sleep(0.3)
    await desk.quiet(400)
    landed = dict[str, float]()
    for call in stage.telegram.calls:
        if call.chat_id in operators and call.method in ("sendMessage", "editMessageText"):
            for text in str(call.params.get("text", "")).split("\n\n"):
                landed.setdefault(text, call.monotonic)
    waits = sorted(landed[f"text {number}"] - at for number, at in enumerate(began))
    assert waits[int(len(waits) * 0.95)] <= 1.0
    assert not [call for call in stage.telegram.calls if call.status == 429]
    group = [call for call in stage.telegram.calls if call.chat_id == desk.group and call.method in COUNTED]
    in_group = [call.monotonic for call in group]
    assert max(sum(start <= time < start + 60.0 for time in in_group) for start in in_group) <= 20
