"""How what was accepted comes to be worked on: in one process (`single.py`), or in many (`workers.py`).

Accepting an update is one commit. Whoever works takes the open rows of a chat in their order, delivers what waits for
it, and does the jobs that are due; the transport (`Chats`) is the same in both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a process does: it takes updates (`webhook`), works on them (`worker`), or both."""

    ALL = "all"
    WEBHOOK = "webhook"
    WORKER = "worker"

    @property
    def takes(self) -> bool:
        return self is not Role.WORKER

    @property
    def works(self) -> bool:
        return self is not Role.WEBHOOK


class Chats(Protocol):
    """The transport, seen by an engine. A `place` is a chat of the bot (`Address.place`)."""

    async def recover(self) -> None:
        """Deliver and work on all that is left from before."""
        ...

    async def adopt(self, place: str, known: set[int], *, interrupted: bool) -> None:
        """The same for one chat. `known` gets the rows; `interrupted`: who had the chat is gone."""
        ...

    @property
    def newest(self) -> int:
        """The highest message id that is known in the line that private chats share."""
        ...

    def saw(self, message_id: int) -> None:
        """Another process knows of that one."""
        ...

    async def take(self, place: str, known: set[int]) -> None:
        """Work on what has come since, and deliver what others have put there."""
        ...

    def leave(self, place: str) -> None:
        """Forget the chat: it is another process's."""
        ...


class Engine(Protocol):
    """`at_once`: what is accepted is handed on by who accepted it."""

    @property
    def at_once(self) -> bool: ...

    async def begin(self, chats: Chats) -> None:
        """Work from now on, and first on what was left."""
        ...

    async def run(self) -> None:
        """What is done in the background, until cancelled."""
        ...

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process does at a time, in this one whenever its turn comes. Returns when `work` has."""
        ...

    async def permit(self) -> None:
        """Wait for a place in what all processes together may send."""
        ...

    def spent(self) -> None:
        """Something was sent without asking: a half-written answer, which is dropped where there is no room."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end for so long, then leave the rest to who comes after."""
        ...
