"""Telegram in a test: people who write, press and read. Begin with `Tg.user`, then `Person.say`.

A method of a person returns when the bot has handled every update and delivered every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

import aiohttp
from typing_extensions import TypeVar as TypeVarWithDefault

from bot.extension import Running
from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import FileKind, StoredFile
from bot.sandbox.telegram.server_facade import Telegram, buttons_of, find_button, text_of
from bot.testing.screen import frame_of, written
from bot.testing.stage import PATIENCE, Stage

T = TypeVar("T")
State = TypeVarWithDefault("State", default=Any)

LONGEST_LOOK = 5.0  # virtual seconds between two checks whether the bot is done
OPEN = """
    SELECT (SELECT count(*) FROM updates WHERE state IN ('new', 'begun'))
         + (SELECT count(*) FROM deliveries WHERE state IN ('streaming', 'pending', 'sending'))
"""


@dataclass(frozen=True, slots=True)
class BotMessage:
    """A message of the bot in a chat. `raw` is the Bot API Message, `files` are those of the server by their ids."""

    raw: Json
    files: Mapping[str, StoredFile] = field(default_factory=dict, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The plain text of the message: its text, caption or rich message."""
        return text_of(self.raw)

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons, row after row."""
        return [button["text"] for button in buttons_of(self.raw)]

    @property
    def file(self) -> bytes:
        """The bytes of its file; of a photo its largest size. Raises `AssertionError` if the message has none."""
        sent = next((self.raw[kind] for kind in get_args(FileKind) if kind in self.raw), None)
        if sent is None:
            raise AssertionError("the message has no file")
        return self.files[(sent[-1] if isinstance(sent, list) else sent)["file_id"]].data

    @property
    def id(self) -> int:
        """The message id."""
        return int(self.raw["message_id"])


class Tg(Generic[State]):
    """Telegram as a test sees it: people, groups, time, and restarts of the bot.

    `State` is the type of what the App's lifespan yields: with `tg: Tg[Shop]` type checkers know `tg.running.state`.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._place = 0

    @property
    def server(self) -> Telegram:
        """The sandbox's whole Telegram, for everything that this class lacks."""
        return self.stage.telegram

    def user(self, name: str, language: str = "en") -> Person:
        """The person with this first name; one that does not exist yet is created."""
        people = self.server.state.people
        known = next((person.id for person in people.values() if person.first_name == name), None)
        return Person(self, int(self.server.person(name, language)["id"]) if known is None else known)

    def group(self, title: str, *members: Person) -> Group:
        """A new group with the bot in it; the first member owns it."""
        chat = self.server.group(title, [member.id for member in members])
        return Group(self, int(chat["id"]))

    async def connect_desk(self, title: str, *operators: Person, folder: Path | None = None) -> Desk:
        """Make a group of the support desk and return it. The operators become owners of the bot, which is started
        again with DESK. The `folder` may have a desk.toml; by default there is none.
        """
        folder = folder or Path(self.stage.settings.database_url.partition("///")[2]).parent / "desk"
        owners = (*self.stage.settings.owners, *(person.id for person in operators))
        await self.stage.stop()
        await self.stage.start(desk=folder, owners=owners)
        chat = int(self.server.group(title, [person.id for person in operators], is_forum=True)["id"])
        self.server.promote(chat)
        group, first = Group(self, chat), operators[0]
        asked = await first.say(f"/desk@{self.server.state.profile.username}", group)
        await first.press(asked.buttons[0], group)
        return Desk(self, title)

    def desk(self, title: str) -> Desk:
        """The group of the support desk with this title, which `connect_desk` has made."""
        return Desk(self, title)

    @property
    def last(self) -> BotMessage:
        """The newest message of the bot in the chat where a person acted last."""
        return self.said(self._place)[-1]

    def said(self, chat: int) -> list[BotMessage]:
        """The messages of the bot in a chat, oldest first."""
        me = self.server.state.profile.id
        found = [message for message in self.server.transcript(chat) if message["from"]["id"] == me]
        return [BotMessage(message, self.server.state.files) for message in found]

    def shown(self, chat: int) -> list[str]:
        """Return every text that stood in a chat, if only for a moment: drafts, growing messages, edits and finished
        messages, oldest first. A text that was shown twice in a row stands once.
        """
        seen = [frame for call in self.server.calls if (frame := frame_of(call, chat)) is not None]
        return [text for text, _ in groupby(seen)]

    @property
    def frames(self) -> list[str]:
        """Every text that stood, if only for a moment, in the chat where a person acted last (see `shown`)."""
        return self.shown(self._place)

    @property
    def running(self) -> Running[State]:
        """The running bot, as the code of an App has it: its messages, jobs, models and state. Raises `RuntimeError`
        before the bot is started.
        """
        if self.stage.app is None:
            raise RuntimeError("start the bot first: await stage.start()")
        running: Running[State] = self.stage.app.running
        return running

    async def post(self, path: str, data: Any, *, secret: str | None = None) -> tuple[int, Any]:
        """Call an endpoint of the App (`@app.http.post`), with data as JSON and HTTP_SECRET or another `secret`.
        Returns the status and what was answered: JSON if it is some, else a text.
        """
        return await self._called("POST", path, secret, json=data)

    async def get(self, path: str, *, secret: str | None = None) -> tuple[int, Any]:
        """Call an endpoint of the App (`@app.http.get`) with HTTP_SECRET or another `secret`. Returns what `post`
        returns.
        """
        return await self._called("GET", path, secret)

    async def _called(self, method: str, path: str, secret: str | None, **body: Any) -> tuple[int, Any]:
        settings = self.stage.settings
        bearer = settings.http_secret.get_secret_value() if secret is None else secret
        headers = {"Authorization": f"Bearer {bearer}"}
        url = f"http://127.0.0.1:{settings.webhook_port}{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, **body) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    # --- time and the process -----------------------------------------------------------------------------------------

    async def until(self, found: Callable[[], T | None]) -> T:
        """Call `found` again and again in virtual time and return its first true value. Raises `TimeoutError` after 15
        virtual minutes.
        """
        pause, clock = 0.1, self.stage.clock
        end = clock.monotonic() + PATIENCE
        while not (value := found()):
            if clock.monotonic() > end:
                raise TimeoutError(f"it did not happen within {PATIENCE:.0f} virtual seconds")
            await clock.sleep(pause)
            pause = min(pause * 1.2, LONGEST_LOOK)
        return value

    async def settled(self) -> None:
        """Wait until the bot has handled every update and delivered every answer. Jobs and reminders may
        still be due.
        """
        await self.until(lambda: not self.server.pending and not self._open())

    async def restart(self) -> None:
        """Stop the bot in order and start it again on its database."""
        await self.stage.stop()
        await self.stage.start()

    async def crash(self) -> None:
        """Kill the bot and start it again on its database."""
        await self.stage.crash()
        await self.stage.start()

    def _open(self) -> int:
        ((number,),) = self.stage.rows(OPEN)
        return int(number)

    async def connect_business(self, owner: Person, *rights: str) -> Business:
        """Connect the account of a person to the bot, with these rights (the Bot API's names; by default it may
        answer), and return it.
        """
        self.server.state.profile.business = True
        number = self.server.business.connect(owner.id, rights or ("can_reply",))
        await self.settled()
        return Business(self, number)

    async def _done(self, chat: int) -> BotMessage | None:
        """Wait until the bot is done in the chat where a person has just acted; return its newest message there."""
        self._place = chat
        await self.settled()
        found = self.said(chat)
        return found[-1] if found else None

    async def _answered(self, chat: int, before: int) -> BotMessage:
        last = await self._done(chat)
        if last is None or len(self.said(chat)) == before:
            raise AssertionError("the bot said nothing")
        return last


