"""The yardstick: the shortest streaming bot on aiogram and httpx. It keeps nothing and promises nothing.

Native stream of AI Studio in, one edit in 1.1 seconds out. `python -m bench` starts it with `plain.toml`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict

import httpx
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message

LONGEST, PAUSE, REMEMBERED = 4_096, 1.1, 20
HEADERS = {"authorization": f"Api-Key {os.environ['YC_API_KEY']}"}
URI = f"gpt://{os.environ['YC_FOLDER_ID']}/yandexgpt/latest"

dispatcher = Dispatcher()
model = httpx.AsyncClient(base_url=os.environ["YC_LLM_URL"], timeout=60, headers=HEADERS)
history: dict[int, list[dict[str, str]]] = defaultdict(list)


@dispatcher.message()
async def answer(message: Message) -> None:
    said = history[message.chat.id]
    said.append({"role": "user", "text": message.text or ""})
    text, shown, at = "", "", 0.0
    sent: Message | bool | None = None
    options = {"stream": True, "maxTokens": "8000"}
    body = {"modelUri": URI, "completionOptions": options, "messages": said[-REMEMBERED:]}
    async with model.stream("POST", "/foundationModels/v1/completion", json=body) as reply:
        async for line in reply.aiter_lines():
            text = json.loads(line)["result"]["alternatives"][0]["message"]["text"]
            if text.strip() and time.monotonic() - at > PAUSE and len(text) < LONGEST:
                at, shown = time.monotonic(), text
                sent = await (sent.edit_text(text) if isinstance(sent, Message) else message.answer(text))
    said.append({"role": "assistant", "text": text})
    for start in range(0, len(text), LONGEST):
        part = text[start : start + LONGEST]
        if start or not isinstance(sent, Message):
            await message.answer(part)
        elif part != shown:
            await sent.edit_text(part)


async def main() -> None:
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["TELEGRAM_API_URL"]))
    await dispatcher.start_polling(Bot(os.environ["BOT_TOKEN"], session=session))


if __name__ == "__main__":
    asyncio.run(main())
