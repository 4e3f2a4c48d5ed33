"""Downloads attachments: asks Telegram for the path of a file, then for its bytes. Begin with `fetch`."""

from __future__ import annotations

import asyncio
import re

from aiogram.methods import GetFile

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.errors import Refused, TooLarge, TransportUnavailable
from bot.telegram.client.api import Api, Unknown
from bot.types import Attachment

LARGEST = 20 << 20  # bytes that Telegram's own server hands over
TRIES = 3
DEADLINE = 60.0  # seconds for all tries
BACKOFF = Backoff(1.0, 4.0)
PATH = re.compile(r"(?!.*\.\.)[\w][\w ./-]{0,300}")


async def fetch(api: Api, clock: Clock, attachment: Attachment) -> bytes:
    """Return the bytes of an attachment; raises as `ports.Reply.fetch` does. A download that broke is tried again."""
    if attachment.size > LARGEST:
        raise TooLarge(LARGEST)
    until, retry = clock.monotonic() + DEADLINE, Retry(clock, BACKOFF, on=TransportUnavailable, tries=TRIES)
    return await retry.call(lambda: _fetch(api, attachment, until - clock.monotonic()), until=until)


async def _fetch(api: Api, attachment: Attachment, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            found = await _place(api, attachment)
            return await api.download(found, most=LARGEST)
    except TimeoutError:
        raise Unknown("a file takes too long") from None


async def _place(api: Api, attachment: Attachment) -> str:
    try:
        found = await api.call(GetFile(file_id=attachment.ref))
    except Refused as error:
        if "too big" in str(error).lower():
            raise TooLarge(LARGEST) from None
        raise
    path, size = found.get("file_path"), found.get("file_size")
    if isinstance(size, int) and size > LARGEST:
        raise TooLarge(LARGEST)
    if not isinstance(path, str) or not PATH.fullmatch(path):
        raise Refused("Telegram does not say where the file is")
    return path
