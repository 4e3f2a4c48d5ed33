"""One call of a Bot API method as it arrived over HTTP, and the error that may answer it. Begin with `Call`.

Telegram takes JSON, urlencoded and multipart bodies; in the latter two nested objects are JSON strings. `Call` hides
the difference.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from bot.sandbox.guard import Json, loads

MOST_NUMBERS = 100
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
        if len(found) > MOST_NUMBERS:
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
