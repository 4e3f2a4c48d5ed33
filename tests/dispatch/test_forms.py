"""Questions of programmers (`Reply.ask`, `App.form`): what answers them, what does not, how they end; and kills.

See P1 and P2 in docs/promises.md.
"""

from __future__ import annotations

import enum
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from bot import App, Ask, Button, Contact, Incoming, Location, Outgoing, Reply, UserError
from bot.app import find
from bot.errors import ConfigError
from bot.sandbox import painter
from bot.testing.studio import StudioSide
from bot.testing.tg import BotMessage, Person, Tg
from tests.support.telegram_side import inbox

RUNS: list[str] = []
PAUSES = (0.0, 0.004, 0.02, 0.3)
JPEG = painter.draw("a door", 1, 1, 1)


class Colour(enum.Enum):
    """A choice that is an Enum."""

    RED = "red"
    BLUE = "blue"


class Limits(BaseModel):
    """A field with each limit."""

    name: str = Ask("Name?", min_length=3, max_length=5)
    code: str = Ask("Code?", pattern=r"^\d{6}$")
    more: int = Ask("More?", gt=2, lt=10)
    least: float = Ask("Least?", ge=2.5, le=10)
    day: date = Ask("Day?", ge=date(2027, 1, 1))


class Call(BaseModel):
    """A number that must be the person's own."""

    phone: Contact = Ask("Your number?", own=True)


