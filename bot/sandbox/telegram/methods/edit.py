"""Bot API methods that change or delete messages, ephemeral ones too. The tables of methods are at the end."""

from __future__ import annotations

from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import Call, Upload, bad
from bot.sandbox.telegram.chats import Chat, Message
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods.content import caption, keyboard, text_fields
from bot.sandbox.telegram.state import Method, State

TEXT = ("text", "entities", "rich_message", "link_preview_options")
CAPTION = ("caption", "caption_entities")
MEDIA = ("photo", "document")
FIXED = frozenset({"forum_topic_created", "forward_origin"})  # messages of the bot that it can't edit
CAPTIONED = (*MEDIA, "voice", "video", "animation", "audio")
SHORT = 1024  # characters of an edit on a server with `short_edits`, as if it were a caption
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
REACTIONS = frozenset(
    "👍👎❤🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐🍓🍾💋🖕😈😴😭🤓👻👀🎃🙈😇😨🤝✍🤗🫡🎅🎄☃💅🤪🗿🆒💘🙉🦄😘💊🙊😎👾😡"
) | {"❤️‍🔥", "👨‍💻", "🤷‍♂", "🤷", "🤷‍♀"}


def edit_text(api: State, call: Call) -> Message | bool:
    """Replace the text or rich message of a message of the bot."""
    given = call.parsed("rich_message", "rich message")
    if given is not None and call.text("text"):
        raise bad("only one of the fields text and rich_message can be specified")
    content = {"rich_message": rich(given)} if given is not None else text_fields(api, call)
    if api.short_edits and _is_ephemeral(call) and len(content.get("text", "")) > SHORT:
        raise bad("MEDIA_CAPTION_TOO_LONG")
    chat, message = _mine(api, call)
    if "text" not in message and "rich_message" not in message:
        raise bad("there is no text in the message to edit")
    if not api.cross_edits and ("rich_message" in content) != ("rich_message" in message):
        raise bad("MESSAGE_EDIT_KIND_INVALID")
    return _change(api, call, chat, message, TEXT, content)


def edit_caption(api: State, call: Call) -> Message | bool:
    """Replace the caption of a file of the bot."""
    found = caption(call)
    chat, message = _mine(api, call)
    if not any(kind in message for kind in CAPTIONED):
        raise bad("there is no caption in the message to edit")
    return _change(api, call, chat, message, CAPTION, found.fields(*CAPTION))


def edit_markup(api: State, call: Call) -> Message | bool:
    """Replace the inline keyboard of a message of the bot."""
    return _change(api, call, *_mine(api, call), (), {})


def edit_ephemeral_media(api: State, call: Call) -> Message | bool:
    """Replace a text by a file or a file by another one. Only files uploaded with the call are accepted."""
    given = call.parsed("media", "InputMedia")
    kind: Any = given.get("type") if isinstance(given, dict) else ""
    if kind not in MEDIA:
        raise bad("can't parse InputMedia: unsupported media type")
    media = Call(call.method, given, call.files)
    found, words = media.file("media"), caption(media)
    chat, message = _mine(api, call)
    if not isinstance(found, Upload) or not found.data:
        raise bad("wrong file identifier/HTTP URL specified")
    file = api.keep_file(kind, found.data, name=found.name, mime=found.mime)
    return _change(api, call, chat, message, (*TEXT, *CAPTION, *MEDIA), {**words.fields(*CAPTION), kind: file})


def delete_ephemeral_message(api: State, call: Call) -> bool:
    """Delete an ephemeral message. Raises 400 if it does not exist."""
    chat, message = _mine(api, call, "delete")
    api.forget_unseen(chat, [message["ephemeral_message_id"]])
    return True


def delete_message(api: State, call: Call) -> bool:
    """Delete a message. Raises 400 if it does not exist, is older than 48 h or may not be deleted by the bot."""
    chat, number = api.message_of(call, "delete")
    if not _deletable(api, chat, chat.messages[number]):
        raise bad("message can't be deleted")
    api.remove(chat, [number])
    return True


