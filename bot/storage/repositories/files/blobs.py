"""Files that came with questions, each stored once; messages hold only their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.history import Blob
from bot.types import Address, Image, Message, Part

MOST_SHOWN = 4  # pictures of a conversation that a model is shown again: each costs it hundreds of tokens
ADD = Prepared(insert(Blob.table).returning(Blob.id))
DATA = Prepared(select(Blob.data).where(Blob.id == bindparam("number")))


class Blobs(Repository):
    """Files, each stored once; messages hold their ids."""

    def store_images(self, address: Address, user: int, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """Store the images among these parts; return the parts with an id in the place of each image's bytes."""
        return tuple(self._kept(address, user, part) if isinstance(part, Image) else part for part in parts)

    def store_file(self, address: Address, user: int, mime: str, data: bytes) -> int:
        """Store a file for a person; return its id."""
        row = {
            "bot": address.bot, "chat": address.chat, "user": user, "mime": mime[:100], "name": "", "data": data,
            "at": self.clock.time(),
        }  # fmt: skip
        return int(self.execute(ADD, row).one()[0])

    def delete(self, number: int) -> None:
        """Delete a blob that no message needs."""
        self.connection.execute(delete(Blob.table).where(Blob.id == number))

    def read_bytes(self, number: int) -> bytes | None:
        """Return the bytes of a blob, None if it is gone."""
        found: bytes | None = self.execute(DATA, {"number": number}).scalar()
        return found

    def load_images(self, messages: Sequence[Message], most: int = MOST_SHOWN) -> list[Message]:
        """Return the messages with the bytes of their newest images, at most `most`; older ones stay without."""
        result, left = [], most
        for message in reversed(messages):
            if any(isinstance(part, Image) and part.blob for part in message.parts):
                message, left = self._loaded(message, left)
            result.append(message)
        return result[::-1]

    def _loaded(self, message: Message, left: int) -> tuple[Message, int]:
        parts: list[Part] = []
        for part in reversed(message.parts):
            if isinstance(part, Image) and part.blob and left > 0:
                part = replace(part, data=self.read_bytes(part.blob) or b"")
                left -= 1
            parts.append(part)
        return replace(message, parts=tuple(parts[::-1])), left

    def _kept(self, address: Address, user: int, image: Image) -> Image:
        if image.blob or not image.data:
            return image
        return Image(b"", image.mime, self.store_file(address, user, image.mime, image.data))
