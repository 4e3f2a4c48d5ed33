"""One contract for every messenger: Telegram, and the console of examples/console.py (`App.transport`).

See P2 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot import App, Attachment, Button, Door, Incoming, JobRun, Outgoing, OwnTransport, Reply, shown
from bot.app import find
from bot.errors import ConfigError
from bot.types import Address
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows

Console: Any = type(next(iter(find("examples/console.py").extension.program.transports)))


class TelegramPerson:
    """A person in Telegram."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.id = ANNA

    async def says(self, text: str) -> None:
        self.stage.telegram.say(ANNA, text)

    async def presses(self, label: str) -> None:
        await self.stage.press(label)

    def heard(self) -> list[str]:
        return self.stage.telegram.texts(ANNA)


class ConsolePerson:
    """A person at a console, in whose place a queue stands."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.shown: list[str] = []
        self.console = Console(self.read, self.shown.append)
        assert stage.extension is not None
        stage.extension.program.transports.append(self.console)

    async def read(self) -> AsyncIterator[str]:
        while True:
            yield await self.lines.get()

    async def says(self, text: str) -> None:
        self.lines.put_nowait(text)

    presses = says

    def heard(self) -> list[str]:
        return [text.partition("\n[")[0] for text in self.shown]

    @property
    def id(self) -> int:
        return int(rows(self.stage, "SELECT id FROM users")[0][0])


@pytest.fixture
def bot_app() -> App:
    app = App()

    @app.command("hello")
    async def hello(incoming: Incoming, reply: Reply) -> str:
        return f"Hello, {incoming.user.name}, {incoming.rest}"

    @app.command("broken")
    async def broken(incoming: Incoming, reply: Reply) -> str:
        raise RuntimeError("a secret of ours")

    @app.job
    async def note(run: JobRun) -> str:
        return "A note"

    return app


@pytest.fixture(params=[TelegramPerson, ConsolePerson], ids=["telegram", "console"])
def person(request: pytest.FixtureRequest, stage: Stage) -> TelegramPerson | ConsolePerson:
    made: TelegramPerson | ConsolePerson = request.param(stage)
    return made


Person = TelegramPerson | ConsolePerson


def test_what_is_shown_without_markup_has_no_marks_of_markdown() -> None:
    said = "# Order 7\n\nA **lamp**, `lamp-1` of [the shop](https://shop.example).\n\n- one\n- _two_"
    buttons = [[Button("Track", "track")]]
    assert shown(Outgoing(said, buttons=buttons, note="stopped")) == (
        "Order 7\nA lamp, lamp-1 of the shop (https://shop.example).\n\n• one\n• two\nstopped\n[Track]"
    )
    assert shown(Outgoing("2 **3", plain=True)) == "2 **3", "a plain text is shown as it is"
    assert len(shown(Outgoing("word " * 20_000))) > 90_000, "nothing is cut off"
    assert shown(Outgoing("x", gone=True)) == ""


async def heard(stage: Stage, person: Person, count: int) -> list[str]:
    """What the person has heard, once it is so many messages."""
    async with asyncio.timeout(900):
        while len(person.heard()) < count:
            await stage.clock.sleep(0.2)
    await stage.clock.sleep(1)
    return person.heard()


async def test_questions_commands_and_errors_are_answered_in_order(stage: Stage, person: Person) -> None:
    await stage.start()
    stage.studio.script("I am well.")
    await person.says("How are you?")
    assert await heard(stage, person, 1) == ["I am well."]
    await person.says("/hello world")
    assert (await heard(stage, person, 2))[1].endswith(", world")
    await person.says("/broken")
    assert (await heard(stage, person, 3))[2].startswith("Something went wrong (code ")
    stage.studio.script("As I said.")
    await person.says("And now?")
    assert (await heard(stage, person, 4))[3] == "As I said."
    assert "I am well." in str(stage.prompts()[-1]), "it is one conversation"


async def test_buttons_are_pressed_where_they_stand(stage: Stage, person: Person) -> None:
    await stage.start()
    await person.says("/forget")
    await heard(stage, person, 1)
    await person.presses("Cancel")
    await stage.clock.sleep(5)
    assert person.heard()[-1] == "Nothing was deleted."


async def test_jobs_and_reminders_answer_where_they_were_ordered(stage: Stage, person: Person) -> None:
    app = await stage.start()
    await person.says("/remind in 5 minutes drink tea")
    await heard(stage, person, 2)  # set, and asked for the time zone
    await app.running.later("note", key="k", at=timedelta(minutes=1), to=person.id)
    await stage.clock.sleep(330)
    assert (await heard(stage, person, 4))[2] == "A note"
    assert "drink tea" in person.heard()[3]


async def test_a_picture_comes_where_it_was_ordered(stage: Stage, person: Person) -> None:
    await stage.start()
    await person.says("/image a cat")
    await stage.clock.sleep(60)
    assert rows(stage, "SELECT state FROM operations") == [("done",)]
    assert rows(stage, "SELECT count(*) FROM deliveries WHERE state != 'sent'") == [(0,)]


async def test_files_come_and_go_in_a_messenger_of_ones_own(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class Mail(OwnTransport):
        """Letters with enclosures, in memory."""

        name = "mail"

        def __init__(self) -> None:
            self.door: asyncio.Future[Door] = asyncio.get_running_loop().create_future()
            self.sent: list[Outgoing] = []

        async def run(self, door: Door) -> None:
            self.door.set_result(door)
            await asyncio.Event().wait()

        async def send(self, person: int, message: Outgoing, number: int) -> None:
            self.sent.append(message)

        async def fetch(self, person: int, file: Attachment) -> bytes:
            return {"letter": b"the code of the door: 77", "large": b"x" * ((20 << 20) + 1)}[file.ref]

    mail = Mail()
    assert stage.extension is not None
    stage.extension.program.transports.append(mail)
    await stage.start()
    door = await mail.door

    async def answer(text: str, *files: Attachment) -> Outgoing:
        count = len(mail.sent)
        await door.say(7, text, name="Ann", files=files)
        async with asyncio.timeout(900):
            while len(mail.sent) == count:
                await stage.clock.sleep(0.2)
        return mail.sent[-1]

    stage.studio.script("The code is 77.")
    told = await answer("Which code?", Attachment("document", "letter", name="letter.txt"))
    assert told.text.startswith("The code is 77.")
    assert "the code of the door: 77" in str(stage.prompts()[-1])
    assert "can't open this picture" in (await answer("What is this?", Attachment("photo", "letter"))).text
    assert "too large" in (await answer("And this?", Attachment("document", "large", name="letter.txt"))).text
    assert "no longer there" in (await answer("And this?", Attachment("document", "gone", name="letter.txt"))).text
    assert "a file can't be had: KeyError: 'gone'" in caplog.text
    await answer("/image a cat")
    async with asyncio.timeout(900):
        while mail.sent[-1].file is None:
            await stage.clock.sleep(1)
    assert mail.sent[-1].file.kind == "photo"


async def test_what_is_on_disk_is_sent_by_the_next_start(stage: Stage, person: Person) -> None:
    app = await stage.start()
    await person.says("/hello 1")
    await heard(stage, person, 1)
    where = Address("any", app.running.bot, person.id)
    stage.telegram.fail_next("sendMessage", times=None, code=502)
    sends, before = type(person), person.heard()
    if isinstance(person, ConsolePerson):
        person.console.write = _away
    sent = await app.running.send(where, "Later", key="k")
    assert (await sent.outcome(within=10)).state == "waiting"
    await stage.crash()
    stage.telegram.faults.clear()
    if isinstance(person, ConsolePerson):
        person.console.write = person.shown.append
    app = await stage.start()
    found = await app.running.sent("k")
    assert found is not None
    assert (await found.outcome(within=300)).state == "delivered", sends
    assert person.heard() == [*before, "Later"]


def _away(text: str) -> None:
    raise OSError("the terminal is gone")


# --- beside each other ------------------------------------------------------------------------------------------------


async def test_two_people_of_one_number_are_two_people(stage: Stage) -> None:
    console = ConsolePerson(stage)
    await stage.start()
    stage.telegram.person("One")
    await stage.ask("hi")
    await console.says("hi")
    await heard(stage, console, 1)
    assert len(set(rows(stage, "SELECT id FROM users"))) == 2
    assert len(rows(stage, "SELECT DISTINCT conversation_id FROM messages")) == 2
    assert all(0 < int(row[0]) < 2**63 for row in rows(stage, "SELECT chat FROM messages"))


async def test_a_messenger_that_ends_is_logged_and_the_bot_goes_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(OwnTransport):
        name = "broken"

        async def run(self, door: object) -> None:
            raise OSError("no such server")

    assert stage.extension is not None
    stage.extension.program.transports.append(Broken())
    await stage.start()
    await stage.ask("hi")
    assert "broken takes nothing more" in caplog.text


async def test_names_and_processes_that_do_not_fit_stop_the_start(stage: Stage) -> None:
    class Bad(OwnTransport):
        name = "No good"

    assert stage.extension is not None
    stage.extension.program.transports.append(Bad())
    with pytest.raises(ConfigError, match="names of 1-16 letters a-z"):
        await stage.start()
    with pytest.raises(ConfigError, match="takes an OwnTransport, and not Console"):
        App().transport(Console)


class Pager(OwnTransport):
    name = "pager"

    def __init__(self) -> None:
        self.door: asyncio.Future[Door] = asyncio.get_running_loop().create_future()
        self.sent: list[tuple[int, Outgoing]] = []

    async def run(self, door: Door) -> None:
        self.door.set_result(door)
        await asyncio.Event().wait()

    async def send(self, person: int, message: Outgoing, number: int) -> None:
        self.sent.append((number, message))


async def test_a_press_has_the_language_in_which_the_person_wrote_before(bot_app: App, stage: Stage) -> None:
    @bot_app.press("where")
    async def where(incoming: Incoming, reply: Reply) -> str:
        return f"{incoming.language} {incoming.kind}"

    @bot_app.command("menu")
    async def menu(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("Menu", buttons=[[Button("Where", "where")]])

    pager = Pager()
    bot_app.transport(pager)
    await stage.start()
    door = await pager.door
    await door.say(7, "/menu", language="ru")
    async with asyncio.timeout(60):
        while not pager.sent:
            await stage.clock.sleep(0.1)
        await door.press(7, pager.sent[0][0], pager.sent[0][1].buttons[0][0])
        while len(pager.sent) < 2:
            await stage.clock.sleep(0.1)
    assert pager.sent[1][1].text == "ru button"


def test_a_transport_that_can_neither_take_nor_send_is_told_at_once() -> None:
    class Mute(OwnTransport):
        name = "mute"

    with pytest.raises(ConfigError, match=r"Mute has no run and no send"):
        App().transport(Mute())
