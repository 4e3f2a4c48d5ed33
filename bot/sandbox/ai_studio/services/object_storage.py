"""Object storage behind presigned addresses: what datasets are uploaded to and downloaded from. Begin with
`ObjectStorage`.

As the real one it wants no Authorization header, exactly the signed length, and answers errors in XML.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.wire import BadRequest, Problem
from bot.sandbox.faults import Faults
from bot.sandbox.guard import Refusal, guarded

DRAFTS, DATASETS, METRICS = "ai-fomo-drafts-prod", "ai-fomo-datasets-prod", "ai-fomo-tuning-prod"
FILES = "ai-files-prod"
PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Grant:
    """What one presigned address allows. `size` is the signed length (None: any), `until` a monotonic time."""

    method: str
    key: str
    until: float
    size: int | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file in the storage. `etag` is its MD5 in hexadecimal digits, without quotes."""

    path: Path
    size: int
    etag: str


@dataclass(slots=True)
class MultipartUpload:
    """An upload in parts, which are objects under the keys `{key}/{number}` until it is finished."""

    key: str
    size: int
    parts: int


class Refused(web.HTTPException):
    """An error of the storage: XML, as S3 has it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status_code = status
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message>'
            f"<RequestId>{secrets.token_hex(8)}</RequestId></Error>"
        )
        super().__init__(text=text, content_type="application/xml")


class ObjectStorage:
    """Objects by key (`bucket/folder/id`), kept in files of a temporary folder that `close` removes.

    `base` is the URL of the server and `folder` the one of the service account. Addresses are valid for `life` seconds,
    or with the failure `expired` not at all. `smallest_part` is the least size of every part but the last. `failures`
    are HTTP statuses that the next requests are answered with, and `uploads` the keys of all accepted uploads.
    """

    def __init__(self, clock: Clock, folder: str, faults: Faults) -> None:
        self.base = ""
        self.folder = folder
        self.life = 86_400.0
        self.smallest_part = 5 * 2**20
        self.failures: list[int] = []
        self.uploads: list[str] = []
        self._clock = clock
        self._faults = faults
        self._grants: dict[str, Grant] = {}
        self._objects: dict[str, StoredObject] = {}
        self._multipart: dict[str, MultipartUpload] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove all objects."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._objects.clear()

    def add_routes(self, app: web.Application, refuse: Refusal) -> None:
        """Let a server take uploads and give downloads. `refuse` answers requests of foreign web pages."""
        for bucket in (DRAFTS, DATASETS, METRICS, FILES):
            app.router.add_route("PUT", f"/{bucket}/{{key:.+}}", guarded(self.put, refuse))
            app.router.add_route("GET", f"/{bucket}/{{key:.+}}", guarded(self.get, refuse))

    # --- what services ask for

    def new_path(self) -> Path:
        """The path for a new file."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="govorun-storage-")
        return Path(self._folder.name) / secrets.token_hex(12)

    def find(self, key: str) -> StoredObject | None:
        """The object under a key, if there is one."""
        return self._objects.get(key)

    def keep(self, key: str, path: Path) -> StoredObject:
        """Store as an object a file that was already written to `new_path`."""
        with path.open("rb") as file:
            etag = hashlib.file_digest(file, "md5").hexdigest()
        self._remove_file(key)
        self._objects[key] = StoredObject(path, path.stat().st_size, etag)
        return self._objects[key]

    def remove(self, key: str) -> None:
        """Remove an object, and the parts of an upload to its key."""
        for found in [name for name in self._objects if name == key or name.startswith(f"{key}/")]:
            self._remove_file(found)
        self._multipart.pop(key, None)

    def upload_url(self, key: str, size: int) -> str:
        """An address for one PUT of exactly `size` bytes."""
        return self._signed(Grant("PUT", key, self._until(), size), "content-length;host")

    def download_url(self, key: str) -> str:
        """An address for GET."""
        return self._signed(Grant("GET", key, self._until()), "host")

    def start_multipart(self, key: str, size: int, parts: int) -> list[str]:
        """Begin an upload in parts, which forgets an earlier one. Returns the address of each part."""
        self.remove(key)
        self._multipart[key] = MultipartUpload(key, size, parts)
        grants = [Grant("PUT", f"{key}/{number}", self._until()) for number in range(1, parts + 1)]
        more = {"uploadId": secrets.token_hex(16)}
        return [
            self._signed(grant, "host", key, {"partNumber": str(number), **more})
            for number, grant in enumerate(grants, 1)
        ]

    def finish_multipart(self, key: str, etags: Mapping[int, str]) -> StoredObject:
        """Join the parts. `etags` has the ETag of each part by its number. Raises `Problem` 3 for what does not fit,
        and 9 if no upload was begun.
        """
        upload = self._multipart.get(key)
        if upload is None:
            raise Problem(9, "no multipart upload was started for this dataset")
        parts = [self._objects.get(f"{key}/{number}") for number in range(1, upload.parts + 1)]
        for number, part in enumerate(parts, 1):
            if part is None or etags.get(number, "").strip('"') != part.etag:
                raise BadRequest(f"InvalidPart: part {number} was not found, or its entity tag does not match")
            if part.size < self.smallest_part and number < upload.parts:
                raise BadRequest(f"EntityTooSmall: part {number} has {part.size} bytes")
        if (size := sum(part.size for part in parts if part)) != upload.size:
            raise BadRequest(f"uploaded size {size} does not match the declared size {upload.size}")
        path = self.new_path()
        with path.open("wb") as whole:
            for part in filter(None, parts):
                with part.path.open("rb") as file:
                    shutil.copyfileobj(file, whole)
        self.remove(key)
        return self.keep(key, path)

    # --- HTTP

    async def put(self, request: web.Request) -> web.Response:
        """Handle PUT of an upload or of one part."""
        grant = self._granted(request)
        if request.content_length is None:
            raise Refused(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if grant.size is not None and request.content_length != grant.size:
            raise Refused(403, "SignatureDoesNotMatch", "The signed Content-Length differs from the sent one.")
        path, digest, size = self.new_path(), hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            async for piece in request.content.iter_chunked(PIECE):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        wanted = request.headers.get("Content-MD5", "")
        if size != request.content_length or wanted not in ("", b64encode(digest.digest()).decode()):
            path.unlink()
            raise Refused(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        self._remove_file(grant.key)
        self._objects[grant.key] = StoredObject(path, size, digest.hexdigest())
        self.uploads.append(grant.key)
        headers = {"ETag": f'"{digest.hexdigest()}"', "X-Amz-Request-Id": secrets.token_hex(8)}
        return web.Response(headers=headers, content_type="application/octet-stream")

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Handle GET of a download."""
        found = self._objects.get(self._granted(request).key)
        if found is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"Content-Type": "application/octet-stream", "X-Amz-Request-Id": secrets.token_hex(8)}
        return web.FileResponse(found.path, headers=headers)

    def _granted(self, request: web.Request) -> Grant:
        """What the address of the request allows. Raises `Refused`."""
        if self.failures:
            status = self.failures.pop(0)
            raise Refused(status, "SlowDown" if status == 503 else "InternalError", "a failure on purpose")
        if "Authorization" in request.headers:
            raise Refused(400, "InvalidArgument", "Only one auth mechanism allowed.")
        grant = self._grants.get(request.query.get("X-Amz-Signature", ""))
        path = request.path.lstrip("/")
        key = grant.key if grant else ""
        if grant is None or grant.method != request.method or path not in (key, re.sub(r"/\d+$", "", key)):
            raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match yours.")
        if self._clock.monotonic() >= grant.until:
            raise Refused(403, "AccessDenied", "Request has expired")
        return grant

    def _until(self) -> float:
        return self._clock.monotonic() + (0.0 if "expired" in self._faults.lasting else self.life)

    def _signed(self, grant: Grant, headers: str, key: str = "", more: Mapping[str, str] | None = None) -> str:
        signature, now = secrets.token_hex(32), datetime.fromtimestamp(self._clock.time(), UTC)
        self._grants[signature] = grant
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-SignedHeaders": headers,
            "X-Amz-Expires": str(int(self.life)),
            **(more or {}),
            "X-Amz-Credential": f"sandbox/{now:%Y%m%d}/ru-central1/s3/aws4_request",
            "X-Amz-Signature": signature,
        }
        return f"{self.base}/{quote(key or grant.key)}?{urlencode(query)}"

    def _remove_file(self, key: str) -> None:
        if (found := self._objects.pop(key, None)) is not None:
            found.path.unlink(missing_ok=True)
