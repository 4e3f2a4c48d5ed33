"""Photos, voice messages and documents: what Telegram accepts, how it describes them. Begin with `photo`."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.image_header import picture_header
from bot.sandbox.telegram.call import bad

PHOTO_LIMIT = 10 * 1024 * 1024
UPLOAD_LIMIT = 50 * 1024 * 1024
DOWNLOAD_LIMIT = 20 * 1024 * 1024
SIDES_LIMIT = 10_000
RATIO_LIMIT = 20
SMALL_SIDES = (90, 320, 800)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on the server. `path` is what getFile returns; `unique_id` stays when the file is sent again."""

    file_id: str
    unique_id: str
    path: str
    mime: str
    name: str
    data: bytes

    def head(self) -> dict[str, Any]:
        """The fields that all file objects of the Bot API have."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.data)}


IdMaker = Callable[[], str]
FileKeeper = Callable[[StoredFile], StoredFile]


def check_photo(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a picture that may be sent as a photo. Raises 400 for any other."""
    if len(data) > PHOTO_LIMIT:
        raise bad(f"file of size {len(data)} bytes is too big for a photo; the maximum size is {PHOTO_LIMIT} bytes")
    kind, width, height = picture_header(data)
    if kind not in ("JPEG", "PNG") or (kind == "JPEG" and not (width or height)):
        raise bad("IMAGE_PROCESS_FAILED")
    if not width or not height or width + height > SIDES_LIMIT or max(width, height) > RATIO_LIMIT * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return width, height


def photo(data: bytes, name: IdMaker, keep: FileKeeper) -> list[dict[str, Any]]:
    """Store a photo and return its list of PhotoSize, the largest last.

    All sizes have the bytes of the original: the sandbox does not scale.
    """
    width, height = check_photo(data)
    mime, ending = ("image/png", "png") if data[:1] == b"\x89" else ("image/jpeg", "jpg")
    sides = [side for side in SMALL_SIDES if side < max(width, height)] + [max(width, height)]
    sizes = []
    for side in sides:
        word = name()
        share = side / max(width, height)
        stored = keep(StoredFile(f"AgAC{word}", f"AQAD{word}", f"photos/file_{word}.{ending}", mime, "", data))
        share_size = {"width": max(round(width * share), 1), "height": max(round(height * share), 1)}
        sizes.append({**stored.head(), **share_size})
    return sizes


def document(data: bytes, file_name: str, mime: str, name: IdMaker, keep: FileKeeper) -> dict[str, Any]:
    """Store a file and return the Bot API Document."""
    mime = mime or mimetypes.guess_type(file_name)[0] or "application/octet-stream"
    word = name()
    path = f"documents/file_{word}{_ending(file_name)}"
    stored = keep(StoredFile(f"BQAC{word}", f"AgAD{word}", path, mime, file_name, data))
    named = {"file_name": file_name} if file_name else {}
    return {**named, "mime_type": mime, **stored.head()}


def voice(data: bytes, mime: str, duration: int, name: IdMaker, keep: FileKeeper) -> dict[str, Any]:
    """Store a voice message and return the Bot API Voice."""
    word = name()
    mime = mime or "audio/ogg"
    stored = keep(StoredFile(f"AwAC{word}", f"AgAD{word}", f"voice/file_{word}.oga", mime, "", data))
    return {"duration": duration, "mime_type": mime, **stored.head()}


def video_note(data: bytes, duration: int, name: IdMaker, keep: FileKeeper) -> dict[str, Any]:
    """Store a round video and return the Bot API VideoNote, which has no MIME type."""
    word = name()
    stored = keep(StoredFile(f"DQAC{word}", f"AgAD{word}", f"video_notes/file_{word}.mp4", "video/mp4", "", data))
    return {"duration": duration, "length": 240, **stored.head()}


def sticker(data: bytes, emoji: str, name: IdMaker, keep: FileKeeper) -> dict[str, Any]:
    """Store a still sticker and return the Bot API Sticker."""
    word = name()
    stored = keep(StoredFile(f"CAAC{word}", f"AgAD{word}", f"stickers/file_{word}.webp", "image/webp", "", data))
    shape = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
    return {**shape, **({"emoji": emoji} if emoji else {}), **stored.head()}


def _ending(file_name: str) -> str:
    ending = file_name.rpartition(".")[2]
    return f".{ending}" if ending != file_name and ending.isascii() and ending.isalnum() and len(ending) < 8 else ""
