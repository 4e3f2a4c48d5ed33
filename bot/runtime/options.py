"""Settings -> the options of the parts: what each of them needs to know, and no more."""

from __future__ import annotations

from bot.config.settings import Settings
from bot.conversation.request import Options as ChatOptions
from bot.telegram.receiving.aiogram_routers import Routers
from bot.telegram.transport import Options as TelegramOptions


def chat(settings: Settings) -> ChatOptions:
    return ChatOptions(
        system=settings.system_prompt,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        deadline=settings.answer_deadline,
        thoughts=settings.show_reasoning,
        names_topics=settings.name_chats,
        summaries=settings.summaries,
        thumbs=settings.feedback_buttons,
    )


def telegram(settings: Settings, routers: Routers | None = None) -> TelegramOptions:
    return TelegramOptions(
        streaming=settings.streaming,
        webhook_url=settings.webhook_url,
        webhook_secret=settings.webhook_secret.get_secret_value(),
        others=routers.kinds if routers else (),
    )
