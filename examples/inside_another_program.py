"""The bot inside a program of your own: it lives as long as the block, in your event loop.

BOT_TOKEN=... YC_API_KEY=... YC_FOLDER_ID=... python examples/inside_another_program.py

In FastAPI or Starlette the block stands in the lifespan, and `server.mount("/bot", app.asgi())` takes the webhook and
the endpoints: then the bot itself listens nowhere.
"""

from __future__ import annotations

import asyncio
import signal

from govorun import App

app = App()


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    async with app.running() as running:
        print(f"bot {running.bot} runs; Ctrl-C stops it")  # noqa: T201  for people at a terminal
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