@dataclass(frozen=True, slots=True)
class Group:
    """A group. Pass it as `to` of a person's methods."""

    tg: Tg[Any]
    id: int

    async def joins(self, person: Person) -> None:
        """Let a person join the group, and wait until the bot has handled it."""
        self.tg.server.join(self.id, person.id)
        await self.tg.settled()

    async def leaves(self, person: Person) -> None:
        """Let a member leave the group, and wait until the bot has handled it."""
        self.tg.server.leave(self.id, person.id)
        await self.tg.settled()


@dataclass(frozen=True, slots=True)
class Business:
    """The account of a person who lets the bot answer in it."""

    tg: Tg[Any]
    id: str

    async def says(self, person: Person, text: str, *, by_owner: bool = False) -> list[BotMessage]:
        """Write to the owner of the account, or as the owner to that person, and return what stands in their chat."""
        self.tg.server.business.say(self.id, person.id, text, by_owner=by_owner)
        await self.tg.settled()
        files = self.tg.server.state.files
        return [BotMessage(message, files) for message in self.tg.server.business.transcript(self.id, person.id)]


@dataclass(frozen=True, slots=True)
class Person:
    """A person in Telegram. Methods act in the private chat with the bot, or in the group `to`; they raise `ValueError`
    for somebody who is no member of it.
    """

    tg: Tg[Any]
    id: int

    async def say(self, text: str, to: Group | None = None, *, reply_to: BotMessage | None = None) -> BotMessage:
        """Write a message and return the bot's newest message. Raises `AssertionError` if the bot does not answer."""
        chat = self._acts(to)
        before = len(self.tg.said(chat))
        self.write(text, to, reply_to=reply_to)
        return await self.tg._answered(chat, before)

    def write(self, text: str, to: Group | None = None, *, reply_to: BotMessage | None = None) -> None:
        """Write a message without waiting for an answer."""
        if not text.strip():
            raise ValueError("nobody can send an empty message")
        self.tg._place = chat = self._acts(to)
        self.tg.server.say(chat, text, self.id, reply_to=reply_to.id if reply_to else None)

    async def send(
        self,
        data: bytes,
        kind: Literal["photo", "voice", "document"] = "photo",
        caption: str = "",
        *,
        name: str = "",
        mime: str = "",
        to: Group | None = None,
    ) -> BotMessage:
        """Send a file and return the bot's newest message. Raises `AssertionError` if the bot does not answer."""
        chat = self._acts(to)
        before = len(self.tg.said(chat))
        self.tg.server.upload(chat, data, kind, caption=caption, name=name, mime=mime, user_id=self.id)
        return await self.tg._answered(chat, before)

    async def send_album(self, photos: Sequence[bytes], caption: str = "", to: Group | None = None) -> BotMessage:
        """Send photos as one album, and return the bot's newest message. Raises `AssertionError` if there is none."""
        chat = self._acts(to)
        before = len(self.tg.said(chat))
        self.tg.server.album(chat, photos, caption, user_id=self.id)
        return await self.tg._answered(chat, before)

    async def send_contact(self, phone: str, to: Group | None = None) -> BotMessage | None:
        """Share the person's own contact, and return the bot's newest message afterwards."""
        contact = {"phone_number": phone, "first_name": self.name, "user_id": self.id}
        return await self.send_content({"contact": contact}, to)

    async def send_location(self, latitude: float, longitude: float, to: Group | None = None) -> BotMessage | None:
        """Send a place in degrees, and return the bot's newest message afterwards."""
        return await self.send_content({"location": {"latitude": latitude, "longitude": longitude}}, to)

    async def send_content(self, content: Mapping[str, Any], to: Group | None = None) -> BotMessage | None:
        """Send a message of any other kind and return the bot's newest message afterwards. `content` are its fields of
        the Bot API, such as {"dice": {...}}.
        """
        self.tg.server.send(self._acts(to), dict(content), user_id=self.id)
        return await self.tg._done(self._chat(to))

    @property
    def name(self) -> str:
        """The person's first name."""
        return self.tg.server.state.people[self.id].first_name

    @property
    def language(self) -> str:
        """The language of the person's app ("en")."""
        return self.tg.server.state.people[self.id].language_code

    def speaks(self, language: str) -> None:
        """Let the person change the language of the app, as the next message tells the bot."""
        self.tg.server.state.people[self.id].language_code = language

    async def blocks(self, blocked: bool = True) -> None:
        """Block the bot, or with `blocked` False unblock it."""
        self.tg.server.block(self.id, blocked)
        await self.tg.settled()

    def dialogue(self, to: Group | None = None) -> str:
        """The chat as a text for people: who said what, files in brackets, buttons below. The fixture `dialogue`
        compares it with a file.
        """
        return written(self.tg.server.transcript(self._chat(to)), self.tg.server.state.profile.id)

    @property
    def reply_buttons(self) -> list[str]:
        """The labels of the reply keyboard that the bot shows in the private chat."""
        return [str(one["text"]) for row in self.tg.server.state.chats[self.id].reply_keyboard for one in row]

    async def press(self, label: str, to: Group | None = None) -> BotMessage | None:
        """Press the button with this label, and return the bot's newest message afterwards.

        It is looked for in the reply keyboard, then below the messages, the newest first.
        """
        chat = self._acts(to)
        if to is None and label in self.reply_buttons:
            self.tg.server.press_reply_button(chat, label, self.id)
            return await self.tg._done(chat)
        self.tg.server.press(chat, *find_button([message.raw for message in self.tg.said(chat)], label), self.id)
        return await self.tg._done(chat)

    async def edit(self, text: str, to: Group | None = None) -> BotMessage | None:
        """Change the person's own newest message and return the bot's newest message afterwards."""
        chat = self._acts(to)
        own = [message for message in self.tg.server.transcript(chat) if message["from"]["id"] == self.id]
        self.tg.server.edit(chat, own[-1]["message_id"], text, self.id)
        return await self.tg._done(chat)

    def said(self, to: Group | None = None) -> list[BotMessage]:
        """The messages of the bot in the chat, oldest first."""
        return self.tg.said(self._chat(to))

    def _acts(self, to: Group | None) -> int:
        """The chat in which the person does something. Raises `ValueError` for somebody who is no member of it."""
        if to is not None and self.id not in self.tg.server.state.chats[to.id].members:
            raise ValueError(f"{self.name} is no member of the group, and can do nothing there: await group.joins(...)")
        return self._chat(to)

    def _chat(self, to: Group | None) -> int:
        return self.id if to is None else to.id


