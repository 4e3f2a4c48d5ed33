"""The caller of a gRPC method (`Caller`), and the division of lists into pages (`page`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.sandbox.ai_studio.wire import Problem

MOST_ROWS, USUAL_ROWS = 1_000, 100
Row = TypeVar("Row")


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


def page(rows: Sequence[Row], size: int, token: str, *, empty_last: bool = False) -> tuple[list[Row], str]:
    """A page of a list and the token of the next one ("" if there is none). With `empty_last` every page with rows has
    a token, so that the last page is an empty one. Raises `Problem` 3 for a bad token or size.
    """
    if token and not token.isdecimal():
        raise Problem(3, f"page_token: {token!r} is none")
    if not 0 <= size <= MOST_ROWS:
        raise Problem(3, f"page_size: the value must be from 0 to {MOST_ROWS}")
    start, end = int(token or 0), int(token or 0) + (size or USUAL_ROWS)
    more = start < len(rows) if empty_last else end < len(rows)
    return list(rows[start:end]), str(end) if more else ""