def delete_messages(api: State, call: Call) -> bool:
    """Delete up to 100 messages; unknown ids are skipped. Raises 400 if one of them may not be deleted."""
    chat = api.chat_of(call)
    found = [number for number in call.numbers("message_ids") if number in chat.messages]
    if not all(_deletable(api, chat, chat.messages[number]) for number in found):
        raise bad("message can't be deleted")
    api.remove(chat, found)
    return True


def set_message_reaction(api: State, call: Call) -> bool:
    """Set the one reaction of the bot on a message; an empty list removes it."""
    chat, number = api.message_of(call, "react")
    given = call.parsed("reaction", "reaction types") or []
    if not isinstance(given, list) or len(given) > 1:
        raise bad("REACTIONS_TOO_MANY")
    emoji = given[0].get("emoji") if given and isinstance(given[0], dict) else None
    if given and str(emoji) not in REACTIONS:
        raise bad("REACTION_INVALID")
    react(api, chat, number, api.profile.id, emoji)
    return True


def react(api: State, chat: Chat, number: int, who: int, emoji: str | None) -> str | None:
    """Replace the reaction of one user on a message. Returns the previous emoji, or None."""
    found = chat.reactions.setdefault(number, {})
    before = next((name for name, users in found.items() if who in users), None)
    if before:
        found[before].remove(who)
        if not found[before]:
            del found[before]
    if emoji:
        found.setdefault(emoji, []).append(who)
    if not found:
        del chat.reactions[number]
    api.hub.publish("reaction", chat_id=chat.id, message_id=number, reactions=found)
    return before


def _is_ephemeral(call: Call) -> bool:
    """Whether the method is one for ephemeral messages, which have ids of their own."""
    return "Ephemeral" in call.method


def _mine(api: State, call: Call, purpose: str = "edit") -> tuple[Chat, Message]:
    """The chat and the bot's own message that the call edits. Raises 400 for any other message."""
    chat = api.chat_of(call)
    if _is_ephemeral(call):
        message = chat.unseen.get(call.integer("ephemeral_message_id"))
        is_receiver = message is not None and message["receiver_user"]["id"] == call.integer("receiver_user_id")
        message = message if is_receiver else None
    else:
        message = chat.messages.get(api.message_id(call))
    if message is None:
        raise bad(f"message to {purpose} not found")
    sender = message.get("sender_business_bot") or message["from"]
    if not _is_ephemeral(call) and (sender["id"] != api.profile.id or not FIXED.isdisjoint(message)):
        raise bad("message can't be edited")
    if (chat.id, message["message_id"]) in api.with_reply_keyboard:
        raise bad("message can't be edited")
    return chat, message


def _deletable(api: State, chat: Chat, message: Message) -> bool:
    """Whether the bot may delete a message: it is under 48 h old, and the bot's own or in a private chat."""
    young = api.clock.time() - message["date"] < 48 * 3_600
    return young and (chat.private or message["from"]["id"] == api.profile.id)


def _change(
    api: State, call: Call, chat: Chat, message: Message, names: tuple[str, ...], content: Json
) -> Message | bool:
    """Replace the fields `names` by `content`, and the keyboard (none in the call: no keyboard).

    Returns the new message; the methods for ephemeral messages return True. Raises 400 if nothing would change.
    """
    fresh = {name: value for name, value in message.items() if name not in {*names, "reply_markup"}} | content
    if markup := keyboard(call, editing=True):
        fresh["reply_markup"] = markup
    if {**fresh, "edit_date": 0} == {**message, "edit_date": 0}:
        raise bad(NOT_MODIFIED)
    fresh["edit_date"] = int(api.clock.time())
    api.replace(chat, fresh)
    return True if _is_ephemeral(call) else fresh


METHODS: dict[str, Method] = {
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "setMessageReaction": set_message_reaction,
}
EPHEMERAL_METHODS: dict[str, Method] = {
    "editEphemeralMessageText": edit_text,
    "editEphemeralMessageCaption": edit_caption,
    "editEphemeralMessageMedia": edit_ephemeral_media,
    "editEphemeralMessageReplyMarkup": edit_markup,
    "deleteEphemeralMessage": delete_ephemeral_message,
}
