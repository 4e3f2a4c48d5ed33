"""The sandbox's Telegram as the bot's own library sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramRetryAfter
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichBlockList,
    InputRichBlockListItem,
    InputRichBlockParagraph,
    InputRichBlockTable,
    InputRichMessage,
    MessageEntity,
    ReplyParameters,
    RichBlockTableCell,
)

from bot.sandbox.telegram.server_facade import Telegram, text_of
from tests.support.sandbox_client import png

ANNA, TEAM = 1001, -1001000000001


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    telegram = Telegram(limits=False, topics=True)
    await telegram.start()
    yield telegram
    await telegram.close()


@pytest.fixture
async def bot(telegram: Telegram) -> AsyncIterator[Bot]:
    bot = Bot(telegram.token, AiohttpSession(api=TelegramAPIServer.from_base(telegram.url)))
    yield bot
    await bot.session.close()


async def test_everything_that_comes_back_is_understood(bot: Bot, telegram: Telegram) -> None:
    me = await bot.get_me()
    assert me.has_topics_enabled
    question = telegram.say(ANNA, "/start")
    telegram.upload(ANNA, png(99, 9))
    telegram.topic(ANNA)
    telegram.block(1002)
    updates = await bot.get_updates(timeout=1, allowed_updates=["message", "my_chat_member", "callback_query"])
    assert len(updates) == 4
    assert (await bot.get_chat(ANNA)).first_name == "Anna"
    assert (await bot.get_chat_member(TEAM, me.id)).status == "member"
    assert [member.user.id for member in await bot.get_chat_administrators(TEAM)] == [ANNA]
    markup = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Yes", callback_data="yes")]])
    message = await bot.send_message(
        ANNA,
        "bold",
        entities=[MessageEntity(type="bold", offset=0, length=4)],
        reply_markup=markup,
        reply_parameters=ReplyParameters(message_id=question["message_id"], allow_sending_without_reply=True),
    )
    assert message.entities is not None
    assert message.reply_markup is not None
    assert message.reply_markup.model_dump() == markup.model_dump()
    telegram.press(ANNA, message.message_id, "yes")
    update = (await bot.get_updates(offset=updates[-1].update_id + 1))[0]
    assert update.callback_query is not None
    assert update.callback_query.data == "yes"
    assert update.callback_query.message is not None
    assert await update.callback_query.answer("Done")
    assert (await bot.get_webhook_info()).url == ""


async def test_photos_files_and_commands(bot: Bot, telegram: Telegram) -> None:
    picture = png(300, 200)
    message = await bot.send_photo(ANNA, BufferedInputFile(picture, "a.png"), caption="c")
    assert message.photo is not None
    file = await bot.get_file(message.photo[-1].file_id)
    assert file.file_path is not None
    downloaded = await bot.download_file(file.file_path)
    assert downloaded is not None
    assert downloaded.read() == picture
    await bot.set_my_commands([BotCommand(command="new", description="New")], language_code="en")
    assert [command.command for command in await bot.get_my_commands(language_code="en")] == ["new"]


async def test_drafts_and_rich_messages(bot: Bot, telegram: Telegram) -> None:
    assert await bot.send_message_draft(chat_id=ANNA, draft_id=5, text="", can_stop=True, keep_on_stop=False)
    draft = telegram.drafts[0]
    assert (draft["thinking"], draft["can_stop"], draft["keep_on_stop"]) == (True, True, False)
    rich = InputRichMessage(
        blocks=[
            InputRichBlockParagraph(text="words"),
            InputRichBlockList(items=[InputRichBlockListItem(blocks=[InputRichBlockParagraph(text="item")])]),
            InputRichBlockTable(cells=[[RichBlockTableCell(text="cell", align="left", valign="top")]]),
        ]
    )
    message = await bot.send_rich_message(ANNA, rich)
    assert message.rich_message is not None
    assert len(message.rich_message.blocks) == 3
    assert telegram.drafts == []
    topic = await bot.create_forum_topic(ANNA, "Plans")
    sent = await bot.send_message(ANNA, "x", message_thread_id=topic.message_thread_id)
    assert sent.is_topic_message
    assert text_of(telegram.transcript(ANNA, topic.message_thread_id)[-1]) == "x"


async def test_errors_become_the_librarys_own(bot: Bot, telegram: Telegram) -> None:
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(5, "x")
    telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 7})
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(ANNA, "x")
    assert caught.value.retry_after == 7
    telegram.block(ANNA)
    with pytest.raises(TelegramForbiddenError):
        await bot.send_message(ANNA, "x")
