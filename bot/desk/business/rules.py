"""Rules for chats of people's accounts: whether the bot may write there, and whether without the owner's decision.
Pure.
"""

from __future__ import annotations

from bot.desk.policy.desk_file import Accounts
from bot.storage.tables.desk import Account, AccountChat

WINDOW = 24 * 3600.0  # seconds after a customer's message in which Telegram lets a bot answer for an account


def is_owners(chat: AccountChat, now: float, settings: Accounts) -> bool:
    """Whether the owner answers in a chat himself: the owner's newest message there is less than `quiet`
    seconds old.
    """
    return bool(chat.owned) and now - chat.owned < settings.quiet


def forbidden(account: Account | None, chat: AccountChat, now: float) -> str:
    """Why nothing may be sent to a chat now, as a key of the catalog; "" if it may."""
    if account is None or not account.may_reply:
        return "business.no_right"
    return "business.too_late" if now - chat.heard >= WINDOW else ""


def goes_alone(settings: Accounts, *, label: str, is_open: bool) -> bool:
    """Whether an answer about a topic is sent without the owner; `is_open`: people work now."""
    if settings.answer == "draft" or (settings.answer == "closed" and is_open):
        return False
    return not settings.labels or label in settings.labels
