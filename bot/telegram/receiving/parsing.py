"""Reads an update into an `Incoming`. Begin with `read`; `once` and `place` are for the inbox.

Only the fields that are used are looked at, each by itself: an update with something newer, stranger or broken in
another place is read like any other. (A client that validates whole updates goes deaf when one has an unknown tag.)
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bot.ports import Received
from bot.telegram.client import safe_json
from bot.telegram.receiving import beside, fields
from bot.telegram.receiving.fields import MAX_ID, ReadChat, ReadMessage
from bot.telegram.sending.messages import BY_PRESS, BY_REPLY, STOP
from bot.types import Address, Button, Incoming, Kind, User

RELAYED = ("forward_origin", "forward_date", "forward_from", "via_bot")
LONGEST_NAME = 200  # characters, of the 255 that the inbox has
PIECE = 3900  # UTF-16 units: a text as long as this was probably cut by the sender's client, and goes on


class UnreadableUpdate(ValueError):
    """The update lacks a field that is needed to work on it."""


Reader = Callable[[dict[str, Any], Received, "Me"], Incoming | None]


@dataclass(frozen=True, slots=True)
class Me:
    """The bot itself: `id` is the one in its token, `called` the id that `getMe` returns. Some emulators return one id
    for all bots. `attends` are the groups in which every message is for the bot; it changes while the bot runs.
    `has_accounts`: the bot works in chats of people's accounts (business connections), too; `has_desk`: it has a
    support desk.
    """

    id: int
    username: str
    called: int = 0
    attends: set[int] = field(default_factory=set)
    has_accounts: bool = False
    has_desk: bool = False

    @property
    def reads(self) -> dict[str, Reader]:
        """The kinds of updates that the bot itself can use, and what reads them."""
        return READERS | (ACCOUNTS if self.has_accounts else {}) | (MEMBERS if self.has_desk else {})


def number(update: Any) -> int | None:
    """Return the id of an update; None for a value that is not an update or whose id can't be stored."""
    found = update.get("update_id") if isinstance(update, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MAX_ID else None


def once(update: dict[str, Any]) -> str:
    """Return the idempotency key of an update: Telegram may send one event again under another update id.

    Servers may begin their numbers anew (after a restart of the server, or update ids after a week of silence): the
    part of the key behind the "@" tells two events with one number apart. An event without a number is named by its
    content.
    """
    for kind in ("message", "edited_message", "business_message", "edited_business_message"):
        message = update.get(kind)
        if isinstance(message, dict) and isinstance(message.get("chat"), dict):
            place, id_ = message["chat"].get("id"), message.get("message_id")
            if isinstance(place, int) and isinstance(id_, int):
                name = f"{_account(message)}{place}/{id_}/{_alone(message)}{_version(message)}"
                return f"{name[:LONGEST_NAME]}@{fields.natural(message.get('date'))}"
    press = update.get("callback_query")
    if isinstance(press, dict) and (id_ := fields.whole(press.get("id"))):
        return f"{f'press/{id_}'[:LONGEST_NAME]}@{_sum(press.get('data'))}"
    return f"{number(update)}@{_sum(update)}"


def _sum(content: Any) -> str:
    return f"{zlib.crc32(safe_json.dumps(content).encode('utf-8', 'replace')):x}"


def _account(body: dict[str, Any]) -> str:
    """Return the business connection of an update with a slash behind it; "" for one without."""
    connection = fields.whole(body.get("business_connection_id"))
    return f"{connection}/" if connection else ""


def _alone(message: dict[str, Any]) -> str:
    """Return a part of the key for an ephemeral message, "" for a public one. Ephemeral messages have the message id 0,
    and an id of their own that may be used again.
    """
    id_ = fields.natural(message.get("ephemeral_message_id"))
    return f"alone/{id_}/{fields.natural(message.get('date'))}/" if id_ else ""


def _version(message: dict[str, Any]) -> str:
    """Return a part of the key for an edit, "" for a new message. Two edits may come in one second, but not with one
    text.
    """
    edited = message.get("edit_date")
    words = fields.whole(message.get("text")) or fields.whole(message.get("caption"))
    if edited is None:
        return ""
    return f"{fields.whole(str(edited)) if isinstance(edited, int | str) else '?'}/{zlib.crc32(words.encode()):x}"


def place(update: dict[str, Any]) -> str:
    """Return the key of the chat that an update is about (`Address.chat_key`), else of its sender; "/0" where neither
    is told.
    """
    for body in update.values():
        if isinstance(body, dict):
            spot = body if "chat" in body else body.get("message")
            for holder in (spot.get("chat") if isinstance(spot, dict) else None, body.get("from"), body.get("user")):
                if isinstance(holder, dict) and isinstance(id_ := holder.get("id"), int) and abs(id_) <= MAX_ID:
                    return f"{_account(body) or '/'}{int(id_)}"
    return "/0"


def original(update: dict[str, Any]) -> str:
    """Return the idempotency key (`once`) of the message that an edit changes."""
    return once({"message": {**update["edited_message"], "edit_date": None}})


def press(update: dict[str, Any]) -> str:
    """Return the id with which a button press is answered (`callback_query.id`); "" for other updates."""
    query = update.get("callback_query")
    return fields.whole(query.get("id")) if isinstance(query, dict) else ""


def read(update: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    """Return what an update means; None if the bot has nothing to do with it. Raises `UnreadableUpdate`."""
    for name, reader in me.reads.items():
        if isinstance(body := update.get(name), dict):
            try:
                return reader(body, row, me)
            except ValidationError as error:
                places = sorted({".".join(str(step) for step in problem["loc"]) for problem in error.errors()})
                raise UnreadableUpdate(f"{name}: unreadable {', '.join(places)}") from None
    return None


def other(update: dict[str, Any], row: Received, me: Me, kinds: Collection[str]) -> Incoming | None:
    """Return an `Incoming` with only the chat and the user of an update, for aiogram's routers; None if its kind is not
    in `kinds`.

    Raises `UnreadableUpdate`.
    """
    kind = next((name for name in kinds if isinstance(update.get(name), dict)), "")
    if not kind:
        return None
    body = update[kind]
    place = body.get("chat") or (body.get("message") or {}).get("chat") or {}
    try:
        user = fields.user({**body, "from": body.get("from") or body.get("user")}) or User(0)
        chat = ReadChat.model_validate({"id": user.id or me.id, **place}).id
    except (ValidationError, TypeError):
        raise UnreadableUpdate(f"{kind}: unreadable chat or user") from None
    address, number = Address("telegram", me.id, chat), fields.natural(body.get("message_id"))
    return _incoming(row, Kind.UNHANDLED, address, user, data=kind, private=chat > 0, message_id=number)


def album(update: dict[str, Any]) -> str:
    """Return the id of the album (`media_group_id`) that a message is a part of; "" for none."""
    message = update.get("message")
    found = message.get("media_group_id") if isinstance(message, dict) else None
    return found if isinstance(found, str) else ""


def goes_on(text: str) -> bool:
    """Return whether a text is so long that its end probably comes in the next message."""
    return len(text) >= PIECE // 2 and len(text.encode("utf-16-le", "replace")) // 2 >= PIECE


# --- readers ----------------------------------------------------------------------------------------------------------


def _message(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    message = ReadMessage.model_validate(body)
    if moved := fields.moved(body, message):
        old, new = moved
        if old in me.attends:  # what is said under the new id may come together with this
            me.attends.add(new)
        return _incoming(row, Kind.MIGRATED, Address("telegram", me.id, old), User(0), data=str(new))
    user = fields.user(body) or (fields.channel(body) if message.chat.id in me.attends else None)
    if user is not None and not user.is_bot and message.chat.id > 0 and (topic := _topic(body)) is not None:
        return _incoming(row, Kind.TOPIC, _address(body, message, me), user, data=topic)
    says_something = isinstance(body.get("text"), str) or fields.text(body) or fields.attachments(body)
    if user is None or user.is_bot or not says_something:
        return None  # bots don't talk to bots; service messages say nothing
    return _said(Kind.MESSAGE, body, message, user, row, me)


def _topic(body: dict[str, Any]) -> str | None:
    """Return the name that a person gave to a topic, "" for a topic that is not named yet; None for other messages."""
    made, renamed = body.get("forum_topic_created"), body.get("forum_topic_edited")
    if isinstance(made, dict):
        return "" if made.get("is_name_implicit") is True else fields.name(made.get("name"))
    return fields.name(renamed.get("name")) if isinstance(renamed, dict) and renamed.get("name") else None


def _edited(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    message = ReadMessage.model_validate(body)
    user = fields.user(body)
    if user is None or user.is_bot or not fields.text(body):
        return None
    return _said(Kind.EDIT, body, message, user, row, me)


def _said(kind: Kind, body: dict[str, Any], message: ReadMessage, user: User, row: Received, me: Me) -> Incoming | None:
    text = fields.text(body)
    private = message.chat.id > 0  # ids of people are positive, in kinds of chats that are unknown here too
    unseen = 0 if private else fields.natural(body.get("ephemeral_message_id"))
    addressed, text = _addressed(body, text, me, private=private)
    attended = message.chat.id in me.attends
    addressed = addressed or attended or bool(unseen)  # only the bot sees an ephemeral message
    text = fields.text(body) if attended else text
    if not addressed and not _is_open(body, text):
        return None
    if kind is Kind.MESSAGE and re.match(r"/stop(@\w+)?$", text.strip(), re.IGNORECASE):
        kind = Kind.STOP
    return _incoming(
        row,
        kind,
        _address(body, message, me, visible_to=user.id if unseen else 0),
        user,
        text=text,
        parts=(*fields.quoted(body), *fields.attachments(body)),
        at=fields.date(body.get("edit_date") or body.get("date")),
        private=private,
        addressed=addressed,
        message_id=unseen or message.message_id,
        reply_to=fields.reply(body).number if unseen else fields.reply(body).message_id,
        relayed=any(name in body for name in RELAYED),
        title=message.chat.title,
        opens=f"{BY_REPLY}{unseen}" if unseen else "",
        entities=fields.entities(body),
        beside=beside.read_beside(body, (me.id, me.called)),
    )


def _press(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    user = fields.user(body)
    if user is None or user.is_bot:
        return None
    place = body.get("message")
    if not isinstance(place, dict):  # not a button of ours, or too old: the press only wants an answer
        place = {"chat": {"id": user.id, "type": "private"}, "message_id": 0}
    message = ReadMessage.model_validate(place)
    data, private = fields.whole(body.get("data")), message.chat.id > 0
    unseen = 0 if private else fields.natural(place.get("ephemeral_message_id"))
    return _incoming(
        row,
        Kind.STOP if data == STOP else Kind.BUTTON,
        _address(place, message, me, visible_to=user.id if unseen else 0),
        user,
        data="" if data == STOP else data,
        in_turn=data.startswith(Button.IN_TURN),
        private=private,
        message_id=unseen or message.message_id,
        opens="" if private else BY_PRESS + press({"callback_query": body}),
    )


def _stopped(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    chat = ReadChat.model_validate(body.get("chat"))
    address = Address("telegram", me.id, chat.id, fields.natural(body.get("message_thread_id")))
    # A draft has the id of its turn (`LiveMessage`): the button of an old one must not stop the next answer.
    turn = str(fields.natural(body.get("draft_id")) or "")
    return _incoming(row, Kind.STOP, address, User(0), data=turn)


def _member(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    chat = ReadChat.model_validate(body.get("chat"))
    new = body.get("new_chat_member")
    status = new.get("status") if isinstance(new, dict) else ""
    kind = Kind.BLOCKED if status in ("kicked", "left") else Kind.UNBLOCKED
    where, user = Address("telegram", me.id, chat.id), User(0, language=fields.tongue(body))
    return _incoming(row, kind, where, user, private=chat.id > 0, title=chat.title)


def _left(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    chat, new = ReadChat.model_validate(body.get("chat")), body.get("new_chat_member")
    if chat.id not in me.attends or not isinstance(new, dict) or new.get("status") not in ("left", "kicked"):
        return None
    user = fields.user({"from": new.get("user")})
    return None if user is None else _incoming(row, Kind.LEFT, Address("telegram", me.id, chat.id), user)


def _reaction(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    user = fields.user({"from": body.get("user")})
    if user is None or user.is_bot:
        return None  # a channel, an anonymous administrator
    message = ReadMessage.model_validate(body)
    where, sign = Address("telegram", me.id, message.chat.id), fields.emoji(body.get("new_reaction"))
    private = message.chat.id > 0
    return _incoming(row, Kind.REACTION, where, user, data=sign, private=private, reply_to=message.message_id)


def _connection(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    user, rights = fields.user({"from": body.get("user")}), body.get("rights")
    id_, chat = fields.whole(body.get("id")), ReadChat.model_validate({"id": body.get("user_chat_id")}).id
    if user is None or not id_:
        return None
    may_reply = isinstance(rights, dict) and rights.get("can_reply") is True and body.get("is_enabled") is True
    where = Address("telegram", me.id, chat, connection=id_)
    return _incoming(row, Kind.BUSINESS, where, user, data="connected" if may_reply else "disconnected")


def _of_account(kind: str) -> Reader:
    """The reader of a message in a chat of somebody's account; what the bot itself has sent there is left out."""

    def read_message(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
        message, user = ReadMessage.model_validate(body), fields.user(body)
        if user is None or isinstance(body.get("sender_business_bot"), dict) or body.get("is_from_offline") is True:
            return None  # its own echo, or what Telegram itself has sent: a greeting, an away message
        return _incoming(
            row,
            Kind.BUSINESS,
            _in_account(body, message.chat.id, me),
            user,
            data=kind,
            text=fields.text(body),
            parts=fields.attachments(body),
            at=fields.date(body.get("edit_date") or body.get("date")),
            message_id=message.message_id,
            beside=beside.read_beside(body, (me.id, me.called)),
        )

    return read_message


def _gone(body: dict[str, Any], row: Received, me: Me) -> Incoming | None:
    chat, ids = ReadChat.model_validate(body.get("chat")), body.get("message_ids")
    gone = [str(one) for one in ids if isinstance(one, int)] if isinstance(ids, list) else []
    return _incoming(row, Kind.BUSINESS, _in_account(body, chat.id, me), User(0), data="deleted", text=" ".join(gone))


def _in_account(body: dict[str, Any], chat: int, me: Me) -> Address:
    return Address("telegram", me.id, chat, connection=fields.whole(body.get("business_connection_id")))


READERS = {
    "message": _message,
    "edited_message": _edited,
    "callback_query": _press,
    "stopped_message_generation": _stopped,
    "my_chat_member": _member,
    "message_reaction": _reaction,
}
ACCOUNTS = {
    "business_connection": _connection,
    "business_message": _of_account("said"),
    "edited_business_message": _of_account("edited"),
    "deleted_business_messages": _gone,
}
MEMBERS = {"chat_member": _left}
# Nothing is sold: a payment has to be declined within ten seconds.
ALLOWED = (*READERS, "pre_checkout_query", "shipping_query")

# --- fields -----------------------------------------------------------------------------------------------------------


def _address(body: dict[str, Any], message: ReadMessage, me: Me, visible_to: int = 0) -> Address:
    thread = fields.natural(body.get("message_thread_id")) if body.get("is_topic_message") is True else 0
    return Address("telegram", me.id, message.chat.id, thread, visible_to=visible_to)


def _incoming(row: Received, kind: Kind, address: Address, user: User, **values: Any) -> Incoming:
    """Return what came in, in this row of the inbox. `values` are the other fields of `Incoming`."""
    return Incoming(str(row.id), address, user, kind, ids=(row.id,), attempts=row.attempts, **values)


def _addressed(body: dict[str, Any], text: str, me: Me, *, private: bool) -> tuple[bool, str]:
    """Return whether a message is for the bot, and its text without the mention of the bot.

    In a private chat every message is, except a command that names another bot.
    """
    command = re.match(r"/\w+(?:@(\w+))?", text)
    if command:
        return (command[1] or me.username).lower() == me.username.lower(), text
    if private:
        return True, text
    mention = re.compile(rf"@{re.escape(me.username)}\b[,:]?\s*", re.IGNORECASE)
    if me.username and mention.search(text):
        return True, mention.sub("", text, count=1).strip()
    sender = fields.reply(body).sender
    return sender is not None and sender.id in (me.id, me.called), text


def _is_open(body: dict[str, Any], text: str) -> bool:
    """Return whether a message was said in a topic to nobody in particular: it replies to nobody, and begins neither
    with a mention nor with a command.

    A message without a reply names the first message of its topic as the one that it replies to.
    """
    if body.get("is_topic_message") is not True or text.startswith(("@", "/")):
        return False
    return fields.reply(body).message_id in (0, fields.natural(body.get("message_thread_id")))
