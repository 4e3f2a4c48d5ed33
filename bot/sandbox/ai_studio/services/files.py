"""The native API of files, with which the official SDK keeps them. They are the files of `/v1/files`. Begin with
`Files.routes`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.ai_studio.core import CREATOR, DAY, Core, Part, stamp
from bot.sandbox.ai_studio.services.object_storage import FILES, ObjectStorage
from bot.sandbox.ai_studio.services.vector_stores import LARGEST, StoredFile, VectorStores
from bot.sandbox.ai_studio.wire import Call, Json, Problem, Reply, get, integer, mapping, page, route

CHANGED = ("name", "description", "labels", "expirationConfig")


class Files(Part):
    """The routes under `/files/v1`."""

    def __init__(self, core: Core, storage: ObjectStorage, stores: VectorStores) -> None:
        super().__init__(core)
        self._storage = storage
        self._stores = stores

    @route("POST /files/v1/files", "native/files")
    async def create(self, call: Call) -> Reply:
        """Handle `POST /files/v1/files`: the content is base64."""
        self._access.check_folder(str(get(call.body, "folderId", "")))
        try:
            data = base64.b64decode(str(call.body.get("content", "")), validate=True)
        except binascii.Error:
            raise Problem(3, "content is not base64") from None
        if not 0 < len(data) <= LARGEST:
            raise Problem(3, "the file must have from 1 byte to 128 MB")
        details = {name: found for name in ("mimeType", *CHANGED) if (found := get(call.body, name))}
        id_ = self._stores.keep(str(details.pop("name", "")), data, details)
        return self._value(self._stores.file(id_))

    @route("GET /files/v1/files", "native/files/list")
    async def list(self, call: Call) -> Reply:
        """Handle `GET /files/v1/files`. The last page is an empty one: the official SDK reads until there is none."""
        self._access.check_folder(str(get(call.body, "folderId", "")))
        size = integer(get(call.body, "pageSize", 0), "pageSize")
        rows, token = page([*self._stores.files.values()], size, get(call.body, "pageToken", ""), empty_last=True)
        return {"files": [self._value(file) for file in rows], "nextPageToken": token}

    @route("GET /files/v1/files/{id:[^/:]+}", "native/file")
    async def get(self, call: Call) -> Reply:
        """Handle `GET /files/v1/files/{id}`."""
        return self._value(self._named(call))

    @route("GET /files/v1/files:getUrl", "native/file/url")
    async def url(self, call: Call) -> Reply:
        """Handle `GET /files/v1/files:getUrl`: return an address for the download."""
        file = self._stores.file(str(get(call.body, "fileId", "")))
        path, key = self._storage.new_path(), f"{FILES}/{file.id}"
        path.write_bytes(file.content)
        self._storage.keep(key, path)
        return {"url": self._storage.download_url(key)}

    @route("PATCH /files/v1/files/{id:[^/:]+}", "native/file/update")
    async def update(self, call: Call) -> Reply:
        """Handle `PATCH /files/v1/files/{id}`: change the fields that `updateMask` names."""
        file, details = self._named(call), {}
        masked = {name.partition(".")[0] for name in str(get(call.body, "updateMask", "")).split(",") if name}
        if unknown := masked - {*CHANGED}:
            raise Problem(3, f"updateMask: {min(unknown)} can't be changed")
        details = {**file.details, **{name: get(call.body, name) for name in masked}, "updated": self._clock.time()}
        name = str(details.pop("name", file.name) or "")
        self._stores.files[file.id] = replace(file, name=name, details=details)
        return self._value(self._stores.files[file.id])

    @route("DELETE /files/v1/files/{id:[^/:]+}", "native/file/delete")
    async def delete(self, call: Call) -> Reply:
        """Handle `DELETE /files/v1/files/{id}`."""
        self._stores.forget(self._named(call).id)
        return {}

    def _named(self, call: Call) -> StoredFile:
        return self._stores.file(call.id)

    def _value(self, file: StoredFile) -> Json:
        details: Mapping[str, Any] = file.details
        updated = float(details.get("updated", file.created))
        ends = {**ENDS, **mapping(details.get("expirationConfig"))}
        return {
            "id": file.id, "folderId": self._access.folder, "name": file.name,
            "mimeType": details.get("mimeType", "text/plain"), "createdBy": CREATOR, "createdAt": stamp(file.created),
            "updatedBy": CREATOR, "updatedAt": stamp(updated), "expirationConfig": ends,
            "expiresAt": stamp(updated + integer(ends["ttlDays"], "ttlDays") * DAY),
            **{name: found for name in ("description", "labels") if (found := details.get(name))},
        }  # fmt: skip


ALL = "/files/v1/files"
ONE = ALL + "/{id:[^/:]+}"
ENDS = {"expirationPolicy": "STATIC", "ttlDays": "7"}  # of a file without an end of its own
