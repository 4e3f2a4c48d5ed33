"""The caller of a gRPC method: `Caller`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.sandbox.ai_studio.wire import Problem


@dataclass(frozen=True, slots=True)
class Caller:
    """The service account that makes a call, with the only `folder` that it may use."""

    folder: str

    def check_folder(self, folder: str) -> None:
        """Raise `Problem` 3 if the request names no folder, and 7 if it names a folder of somebody else."""
        if not folder:
            raise Problem(3, "folder_id: the field is required")
        if folder != self.folder:
            raise Problem(7, f"Permission denied to resource-manager.folder {folder}")
