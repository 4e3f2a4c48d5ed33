"""Answers what Telegram wants answered within seconds, although the bot does nothing with it: presses and payments.

A button press that can't be read would show its spinner for ever; a payment that nobody declines within ten seconds
fails with an error of Telegram's own. Other questions expire without harm.
"""

from __future__ import annotations

from typing import Any

from aiogram.methods import AnswerCallbackQuery, AnswerPreCheckoutQuery, AnswerShippingQuery, TelegramMethod

from bot.telegram.receiving.fields import whole
from bot.texts.catalog import say

DEADLINE = 8.0  # seconds, of the ten that a payment waits


def dismissal(update: dict[str, Any]) -> TelegramMethod[bool] | None:
    """Return the call that answers an update the bot ignores; None for an update that expects no answer."""
    for kind in ("callback_query", "pre_checkout_query", "shipping_query"):
        query = update.get(kind)
        id_ = whole(query.get("id")) if isinstance(query, dict) else ""
        if id_:
            return _answer(kind, id_, _language(query))
    return None


def _answer(kind: str, id_: str, language: str) -> TelegramMethod[bool]:
    if kind == "callback_query":
        return AnswerCallbackQuery(callback_query_id=id_)
    sorry = say(language, "payment.none")
    if kind == "pre_checkout_query":
        return AnswerPreCheckoutQuery(pre_checkout_query_id=id_, ok=False, error_message=sorry)
    return AnswerShippingQuery(shipping_query_id=id_, ok=False, error_message=sorry)


def _language(query: Any) -> str:
    sender = query.get("from")
    return whole(sender.get("language_code")) if isinstance(sender, dict) else ""
