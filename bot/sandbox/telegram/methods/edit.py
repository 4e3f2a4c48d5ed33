"""Bot API methods that change or delete messages. The table `METHODS` is at the end."""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods.content import caption, keyboard, text_fields
from bot.sandbox.telegram.state import Chat, Message

TEXT = ("text", "entities", "rich_message", "link_preview_options")
CAPTION = ("caption", "caption_entities")
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
REACTIONS = frozenset(
    "👍👎❤🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐🍓🍾💋🖕😈😴😭🤓👻👀🎃🙈😇😨🤝✍🤗🫡🎅🎄☃💅🤪🗿🆒💘🙉🦄😘💊🙊😎👾😡"
) | {"❤️‍🔥", "👨‍💻", "🤷‍♂", "🤷", "🤷‍♀"}


def edit_message_text(api: MethodContext, call: Call) -> Message:
    """Replace the text or rich message of a message of the bot."""
    content = text_or_rich(api, call)
    chat, message = _mine(api, call)
    check_text_edit(api, message, content)
    return _change(api, chat, message, TEXT, content, keyboard(call, editing=True))


def text_or_rich(api: MethodContext, call: Call) -> dict[str, Any]:
    """The new text or rich message of an edit. Raises 400 for both at once and for malformed ones."""
    given = call.parsed("rich_message", "rich message")
    if given is not None and call.text("text"):
        raise bad("only one of the fields text and rich_message can be specified")
    return {"rich_message": rich(given)} if given is not None else text_fields(api, call)


def check_text_edit(api: MethodContext, message: Message, content: dict[str, Any]) -> None:
    """Raise 400 if the message has no text, or if a server without `cross_edits` cannot make it rich or plain."""
    if "text" not in message and "rich_message" not in message:
        raise bad("there is no text in the message to edit")
    if not api.cross_edits and ("rich_message" in content) != ("rich_message" in message):
        raise bad("MESSAGE_EDIT_KIND_INVALID")


def edit_message_caption(api: MethodContext, call: Call) -> Message:
    """Replace the caption of a photo, document or voice message of the bot."""
    found = caption(call)
    chat, message = _mine(api, call)
    check_caption_edit(message)
    return _change(api, chat, message, CAPTION, found.fields(*CAPTION), keyboard(call, editing=True))


def check_caption_edit(message: Message) -> None:
    """Raise 400 if the message has no file that could have a caption."""
    if not any(kind in message for kind in ("photo", "document", "voice")):
        raise bad("there is no caption in the message to edit")


def edit_message_reply_markup(api: MethodContext, call: Call) -> Message:
    """Replace the inline keyboard of a message of the bot."""
    chat, message = _mine(api, call)
    return _change(api, chat, message, (), {}, keyboard(call, editing=True))


def delete_message(api: MethodContext, call: Call) -> bool:
    """Delete a message. Raises 400 if it does not exist, is older than 48 h or may not be deleted by the bot."""
    chat = api.state.chat(api.chat_id(call))
    number = api.message_id(call)
    if number not in chat.messages:
        raise bad("message to delete not found")
    if not _deletable(api, chat, chat.messages[number]):
        raise bad("message can't be deleted")
    api.state.remove(chat, [number])
    return True


def delete_messages(api: MethodContext, call: Call) -> bool:
    """Delete up to 100 messages; unknown ids are skipped. Raises 400 if one of them may not be deleted."""
    chat = api.state.chat(api.chat_id(call))
    numbers = call.parsed("message_ids", "message identifiers")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= 100:
        raise bad("message identifiers are not specified")
    if not all(isinstance(number, int) for number in numbers):
        raise bad("Message identifier must be a Number")
    found = [number for number in numbers if number in chat.messages]
    if not all(_deletable(api, chat, chat.messages[number]) for number in found):
        raise bad("message can't be deleted")
    api.state.remove(chat, found)
    return True


def set_message_reaction(api: MethodContext, call: Call) -> bool:
    """Set the one reaction of the bot on a message; an empty list removes it."""
    chat = api.state.chat(api.chat_id(call))
    number = api.message_id(call)
    if number not in chat.messages:
        raise bad("message to react not found")
    given = call.parsed("reaction", "reaction types") or []
    if not isinstance(given, list) or len(given) > 1:
        raise bad("REACTIONS_TOO_MANY")
    emoji = given[0].get("emoji") if given and isinstance(given[0], dict) else None
    if given and str(emoji) not in REACTIONS:
        raise bad("REACTION_INVALID")
    react(api, chat, number, api.state.profile.id, emoji)
    return True


def react(api: MethodContext, chat: Chat, number: int, who: int, emoji: str | None) -> str | None:
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
    api.state.hub.publish("reaction", chat_id=chat.id, message_id=number, reactions=found)
    return before


def _mine(api: MethodContext, call: Call) -> tuple[Chat, Message]:
    """The chat and the bot's own message that the call edits. Raises 400 for any other message."""
    chat = api.state.chat(api.chat_id(call))
    message = chat.messages.get(api.message_id(call))
    if message is None:
        raise bad("message to edit not found")
    if message["from"]["id"] != api.state.profile.id or "forum_topic_created" in message:
        raise bad("message can't be edited")
    return chat, message


def _deletable(api: MethodContext, chat: Chat, message: Message) -> bool:
    """Whether the bot may delete a message: it is under 48 h old, and the bot's own or in a private chat."""
    young = api.state.clock.time() - message["date"] < 48 * 3_600
    return young and (chat.private or message["from"]["id"] == api.state.profile.id)


def _change(
    api: MethodContext,
    chat: Chat,
    message: Message,
    names: tuple[str, ...],
    content: dict[str, Any],
    markup: dict[str, Any] | None,
) -> Message:
    fresh = changed(api, message, names, content, markup)
    chat.messages[message["message_id"]] = fresh
    api.state.show(chat, fresh)
    return fresh


def changed(
    api: MethodContext, message: Message, names: tuple[str, ...], content: dict[str, Any], markup: dict[str, Any] | None
) -> Message:
    """A copy of the message in which `content` replaces the fields `names` and `markup` the keyboard (None: no
    keyboard).

    Raises 400 if nothing would change.
    """
    fresh = {name: value for name, value in message.items() if name not in {*names, "reply_markup"}} | content
    if markup:
        fresh["reply_markup"] = markup
    if {**fresh, "edit_date": 0} == {**message, "edit_date": 0}:
        raise bad(NOT_MODIFIED)
    fresh["edit_date"] = int(api.state.clock.time())
    return fresh


METHODS: dict[str, Method] = {
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "setMessageReaction": set_message_reaction,
}