@dataclass(frozen=True, slots=True)
class Desk:
    """A group of operators of the support desk, with methods to find the topics of customers in it."""

    tg: Tg[Any]
    title: str

    @property
    def id(self) -> int:
        """The group's id. Raises `StopIteration` if there is no group with this title."""
        return next(chat.id for chat in self.tg.server.state.chats.values() if chat.title == self.title)

    def topic(self, customer: Person) -> DeskTopic:
        """The topic in which operators see a customer. Raises `StopIteration` before the customer has called."""
        name = self.tg.server.state.people[customer.id].first_name
        topics = self.tg.server.state.chats[self.id].topics.values()
        return DeskTopic(self, next(topic.id for topic in topics if topic.name == name))


@dataclass(frozen=True, slots=True)
class DeskTopic:
    """The topic of a customer, as operators see it."""

    desk: Desk
    id: int

    async def says(self, operator: Person, text: str) -> None:
        """Write as an operator: an answer, a note ("// …") or a command. Returns when all of it is delivered."""
        tg = self.desk.tg
        tg.server.say(self.desk.id, text, operator.id, self.id)
        await tg.settled()

    async def press(self, operator: Person, label: str) -> None:
        """Press the newest button with this label."""
        tg = self.desk.tg
        tg.server.press(self.desk.id, *find_button([message.raw for message in self.said()], label), operator.id)
        await tg.settled()

    def said(self) -> list[BotMessage]:
        """The messages of the bot in the topic, the card first."""
        return [one for one in self.desk.tg.said(self.desk.id) if one.raw.get("message_thread_id") == self.id]
