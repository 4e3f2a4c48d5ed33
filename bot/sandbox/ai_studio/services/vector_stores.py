"""Files and vector stores: pieces of files that are found by a question. Begin with `VectorStores`.

A piece has at most 800 tokens and begins with the last 400 of the one before it, so it may begin within a sentence. The
official SDK keeps the same files by the native API, `Files`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from email import message_from_bytes

from aiohttp import web

from bot.sandbox.ai_studio.core import CREATOR, DAY, Core, Part, stamp
from bot.sandbox.ai_studio.services.embeddings import vector
from bot.sandbox.ai_studio.services.object_storage import FILES, ObjectStorage
from bot.sandbox.ai_studio.wire import (
    TOKEN,
    BadRequest,
    Call,
    Fields,
    Json,
    Problem,
    Reply,
    deleted,
    find,
    from_base64,
    integer,
    mapping,
    page,
    page_of,
    route,
)

CHUNK, OVERLAP = 800, 400  # tokens
MAX_FILES = 100  # of one request
MAX_FILE = 128 * 2**20  # bytes of a file
RESULTS = 10


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded. `details` are the fields of the native API: a description, labels, an end."""

    id: str
    name: str
    content: bytes
    created: int
    details: Json = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What of the file can be searched."""
        return self.content.decode("utf-8", "replace")

    def value(self) -> Json:
        """The file as JSON."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created,
            "filename": self.name,
            "purpose": "assistants",
            "status": "processed",
            "valid": True,
        }


@dataclass(slots=True)
class KeptStore:
    """A vector store: `files` with the monotonic time at which each can be searched."""

    id: str
    created: int
    name: str = ""
    metadata: Json = field(default_factory=dict)
    files: dict[str, float] = field(default_factory=dict)


