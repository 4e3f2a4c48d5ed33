"""Photos, voice messages and documents: what Telegram accepts, how it describes them. Begin with `stored`."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bot.sandbox.guard import Json
from bot.sandbox.media import picture_header
from bot.sandbox.telegram.call import BOT_API, bad

PHOTO_LIMIT = 10 * 1024 * 1024
UPLOAD_LIMIT = 50 * 1024 * 1024
DOWNLOAD_LIMIT = 20 * 1024 * 1024
SIDES_LIMIT = 10_000
RATIO_LIMIT = 20
SMALL_SIDES = (90, 320, 800)

FileKind = Literal["photo", "voice", "document", "video", "animation", "audio", "video_note", "sticker"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on the server. `path` is what getFile returns; `unique_id` stays when the file is sent again."""

    file_id: str
    unique_id: str
    path: str
    mime: str
    name: str
    data: bytes

    def head(self) -> Json:
        """The fields that all file objects of the Bot API have."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.data)}


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


def stored(
    kind: FileKind, data: bytes, make_id: Callable[[], str], *, name: str = "", mime: str = "", duration: int = 0
) -> tuple[list[StoredFile], Any]:
    """What the server keeps of an upload, and the field of the message that shows it. Raises 400 for a bad photo.

    `name` of a sticker is its emoji. `duration` is in seconds. `make_id` returns a new part of a file id.
    """
    if kind == "photo":
        return _photo(data, make_id)
    known = KINDS[kind]
    file = _file(kind, data, make_id(), mime, name if known.get("name") == "file_name" else "")
    shown: Json = {known["name"]: name} if name and "name" in known else {}
    shown |= {"mime_type": file.mime} if "shows_type" in known else {}
    shown |= {"duration": duration} if "lasts" in known else {}
    return [file], {**shown, **known.get("shape", {}), **file.head()}


def _photo(data: bytes, make_id: Callable[[], str]) -> tuple[list[StoredFile], list[Json]]:
    """A photo as a list of PhotoSize, the largest last. All have the bytes of the original: nothing is scaled."""
    width, height = check_photo(data)
    longest = max(width, height)
    sides = [*(side for side in SMALL_SIDES if side < longest), longest]
    files = [_file("photo", data, make_id(), "image/png" if data[:1] == b"\x89" else "image/jpeg") for _ in sides]
    shares = [side / longest for side in sides]
    sizes = [{"width": max(round(width * by), 1), "height": max(round(height * by), 1)} for by in shares]
    return files, [{**file.head(), **size} for file, size in zip(files, sizes, strict=True)]


def _file(kind: FileKind, data: bytes, word: str, mime: str, name: str = "") -> StoredFile:
    known = KINDS[kind]
    mime = known["mime"] if "is_fixed" in known else mime or mimetypes.guess_type(name)[0] or known["mime"]
    ending = ".png" if mime == "image/png" and kind == "photo" else known["ending"] or _ending(name)
    unique = f"{'AQAD' if kind == 'photo' else 'AgAD'}{word}"
    path = f"{known['folder']}/file_{word}{ending}"
    return StoredFile(file_id=known["start"] + word, unique_id=unique, path=path, mime=mime, name=name, data=data)


def _ending(file_name: str) -> str:
    ending = file_name.rpartition(".")[2]
    return f".{ending}" if ending != file_name and ending.isascii() and ending.isalnum() and len(ending) < 8 else ""


KINDS: dict[str, Json] = BOT_API["files"]
