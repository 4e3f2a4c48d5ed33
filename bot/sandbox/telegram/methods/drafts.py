"""Bot API methods that show something for a moment: drafts, chat actions, answers to button presses."""

from __future__ import annotations

from functools import partial

from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.markup.entities import Formatted
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods.content import formatted
from bot.sandbox.telegram.state import DRAFT_LIFE, Draft

ACTIONS = frozenset({
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
    "choose_sticker", "find_location", "record_video_note", "upload_video_note",
})  # fmt: skip
ANSWER_LIMIT = 200


def send_message_draft(api: MethodContext, call: Call) -> bool:
    """Show a plain text as the draft of a private chat for 30 s."""
    found = formatted(call, "text", allow_empty=True)
    api.remark(call, found.remarks)
    return _draft(api, call, found, None)


def send_rich_message_draft(api: MethodContext, call: Call) -> bool:
    """Show a rich message as the draft of a private chat for 30 s."""
    given = call.parsed("rich_message", "rich message")
    return _draft(api, call, Formatted(""), rich(given, draft=True))


def send_chat_action(api: MethodContext, call: Call) -> bool:
    """Show that the bot is typing, or another chat action."""
    chat, thread_id = api.place(call)
    action = call.text("action")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    api.state.hub.publish("action", chat_id=chat.id, thread_id=thread_id, action=action)
    return True


def answer_callback_query(api: MethodContext, call: Call) -> bool:
    """Answer a button press. Raises 400 for a second answer and after 150 s."""
    if len(call.text("text")) > ANSWER_LIMIT:
        raise bad("MESSAGE_TOO_LONG")
    query_id = call.text("callback_query_id")
    user_id, until = api.queries.pop(query_id, (0, 0.0))
    if until <= api.state.clock.time():
        raise bad("query is too old and response timeout expired or query ID is invalid")
    answer = {"text": call.text("text"), "show_alert": call.flag("show_alert")}
    api.state.hub.publish("callback_answer", callback_query_id=query_id, user_id=user_id, **answer)
    return True


def decline(api: MethodContext, call: Call, *, query: str) -> bool:
    """Decline a payment: the sandbox sells nothing. Raises 400 for an answer that would accept it."""
    if not call.text(query) or call.flag("ok") or not call.text("error_message"):
        raise bad("QUERY_ID_INVALID")
    return True


def _draft(api: MethodContext, call: Call, found: Formatted, rich_message: dict[str, object] | None) -> bool:
    if not api.chat(call).private:
        raise bad("TEXTDRAFT_PEER_INVALID")
    chat, thread_id = api.place(call)
    draft_id = call.integer("draft_id")
    if not draft_id:
        raise bad("draft_id must be non-zero")
    draft = Draft(
        chat_id=chat.id, thread_id=thread_id, draft_id=draft_id, text=found.text, entities=found.entities,
        rich_message=rich_message, can_stop=call.flag("can_stop"), keep_on_stop=call.flag("keep_on_stop"),
        thinking=not found.text and rich_message is None, until=api.state.clock.monotonic() + DRAFT_LIFE,
    )  # fmt: skip
    api.state.put_draft(draft)
    return True


METHODS: dict[str, Method] = {
    "sendMessageDraft": send_message_draft,
    "sendRichMessageDraft": send_rich_message_draft,
    "sendChatAction": send_chat_action,
    "answerCallbackQuery": answer_callback_query,
    "answerPreCheckoutQuery": partial(decline, query="pre_checkout_query_id"),
    "answerShippingQuery": partial(decline, query="shipping_query_id"),
}