class Trip(BaseModel):
    """Fields that the example has not got."""

    colour: Colour = Ask("Colour?")
    place: Location = Ask("Where?")
    quick: bool = Ask("Quick?", default=False)
    note: str = "none"
    people: int = Ask("How many?", gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Trip:
        if self.quick and self.people > 4:
            raise ValueError("Only four are quick.")
        return self


@pytest.fixture
def bot_app() -> App:
    RUNS.clear()
    app = find(str(Path(__file__).parents[2] / "examples" / "form_bot.py"))

    @app.form("trip", Trip)
    async def trip(incoming: Incoming, reply: Reply, trip: Trip) -> str:
        RUNS.append("trip")
        return f"{trip.colour.name} {trip.place.latitude} {trip.quick} {trip.note} {trip.people}"

    @app.form("call", Call)
    async def call(incoming: Incoming, reply: Reply, call: Call) -> str:
        return f"{call.phone.phone} {call.phone.user}"

    @app.command("where")
    async def where(incoming: Incoming, reply: Reply) -> str:
        return f"{(await reply.ask('Where?', Location)).latitude}"

    @app.form("limits", Limits)
    async def limits(incoming: Incoming, reply: Reply, limits: Limits) -> str:
        return f"{limits.name} {limits.code} {limits.more} {limits.least} {limits.day}"

    @app.command("offer")
    async def offer(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("An offer", buttons=[[Button("Go", "trip"), Button("Take", "take", item="lamp")]])

    @app.press("take", once=True)
    async def take(incoming: Incoming, reply: Reply, item: str) -> str:
        name = await reply.ask(f"Who takes the {item}?")
        RUNS.append("take")
        if name == "nobody":
            raise UserError("Nobody may not.")
        return f"{name} takes the {item}"

    return app


def photo_of(ann: Person) -> dict[str, Any]:
    """What a shared contact is in an update."""
    who = {"id": ann.id, "is_bot": False, "first_name": "Ann"}
    chat = {"id": ann.id, "type": "private", "first_name": "Ann"}
    return {"message_id": 990, "date": 1_800_000_000, "chat": chat, "from": who}


async def shared(tg: Tg, ann: Person, **content: Any) -> BotMessage:
    """Ann shares a contact or a place; returns the newest message of the bot."""
    tg.server.push_raw({"message": {**photo_of(ann), "message_id": 900 + len(ann.said()), **content}})
    await tg.settled()
    return ann.said()[-1]


async def pressed(ann: Person, label: str) -> BotMessage:
    said = await ann.press(label)
    assert said is not None
    return said


async def test_a_form_asks_field_by_field_and_says_what_does_not_fit(tg: Tg) -> None:
    ann = tg.user("Ann")
    asked = await ann.say("/deliver")
    assert (asked.text, asked.buttons) == ("Which bunch?", ["Small", "Large", "Cancel"])
    assert (await ann.say("huge")).text.startswith("Please press one of the buttons.")
    assert ann.said()[0].buttons == []
    assert (await pressed(ann, "Large")).text.startswith("Where to?")
    assert ann.said()[1].text.endswith("✓ Large")
    assert (await ann.say("To the Moon")).text.startswith("We do not deliver to the Moon.\n\nWhere to?")
    assert (await ann.say("x")).text.startswith("At least 3 characters are expected.")
    assert (await ann.say("Elm Street 5")).text.startswith("On which day?")
    assert (await ann.say("soon")).text.startswith("A date is expected")
    assert (await ann.say("31 March 2027")).text.startswith("Whom may we call?")
    assert (await ann.say("my mother")).text.startswith("A phone number is expected")
    contact = {"phone_number": "+7900", "first_name": "Ann", "user_id": ann.id}
    assert (await shared(tg, ann, contact=contact)).buttons == ["Skip", "Cancel"]
    done = await ann.send(JPEG)
    assert done.text == "L to Elm Street 5 on 31.03., +7900, a door"
    assert set(inbox(tg.stage)) == {"done"}


async def test_a_field_is_asked_again_with_its_limit(tg: Tg) -> None:
    english = (
        ("x", "At least 3 characters are expected."),
        ("too long", "Not more than 5 characters are expected."),
        ("Ann", ""),
        ("12", r"The form ^\d{6}$ is expected."),
        ("123456", ""),
        ("2", "It must be more than 2."),
        ("10", "It must be less than 10."),
        ("9", ""),
        ("2.4", "It must be at least 2.5."),
        ("11", "It must be not more than 10."),
        ("2.5", ""),
        ("2026-12-31", "It must be at least 2027-01-01."),
    )
    russian = (
        "Символов должно быть не меньше 3.", "Символов должно быть не больше 5.", "",
        r"Нужно значение вида ^\d{6}$.", "", "Значение должно быть больше 2.", "Значение должно быть меньше 10.", "",
        "Значение должно быть не меньше 2.5.", "Значение должно быть не больше 10.", "",
        "Значение должно быть не меньше 2027-01-01.",
    )  # fmt: skip
    ann, olya = tg.user("Ann"), tg.user("Оля", "ru")
    await ann.say("/limits")
    await olya.say("/limits")
    for (answer, told), said in zip(english, russian, strict=True):
        for person, words in ((ann, told), (olya, said)):
            question = (await person.say(answer)).text
            assert question.startswith(words + "\n\n" if words else ("Code?", "More?", "Least?", "Day?")), question
    assert (await ann.say("2027-01-01")).text == "Ann 123456 9 2.5 2027-01-01"


async def test_all_kinds_of_fields_are_asked_and_a_check_of_the_whole_is_told(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/offer")
    assert (await pressed(ann, "Go")).buttons == ["red", "blue", "Cancel"]
    assert (await ann.say("Blue")).text.startswith("Where?")
    quick = await shared(tg, ann, location={"latitude": 55.75, "longitude": 37.61})
    assert (quick.text, quick.buttons) == ("Quick?", ["Yes", "No", "Skip", "Cancel"])
    await ann.press("Yes")
    assert (await ann.say("0")).text.startswith("It must be more than 0.")
    assert (await ann.say("many")).text.startswith("A number is expected.")
    assert (await ann.say("5")).text.startswith("Only four are quick.")
    assert (await ann.say("4")).text == "BLUE 55.75 True none 4"
    assert RUNS == ["trip"]


async def test_only_what_is_meant_for_it_answers(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    asked = await ann.say("/rename")
    studio.says("It is noon.")
    assert (await ann.say("What time is it?")).text == "It is noon."
    assert "I remember our conversation" in (await ann.say("/help")).text
    await tg.stage.clock.sleep(1000)
    studio.says("Fine, thanks.")
    assert (await ann.say("Good morning")).text == "Fine, thanks."
    assert (await ann.say("Love?", reply_to=asked)).text.startswith("How many cards?")
    assert (await ann.say("3")).text == "3 × Love?"
    studio.says("Three is a number.")
    assert (await ann.say("3")).text == "Three is a number."


async def test_cancel_and_another_question_end_a_question(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    await ann.say("/rename")
    assert (await pressed(ann, "Cancel")).text == "Cancelled."
    studio.says("A sky.")
    assert (await ann.say("The sky")).text == "A sky."
    await ann.say("/rename")
    await ann.say("/deliver")
    assert [said.buttons for said in ann.said() if said.text.startswith("What shall")] == [[]]
    assert (await pressed(ann, "Small")).text.startswith("Where to?")


async def test_a_press_may_ask_and_an_error_leaves_the_question_open(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/offer")
    assert (await pressed(ann, "Take")).text.startswith("Who takes the lamp?")
    assert (await ann.say("nobody")).text == "Nobody may not."
    assert (await ann.say("Bob")).text == "Bob takes the lamp"
    assert ann.said()[0].buttons == ["Go"]


async def test_in_a_group_each_person_has_a_question_of_their_own(tg: Tg) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    team = tg.group("Team", ann, bob)
    to_ann = await ann.say("/rename@govorun_sandbox_bot", team)
    to_bob = await bob.say("/rename@govorun_sandbox_bot", team)
    assert (await ann.say("A", team, reply_to=to_ann)).text.startswith("How many cards?")
    assert (await bob.say("B", team, reply_to=to_bob)).text.startswith("How many cards?")
    assert (await ann.say("1", team, reply_to=ann.said(team)[2])).text == "1 × A"


@pytest.mark.parametrize("pause", PAUSES)
async def test_a_kill_between_any_two_steps_loses_no_answer_and_asks_nothing_twice(tg: Tg, pause: float) -> None:
    ann = tg.user("Ann")

    async def killed() -> None:
        await tg.stage.clock.sleep(pause)
        await tg.crash()
        await tg.settled()

    ann.write("/trip")
    await killed()
    button = next(one for one in _buttons(ann.said()[-1]) if one["text"] == "red")
    tg.server.press(ann.id, ann.said()[-1].id, button["callback_data"], ann.id)
    await killed()
    ann.write("55.75, 37.61")
    await killed()
    button = next(one for one in _buttons(ann.said()[-1]) if one["text"] == "Skip")
    tg.server.press(ann.id, ann.said()[-1].id, button["callback_data"], ann.id)
    await killed()
    ann.write("2")
    await killed()
    said = [one.text.partition("\n")[0] for one in ann.said()]
    of_key = (
        "The button below shares where you are.",
        "✓",
    )  # nobody can find out whether they were sent: they may come twice
    assert {text for text in said if text in of_key} == {*of_key}
    assert [text for text in said if text not in of_key] == [
        "Colour?", "Where?", "Quick?", "How many?", "RED 55.75 False none 2",
    ]  # fmt: skip
    assert ann.reply_buttons == []
    assert set(inbox(tg.stage)) == {"done"}


async def until_phone(ann: Person) -> BotMessage:
    """Fill the example's form up to the question for a phone number."""
    await ann.say("/deliver")
    for answer in ("S", "Elm Street 5"):
        await ann.say(answer)
    return await ann.say("2027-03-31")


async def test_a_button_of_the_reply_keyboard_shares_the_number_and_goes_afterwards(tg: Tg) -> None:
    ann = tg.user("Ann")
    assert (await until_phone(ann)).text.startswith("Whom may we call?")
    assert ann.said()[-2].text == "The button below shares your phone number."
    assert ann.reply_buttons == ["Share my phone number"]
    assert (await ann.say("my mother")).text.startswith("A phone number is expected")
    assert [one.text for one in ann.said()].count("The button below shares your phone number.") == 1, (
        "it stands already"
    )
    await tg.stage.clock.sleep(1000)
    await tg.restart()
    assert (await pressed(ann, "Share my phone number")).text.startswith("A photo of the door?")
    assert (ann.said()[-2].text, ann.reply_buttons) == (f"✓ +7900{ann.id:07d}", [])
    assert (await pressed(ann, "Skip")).text == f"S to Elm Street 5 on 31.03., +7900{ann.id:07d}, no door"
    olya = tg.user("Оля", "ru")
    assert (await until_phone(olya)).text.startswith("Кому позвонить?")
    assert olya.reply_buttons == ["Отправить мой номер"]
    assert (await pressed(olya, "Отменить")).text == "Прежний вопрос снят."
    assert olya.reply_buttons == []
    assert set(inbox(tg.stage)) == {"done"}


async def test_the_reply_keyboard_goes_whatever_ends_its_question(tg: Tg) -> None:
    ann = tg.user("Ann")
    for end in ("/new", "/rename", "/where"):
        await ann.say("/deliver")
        await until_phone(ann)
        assert ann.reply_buttons == ["Share my phone number"]
        last = await ann.say(end)
        texts = [one.text for one in ann.said()]
        if end == "/where":
            assert (last.text.partition("\n")[0], ann.reply_buttons) == ("Where?", ["Share where I am"])
            assert (await pressed(ann, "Share where I am")).text == "55.7558"
        assert ann.reply_buttons == []
        assert "That question is closed." in texts or end == "/where"


async def test_only_the_own_number_is_taken_where_the_form_says_so(tg: Tg) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    await ann.say("/call")
    own = "Your own number is needed: press the button below."
    assert (await ann.say("+7 900 123-45-67")).text.startswith(own)
    for contact in ({"user_id": bob.id}, {}):
        theirs = {"phone_number": "+7901", "first_name": "Bob", **contact}
        answer = await ann.send_content({"contact": theirs})
        assert answer is not None
        assert answer.text.startswith(own)
    ann_s = tg.server.press_reply_button(ann.id, "Share my phone number")
    await tg.crash()
    await tg.settled()
    assert ann.said()[-1].text == f"{ann_s['contact']['phone_number']} {ann.id}"
    assert ann.reply_buttons == []


async def test_in_a_group_there_is_no_reply_keyboard(tg: Tg) -> None:
    ann = tg.user("Ann")
    team = tg.group("Team", ann)
    asked = await ann.say("/call@govorun_sandbox_bot", team)
    assert (asked.text.partition("\n")[0], len(ann.said(team))) == ("Your number?", 1)
    assert tg.server.state.chats[team.id].reply_keyboard == []


def _buttons(message: BotMessage) -> list[dict[str, Any]]:
    return [button for row in message.raw["reply_markup"]["inline_keyboard"] for button in row]


def test_a_field_without_a_question_is_told_at_the_decoration() -> None:
    class Bare(BaseModel):
        name: str

    with pytest.raises(ConfigError, match=r"Bare\.name: a question is missing"):
        App().form("bare", Bare)

    class Wrong(BaseModel):
        name: str = Ask("Name?", own=True)

    with pytest.raises(ConfigError, match=r"Wrong\.name: Ask\(own=True\) is for a Contact"):
        App().form("wrong", Wrong)
