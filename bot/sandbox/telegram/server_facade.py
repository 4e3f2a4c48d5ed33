"""Telegram on loopback: a Bot API server for the sandbox and for tests. Begin with `Telegram`.

The people's side is `telegram_actions`, the bot's side `telegram_server` with the methods in `telegram_send`,
`telegram_edit`, `telegram_show` and `telegram_account`; what both change is `telegram_state`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bot.clock import Clock, SystemClock
from bot.sandbox.event_stream import Hub
from bot.sandbox.telegram.account import default_commands
from bot.sandbox.telegram.context import Api
from bot.sandbox.telegram.faults import Fault, Faults
from bot.sandbox.telegram.flood_limits import Limits
from bot.sandbox.telegram.http import ApiCall, Server
from bot.sandbox.telegram.people import Actions
from bot.sandbox.telegram.rich import plain
from bot.sandbox.telegram.state import FIRST_GROUP, Chat, Message, Person, Profile, State
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.telegram.webhook import Webhook

T = TypeVar("T")

BOT = 4200000042  # the bot's number, always: its database knows it by that
PEOPLE = (
    Person(1001, "Anna", "anna", "en"),
    Person(1002, "Борис", "boris", "ru"),
    Person(1003, "Clara", "clara", "en"),
)


class Telegram(Actions):
    """A Bot API server with its people and chats.

    Without `token` one is made that nobody can guess. `limits` False lets the bot speak as fast as it likes; `topics`
    switches topics in private chats on; `privacy` hides in groups what is not meant for the bot; `careful` is the
    server's guard against crash loops; with `cross_edits` off rich and plain messages can't be edited into each other.
    `ephemeral` off is a server of before Bot API 10.3, which sends what was meant for one to everybody; `short_edits`:
    see `Api`. Times come from `clock`, whose `sleep` must really wait: one that jumps would end every draft and every
    poll at once. Answers take `distance` seconds to the bot. `seed` makes the shares of faults and the pauses
    repeatable.
    """

    def __init__(
        self,
        token: str = "",
        *,
        clock: Clock | None = None,
        hub: Hub | None = None,
        limits: Limits | bool = True,
        username: str = "govorun_sandbox_bot",
        first_name: str = "Govorun",
        topics: bool = False,
        privacy: bool = False,
        careful: bool = False,
        cross_edits: bool = True,
        ephemeral: bool = True,
        short_edits: bool = False,
        first_update: int = 100_000_001,
        distance: float = 0.0,
        seed: int | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.token = token = token or f"{BOT}:{secrets.token_urlsafe(26)}"
        self.clock = clock
        self.hub = hub or Hub(clock)
        profile = Profile(int(token.partition(":")[0]), username, first_name, topics, privacy)
        state = State(profile, clock, self.hub)
        updates = Updates(clock, self.hub, first_update, careful=careful)
        chance = random.Random(seed)  # noqa: S311 - chances of faults, no secret
        self.webhook = Webhook(clock, self.hub, updates, self._from_webhook, chance)
        self.faults = Faults(chance)
        self.limits = limits if isinstance(limits, Limits) else Limits(on=limits)
        super().__init__(Api(state, updates, self.webhook, cross_edits, ephemeral, short_edits))
        self._server = Server(token, self.api, self.faults, self.limits)
        self._server.distance = distance
        self._reaper: asyncio.Task[None] | None = None
        for person in PEOPLE:
            state.add_person(Person(person.id, person.first_name, person.username, person.language_code))
        state.add_group(Chat(FIRST_GROUP, "supergroup", "Team", [person.id for person in PEOPLE]))

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1; returns the address for the bot's settings. Port 0 takes a free one."""
        self._reaper = asyncio.create_task(self._expire_drafts())
        return await self._server.start(port)

    async def close(self) -> None:
        await self.webhook.close()
        if self._reaper:
            self._reaper.cancel()
            await asyncio.gather(self._reaper, return_exceptions=True)
            self._reaper = None
        await self._server.close()

    async def down(self) -> None:
        """Nobody listens any more: connections are refused, until `up`."""
        await self._server.close()

    async def up(self) -> None:
        """Listen again on the same port."""
        await self._server.start(int(self.url.rpartition(":")[2]))

    def cut(self) -> int:
        """Reset every open connection, whatever is under way on it. Returns how many there were."""
        return self._server.cut()

    @property
    def url(self) -> str:
        return self._server.url

    # --- looking ------------------------------------------------------------------------------------------------------

    def transcript(self, chat_id: int, thread_id: int | None = None) -> list[Message]:
        """The messages of a chat in order; of one topic only, or with thread 0 of none, when `thread_id` is given."""
        chat = self.state.chats.get(chat_id)
        messages = list(chat.messages.values()) if chat else []
        if thread_id is None:
            return messages
        return [message for message in messages if message.get("message_thread_id", 0) == thread_id]

    def texts(self, chat_id: int, thread_id: int | None = None) -> list[str]:
        """What the bot said in a chat, as plain words: texts, captions, rich messages."""
        mine = [item for item in self.transcript(chat_id, thread_id) if item["from"]["id"] == self.state.profile.id]
        return [text_of(message) for message in mine]

    def unseen(self, chat_id: int, user_id: int) -> list[Message]:
        """What in a group only one person sees, oldest first."""
        chat = self.state.chats[chat_id]
        found = [message for message in chat.unseen.values() if self.state.unseen_view(message)["only"] == user_id]
        return sorted(found, key=lambda message: message["ephemeral_message_id"])

    def whispers(self, chat_id: int, user_id: int) -> list[str]:
        """What the bot said to one person alone, as plain words."""
        mine = self.state.profile.id
        return [text_of(one) for one in self.unseen(chat_id, user_id) if one["from"]["id"] == mine]

    @property
    def drafts(self) -> list[dict[str, Any]]:
        """The drafts that people see now."""
        return [draft.view() for draft in self.state.live_drafts()]

    @property
    def calls(self) -> list[ApiCall]:
        """The last 20,000 calls of the bot, getUpdates included."""
        return list(self._server.calls)

    def calls_of(self, *methods: str) -> list[ApiCall]:
        names = {method.lower() for method in methods}
        return [call for call in self._server.calls if call.method.lower() in names]

    @property
    def remarks(self) -> list[str]:
        """What the server would have changed without a word: entities that overlap, that are too many."""
        return self.api.remarks

    @property
    def pending(self) -> int:
        """Updates that the bot has not confirmed."""
        return len(self.updates.waiting())

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = 60.0) -> T:
        """The first true value of `predicate`, looked at after each event. Raises `TimeoutError` (real seconds)."""
        return await self.hub.wait_for(predicate, timeout)

    def snapshot(self) -> dict[str, Any]:
        """What the page shows at first, without the journal and what belongs to others."""
        state = self.state
        return {
            "users": [person.user() for person in state.people.values()],
            "chats": [chat.view() for chat in state.chats.values()],
            "messages": {
                str(chat.id): sorted(
                    [
                        *(state.view(chat, message) for message in chat.messages.values()),
                        *(state.unseen_view(message) for message in chat.unseen.values()),
                    ],
                    key=lambda message: message["date"],
                )
                for chat in state.chats.values()
            },
            "drafts": self.drafts,
            "commands": default_commands(self.api),
        }

    # --- failing ------------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        method: str,
        *,
        code: int = 500,
        description: str = "",
        parameters: dict[str, Any] | None = None,
        times: int | None = 1,
        chat_id: int | None = None,
        apply: bool = False,
        reset: bool = False,
        body: bytes = b"",
        raw: bytes = b"",
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
    ) -> Fault:
        """Make the next calls of `method` ("*": of any, "file": downloads) fail. See `Fault`; `remove()` ends it."""
        return self.faults.add(
            Fault(
                method,
                code,
                description,
                parameters or {},
                times,
                chat_id,
                apply=apply,
                reset=reset,
                body=body,
                raw=raw,
                headers=headers or {},
                delay=delay,
            )
        )

    # --- keeping ------------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything worth keeping over a restart, as JSON. Drafts, faults and the webhook are not."""
        return {"state": self.state.dump(), "updates": self.updates.dump()}

    def load(self, data: dict[str, Any]) -> None:
        """Go on with what `dump` gave."""
        self.state.load(data["state"])
        self.updates.load(data["updates"])
        self.hub.publish("reset")

    def reset(self) -> None:
        """Empty all chats; people and groups stay."""
        for chat in self.state.chats.values():
            chat.messages.clear()
            chat.unseen.clear()
            chat.reactions.clear()
            chat.topics.clear()
        self.state.drafts.clear()
        self.updates.drop_all()
        self.hub.publish("reset")

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _from_webhook(self, body: dict[str, Any]) -> None:
        await self._server.execute_internal(body)

    async def _expire_drafts(self) -> None:
        """Drafts live 30 s: tell the page when one is gone."""
        while True:
            drafts = self.state.live_drafts()
            if drafts:
                first = min(draft.until for draft in drafts)
                await self.clock.sleep(first - self.clock.monotonic())
            else:
                await self.hub.changed()


def text_of(message: Message) -> str:
    """The words of a message: text, caption or rich message."""
    rich = message.get("rich_message")
    return plain(rich["blocks"]) if rich else str(message.get("text") or message.get("caption") or "")


def buttons_of(message: Message) -> Sequence[dict[str, Any]]:
    """The inline buttons of a message, row after row."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]
