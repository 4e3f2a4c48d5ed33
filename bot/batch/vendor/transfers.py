"""Files to and from the vendor's object storage, by addresses that are good for a day. Begin with `Transfers`.

Memory does not grow with a file: it is sent from the disk and written to the disk. No key goes with a request, because
the address is signed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from bot.concurrency.retry import Retry
from bot.errors import ModelDenied, ModelError, ModelUnavailable
from bot.http.client import Http

SLOWEST = 50_000  # bytes a second: what is slower has failed
PATIENCE = 60.0  # seconds that every transfer may take
BLOCK = 1 << 20
LARGEST = 20 << 30  # bytes of a result


class AddressExpired(ModelError):
    """The address of a transfer is not good any more: ask the service for another one."""


class Transfers:
    """Sends and fetches files, again by the rules of `retry`."""

    def __init__(self, http: Http, retry: Retry) -> None:
        self._http = http
        self._retry = retry

    async def put(self, url: str, path: Path, *, start: int = 0, size: int) -> str:
        """Send a piece of a file, and return the ETag that the storage gave it.

        Raises `AddressExpired`, and `ModelUnavailable` where it did not arrive unharmed.
        """
        digest = await asyncio.to_thread(_md5, path, start, size)
        return await self._retry.call(lambda: self._put(url, path, start, size, digest))

    async def get(self, url: str, to: Path) -> None:
        """Write what is at an address into a file. Raises `AddressExpired`, `ModelUnavailable`, `ModelDenied`."""
        await self._retry.call(lambda: self._get(url, to))

    async def _put(self, url: str, path: Path, start: int, size: int, digest: bytes) -> str:
        headers = {"content-md5": base64.b64encode(digest).decode()}
        total = PATIENCE + size / SLOWEST
        answer = await self._http.put_file(url, path, start=start, size=size, headers=headers, total=total)
        _check(answer.status, answer.body)
        etag = answer.headers.get("etag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{32}", etag) and etag != digest.hex():
            raise ModelUnavailable("the storage has other bytes than were sent")
        return etag

    async def _get(self, url: str, to: Path) -> None:
        async with self._http.get(url, headers={}, total=PATIENCE + LARGEST / SLOWEST) as stream:
            if stream.status != 200:
                _check(stream.status, await stream.body(BLOCK))
            await stream.save(to, LARGEST)


def _md5(path: Path, start: int, size: int) -> bytes:
    found = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (block := file.read(min(size, BLOCK))):
            found.update(block)
            size -= len(block)
    return found.digest()


def _check(status: int, body: bytes) -> None:
    """Raise the error that an answer of the storage, in XML, means."""
    if status == 200:
        return
    words = _words(body)
    text = f"the object storage answers {status} {words.get('Code', '')}: {words.get('Message', '')}"
    if status == 403:
        raise AddressExpired(text)
    if status in (408, 429) or status >= 500 or words.get("Code") == "BadDigest":
        raise ModelUnavailable(text)
    raise ModelDenied(text)


def _words(body: bytes) -> Mapping[str, str]:
    """The code and the message of an error in XML, without a parser: nothing else of it is read."""
    text = body[:BLOCK].decode(errors="replace")
    found = {name: re.search(rf"<{name}>([^<]{{0,200}})</{name}>", text) for name in ("Code", "Message")}
    return {name: match[1] for name, match in found.items() if match}
