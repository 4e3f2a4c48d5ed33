"""Turns an `Outgoing` or a half-written answer into screens (`Screen`), and screens into calls of the Bot API.

A text is sent on one of three rungs: rich blocks (only if it needs them), text with entities, or plain text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from aiogram import methods, types
from aiogram.methods import TelegramMethod
from aiogram.types import InlineKeyboardMarkup, InputRichMessage, Message

from bot.ports import Delivery
from bot.telegram import render
from bot.types import Address, Button, File, Outgoing

LIMIT = 4096
CAPTION_LIMIT = 1024
SHORT_LIMIT = 1024  # of an edited ephemeral message: for a time servers took no more, as in a caption
NOTHING = "…"  # an answer without anything to see is still an answer
STOP = "stop"  # the callback data of the Stop button: it needs no rights but to see the chat
BY_REPLY, BY_PRESS = "m", "q"  # `Outgoing.opens` begins with what allows an ephemeral answer: a message, a press
NO_PREVIEW = types.LinkPreviewOptions(is_disabled=True)  # a preview fetches what the model wrote


class Rung(IntEnum):
    """The ways to send a message, each simpler than the one before. After a refusal the next one is tried.

    A text goes out with blocks, with entities, or plain; a file with its caption, without it, or as a sentence.
    """

    RICH = 0
    ENTITIES = 1
    PLAIN = 2


@dataclass(frozen=True, slots=True)
class Screen:
    """The content of one message: a text with entities, or blocks, a file with its caption, or another message."""

    text: str = ""
    entities: tuple[Mapping[str, Any], ...] = ()
    blocks: str = ""  # JSON of an InputRichMessage: hashable, and compared to find out whether anything changed
    file: File | None = None
    copy: tuple[int, int] = (0, 0)  # chat and id of the message that is copied, 0 for none
    is_forward: bool = False  # it is forwarded instead
    is_captioned: bool = False  # the copy has the text as its caption
    ref: tuple[str, str, int] = ("", "", 0)  # kind, file id and size of a file that is fetched and sent again

    def rich(self) -> InputRichMessage:
        """Return the blocks as aiogram's type."""
        return InputRichMessage.model_validate(json.loads(self.blocks))

    def marks(self) -> list[types.MessageEntity]:
        """Return the entities as aiogram's type."""
        return [types.MessageEntity.model_validate(entity) for entity in self.entities]


def finished(outgoing: Outgoing, rung: Rung, limit: int = LIMIT, *, again: bool = False) -> list[Screen]:
    """Return the messages of a finished answer, at least one; `limit` is the length of one text (UTF-16 units).

    What is copied is forwarded on the second rung; `again`: its files are sent again.
    """
    if outgoing.file and rung is not Rung.PLAIN:
        caption = render.plain(outgoing.text, limit=CAPTION_LIMIT) if rung is Rung.RICH else []
        return [Screen(text=caption[0] if caption else "", file=outgoing.file)]
    if outgoing.copy[1] and rung is not Rung.PLAIN:
        if again:
            caption = render.plain(outgoing.text, limit=CAPTION_LIMIT)[:1]
            return [Screen("".join(caption) if not number else "", ref=ref) for number, ref in enumerate(outgoing.refs)]
        if not outgoing.captioned:
            forward = rung is Rung.ENTITIES
            return [Screen(copy=(outgoing.copy[0], id_), is_forward=forward) for id_ in outgoing.copy[1:]]
        if rung is Rung.RICH:  # a forward would show the caption that is to be replaced
            texts = (outgoing.text, *[""] * len(outgoing.copy[2:]))
            copied = zip(texts, outgoing.copy[1:], strict=True)
            return [Screen(text, copy=(outgoing.copy[0], id_), is_captioned=True) for text, id_ in copied]
    if _is_as_typed(outgoing, limit) and rung is not Rung.PLAIN:
        return [Screen(outgoing.text, outgoing.entities)]
    if outgoing.plain or rung is Rung.PLAIN or outgoing.captioned:
        text = outgoing.instead if outgoing.file or outgoing.copy[1] else outgoing.text
        return [Screen(part) for part in render.plain(text, outgoing.note, limit)] or [Screen(NOTHING)]
    document = render.below(outgoing.thought, render.parse(outgoing.text))
    if rung is Rung.RICH and render.needs_rich(document) and (blocks := render.rich(document, outgoing.note)):
        return [Screen(blocks=json.dumps(blocks, ensure_ascii=False))]
    pieces = render.pieces(document, limit, outgoing.note)
    return [Screen(piece.text, piece.entities) for piece in pieces] or [Screen(outgoing.note or NOTHING)]