class VectorStores(Part):
    """The routes under `/v1/files` and `/v1/vector_stores`. A file can be searched `seconds` after it was added; those
    in `broken` (ids) never can.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.files: dict[str, StoredFile] = {}
        self.stores: dict[str, KeptStore] = {}
        self.seconds = 0.0
        self.broken: set[str] = set()

    # --- for tests and the native API ---------------------------------------------------------------------------------

    def keep(self, name: str, content: str | bytes, details: Json | None = None) -> str:
        """Keep a file as if it had been uploaded; return its id."""
        id_ = f"fvt{secrets.token_hex(8)}"
        data = content.encode() if isinstance(content, str) else content
        self.files[id_] = StoredFile(id_, name, data, created=int(self._clock.time()), details=details or {})
        return id_

    def open(self, *files: str) -> str:
        """Make a store of files (ids); return its id."""
        id_ = f"fvt{secrets.token_hex(8)}"
        ready = self._clock.monotonic() + self.seconds
        self.stores[id_] = KeptStore(id_, int(self._clock.time()), files=dict.fromkeys(files, ready))
        return id_

    def find(self, store: str, question: str) -> list[Json]:
        """Return the pieces of a store that fit a question best, in the form in which the search of a store returns
        them. Raises `Problem` 5.
        """
        here = vector(question)
        found: list[Json] = [
            {
                "file_id": file.id,
                "filename": file.name,
                "attributes": {},
                "valid": True,
                "content": [{"type": "text", "text": piece}],
                "score": max(sum(a * b for a, b in zip(here, vector(piece), strict=True)), 0.0),
            }
            for id_ in self._store(store).files
            if self._status(store, id_) == "completed" and (file := self.files.get(id_))
            for piece in pieces(file.text)
        ]
        found.sort(key=lambda row: -float(row["score"]))
        return found

    def file(self, id_: str) -> StoredFile:
        """The file with this id. Raises `Problem` 5."""
        return find(self.files, id_, "File with id '{}' not found.")

    def forget(self, id_: str) -> None:
        """Delete a file, which leaves its stores, too. Raises `Problem` 5."""
        del self.files[self.file(id_).id]
        for store in self.stores.values():
            store.files.pop(id_, None)

    # --- files --------------------------------------------------------------------------------------------------------

    @route("POST /v1/files", "files", raw=True)
    async def upload(self, call: Call) -> Reply:
        """A form with `file` and `purpose`."""
        kind = call.request.headers.get("content-type", "")
        form = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + await call.request.read())
        parts = form.get_payload() if form.is_multipart() else []
        named = {str(part.get_param("name", header="content-disposition")): part for part in parts}  # type: ignore[union-attr]
        if "file" not in named or "purpose" not in named:
            raise BadRequest("the form must have the fields file and purpose")
        data = named["file"].get_payload(decode=True)  # type: ignore[union-attr]
        if not isinstance(data, bytes) or not data or len(data) > MAX_FILE:
            raise BadRequest("the file must have from 1 byte to 128 MB")
        name = named["file"].get_filename() or "file"  # type: ignore[union-attr]
        return self.files[self.keep(name, data)].value()

    @route("GET /v1/files", "files/list")
    async def list_uploaded(self, call: Call) -> Reply:
        """One page of the files, newest first."""
        return page_of([file.value() for file in self.files.values()], call.body)

    @route("GET /v1/files/{id}", "file")
    async def get_file(self, call: Call) -> Reply:
        """Raises `Problem` 5 for an unknown file."""
        return self.file(call.id).value()

    @route("GET /v1/files/{id}/content", "file/content")
    async def content(self, call: Call) -> Reply:
        """The bytes as they were uploaded."""
        return web.Response(body=self.file(call.id).content, headers=call.headers)

    @route("DELETE /v1/files/{id}", "file/delete")
    async def delete_file(self, call: Call) -> Reply:
        """The file leaves its stores, too."""
        id_ = call.id
        self.forget(id_)
        return deleted(id_, "file")

    # --- stores -------------------------------------------------------------------------------------------------------

    @route("POST /v1/vector_stores", "vector_stores")
    async def create(self, call: Call) -> Reply:
        """Make a store of at most 100 files."""
        files = call.body.get("file_ids") or []
        if not isinstance(files, list) or len(files) > MAX_FILES:
            raise BadRequest(f"file_ids must be a list of at most {MAX_FILES}")
        id_ = self.open(*(self.file(str(one)).id for one in files))
        self.stores[id_].name = str(call.body.get("name") or "")
        self.stores[id_].metadata = dict(mapping(call.body.get("metadata")))
        return self._value(id_)

    @route("GET /v1/vector_stores", "vector_stores/list")
    async def list_stores(self, call: Call) -> Reply:
        """One page of the stores, newest first."""
        return page_of([self._value(id_) for id_ in self.stores], call.body)

    @route("GET /v1/vector_stores/{id}", "vector_store")
    async def get_store(self, call: Call) -> Reply:
        """The store is in progress while one of its files is."""
        return self._value(self._called(call).id)

    @route("DELETE /v1/vector_stores/{id}", "vector_store/delete")
    async def delete_store(self, call: Call) -> Reply:
        """Its files stay."""
        id_ = self._called(call).id
        del self.stores[id_]
        return deleted(id_, "vector_store.deleted")

    @route("POST /v1/vector_stores/{id}/search", "vector_store/search")
    async def search(self, call: Call) -> Reply:
        """The pieces that fit best, at most `max_num_results` (10). Raises `Problem` 3 for an empty query."""
        query, most = call.body.get("query"), integer(call.get("max_num_results", RESULTS), "max_num_results")
        if not isinstance(query, str) or not query.strip():
            raise BadRequest("query is empty")
        self._quotas.take("vector_store/search")
        rows = self.find(self._called(call).id, query)[:most]
        page = {"object": "vector_store.search_results.page", "search_query": [query], "has_more": False}
        return {**page, "data": rows, "next_page": None}

    @route("GET /v1/vector_stores/{id}/files", "vector_store/files")
    async def list_files(self, call: Call) -> Reply:
        """One page of the files of a store, with their states."""
        store = self._called(call)
        return page_of([self._store_file(store, id_) for id_ in store.files], call.body)

    @route("POST /v1/vector_stores/{id}/files", "vector_store/files/add")
    async def add_file(self, call: Call) -> Reply:
        """The file can be searched after `seconds`."""
        store, file = self._called(call), self.file(str(call.body.get("file_id")))
        store.files[file.id] = self._clock.monotonic() + self.seconds
        return self._store_file(store, file.id)

    @route("GET /v1/vector_stores/{id}/files/{file}", "vector_store/file")
    async def get_store_file(self, call: Call) -> Reply:
        """Raises `Problem` 5 for a file that is not in the store."""
        store = self._called(call)
        return self._store_file(store, self._file_of(store, call))

    @route("DELETE /v1/vector_stores/{id}/files/{file}", "vector_store/file/delete")
    async def remove_file(self, call: Call) -> Reply:
        """The file itself stays."""
        store = self._called(call)
        id_ = self._file_of(store, call)
        del store.files[id_]
        return deleted(id_, "vector_store.file.deleted")

    # --- inside -------------------------------------------------------------------------------------------------------

    def _called(self, call: Call) -> KeptStore:
        return self._store(call.id)

    def _store(self, id_: str) -> KeptStore:
        return find(self.stores, id_, "Vector store with id '{}' not found.")

    def _file_of(self, store: KeptStore, call: Call) -> str:
        id_ = call.request.match_info["file"]
        if id_ not in store.files:
            raise Problem(5, f"File with id '{id_}' not found in the vector store.")
        return id_

    def _status(self, store: str, id_: str) -> str:
        if id_ in self.broken:
            return "failed"
        return "completed" if self._clock.monotonic() >= self.stores[store].files[id_] else "in_progress"

    def _store_file(self, store: KeptStore, id_: str) -> Json:
        status = self._status(store.id, id_)
        error = {"code": "unsupported_file", "message": "the file can't be read"} if status == "failed" else None
        return {
            "id": id_,
            "object": "vector_store.file",
            "created_at": self.files[id_].created,
            "status": status,
            "vector_store_id": store.id,
            "last_error": error,
            "attributes": {},
            "valid": True,
        }

    def _value(self, id_: str) -> Json:
        store = self.stores[id_]
        states = [self._status(id_, file) for file in store.files]
        counts = {name: states.count(name) for name in ("in_progress", "completed", "failed", "cancelled")}
        return {
            "id": id_,
            "object": "vector_store",
            "name": store.name,
            "created_at": store.created,
            "valid": True,
            "status": "in_progress" if counts["in_progress"] else "completed",
            "metadata": store.metadata,
            "file_counts": {**counts, "total": len(states)},
        }


def pieces(text: str) -> list[str]:
    """The pieces of a text: `CHUNK` tokens each, `OVERLAP` of them shared with the one before."""
    ends = [match.end() for match in TOKEN.finditer(text)]
    found = []
    for first in range(0, max(len(ends) - OVERLAP, 1), CHUNK - OVERLAP):
        some = ends[first : first + CHUNK]
        if some:
            found.append(text[ends[first - 1] if first else 0 : some[-1]])
    return found


CHANGED = ("name", "description", "labels", "expirationConfig")


class Files(Part):
    """The routes under `/files/v1`."""

    def __init__(self, core: Core, storage: ObjectStorage, stores: VectorStores) -> None:
        super().__init__(core)
        self._storage = storage
        self._stores = stores

    @route("POST /files/v1/files", "native/files")
    async def create(self, call: Call) -> Reply:
        """The content is base64."""
        self.check_folder(call)
        data = from_base64(call.body.get("content", ""), "content")
        if not 0 < len(data) <= MAX_FILE:
            raise BadRequest("the file must have from 1 byte to 128 MB")
        details = {name: found for name in ("mimeType", *CHANGED) if (found := call.get(name))}
        id_ = self._stores.keep(str(details.pop("name", "")), data, details)
        return self._value(self._stores.file(id_))

    @route("GET /files/v1/files", "native/files/list")
    async def list(self, call: Call) -> Reply:
        """The last page is an empty one: the official SDK reads until there is none."""
        self.check_folder(call)
        size = integer(call.get("pageSize", 0), "pageSize")
        rows, token = page([*self._stores.files.values()], size, call.get("pageToken", ""), empty_last=True)
        return {"files": [self._value(file) for file in rows], "nextPageToken": token}

    @route("GET /files/v1/files/{id:[^/:]+}", "native/file")
    async def get(self, call: Call) -> Reply:
        """Raises `Problem` 5 for an unknown file."""
        return self._value(self._named(call))

    @route("GET /files/v1/files:getUrl", "native/file/url")
    async def url(self, call: Call) -> Reply:
        """Return an address for the download."""
        file = self._stores.file(str(call.get("fileId", "")))
        path, key = self._storage.new_path(), f"{FILES}/{file.id}"
        path.write_bytes(file.content)
        self._storage.keep(key, path)
        return {"url": self._storage.download_url(key)}

    @route("PATCH /files/v1/files/{id:[^/:]+}", "native/file/update")
    async def update(self, call: Call) -> Reply:
        """Change the fields that `updateMask` names."""
        file, details = self._named(call), {}
        masked = {name.partition(".")[0] for name in str(call.get("updateMask", "")).split(",") if name}
        if unknown := masked - {*CHANGED}:
            raise BadRequest(f"updateMask: {min(unknown)} can't be changed")
        details = {**file.details, **{name: call.get(name) for name in masked}, "updated": self._clock.time()}
        name = str(details.pop("name", file.name) or "")
        self._stores.files[file.id] = replace(file, name=name, details=details)
        return self._value(self._stores.files[file.id])

    @route("DELETE /files/v1/files/{id:[^/:]+}", "native/file/delete")
    async def delete(self, call: Call) -> Reply:
        """The file leaves its vector stores, too."""
        self._stores.forget(self._named(call).id)
        return {}

    def _named(self, call: Call) -> StoredFile:
        return self._stores.file(call.id)

    def _value(self, file: StoredFile) -> Json:
        details: Fields = file.details
        updated = float(details.get("updated", file.created))
        ends = {**ENDS, **mapping(details.get("expirationConfig"))}
        return {
            "id": file.id,
            "folderId": self._access.folder,
            "name": file.name,
            "mimeType": details.get("mimeType", "text/plain"),
            "createdBy": CREATOR,
            "createdAt": stamp(file.created),
            "updatedBy": CREATOR,
            "updatedAt": stamp(updated),
            "expirationConfig": ends,
            "expiresAt": stamp(updated + integer(ends["ttlDays"], "ttlDays") * DAY),
            **{name: found for name in ("description", "labels") if (found := details.get(name))},
        }


ENDS = {"expirationPolicy": "STATIC", "ttlDays": "7"}  # of a file without an end of its own
