"""One call of a Bot API method as it arrived over HTTP, its files, and the error that may answer it. Begin with `Call`.

Telegram takes JSON, urlencoded and multipart bodies; in the latter two nested objects are JSON strings. `Call` hides
the difference. `stored` says what Telegram keeps of a file, and how it describes it.
"""

from __future__ import annotations

import json
import mimetypes
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import BodyPartReader, web

from bot.sandbox.guard import Json, loads
from bot.sandbox.media import picture_header

MAX_NUMBERS = 100
BOT_API = tomllib.loads(Path(__file__).with_name("bot_api.toml").read_text("utf-8"))


class ApiError(Exception):
    """An answer with `ok: false`. `description` is the whole text as Telegram writes it."""

    def __init__(self, code: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    def body(self) -> Json:
        """The JSON body of the answer."""
        body: Json = {"ok": False, "error_code": self.code, "description": self.description}
        return {**body, "parameters": self.parameters} if self.parameters else body


def bad(reason: str) -> ApiError:
    """Return an error 400 with this reason. As on the real server it begins with a small letter, unless the reason is a
    NAME_LIKE_THIS.
    """
    shouting = len(reason) > 1 and (reason[1] == "_" or reason[1].isupper())
    return ApiError(400, f"Bad Request: {reason if shouting else reason[:1].lower() + reason[1:]}")


def too_many(seconds: int) -> ApiError:
    """An error 429 that asks the bot to wait `seconds`."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart body."""

    name: str
    mime: str
    data: bytes


@dataclass(slots=True)
class Call:
    """A method with its parameters by name. Values are strings (forms) or JSON values; the accessors
    understand both.
    """

    method: str
    params: Json = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The parameter as a string; "" if it is absent."""
        value = self.params.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def integer(self, name: str, default: int = 0) -> int:
        """The parameter as a number; `default` if it is absent or not a number."""
        value = self.params.get(name)
        try:
            return default if value is None or isinstance(value, bool) else int(value)
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """Whether the parameter is true: `true`, `yes` or `1`."""
        return self.text(name).strip().lower() in {"true", "yes", "1"}

    def parsed(self, name: str, what: str) -> Any:
        """The parameter parsed as JSON; None if it is absent. Raises 400, which names `what`, if it cannot
        be parsed.
        """
        value = self.params.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return loads(value)
        except ValueError:
            raise bad(f"Can't parse {what} JSON object") from None

    def numbers(self, name: str) -> list[int]:
        """The ids of 1 to 100 messages. Raises 400 for anything else."""
        found = self.parsed(name, "message identifiers")
        if not isinstance(found, list) or not found:
            raise bad("message identifiers are not specified")
        if len(found) > MAX_NUMBERS:
            raise bad("too many message identifiers specified")
        if not all(isinstance(number, int) for number in found):
            raise bad("Message identifier must be a Number")
        return found

    def file(self, name: str) -> Upload | str:
        """The file parameter: an upload (directly or as attach://part), or a file id or URL; "" if it is absent."""
        if name in self.files:
            return self.files[name]
        value = self.text(name)
        if value.startswith("attach://"):
            return self.files.get(value.removeprefix("attach://"), "")
        return value

    @property
    def parts(self) -> int:
        """How many messages the call sends, for the flood limits."""
        name = {"copyMessages": "message_ids", "forwardMessages": "message_ids", "sendMediaGroup": "media"}
        try:
            given = self.parsed(name.get(self.method, ""), "Array")
        except ApiError:
            return 1
        return max(len(given), 1) if isinstance(given, list) else 1

    @property
    def chat_id(self) -> int | None:
        """The chat that the call is about, for the journal and for faults; None if there is none."""
        return self.integer("chat_id") or None


async def read(request: web.Request, method: str) -> Call:
    """Read an HTTP request of any encoding. Raises `ApiError` for a body that cannot be read."""
    params: Json = dict(request.query)
    kind = request.content_type
    call = Call(method, params)
    if request.method != "POST" or not request.body_exists:
        return call
    if kind == "application/json":
        call.params |= await _json(request)
    elif kind == "multipart/form-data":
        await _multipart(request, call)
    elif kind == "application/x-www-form-urlencoded":
        form = await request.post()
        call.params |= {name: value for name, value in form.items() if isinstance(value, str)}
    return call


async def _json(request: web.Request) -> Json:
    try:
        body = loads(await request.read())
    except ValueError:
        raise ApiError(400, "Bad Request: can't parse request JSON object") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Bad Request: object expected")
    return body


async def _multipart(request: web.Request, call: Call) -> None:
    size = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ApiError(400, "Bad Request: can't parse multipart body")
        data = bytes(await part.read())
        size += len(data)
        if size > request.client_max_size:
            raise ApiError(413, "Request Entity Too Large")
        if part.filename is None:
            call.params[part.name] = data.decode("utf-8", "replace")
        else:
            call.files[part.name] = Upload(part.filename, part.headers.get("Content-Type", ""), data)


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
