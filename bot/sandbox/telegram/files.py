"""Photos, voice messages and documents: what Telegram accepts, how it describes them. Begin with `stored`."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bot.sandbox.guard import Json
from bot.sandbox.media import picture_header
from bot.sandbox.telegram.call import bad

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
    file = _file(kind, data, make_id(), mime, name if kind in NAMED else "")
    optional = "emoji" if kind == "sticker" else "file_name" if kind in NAMED else ""
    shown: Json = {optional: name} if optional and name else {}
    if kind in (*NAMED, "voice"):
        shown["mime_type"] = file.mime
    if kind in LASTING:
        shown["duration"] = duration
    return [file], {**shown, **SHAPES.get(kind, {}), **file.head()}


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
    start, folder, ending, fixed = FOLDERS[kind]
    mime = fixed or mime or mimetypes.guess_type(name)[0] or DEFAULT_TYPES.get(kind, "application/octet-stream")
    ending = ".png" if mime == "image/png" and kind == "photo" else ending or _ending(name)
    unique = f"{'AQAD' if kind == 'photo' else 'AgAD'}{word}"
    path = f"{folder}/file_{word}{ending}"
    return StoredFile(file_id=start + word, unique_id=unique, path=path, mime=mime, name=name, data=data)


def _ending(file_name: str) -> str:
    ending = file_name.rpartition(".")[2]
    return f".{ending}" if ending != file_name and ending.isascii() and ending.isalnum() and len(ending) < 8 else ""


# The beginning of a file id, the folder, the ending of a path ("": of the name), the MIME type where only one is known.
FOLDERS: dict[FileKind, tuple[str, str, str, str]] = {
    "photo": ("AgAC", "photos", ".jpg", ""),
    "document": ("BQAC", "documents", "", ""),
    "voice": ("AwAC", "voice", ".oga", ""),
    "video": ("BAAC", "videos", ".mp4", ""),
    "animation": ("CgAC", "animations", ".mp4", ""),
    "audio": ("CQAC", "music", ".mp3", ""),
    "video_note": ("DQAC", "video_notes", ".mp4", "video/mp4"),
    "sticker": ("CAAC", "stickers", ".webp", "image/webp"),
}
DEFAULT_TYPES: dict[FileKind, str] = {
    "voice": "audio/ogg",
    "video": "video/mp4",
    "animation": "video/mp4",
    "audio": "audio/mpeg",
}
NAMED = ("document", "video", "animation", "audio")
LASTING = ("voice", "video_note", "video", "animation", "audio")
SHAPES: dict[FileKind, Json] = {
    "video": {"width": 640, "height": 360},
    "animation": {"width": 320, "height": 240},
    "video_note": {"length": 240},
    "sticker": {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False},
}
