"""All data of the sandbox's Telegram: people, chats, messages, drafts, files, commands. Begin with `State`.

Messages are stored as Bot API objects, so a test and the page see what the bot sees. Every change is published to the
hub.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any

from bot.clock import Clock
from bot.sandbox.event_stream import Hub
from bot.sandbox.telegram.call import ApiError, bad
from bot.sandbox.telegram.files import FileKind, StoredFile, stored

Message = dict[str, Any]

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

    def user(self) -> dict[str, Any]:
        """The person as a Bot API User."""
        user = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        named = {"username": self.username, "language_code": self.language_code}
        return user | {name: value for name, value in named.items() if value}

    def view(self) -> dict[str, Any]:
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

    def view(self) -> dict[str, Any]:
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
    reply_keyboard: list[list[dict[str, Any]]] = field(default_factory=list, init=False)

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

    def view(self) -> dict[str, Any]:
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
    entities: list[dict[str, Any]]
    rich_message: dict[str, Any] | None
    can_stop: bool
    keep_on_stop: bool
    thinking: bool
    until: float

    def view(self) -> dict[str, Any]:
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

    def user(self) -> dict[str, Any]:
        """The bot as a Bot API User."""
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}

    def me(self) -> dict[str, Any]:
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

    def view(self, user: dict[str, Any]) -> dict[str, Any]:
        """The connection as a BusinessConnection; `user` is its owner."""
        rights = dict.fromkeys(self.rights, True)
        return {"user": user, "user_chat_id": self.owner, "rights": rights} | picked(self, "id", "date", "is_enabled")


class State:
    """What the sandbox's Telegram knows: people, chats, messages, topics; and the basic changes of them, from which the
    methods of the Bot API and the acts of people are made.
    """

    def __init__(self, profile: Profile, clock: Clock, hub: Hub) -> None:
        self.profile = profile
        self.clock = clock
        self.hub = hub
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.drafts: dict[tuple[int, int], Draft] = {}
        self.stopped: set[tuple[int, int, int]] = set()
        self.force_replies: set[tuple[int, int]] = set()  # chat and message; forgotten when the sandbox ends
        self.with_reply_keyboard: set[tuple[int, int]] = set()  # nobody can edit these messages
        self.connections: dict[str, Connection] = {}
        self.files: dict[str, StoredFile] = {}
        self.commands: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.last_id = 0
        self.serial = 0

    # --- finding ------------------------------------------------------------------------------------------------------

    def chat(self, chat_id: int) -> Chat:
        """The chat with this id, if the bot may write to it.

        Raises the `ApiError` of the real server if the chat is unknown or became a supergroup, or if the bot was
        blocked or removed.
        """
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to:
            reason = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, reason, {"migrate_to_chat_id": chat.migrated_to})
        if chat.private and self.people[chat.id].blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if not chat.has_bot:
            raise ApiError(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        return chat

    def thread(self, chat: Chat, thread_id: int) -> int:
        """The topic to write to; 0 for none.

        Only forums and private chats have topics; in other chats `thread_id` is ignored. Raises 400 for an unknown
        topic, and for a closed one that the bot may not write to.
        """
        if not thread_id or not (chat.private or chat.is_forum):
            return 0
        if thread_id not in chat.topics:
            raise bad("message thread not found")
        if chat.topics[thread_id].is_closed and not chat.lets_bot("can_manage_topics"):
            raise bad("TOPIC_CLOSED")
        return thread_id

    def user(self, user_id: int) -> dict[str, Any]:
        """The Bot API User of a person or of the bot."""
        return self.profile.user() if user_id == self.profile.id else self.people[user_id].user()

    def head(self, chat: Chat) -> dict[str, Any]:
        """The Bot API Chat of a chat."""
        if chat.private:
            person = self.people[chat.id]
            name = {"username": person.username} if person.username else {}
            return {"id": chat.id, "first_name": person.first_name, **name, "type": "private"}
        forum = {"is_forum": True} if chat.is_forum else {}
        return {"id": chat.id, "title": chat.title, "type": chat.type, **forum}

    # --- messages -----------------------------------------------------------------------------------------------------

    def next_id(self, chat: Chat) -> int:
        """A new message id. As on the real server each supergroup and each connected account counts its own ids, and
        all other chats share one counter.
        """
        if connection := self.connections.get(chat.connection):
            connection.last_id += 1
            return connection.last_id
        if chat.type == "supergroup":
            chat.last_id += 1
            return chat.last_id
        self.last_id += 1
        return self.last_id

    def post(
        self, chat: Chat, sender: int, content: dict[str, Any],
        *, thread_id: int = 0, reply_to: int = 0, quote: str = "", receiver: int = 0, force_reply: bool = False,
    ) -> Message:  # fmt: skip
        """Add a message to a chat and return it. A message of the bot removes the draft in that chat and topic.

        With a `receiver` the message is ephemeral: only `sender` and `receiver` see it, one of whom is the bot.
        `force_reply`: clients open a reply to the message; the Bot API does not return this field.
        """
        kept = chat.unseen if receiver else chat.messages
        number = next(id_ for id_ in count(1) if id_ not in kept) if receiver else self.next_id(chat)
        message: Message = {"message_id": 0 if receiver else number, "from": self.user(sender), "chat": self.head(chat)}
        message["date"] = int(self.clock.time())
        if receiver:
            message |= {"ephemeral_message_id": number, "receiver_user": self.user(receiver)}
        if thread_id:
            message |= {"message_thread_id": thread_id, "is_topic_message": True}
        if original := kept.get(reply_to):
            message["reply_to_message"] = {key: value for key, value in original.items() if key != "reply_to_message"}
        if chat.protects:
            message["has_protected_content"] = True
        if quote:
            message["quote"] = {"text": quote, "position": 0, "is_manual": True}
        kept[number] = message = message | content
        if force_reply and not receiver:
            self.force_replies.add((chat.id, number))
        if sender == self.profile.id and not receiver and not chat.connection:
            self.drop_draft(chat.id, thread_id)
        self.show(chat, message)
        return message

    def put_reply_keyboard(self, chat: Chat, message: Message, keyboard: list[list[dict[str, Any]]]) -> None:
        """Show the reply keyboard that a message has brought, or none."""
        self.with_reply_keyboard.add((chat.id, message["message_id"]))
        chat.reply_keyboard = keyboard
        self.show_chat(chat)

    def replace(self, chat: Chat, message: Message) -> None:
        """Store the new form of a message and publish it."""
        kept = chat.unseen if "ephemeral_message_id" in message else chat.messages
        kept[message.get("ephemeral_message_id") or message["message_id"]] = message
        self.show(chat, message)

    def show(self, chat: Chat, message: Message) -> None:
        """Publish a new or changed message to the page, which does not show business chats."""
        if chat.connection:
            return
        self.hub.publish("message", chat_id=chat.id, message=self.view(chat, message))

    def view(self, chat: Chat, message: Message) -> Message:
        """The message as the page shows it: with its reactions, and `force_reply` if it asks for a reply.

        An ephemeral one has a negative `message_id`, since the page has one range of ids, and in `only` the id of the
        person who sees it.
        """
        if number := message.get("ephemeral_message_id"):
            people = (message["from"]["id"], message["receiver_user"]["id"])
            return {**message, "message_id": -number, "only": next(id_ for id_ in people if id_ != self.profile.id)}
        number = message["message_id"]
        reactions = {"reactions": found} if (found := chat.reactions.get(number)) else {}
        asks = {"force_reply": True} if (chat.id, number) in self.force_replies else {}
        return {**message, **reactions, **asks}

    def forget_unseen(self, chat: Chat, numbers: Iterable[int]) -> None:
        """Remove ephemeral messages by their ids and tell the page."""
        gone = [number for number in numbers if chat.unseen.pop(number, None)]
        if gone:
            self.hub.publish("deleted", chat_id=chat.id, message_ids=[-number for number in gone])

    def remove(self, chat: Chat, message_ids: Iterable[int]) -> None:
        """Remove messages with their reactions and tell the page. Unknown ids are skipped."""
        gone = [number for number in message_ids if chat.messages.pop(number, None)]
        for number in gone:
            chat.reactions.pop(number, None)
        if gone and not chat.connection:
            self.hub.publish("deleted", chat_id=chat.id, message_ids=gone)

    def show_chat(self, chat: Chat) -> None:
        """Publish a new or changed chat to the page."""
        self.hub.publish("chat", chat=chat.view())

    def show_person(self, person: Person) -> None:
        """Publish a changed person to the page."""
        self.hub.publish("user", user=person.view())

    # --- drafts -------------------------------------------------------------------------------------------------------

    def put_draft(self, draft: Draft) -> None:
        """Show a draft, unless the user has stopped the draft with this id: Telegram does not show it again."""
        place = (draft.chat_id, draft.thread_id)
        if (*place, draft.draft_id) in self.stopped:
            return
        self.drafts[place] = draft
        self.hub.publish("draft", draft=draft.view())

    def drop_draft(self, chat_id: int, thread_id: int) -> None:
        """Remove the draft of a chat and topic, if there is one, and tell the page."""
        if self.drafts.pop((chat_id, thread_id), None):
            self.hub.publish("draft_gone", chat_id=chat_id, thread_id=thread_id)

    def live_drafts(self) -> list[Draft]:
        """The drafts that are visible now. Drafts that were not renewed for 30 s are removed first."""
        now = self.clock.monotonic()
        for place, draft in list(self.drafts.items()):
            if draft.until <= now:
                self.drop_draft(*place)
        return list(self.drafts.values())

    # --- chats and people ---------------------------------------------------------------------------------------------

    def add_person(self, person: Person) -> Chat:
        """Add a person and the person's private chat with the bot. Returns the chat."""
        self.people[person.id] = person
        return self.add_chat(Chat(person.id, "private", person.first_name, [person.id]))

    def add_chat(self, chat: Chat) -> Chat:
        """Add a chat and return it."""
        self.chats[chat.id] = chat
        self.show_chat(chat)
        return chat

    def business_chat(self, connection: Connection, person: int) -> Chat:
        """The private chat of a connected account with a person."""
        new = Chat(person, "private", "", [person, connection.owner], connection=connection.id)
        return connection.chats.setdefault(person, new)

    def make_topic(self, chat: Chat, creator: int, name: str, color: int, *, implicit: bool = False) -> Message:
        """Create a topic and return the service message that announces it. The topic's id is the id of that message."""
        created = {"name": name, "icon_color": color, **({"is_name_implicit": True} if implicit else {})}
        message = self.post(chat, creator, {"forum_topic_created": created})
        number = message["message_id"]
        message |= {"message_thread_id": number, "is_topic_message": True}
        chat.topics[number] = Topic(number, name, color, implicit, creator=creator)
        self.show(chat, message)
        self.show_chat(chat)
        return message

    def close_topic(self, chat: Chat, topic: Topic, who: int, closed: bool = True) -> Message:
        """Close a topic, or with `closed` False open it again. Returns the service message that says so."""
        topic.is_closed = closed
        said = "forum_topic_closed" if closed else "forum_topic_reopened"
        message = self.post(chat, who, {said: {}}, thread_id=topic.id)
        self.show_chat(chat)
        return message

    def drop_topic(self, chat: Chat, thread_id: int) -> None:
        """Delete a topic with all its messages."""
        del chat.topics[thread_id]
        self.drop_draft(chat.id, thread_id)
        self.remove(chat, [n for n, message in chat.messages.items() if message.get("message_thread_id") == thread_id])
        self.show_chat(chat)

    def unique(self) -> str:
        """A string that was not used before, for the ids of files and button presses."""
        self.serial += 1
        return f"{self.profile.id}x{self.serial}"

    def keep_file(self, kind: FileKind, data: bytes, *, name: str = "", mime: str = "", duration: int = 0) -> Any:
        """Store an upload, and return the field of the message that shows it. Raises 400 for a bad photo."""
        files, shown = stored(kind, data, self.unique, name=name, mime=mime, duration=duration)
        self.files.update({file.file_id: file for file in files})
        return shown

    # --- keeping ------------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """People, chats, files, commands and counters as plain JSON; drafts and business connections are left out."""
        return {
            "people": [picked(person) for person in self.people.values()],
            "chats": [
                picked(chat)
                | {"topics": [picked(topic) for topic in chat.topics.values()]}
                | {"messages": list(chat.messages.values()), "unseen": list(chat.unseen.values())}
                | {"reactions": {str(number): found for number, found in chat.reactions.items()}}
                for chat in self.chats.values()
            ],
            "files": [picked(file) | {"data": base64.b64encode(file.data).decode()} for file in self.files.values()],
            **picked(self, "commands", "last_id", "serial"),
        }

    def load(self, data: dict[str, Any]) -> None:
        """Replace all data by what `dump` returned."""
        self.people = {item["id"]: Person(**item) for item in data["people"]}
        self.chats = {item["id"]: _load_chat(dict(item)) for item in data["chats"]}
        files = (StoredFile(**{**item, "data": base64.b64decode(item["data"])}) for item in data["files"])
        self.files = {file.file_id: file for file in files}
        self.commands, self.last_id, self.serial = data["commands"], data["last_id"], data["serial"]
        self.drafts.clear()
        self.stopped.clear()


def picked(value: Any, *names: str) -> dict[str, Any]:
    """These fields of a dataclass (by default all) by their names. Values inside the fields stay as they are."""
    return {name: getattr(value, name) for name in names or (one.name for one in fields(value))}


def _load_chat(item: dict[str, Any]) -> Chat:
    chat = Chat(item["id"], item["type"], item["title"], item["members"])
    contents: dict[str, Any] = {
        "topics": {topic["id"]: Topic(**topic) for topic in item["topics"]},
        "messages": {message["message_id"]: message for message in item["messages"]},
        "unseen": {message["ephemeral_message_id"]: message for message in item.get("unseen", [])},
        "reactions": {int(number): found for number, found in item["reactions"].items()},
        "administrators": {int(number): rights for number, rights in item.get("administrators", {}).items()},
    }
    for name, value in {**item, **contents}.items():
        setattr(chat, name, value)
    return chat