def _is_as_typed(outgoing: Outgoing, limit: int) -> bool:
    """Return whether the text is a person's own, with the formatting of the messenger, and fits into one message."""
    typed = outgoing.plain and bool(outgoing.entities or outgoing.relays[1]) and bool(outgoing.text.strip())
    return typed and len(outgoing.text.encode("utf-16-le", "replace")) <= 2 * limit


def growing(markdown: str, rung: Rung, note: str = "", limit: int = LIMIT) -> Screen:
    """Return what to show of an answer that is being written: its end, if it is longer than one message."""
    if rung is Rung.PLAIN:
        parts = render.plain(markdown, note, limit)
        return Screen(parts[-1]) if parts else Screen()
    document = render.parse(render.draft(markdown))
    if rung is Rung.RICH and render.needs_rich(document) and (blocks := render.rich(document, note)):
        return Screen(blocks=json.dumps(blocks, ensure_ascii=False))
    pieces = render.pieces(document, limit, note)
    return Screen(pieces[-1].text, pieces[-1].entities) if pieces else Screen()


# --- calls ------------------------------------------------------------------------------------------------------------


def send(
    screen: Screen, to: Address, outgoing: Outgoing, *, last: bool, thread: bool = True
) -> TelegramMethod[Message]:
    """Return the call that sends a screen. Buttons stand under the `last` screen; without `thread` the topic is left
    out.
    """
    where: dict[str, Any] = {"chat_id": to.chat}
    if thread and to.thread:
        where["message_thread_id"] = to.thread
    if to.connection:
        where["business_connection_id"] = to.connection
    if last and (markup := keyboard(outgoing) or _reply_keyboard(outgoing)):
        where["reply_markup"] = markup
    if to.visible_to:
        where |= _alone(to, outgoing.opens)
    elif outgoing.reply_to:
        replied = types.ReplyParameters(message_id=outgoing.reply_to, allow_sending_without_reply=True)
        where["reply_parameters"] = replied
    if screen.file:
        file = types.BufferedInputFile(screen.file.data, screen.file.name)
        caption: dict[str, Any] = {"caption": screen.text or None, "parse_mode": None}
        match screen.file.kind:
            case "photo":
                return methods.SendPhoto(**where, photo=file, **caption)
            case "voice":
                return methods.SendVoice(**where, voice=file, **caption)
            case _:
                return methods.SendDocument(**where, document=file, **caption)
    if screen.is_forward:
        place = {name: where[name] for name in ("chat_id", "message_thread_id") if name in where}
        return methods.ForwardMessage(**place, from_chat_id=screen.copy[0], message_id=screen.copy[1])
    if screen.copy[1]:
        where |= {"caption": screen.text, "parse_mode": None} if screen.is_captioned else {}
        return methods.CopyMessage(**where, from_chat_id=screen.copy[0], message_id=screen.copy[1])  # type: ignore[return-value]
    if screen.blocks:
        return methods.SendRichMessage(**where, rich_message=screen.rich())
    return methods.SendMessage(**where, **_words(screen))


def send_album(screens: Sequence[Screen], to: Address, *, thread: bool = True) -> TelegramMethod[Any]:
    """Return the call that copies or forwards several messages of one chat by their ids: an album stays one."""
    method = methods.ForwardMessages if screens[0].is_forward else methods.CopyMessages
    return method(
        chat_id=to.chat,
        message_thread_id=(to.thread or None) if thread else None,
        from_chat_id=screens[0].copy[0],
        message_ids=[screen.copy[1] for screen in screens],
    )


def _words(screen: Screen) -> dict[str, Any]:
    """Return the arguments for the text of a message."""
    marks = screen.marks() or None
    return {"text": screen.text, "entities": marks, "parse_mode": None, "link_preview_options": NO_PREVIEW}


def _alone(to: Address, opens: str) -> dict[str, Any]:
    """Return the arguments that make a message visible to one member of the group only."""
    way, id_ = opens[:1], opens[1:]
    alone = types.EphemeralMessageParameters(
        receiver_user_id=to.visible_to, callback_query_id=id_ if way == BY_PRESS else None
    )
    replied = {"reply_parameters": types.ReplyParameters(ephemeral_message_id=int(id_))} if way == BY_REPLY else {}
    return {"ephemeral_message_parameters": alone, **replied}


def as_document(screen: Screen) -> Screen:
    """Return the screen with its file as a document, for a picture or voice note that Telegram refuses."""
    return replace(screen, file=replace(screen.file, kind="document")) if screen.file else screen


