"""Settings -> the options of the parts: what each of them needs to know, and no more."""

from __future__ import annotations

from dataclasses import replace

from bot.access.policy import Access, Role
from bot.access.rate_limit import Limits
from bot.billing import pricing
from bot.billing.budget import Budget, Personal
from bot.billing.pricing import PriceList
from bot.config.settings import Settings
from bot.conversation.request import Options as ChatOptions
from bot.features.image_generation import ImagePrice
from bot.storage.repositories.members import Allowance
from bot.storage.repositories.money.budgets import Caps


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


def limits(settings: Settings) -> Limits:
    return Limits(
        user_rate=60 * settings.telegram_chat_rate if settings.user_rate is None else settings.user_rate,
        user_burst=settings.user_burst,
        chat_queue=settings.chat_queue,
        queue=settings.queue_size,
        longest=settings.longest_question,
    )


def budget(settings: Settings, access: Access, personal: Personal) -> Budget:
    of = pricing.millionths
    day, month = settings.role_daily_money, settings.role_monthly_money
    shares = {
        Role[name.upper()]: Allowance(
            of(day[name]) if name in day else None, of(month[name]) if name in month else None
        )
        for name in {**day, **month}
    }  # fmt: skip
    return Budget(
        access,
        Caps(settings.user_daily_tokens, settings.chat_daily_tokens, settings.daily_tokens),
        Caps(settings.user_daily_images, bot=settings.daily_images),
        Caps(
            of(settings.user_daily_money), of(settings.chat_daily_money), of(settings.daily_money),
            of(settings.user_monthly_money), of(settings.chat_monthly_money), of(settings.monthly_money),
        ),
        shares,
        of(settings.confirm_above),
        personal,
    )  # fmt: skip


def picture(settings: Settings) -> ImagePrice:
    return ImagePrice(pricing.millionths(settings.image_price), settings.currency, settings.image_model)


def tariffs(settings: Settings) -> PriceList:
    known, block = PriceList(), settings.speech_block
    return PriceList(
        replace(known.speech, price=settings.speech_price, per=block, block=block),
        replace(known.long_speech, price=settings.speech_long_price, per=block, block=block),
        replace(known.voice, price=settings.voice_price, per=1000),
        replace(known.documents, price=settings.embedding_price, per=1000),
        replace(known.questions, price=settings.embedding_price, per=1000),
        replace(known.pages, price=settings.search_price),
        replace(known.answer, price=settings.search_answer_price),
        settings.currency,
    )
