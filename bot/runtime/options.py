"""Settings -> the options of the parts: what each of them needs to know, and no more."""

from __future__ import annotations

from bot.config.settings import Settings
from bot.conversation.request import Options as ChatOptions


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
