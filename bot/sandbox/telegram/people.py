"""What people do in Telegram: write, upload, press, stop, react, block. Begin with `PeopleActions.say`.

Each action changes the chat and queues the update that a real bot would get. Only what the real server checks is
checked, so tests may act like a hostile client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import KINDS, FileKind
from bot.sandbox.telegram.chats import COLORS, FIRST_GROUP, Chat, Message, Person, Press, Topic
from bot.sandbox.telegram.markup.entities import CAPTION_LIMIT, TEXT_LIMIT, detect
from bot.sandbox.telegram.methods.account import DEFAULT_SCOPE, GROUP_SCOPE, member
from bot.sandbox.telegram.methods.edit import react
from bot.sandbox.telegram.methods.send import forwarded, may_forward
from bot.sandbox.telegram.state import QUERY_LIFE, State

LEAST_PIECE = 3_950  # characters: a bot takes a shorter message for a whole one
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}

CHANNEL = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
HOME = {"latitude": 55.7558, "longitude": 37.6176}  # where people are
NEWS = -1009000000001  # the id of a channel in whose name somebody speaks


class PeopleActions:
    """The people's side of the sandbox. All methods raise `ValueError` with a sentence if a chat, person or message
    does not exist.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.updates = state.updates

    # --- messages -----------------------------------------------------------------------------------------------------

    def say(
        self,
        chat_id: int,
        text: str,
        user_id: int | None = None,
        thread_id: int = 0,
        reply_to: int | None = None,
        *,
        anonymous: bool = False,
        channel: str = "",
        aloud: bool = False,
    ) -> Message:
        """Write a message and return it.

        A text of more than 4,096 characters is split into several messages, between words as clients do; the last one
        is returned. An unknown positive `chat_id` becomes a new person. `anonymous`: the sender is an administrator
        whom the group shows under its own name. `channel`: the sender speaks in the name of a channel with this title.

        A command that the bot has declared ephemeral is sent ephemerally in a group, unless `aloud`: old clients do not
        know ephemeral commands.
        """
        chat, sender = self._place(chat_id, user_id)
        if not (chat.private or anonymous or aloud) and self._is_unseen(text):
            return self.whisper(chat_id, text, sender, thread_id)
        for piece in _pieces(text):
            content: Json = {"text": piece}
            if anonymous:
                content |= {"from": ANONYMOUS, "sender_chat": self.state.head(chat)}
            elif channel:
                content |= {"from": CHANNEL, "sender_chat": {"id": NEWS, "type": "channel", "title": channel}}
            message = self._send(chat, sender, content | _found(piece), thread_id, reply_to or 0)
        return message

    def whisper(
        self, chat_id: int, text: str, user_id: int | None = None, thread_id: int = 0, reply_to: int = 0
    ) -> Message:
        """Write an ephemeral message in a group, which only the bot sees: a command, or a reply to an ephemeral
        message.
        """
        chat, sender = self._place(chat_id, user_id)
        content = {"text": text[:TEXT_LIMIT], **_found(text[:TEXT_LIMIT])}
        bot = self.state.profile.id
        message = self.state.post(chat, sender, content, thread_id=thread_id, reply_to=reply_to, receiver=bot)
        if chat.has_bot:
            self.updates.add("message", message, lane=f"chat {chat.id}")
        return message

    def _is_unseen(self, text: str) -> bool:
        """Whether the bot's menu for groups, or for all chats, declares the command in `text` as ephemeral."""
        word = text.split(maxsplit=1)[0].partition("@")[0] if text.strip() else ""
        menus = [self.state.commands.get(scope, {}) for scope in (GROUP_SCOPE, DEFAULT_SCOPE)]
        return self.state.ephemeral and any(
            f"/{row['command']}" == word and row.get("is_ephemeral") for menu in menus for row in menu.get("", [])
        )

    def vanish(self, chat_id: int) -> None:
        """Remove all ephemeral messages of a group, as Telegram does after a while. The bot is not told; ids are
        reused.
        """
        chat, _ = self._place(chat_id, None)
        self.state.forget_unseen(chat, list(chat.unseen))

    def edit(self, chat_id: int, message_id: int, text: str, user_id: int | None = None) -> Message:
        """Change the text (or caption) of a person's own message."""
        chat, sender = self._place(chat_id, user_id)
        old = chat.messages.get(message_id)
        if old is None or old["from"]["id"] != sender:
            raise ValueError("only one's own messages can be edited")
        name = "text" if "text" in old else "caption"
        entities = "entities" if name == "text" else "caption_entities"
        text = text[: TEXT_LIMIT if name == "text" else CAPTION_LIMIT]
        fresh = {key: value for key, value in old.items() if key != entities}
        fresh |= {name: text, "edit_date": int(self.state.clock.time()), **_found(text, entities)}
        self.state.replace(chat, fresh)
        self._tell(chat, sender, "edited_message", fresh)
        return fresh

    def upload(
        self,
        chat_id: int,
        data: bytes,
        kind: FileKind = "photo",
        *,
        name: str = "",
        mime: str = "",
        caption: str = "",
        user_id: int | None = None,
        thread_id: int = 0,
        reply_to: int | None = None,
        duration: int = 1,
        group: str = "",
    ) -> Message:
        """Send a file of any kind; the `name` of a still sticker is its emoji.

        `duration` is in seconds; messages with one `group` are an album. Raises `ApiError` for a photo that Telegram
        would not take.
        """
        chat, sender = self._place(chat_id, user_id)
        if kind not in KINDS:
            raise ValueError(f"can't upload a {kind}")
        content: Json = {kind: self.state.keep_file(kind, data, name=name, mime=mime, duration=duration)}
        if caption := caption[:CAPTION_LIMIT]:
            content |= {"caption": caption, **_found(caption, "caption_entities")}
        if group:
            content["media_group_id"] = group
        return self._send(chat, sender, content, thread_id, reply_to or 0)

    def album(
        self,
        chat_id: int,
        photos: Sequence[bytes],
        caption: str = "",
        *,
        user_id: int | None = None,
        thread_id: int = 0,
        caption_on: int = 0,
    ) -> list[Message]:
        """Send photos as one album: one update for each photo, one `media_group_id` for all.

        `caption_on` is the index of the photo that carries the caption.
        """
        album: Json = {"group": str(10_000_000_000 + self.state.serial), "thread_id": thread_id}
        captions = [caption if number == caption_on else "" for number in range(len(photos))]
        rows = zip(photos, captions, strict=True)
        return [self.upload(chat_id, data, caption=words, user_id=user_id, **album) for data, words in rows]

    def send(
        self,
        chat_id: int,
        content: Json,
        *,
        user_id: int | None = None,
        thread_id: int = 0,
        reply_to: int | None = None,
    ) -> Message:
        """Send a message of any other kind: `content` are its fields, for example {"location": …} or {"poll": …}."""
        chat, sender = self._place(chat_id, user_id)
        return self._send(chat, sender, content, thread_id, reply_to or 0)

    def press_reply_button(self, chat_id: int, label: str, user_id: int | None = None) -> Message:
        """Press a button of the reply keyboard: it shares the person's contact or location, or writes its label."""
        chat, sender = self._place(chat_id, user_id)
        button = next((one for row in chat.reply_keyboard for one in row if one.get("text") == label), None)
        if button is None:
            raise ValueError(f"the reply keyboard has no button {label!r}")
        if button.get("request_contact"):
            person = self.state.people[sender]
            contact = {"phone_number": person.phone, "first_name": person.first_name, "user_id": sender}
            return self.send(chat_id, {"contact": contact}, user_id=sender)
        if button.get("request_location"):
            return self.send(chat_id, {"location": dict(HOME)}, user_id=sender)
        return self.say(chat_id, label, sender)

    def forward(
        self, chat_id: int, source: int, message_id: int, user_id: int | None = None, thread_id: int = 0
    ) -> Message:
        """Let a person (None: the owner of the private chat) forward a message of the chat `source` into a chat or one
        of its topics. Raises `ValueError` for one that may not be forwarded.
        """
        chat, sender = self._place(chat_id, user_id)
        original = self._place(source, None)[0].messages.get(message_id)
        if original is None or not may_forward(original):
            raise ValueError("this message can't be forwarded")
        return self._send(chat, sender, forwarded(original), thread_id, 0)

    # --- touching what the bot wrote ----------------------------------------------------------------------------------

    def press(
        self, chat_id: int, message_id: int, data: str, user_id: int | None = None, *, unseen: bool = False
    ) -> str:
        """Press an inline button and return the id of the callback query.

        `data` may be anything, as from a hostile client. `unseen`: `message_id` is the id of an ephemeral message.
        """
        chat, sender = self._place(chat_id, user_id)
        query_id = f"{4_000_000_000_000 + int(self.state.unique().rpartition('x')[2])}"
        self.state.queries[query_id] = (sender, self.state.clock.time() + QUERY_LIFE)
        self.state.presses[query_id] = Press(sender, chat.id, self.state.clock.time(), unseen)
        gone = {"chat": self.state.head(chat), "message_id": message_id, "date": 0}
        messages = chat.unseen if unseen else chat.messages
        query = {
            "id": query_id,
            "from": self.state.user(sender),
            "message": messages.get(message_id, gone),
            "chat_instance": str(abs(chat.id) * 7_919),
            "data": data,
        }
        self.updates.add("callback_query", query, lane=f"user {sender}")
        return query_id

    def stop(self, chat_id: int, draft_id: int, thread_id: int = 0) -> None:
        """Press Stop at a draft, which the bot can then no longer show.

        The draft disappears at once, or with `keep_on_stop` when its time is over.
        """
        chat, _ = self._place(chat_id, None)
        draft = self.state.drafts.get((chat_id, thread_id))
        self.state.stopped.add((chat_id, thread_id, draft_id))
        if draft and draft.draft_id == draft_id:
            if draft.keep_on_stop:
                self.state.drafts[chat_id, thread_id] = draft = replace(draft, can_stop=False)
                self.state.hub.publish("draft", draft=draft.view())
            else:
                self.state.drop_draft(chat_id, thread_id)
        thread = {"message_thread_id": thread_id} if thread_id else {}
        payload = {"chat": self.state.head(chat), "draft_id": draft_id, **thread}
        self.updates.add("stopped_message_generation", payload, lane=f"chat {chat_id}")

    def react(self, chat_id: int, message_id: int, emoji: str | None, user_id: int | None = None) -> None:
        """Put a reaction on a message; None takes it away."""
        chat, sender = self._place(chat_id, user_id)
        if message_id not in chat.messages:
            raise ValueError("there is no such message")
        before = react(self.state, chat, message_id, sender, emoji)
        payload = {
            "chat": self.state.head(chat),
            "message_id": message_id,
            "user": self.state.user(sender),
            "date": int(self.state.clock.time()),
            "old_reaction": [{"type": "emoji", "emoji": before}] if before else [],
            "new_reaction": [{"type": "emoji", "emoji": emoji}] if emoji else [],
        }
        self.updates.add("message_reaction", payload, lane=f"chat {chat_id}")

    # --- topics -------------------------------------------------------------------------------------------------------

    def topic(self, chat_id: int, user_id: int | None = None, name: str = "") -> Json:
        """Create a topic and return it as the page shows it.

        Without `name` the client makes one up and the bot is expected to rename the topic.
        """
        chat, sender = self._place(chat_id, user_id)
        if not (chat.is_forum or (chat.private and self.state.profile.me()["allows_users_to_create_topics"])):
            raise ValueError("this chat has no topics, or people may not make any")
        message = self.state.make_topic(chat, sender, name[:128] or "New topic", COLORS[0], implicit=not name)
        self._tell(chat, sender, "message", message)
        return chat.topics[message["message_id"]].view()

    def close_topic(self, chat_id: int, thread_id: int, closed: bool = True, user_id: int | None = None) -> None:
        """Close a topic, or with `closed` False open it again. The bot is told."""
        chat, sender = self._place(chat_id, user_id)
        self._tell(chat, sender, "message", self.state.close_topic(chat, _topic(chat, thread_id), sender, closed))

    def delete_topic(self, chat_id: int, thread_id: int) -> None:
        """Delete a topic with all its messages. The bot is not told."""
        chat, _ = self._place(chat_id, None)
        self.state.drop_topic(chat, _topic(chat, thread_id).id)

    def delete(self, chat_id: int, message_id: int) -> None:
        """Delete a message for everybody. The bot is not told."""
        self.state.remove(self._place(chat_id, None)[0], [message_id])

    # --- chats --------------------------------------------------------------------------------------------------------

    def person(self, title: str, language_code: str = "", user_id: int | None = None, *, is_bot: bool = False) -> Json:
        """Add a person, or another bot, with a private chat. Returns the chat as the page shows it."""
        number = user_id or max([1000, *self.state.people]) + 1
        return self.state.add_person(Person(number, title, "", language_code, is_bot=is_bot)).view()

    def group(
        self,
        title: str,
        members: Sequence[int] = (),
        *,
        type: Literal["group", "supergroup"] = "supergroup",
        is_forum: bool = False,
        chat_id: int | None = None,
    ) -> Json:
        """Add a group with the bot in it; the first of `members` owns it. Returns the chat as the page shows it."""
        people = list(members) or list(self.state.people)[:1]
        if unknown := [member for member in people if member not in self.state.people]:
            raise ValueError(f"there is no user {unknown[0]}")
        used = [chat.id for chat in self.state.chats.values() if (chat.type == "supergroup") == (type == "supergroup")]
        number = chat_id or min([FIRST_GROUP + 1 if type == "supergroup" else -4000, *(n for n in used if n < 0)]) - 1
        return self.state.add_chat(Chat(number, type, title, people, is_forum=is_forum)).view()

    def block(self, user_id: int, blocked: bool = True) -> None:
        """Let a person block the bot, or with `blocked` False unblock it."""
        chat, _ = self._place(user_id, None)
        if self.state.people[user_id].blocked == blocked:
            return
        self.state.people[user_id].blocked = blocked
        for draft in self.state.live_drafts():
            if draft.chat_id == user_id:
                self.state.drop_draft(user_id, draft.thread_id)
        self._member(chat, user_id, "kicked" if blocked else "member")
        self.state.show_person(self.state.people[user_id])

    def kick(self, chat_id: int, gone: bool = True, user_id: int | None = None) -> None:
        """Let a person remove the bot from a group, or with `gone` False add it again."""
        chat, sender = self._place(chat_id, user_id)
        chat.has_bot = not gone
        self._member(chat, sender, "kicked" if gone else "member")

    def appoint(self, chat_id: int, user_id: int, rights: Sequence[str] = ()) -> None:
        """Let the owner of a group make a member an administrator with these rights (the Bot API's names).

        Without rights the member is an administrator no more.
        """
        chat, owner = self._place(chat_id, None)
        before = member(self.state, chat, user_id)
        chat.administrators.pop(user_id, None)
        if rights:
            chat.administrators[user_id] = list(rights)
        self._tell_member(chat, owner, user_id, before)

    def join(self, chat_id: int, user_id: int) -> Message:
        """Let a person, or another bot, come into a group. Returns the service message."""
        chat, _ = self._place(chat_id, user_id)
        before = member(self.state, chat, user_id)
        chat.members.append(user_id)
        self._tell_member(chat, user_id, user_id, before)
        return self._send(chat, user_id, {"new_chat_members": [self.state.user(user_id)]}, 0, 0)

    def leave(self, chat_id: int, user_id: int) -> Message:
        """Let a member leave a group. Returns the service message."""
        chat, _ = self._place(chat_id, user_id)
        before = member(self.state, chat, user_id)
        chat.members.remove(user_id)
        chat.administrators.pop(user_id, None)
        self._tell_member(chat, user_id, user_id, before)
        return self._send(chat, user_id, {"left_chat_member": self.state.user(user_id)}, 0, 0)

    def promote(self, chat_id: int, up: bool = True, user_id: int | None = None) -> None:
        """Let a person make the bot an administrator of a group, or with `up` False take that right away."""
        chat, sender = self._place(chat_id, user_id)
        chat.administers = up
        self._member(chat, sender, "administrator" if up else "member")
        self.state.show_chat(chat)

    def migrate(self, chat_id: int) -> int:
        """Turn a group into a supergroup and return its new id. Two service messages tell the bot.

        The members, the rights and the topics stay; the messages stay in the old group.
        """
        old, sender = self._place(chat_id, None)
        number = min([FIRST_GROUP, *self.state.chats]) - 1
        new = Chat(number, "supergroup", old.title, list(old.members), is_forum=old.is_forum)
        new.has_bot, new.administers, new.lacks = old.has_bot, old.administers, list(old.lacks)
        new.administrators, new.protects = dict(old.administrators), old.protects
        new.topics, new.last_id = dict(old.topics), max(old.topics, default=0)
        self.state.add_chat(new)
        self._send(old, sender, {"migrate_to_chat_id": number}, 0, 0)
        self._send(new, sender, {"migrate_from_chat_id": chat_id}, 0, 0)
        old.migrated_to = number
        return number

    def push_raw(self, update: Json) -> int:
        """Queue any update, however hostile, and return its id. An `update_id` is added if it has none."""
        return self.updates.add_raw(update)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _place(self, chat_id: int, user_id: int | None) -> tuple[Chat, int]:
        """The chat, and the id of the person who acts in it: by default its owner."""
        if chat_id > 0 and chat_id not in self.state.chats:
            self.person(f"User {chat_id}", "en", chat_id)
        chat = self.state.chats.get(chat_id)
        if chat is None:
            raise ValueError("there is no such chat")
        sender = user_id or chat.members[0]
        if sender not in self.state.people:
            raise ValueError(f"there is no user {sender}")
        return chat, sender

    def _send(self, chat: Chat, sender: int, content: Json, thread_id: int, reply_to: int) -> Message:
        if thread_id and _topic(chat, thread_id).is_closed and not chat.lets(sender, "can_manage_topics"):
            raise ValueError("the topic is closed")
        message = self.state.post(chat, sender, content, thread_id=thread_id, reply_to=reply_to)
        self._tell(chat, sender, "message", message)
        return message

    def _tell(self, chat: Chat, sender: int, kind: str, message: Message) -> None:
        """Queue an update about a message, unless the bot cannot see it: of other bots only what is meant for it."""
        if chat.private and self.state.people[chat.id].blocked:
            return
        sees_all = not self.state.profile.privacy and not self.state.people[sender].is_bot
        if chat.has_bot and (chat.private or sees_all or self._meant(message)):
            self.updates.add(kind, message, lane=f"chat {chat.id}")

    def _meant(self, message: Message) -> bool:
        """Whether a bot in privacy mode sees this group message: a command, a mention, a reply to it or a service
        message.
        """
        text = str(message.get("text") or message.get("caption") or "")
        replied = message.get("reply_to_message", {}).get("from", {}).get("id") == self.state.profile.id
        command, _, addressee = text.split(maxsplit=1)[0].partition("@") if text.strip() else ("", "", "")
        for_me = command.startswith("/") and addressee.lower() in {"", self.state.profile.username.lower()}
        service = not any(name in message for name in ("text", "photo", "document", "voice", "video_note", "sticker"))
        return replied or for_me or service or f"@{self.state.profile.username}".lower() in text.lower()

    def _tell_member(self, chat: Chat, sender: int, user_id: int, before: Json) -> None:
        """Queue chat_member, which only an administrator is told: the status of a member has changed."""
        if chat.administers:
            self._tell_change("chat_member", chat, sender, before, member(self.state, chat, user_id))

    def _member(self, chat: Chat, sender: int, status: str) -> None:
        """Queue my_chat_member: the bot's own status in a chat has changed."""
        bot = {"user": self.state.profile.user()}
        kicked, member = {"status": "kicked", **bot, "until_date": 0}, {"status": "member", **bot}
        before = member if status in ("kicked", "administrator") else kicked
        after = kicked if status == "kicked" else {"status": status, **bot}
        self._tell_change("my_chat_member", chat, sender, before, after)

    def _tell_change(self, kind: str, chat: Chat, sender: int, before: Json, after: Json) -> None:
        payload = {"chat": self.state.head(chat), "from": self.state.user(sender), "date": int(self.state.clock.time())}
        payload |= {"old_chat_member": before, "new_chat_member": after}
        self.updates.add(kind, payload, lane=f"chat {chat.id}")


def _topic(chat: Chat, thread_id: int) -> Topic:
    if thread_id not in chat.topics:
        raise ValueError("there is no such topic")
    return chat.topics[thread_id]


def _found(text: str, name: str = "entities") -> Json:
    """The entities that Telegram finds in a text by itself, as the field `name`; nothing if it finds none."""
    return {name: entities} if (entities := detect(text)) else {}


def _pieces(text: str) -> list[str]:
    """The text as messages of at most 4,096 characters, cut at white space (which is dropped) if there is some."""
    pieces = []
    while len(text) > TEXT_LIMIT:
        space = max(text.rfind(" ", LEAST_PIECE, TEXT_LIMIT), text.rfind("\n", LEAST_PIECE, TEXT_LIMIT))
        pieces.append(text[: space if space > 0 else TEXT_LIMIT])
        text = text[space + 1 if space > 0 else TEXT_LIMIT :]
    return [*pieces, text]
