"""How the bot talks to the Bot API: streaming, rates, the webhook."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from bot.config.groups import SettingsGroup
from bot.config.validators import Host, OptionalUrl, Proxy, Url, WebhookSecret


class TelegramSettings(SettingsGroup):
    """How answers appear in Telegram, and how the bot sends and receives."""

    streaming: Literal["draft", "edit", "off"] = Field(
        "draft",
        description="How answers appear while they are written: draft = native drafts with a Stop button in private "
        "chats, then a message that is edited; edit = one message edited as it grows, off = whole answers only. Groups "
        "use edit instead of draft",
    )
    rich_messages: bool = Field(
        True, description="Send tables, task lists, formulas and answers over 4,096 characters as rich messages"
    )
    telegram_api_url: Url = Field("https://api.telegram.org", description="Bot API server")
    telegram_proxy: Proxy = Field(
        SecretStr(""), description="Proxy for Telegram only: http://user:password@host:port, or socks5h://..."
    )
    telegram_rate: float = Field(
        28.0, ge=0, description="Messages a second over all chats (Telegram allows about 30); 0 = no limit of our own"
    )
    telegram_chat_rate: float = Field(
        1.0, ge=0, description="Messages a second in one private chat, after a short burst; 0 = no limit of our own"
    )
    webhook_url: OptionalUrl = Field("", description="Public https address of the webhook; empty = long polling")
    webhook_secret: WebhookSecret = Field(
        SecretStr(""), description="16-256 of A-Z a-z 0-9 _ - ; made up when empty; several processes need the same"
    )
    webhook_host: Host = Field("127.0.0.1", description="Where the webhook server listens")
    webhook_port: int = Field(8443, ge=1, le=65535, description="... and its port")
    http_secret: WebhookSecret = Field(
        SecretStr(""), description="16-256 of A-Z a-z 0-9 _ - ; what callers of an app's own endpoints (App.http) send"
    )
    shutdown_grace: float = Field(20.0, ge=0, description="Seconds that running answers get when the bot is stopped")