def edit(screen: Screen, to: Address, message_id: int, markup: InlineKeyboardMarkup | None) -> TelegramMethod[Any]:
    """Return the call that edits a message into a screen."""
    where: dict[str, Any] = {"chat_id": to.chat, "reply_markup": markup}
    new = {"rich_message": screen.rich()} if screen.blocks else _words(screen)
    if to.visible_to:
        where |= {"receiver_user_id": to.visible_to, "ephemeral_message_id": message_id}
        if screen.file:
            return methods.EditEphemeralMessageMedia(**where, media=_media(screen, screen.file))
        return methods.EditEphemeralMessageText(**where, **new)
    where["message_id"] = message_id
    if to.connection:
        where["business_connection_id"] = to.connection
    if screen.copy[1]:  # the copy itself stays as it is
        return methods.EditMessageReplyMarkup(**where)
    if screen.file:
        return methods.EditMessageCaption(**where, caption=screen.text or None, parse_mode=None)
    return methods.EditMessageText(**where, **new)


def edit_keyboard(to: Address, older: Delivery) -> TelegramMethod[Any]:
    """Return the call that changes only the buttons of a delivered message into those of its `outgoing`."""
    return methods.EditMessageReplyMarkup(
        chat_id=to.chat,
        message_id=older.message_ids[-1],
        reply_markup=keyboard(older.outgoing),
        business_connection_id=to.connection or None,
    )


def can_be_written(screen: Screen) -> bool:
    """Return whether the file of a screen may be edited into an existing message."""
    return screen.file is not None and screen.file.kind in MEDIA


def _media(screen: Screen, file: File) -> types.InputMediaPhoto | types.InputMediaDocument:
    media = types.BufferedInputFile(file.data, file.name)
    return MEDIA[file.kind](media=media, caption=screen.text or None, parse_mode=None)


def delete(to: Address, message_id: int) -> TelegramMethod[bool]:
    """Return the call that deletes a message."""
    if to.visible_to:
        alone = {"receiver_user_id": to.visible_to, "ephemeral_message_id": message_id}
        return methods.DeleteEphemeralMessage(chat_id=to.chat, **alone)
    return methods.DeleteMessage(chat_id=to.chat, message_id=message_id)


def draft(screen: Screen, to: Address, draft_id: int) -> TelegramMethod[bool]:
    """Return the call that shows a screen as a draft with a Stop button (`sendMessageDraft`)."""
    where: dict[str, Any] = {"chat_id": to.chat, "draft_id": draft_id, "can_stop": True, "keep_on_stop": True}
    if to.thread:
        where["message_thread_id"] = to.thread
    if screen.blocks:
        return methods.SendRichMessageDraft(**where, rich_message=screen.rich())
    return methods.SendMessageDraft(**where, text=screen.text, entities=screen.marks() or None, parse_mode=None)


def action(to: Address, name: str) -> TelegramMethod[bool]:
    """Return the call that shows a chat action (`sendChatAction`), such as "typing"."""
    return methods.SendChatAction(
        chat_id=to.chat, message_thread_id=to.thread or None, business_connection_id=to.connection or None, action=name
    )


def reaction(chat: int, message_id: int, emoji: str) -> TelegramMethod[bool]:
    """Return the call that puts the bot's reaction on a message, or with "" takes it away."""
    signs: list[types.ReactionTypeUnion] = [types.ReactionTypeEmoji(emoji=emoji)] if emoji else []
    return methods.SetMessageReaction(chat_id=chat, message_id=message_id, reaction=signs)


def keyboard(outgoing: Outgoing) -> InlineKeyboardMarkup | None:
    """Return the buttons of a message, None if it has none."""
    return _inline(outgoing.buttons) if outgoing.buttons else None


def _reply_keyboard(outgoing: Outgoing) -> types.ReplyKeyboardMarkup | types.ReplyKeyboardRemove | None:
    """Return the reply keyboard of a message, or what removes one; None for neither. Such a message can't be edited."""
    shares, label = outgoing.reply_button
    if shares in ("", "none"):
        return types.ReplyKeyboardRemove(remove_keyboard=True) if shares else None
    button = types.KeyboardButton(
        text=label, request_contact=shares == "contact", request_location=shares == "location"
    )
    return types.ReplyKeyboardMarkup(keyboard=[[button]], resize_keyboard=True)


def stop_keyboard(label: str) -> InlineKeyboardMarkup:
    """Return the Stop button of an answer that is being written."""
    return _inline(((Button(label, STOP),),))


def shows_no_blocks(edited: Any) -> bool:
    """Return whether a server has edited a message but left out the blocks, which it does not know."""
    return not isinstance(edited, dict) or bool(edited.get("text") and "rich_message" not in edited)


def _inline(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[_key(button) for button in row] for row in rows])


def _key(button: Button) -> types.InlineKeyboardButton:
    style = "danger" if button.dangerous else None  # since Bot API 9.4; servers of before ignore it
    return types.InlineKeyboardButton(text=button.label, callback_data=button.data, style=style)


MEDIA: dict[str, type[types.InputMediaPhoto | types.InputMediaDocument]] = {
    "photo": types.InputMediaPhoto,
    "document": types.InputMediaDocument,
}
