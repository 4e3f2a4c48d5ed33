"""The state of the sandbox's Telegram: people, chats, messages, drafts, files, commands. Begin with `State`.

Every change is published to the hub.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import Any

from bot.clock import Clock
from bot.sandbox.event_stream import Hub
from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import ApiError, Call, FileKind, StoredFile, bad, stored
from bot.sandbox.telegram.chats import Chat, Connection, Draft, Message, Person, Press, Profile, Topic, picked
from bot.sandbox.telegram.updates import UpdateQueue
from bot.sandbox.telegram.webhook import Webhook

QUERY_LIFE = 150.0
BUSINESS_WINDOW = 86_400.0  # seconds after a person's message in which the bot may answer for a connected account


class State:
    """What the sandbox's Telegram knows: people, chats, messages, topics; and the basic changes of them, from which the
    methods of the Bot API and the acts of people are made.

    `queries` are the button presses that wait for answerCallbackQuery: query id -> (user id, Unix time of the
    deadline). `presses` are all presses, answered or not. `remarks` list what the server would have changed silently,
    for tests that want none of it.

    The rules: with `cross_edits` off, a rich message cannot be edited into a plain one, nor a plain one into a rich
    one. `ephemeral` off is a server before Bot API 10.3: it sends ephemeral messages to everybody. With `short_edits`
    an edit of an ephemeral message may have 1,024 characters only. The network takes `distance` seconds to bring an
    answer to the bot.
    """

    cross_edits = ephemeral = True
    short_edits = False
    distance = 0.0

    def __init__(self, profile: Profile, clock: Clock, hub: Hub, chance: random.Random) -> None:
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
        self.commands: dict[str, dict[str, list[Json]]] = {}
        self.last_id = 0
        self.serial = 0
        self.updates = UpdateQueue(clock, hub)
        self.webhook = Webhook(clock, hub, self.updates, chance)
        self.webhook_at = float("-inf")
        self.presses: dict[str, Press] = {}
        self.queries: dict[str, tuple[int, float]] = {}
        self.remarks: list[str] = []
        self.settings: dict[str, str] = {}

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

    def user(self, user_id: int) -> Json:
        """The Bot API User of a person or of the bot."""
        return self.profile.user() if user_id == self.profile.id else self.people[user_id].user()

    def head(self, chat: Chat) -> Json:
        """The Bot API Chat of a chat."""
        if chat.private:
            person = self.people[chat.id]
            name = {"username": person.username} if person.username else {}
            return {"id": chat.id, "first_name": person.first_name, **name, "type": "private"}
        forum = {"is_forum": True} if chat.is_forum else {}
        return {"id": chat.id, "title": chat.title, "type": chat.type, **forum}

    # --- what a call is about -----------------------------------------------------------------------------------------

    def chat_of(self, call: Call) -> Chat:
        """The chat of the call. Raises 400 if it is missing or unknown, 403 if the bot may not write there."""
        if not call.text("chat_id"):
            raise bad("chat_id is empty")
        if call.text("business_connection_id") and not call.method.startswith(("copy", "forward")):
            return self._business_chat(call)
        return self.chat(call.integer("chat_id"))

    def _business_chat(self, call: Call) -> Chat:
        """The chat of a connected account. Raises 400 for a connection that is gone or a person who has not written
        for a day, 403 without the right to answer.
        """
        connection, person = self.connections.get(call.text("business_connection_id")), call.integer("chat_id")
        if connection is None or not connection.is_enabled:
            raise bad("BUSINESS_CONNECTION_INVALID")
        if "can_reply" not in connection.rights:
            raise ApiError(403, "Forbidden: BOT_ACCESS_FORBIDDEN")
        if self.clock.time() - connection.heard.get(person, float("-inf")) > BUSINESS_WINDOW:
            raise bad("BUSINESS_PEER_USAGE_MISSING")
        return self.business_chat(connection, person)

    def place(self, call: Call) -> tuple[Chat, int]:
        """The chat and the topic (0: none) of the call. Raises what `chat` raises, and 400 for an unknown topic."""
        chat = self.chat_of(call)
        return chat, self.thread(chat, call.integer("message_thread_id"))

    def message_id(self, call: Call) -> int:
        """The message id of the call. Raises 400 if it is missing."""
        number = call.integer("message_id")
        if not number:
            raise bad("message identifier is not specified")
        return number

    def message_of(self, call: Call, purpose: str) -> tuple[Chat, int]:
        """The chat and the id of the message that a call is about. Raises 400 for a message that is not there, with the
        purpose of the call.
        """
        chat, number = self.chat_of(call), self.message_id(call)
        if number not in chat.messages:
            raise bad(f"message to {purpose} not found")
        return chat, number

    def remark(self, call: Call, remarks: list[str]) -> None:
        """Store what the real server would have changed in the text of this call without saying so."""
        self.remarks += [f"{call.method}: {remark}" for remark in remarks]

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
        self,
        chat: Chat,
        sender: int,
        content: Json,
        *,
        thread_id: int = 0,
        reply_to: int = 0,
        quote: str = "",
        receiver: int = 0,
        force_reply: bool = False,
    ) -> Message:
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

    def put_reply_keyboard(self, chat: Chat, message: Message, keyboard: list[list[Json]]) -> None:
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

    def dump(self) -> Json:
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

    def load(self, data: Json) -> None:
        """Replace all data by what `dump` returned."""
        self.people = {item["id"]: Person(**item) for item in data["people"]}
        self.chats = {item["id"]: _load_chat(dict(item)) for item in data["chats"]}
        files = (StoredFile(**{**item, "data": base64.b64decode(item["data"])}) for item in data["files"])
        self.files = {file.file_id: file for file in files}
        self.commands, self.last_id, self.serial = data["commands"], data["last_id"], data["serial"]
        self.drafts.clear()
        self.stopped.clear()


def _load_chat(item: Json) -> Chat:
    chat = Chat(item["id"], item["type"], item["title"], item["members"])
    contents: Json = {
        "topics": {topic["id"]: Topic(**topic) for topic in item["topics"]},
        "messages": {message["message_id"]: message for message in item["messages"]},
        "unseen": {message["ephemeral_message_id"]: message for message in item.get("unseen", [])},
        "reactions": {int(number): found for number, found in item["reactions"].items()},
        "administrators": {int(number): rights for number, rights in item.get("administrators", {}).items()},
    }
    for name, value in {**item, **contents}.items():
        setattr(chat, name, value)
    return chat


Method = Callable[[State, Call], Any | Awaitable[Any]]
