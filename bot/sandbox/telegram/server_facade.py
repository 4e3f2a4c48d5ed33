"""Telegram on loopback: a Bot API server for the sandbox and for tests. Begin with `Telegram`.

`people.py` is what people do, `http.py` answers the bot with the methods in `methods/`, `state.py` holds the data that
both change.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bot.clock import Clock, SystemClock
from bot.sandbox.event_stream import Hub
from bot.sandbox.faults import TELEGRAM_SHARES, Fault, Faults, PlannedFault
from bot.sandbox.guard import Json
from bot.sandbox.telegram.business import BusinessActions
from bot.sandbox.telegram.chats import FIRST_GROUP, Chat, Message, Person, Profile
from bot.sandbox.telegram.http import ApiCall, FloodLimits, HttpServer, Limits
from bot.sandbox.telegram.markup.rich import plain
from bot.sandbox.telegram.people import PeopleActions
from bot.sandbox.telegram.state import State

T = TypeVar("T")

BOT = 4200000042  # the bot's id never changes: its database contains it
PEOPLE = (
    Person(1001, "Anna", "anna", "en"),
    Person(1002, "Борис", "boris", "ru"),
    Person(1003, "Clara", "clara", "en"),
)


class Telegram(PeopleActions):
    """A Bot API server with its people and chats.

    Without `token` the server makes one that nobody can guess. `limits` False switches the flood limits off, so the bot
    may send as fast as it likes. `topics` allows topics in private chats. `seed` makes random faults and webhook pauses
    repeatable. The rules in `state` (see `State`), `updates.careful` and `state.profile` may be changed at any time.

    All times come from `clock`. Its `sleep` must really wait: a clock that jumps would end every draft and every poll
    at once.
    """

    def __init__(
        self,
        token: str = "",
        *,
        clock: Clock | None = None,
        hub: Hub | None = None,
        limits: Limits | bool = True,
        topics: bool = False,
        username: str = "govorun_sandbox_bot",
        seed: int | None = None,
    ) -> None:
        self.clock = clock = clock or SystemClock()
        self.token = token = token or f"{BOT}:{secrets.token_urlsafe(26)}"
        self.hub = hub or Hub(clock)
        chance = random.Random(seed)  # noqa: S311 - chances of faults, no secret
        state = State(Profile(int(token.partition(":")[0]), username, topics), clock, self.hub, chance)
        super().__init__(state)
        self.webhook, self.business = state.webhook, BusinessActions(state)
        self.faults = Faults(TELEGRAM_SHARES, chance)
        self.limits = FloodLimits(limits)
        self._server = HttpServer(token, state, self.faults, self.limits)
        self._reaper: asyncio.Task[None] | None = None
        for person in PEOPLE:
            state.add_person(replace(person))
        state.add_chat(Chat(FIRST_GROUP, "supergroup", "Team", [person.id for person in PEOPLE]))

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self, port: int = 0) -> str:
        """Start listening on 127.0.0.1 and return the base URL for the bot's settings. Port 0 takes a free port."""
        self._reaper = asyncio.create_task(self._expire_drafts())
        return await self._server.start(port)

    async def close(self) -> None:
        """Stop the webhook, the expiry of drafts and the HTTP server."""
        await self.webhook.close()
        if self._reaper:
            self._reaper.cancel()
            await asyncio.gather(self._reaper, return_exceptions=True)
            self._reaper = None
        await self._server.close()

    async def down(self) -> None:
        """Stop listening, so that connections are refused, until `up` is called."""
        await self._server.close()

    async def up(self) -> None:
        """Listen again on the port that `start` had."""
        await self._server.start(int(self.url.rpartition(":")[2]))

    def cut(self) -> int:
        """Reset every open connection, with requests in progress too. Returns how many connections there were."""
        return self._server.cut()

    @property
    def url(self) -> str:
        """The base URL of the server, `http://127.0.0.1:<port>`; empty before `start`."""
        return self._server.url

    # --- looking ------------------------------------------------------------------------------------------------------

    def transcript(self, chat_id: int, thread_id: int | None = None) -> list[Message]:
        """The messages of a chat, oldest first.

        With `thread_id` only the messages of that topic are returned; 0 means the messages outside all topics.
        """
        chat = self.state.chats.get(chat_id)
        messages = list(chat.messages.values()) if chat else []
        if thread_id is None:
            return messages
        return [message for message in messages if message.get("message_thread_id", 0) == thread_id]

    def texts(self, chat_id: int, thread_id: int | None = None) -> list[str]:
        """The messages of the bot in a chat as plain text: texts, captions and rich messages, oldest first."""
        mine = [item for item in self.transcript(chat_id, thread_id) if item["from"]["id"] == self.state.profile.id]
        return [text_of(message) for message in mine]

    def unseen(self, chat_id: int, user_id: int) -> list[Message]:
        """The ephemeral messages of a group that this person sees and the other members do not, oldest first."""
        chat = self.state.chats[chat_id]
        found = [message for message in chat.unseen.values() if self.state.view(chat, message)["only"] == user_id]
        return sorted(found, key=lambda message: message["ephemeral_message_id"])

    def whispers(self, chat_id: int, user_id: int) -> list[str]:
        """The plain texts of the ephemeral messages that the bot sent to this person in a group, oldest first."""
        mine = self.state.profile.id
        return [text_of(one) for one in self.unseen(chat_id, user_id) if one["from"]["id"] == mine]

    @property
    def drafts(self) -> list[Json]:
        """The drafts that people see now, as the page shows them."""
        return [draft.view() for draft in self.state.live_drafts()]

    @property
    def calls(self) -> list[ApiCall]:
        """The last 20,000 calls of the bot, getUpdates included, oldest first."""
        return list(self._server.calls)

    def calls_of(self, *methods: str) -> list[ApiCall]:
        """The remembered calls of these methods, oldest first. The case of a method's name does not matter."""
        names = {method.lower() for method in methods}
        return [call for call in self._server.calls if call.method.lower() in names]

    @property
    def remarks(self) -> list[str]:
        """What the server would have changed silently in the bot's texts, such as overlapping or too many entities."""
        return self.state.remarks

    @property
    def pending(self) -> int:
        """How many updates the bot has not confirmed yet."""
        return len(self.updates.waiting())

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = 60.0) -> T:
        """Call `predicate` after each event and return its first true value. Raises `TimeoutError` after `timeout` real
        seconds.
        """
        return await self.hub.wait_for(predicate, timeout)

    def snapshot(self) -> Json:
        """The people, chats, messages, drafts and commands that the page shows when it is opened."""
        state = self.state
        return {
            "users": [person.view() for person in state.people.values()],
            "chats": [chat.view() for chat in state.chats.values()],
            "messages": {
                str(chat.id): sorted(
                    (state.view(chat, message) for kept in (chat.messages, chat.unseen) for message in kept.values()),
                    key=lambda message: message["date"],
                )
                for chat in state.chats.values()
            },
            "drafts": self.drafts,
            "commands": state.commands,
        }

    # --- failing ------------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        method: str,
        *,
        code: int = 500,
        reset: bool = False,
        times: int | None = 1,
        chat_id: int | None = None,
        **how: Any,
    ) -> PlannedFault:
        """Make the next calls of `method` fail; "*" means any method, "file" the download of a file.

        `code` is the HTTP status of the answer (0: the call is only delayed); `reset` cuts the connection instead.
        `Fault` explains `how`. Call `remove()` on the returned fault to end it early.
        """
        fault = Fault(code, cut="reset" if reset else "", **how)
        return self.faults.add(PlannedFault(method, fault, times, chat_id))

    # --- keeping ------------------------------------------------------------------------------------------------------

    def dump(self) -> Json:
        """The people, chats, files, commands and unconfirmed updates as JSON. Drafts, faults and the webhook are left
        out.
        """
        return {"state": self.state.dump(), "updates": self.updates.dump()}

    def load(self, data: Json) -> None:
        """Replace people, chats, files, commands and updates by what `dump` returned."""
        self.state.load(data["state"])
        self.updates.load(data["updates"])
        self.hub.publish("reset")

    def reset(self) -> None:
        """Delete all messages, topics, drafts and updates. People and groups stay."""
        for chat in self.state.chats.values():
            chat.messages.clear()
            chat.unseen.clear()
            chat.reactions.clear()
            chat.reply_keyboard = []
            chat.topics.clear()
        self.state.drafts.clear()
        self.updates.drop_all()
        self.hub.publish("reset")

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _expire_drafts(self) -> None:
        """Remove each draft 30 s after its last update and tell the page."""
        while True:
            drafts = self.state.live_drafts()
            if drafts:
                first = min(draft.until for draft in drafts)
                await self.clock.sleep(first - self.clock.monotonic())
            else:
                await self.hub.changed()


def text_of(message: Message) -> str:
    """The plain text of a Bot API Message: its text, caption or rich message; empty if it has none."""
    rich = message.get("rich_message")
    return plain(rich["blocks"]) if rich else str(message.get("text") or message.get("caption") or "")


def find_button(messages: Sequence[Message], label: str) -> tuple[int, str]:
    """The message id and the data of the newest button with this label. Raises `AssertionError` if there is none."""
    buttons = [(message, button) for message in reversed(messages) for button in buttons_of(message)]
    for message, button in buttons:
        if button["text"] == label:
            return int(message["message_id"]), str(button["callback_data"])
    raise AssertionError(f"there is no button {label!r}; there are {[button['text'] for _, button in buttons]}")


def buttons_of(message: Message) -> Sequence[Json]:
    """The inline buttons of a Bot API Message, row after row, in one list."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]
