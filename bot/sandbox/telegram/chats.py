"""People, chats, topics, drafts and connections of the sandbox's Telegram. Begin with `Chat`.

Messages are stored as Bot API objects, so a test and the page see what the bot sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from bot.sandbox.guard import Json

Message = Json

DRAFT_LIFE = 30.0
COLORS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)
FIRST_GROUP = -1001000000001


@dataclass(slots=True)
class Person:
    """A Telegram user. `blocked`: this person has blocked the bot; `no_voices`: this person takes no voice messages;
    `is_bot`: this is another bot.
    """

    id: int
    first_name: str
    username: str = ""
    language_code: str = ""
    blocked: bool = False
    no_voices: bool = False
    is_bot: bool = False

    @property
    def phone(self) -> str:
        """The telephone number that the person shares."""
        return f"+7900{self.id:07d}"

    def user(self) -> Json:
        """The person as a Bot API User."""
        user = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        named = {"username": self.username, "language_code": self.language_code}
        return user | {name: value for name, value in named.items() if value}

    def view(self) -> Json:
        """The person as the page shows it."""
        return {**self.user(), "blocked": self.blocked}


@dataclass(slots=True)
class Topic:
    """A topic of a chat. `is_name_implicit`: the client made up the name, and the bot is expected to change it.

    `creator` is the id of the user who made it. In a closed topic only those write who may manage topics.
    """

    id: int
    name: str
    icon_color: int = COLORS[0]
    is_name_implicit: bool = False
    creator: int = 0
    is_closed: bool = False

    def view(self) -> Json:
        """The topic as the page shows it."""
        return picked(self, "id", "name", "icon_color")


@dataclass(slots=True)
class Chat:
    """A chat with its messages by id, oldest first.

    `members` are the ids of people; the first one owns the group. `has_bot`: the bot is a member; `administers`: it is
    an administrator, with all rights but those in `lacks` (the Bot API's names). `administrators` are the members who
    were promoted, with their rights. `migrated_to` is the new id of a group that became a supergroup. `protects`: what
    is sent here can't be copied or forwarded. `pinned` are the ids of pinned messages. `connection` is the business
    connection through which the bot sees the chat, "" for none. `unseen` holds the ephemeral messages, which only one
    member and the bot see; their ids are counted separately and reused. `reply_keyboard` has rows of the Bot
    API's KeyboardButton.
    """

    id: int
    type: str
    title: str
    members: list[int]
    is_forum: bool = False
    connection: str = ""
    has_bot: bool = field(default=True, init=False)
    migrated_to: int = field(default=0, init=False)
    administers: bool = field(default=False, init=False)
    lacks: list[str] = field(default_factory=list, init=False)
    administrators: dict[int, list[str]] = field(default_factory=dict, init=False)
    protects: bool = field(default=False, init=False)
    pinned: list[int] = field(default_factory=list, init=False)
    last_id: int = field(default=0, init=False)
    topics: dict[int, Topic] = field(default_factory=dict, init=False)
    messages: dict[int, Message] = field(default_factory=dict, init=False)
    unseen: dict[int, Message] = field(default_factory=dict, init=False)
    reactions: dict[int, dict[str, list[int]]] = field(default_factory=dict, init=False)
    reply_keyboard: list[list[Json]] = field(default_factory=list, init=False)

    @property
    def private(self) -> bool:
        """Whether this is the private chat of one person with the bot."""
        return self.type == "private"

    def lets_bot(self, right: str) -> bool:
        """Whether the bot has a right here, by the Bot API's name. In a private chat no right is asked for."""
        return self.private or (self.administers and right not in self.lacks)

    def lets(self, user_id: int, right: str) -> bool:
        """Whether a person has a right here, by the Bot API's name. The owner has them all."""
        return self.private or user_id == self.members[0] or right in self.administrators.get(user_id, ())

    def view(self) -> Json:
        """The chat as the page shows it."""
        topics = [topic.view() for topic in self.topics.values()]
        names = ("id", "type", "title", "members", "is_forum", "administers", "reply_keyboard")
        return picked(self, *names) | {"topics": topics}


@dataclass(frozen=True, slots=True)
class Draft:
    """What the bot shows in a private chat while it writes an answer.

    `until` is the monotonic time at which the draft disappears. `can_stop` shows a Stop button; with `keep_on_stop` the
    draft stays visible after a press of it. `thinking`: the draft has no content yet.
    """

    chat_id: int
    thread_id: int
    draft_id: int
    text: str
    entities: list[Json]
    rich_message: Json | None
    can_stop: bool
    keep_on_stop: bool
    thinking: bool
    until: float

    def view(self) -> Json:
        """The draft as the page shows it."""
        return picked(self, *(one.name for one in fields(self) if one.name != "until"))


@dataclass(slots=True)
class Profile:
    """The bot as BotFather set it up. With `privacy` the bot sees in groups only what is meant for it.

    `topics` switches topics in private chats on; with `people_make_topics` people may make some there too. `business`:
    people may connect their accounts to the bot.
    """

    id: int
    username: str
    topics: bool = False
    first_name: str = "Govorun"
    privacy: bool = False
    people_make_topics: bool = True
    business: bool = False

    def user(self) -> Json:
        """The bot as a Bot API User."""
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}

    def me(self) -> Json:
        """The bot as getMe returns it."""
        never = ("supports_inline_queries", "has_main_web_app")
        people_make = self.topics and self.people_make_topics
        topics = {"has_topics_enabled": self.topics, "allows_users_to_create_topics": people_make}
        reads = {
            "can_join_groups": True,
            "can_connect_to_business": self.business,
            "can_read_all_group_messages": not self.privacy,
        }
        return {**self.user(), **reads, **dict.fromkeys(never, False), **topics}


@dataclass(slots=True)
class Connection:
    """A business connection: the bot answers in the private chats of its `owner`, as far as the `rights` let it.

    `heard` is when each person last wrote to the owner (Unix time). The account counts its own message ids.
    """

    id: str
    owner: int
    rights: list[str]
    date: int
    is_enabled: bool = True
    last_id: int = field(default=0, init=False)
    chats: dict[int, Chat] = field(default_factory=dict, init=False)
    heard: dict[int, float] = field(default_factory=dict, init=False)

    def view(self, user: Json) -> Json:
        """The connection as a BusinessConnection; `user` is its owner."""
        rights = dict.fromkeys(self.rights, True)
        return {"user": user, "user_chat_id": self.owner, "rights": rights} | picked(self, "id", "date", "is_enabled")


@dataclass(frozen=True, slots=True)
class Press:
    """A press of an inline button: who pressed, in which chat, at which Unix time. `unseen`: on an
    ephemeral message.
    """

    user: int
    chat: int
    at: float
    unseen: bool = False


def picked(value: Any, *names: str) -> Json:
    """These fields of a dataclass (by default all) by their names. Values inside the fields stay as they are."""
    return {name: getattr(value, name) for name in names or (one.name for one in fields(value))}
