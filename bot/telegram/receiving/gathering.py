"""Messages that make up one question: the parts of an album, or a long paste that a client has cut into messages.

Begin with `MessageGathering.add`. Nothing is stored here: each message stays open in the inbox until the question that
it belongs to is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from bot.clock import Clock
from bot.telegram.receiving import parsing
from bot.types import Incoming, Kind

Key = tuple[str, int, str]  # conversation, user, album ("" for a paste)

PASTE_QUIET = 0.8  # seconds to wait for more after a message that is as long as a message can be
ALBUM_QUIET = 1.0  # seconds to wait for more after a part of an album
MOST_PIECES = 16  # messages of one question: somebody who sends without end is answered all the same
MOST_ALBUMS = 1000  # albums that are remembered, so that a late part is recognised


@dataclass(slots=True)
class OpenQuestion:
    """The messages of one question so far, and the timer that completes the question when no more of them come."""

    pieces: list[Incoming]
    album: str
    timer: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class MessageGathering:
    """Joins messages into questions. `hand_on` gets each complete question, and at once all that needs no joining.

    `hand_on` also gets the raw update, or an empty one if several messages were joined.
    """

    clock: Clock
    tasks: asyncio.TaskGroup
    hand_on: Callable[[Incoming, dict[str, Any]], Awaitable[None]]
    _open: dict[Key, OpenQuestion] = field(default_factory=dict, init=False)
    _albums: dict[Key, int] = field(default_factory=dict, init=False)  # first message ids of the newest albums

    async def add(self, incoming: Incoming, update: dict[str, Any]) -> None:
        """Hand on what came in, or keep it until the other messages of the question have come."""
        if incoming.kind is Kind.EDIT and self._edit_piece(incoming):
            return
        if incoming.kind is not Kind.MESSAGE:
            await self.hand_on(incoming, update)
            return
        album, long = parsing.album(update), parsing.goes_on(incoming.text) and not incoming.text.startswith("/")
        key = (incoming.address.key, incoming.user.id, album)
        await self._complete_others(key)
        question = self._open.get(key)
        if question is not None:
            question.pieces.append(incoming)
        elif album or long:
            incoming = replace(incoming, quotes=self._albums.get(key, 0))  # not 0: a part that comes late
            question = self._open[key] = OpenQuestion([incoming], album)
        else:
            await self.hand_on(incoming, update)
            return
        if (album or long) and len(question.pieces) < MOST_PIECES:
            self._restart_timer(key, question)
        else:  # a short message ends a paste
            await self._complete(key)

    def leave(self, chat_key: str) -> None:
        """Forget the open questions of a chat that another process has taken over: their messages are in the inbox."""
        for key in [key for key, question in self._open.items() if question.pieces[0].address.chat_key == chat_key]:
            del self._open[key]

    def _edit_piece(self, edit: Incoming) -> bool:
        """Put an edit in the place of the message that it changes, if that message still waits for other pieces.

        Returns False if no such message waits. An edit into a command replaces nothing.
        """
        if edit.text.startswith("/"):
            return False
        for key, question in self._open.items():
            for index, piece in enumerate(question.pieces):
                if key[0] == edit.address.key and piece.message_id == edit.message_id:
                    question.pieces[index] = replace(
                        piece, text=edit.text, entities=edit.entities, beside=edit.beside, ids=(*piece.ids, *edit.ids)
                    )
                    return True
        return False

    async def _complete_others(self, key: Key) -> None:
        """Complete the other open questions of this user in this conversation. Two albums may come interleaved."""
        for other in [other for other in self._open if other[:2] == key[:2] and other != key]:
            if not (key[2] and other[2]):
                await self._complete(other)

    def _restart_timer(self, key: Key, question: OpenQuestion) -> None:
        if question.timer is not None:
            question.timer.cancel()
        question.timer = self.tasks.create_task(self._complete_later(key, question))

    async def _complete_later(self, key: Key, question: OpenQuestion) -> None:
        await self.clock.sleep(ALBUM_QUIET if question.album else PASTE_QUIET)
        if self._open.get(key) is question:
            question.timer = None
            await self._complete(key)

    async def _complete(self, key: Key) -> None:
        question = self._open.pop(key)
        if question.album:
            self._albums.setdefault(key, question.pieces[0].message_id)
            if len(self._albums) > MOST_ALBUMS:
                del self._albums[next(iter(self._albums))]
        if question.timer is not None:
            question.timer.cancel()
        await self.hand_on(reduce(_joined, question.pieces), {})


def _joined(first: Incoming, more: Incoming) -> Incoming:
    """Join two messages. Clients cut a paste at 4,096 characters, or at a white space before that, which they drop."""
    glue = "" if len(first.text) % 4096 == 0 and first.text else "\n"
    text = glue.join(part for part in (first.text, more.text) if part)
    return replace(
        first,
        text=text,
        parts=(*first.parts, *more.parts),
        ids=(*first.ids, *more.ids),
        message_id=more.message_id,
        attempts=max(first.attempts, more.attempts),
        relayed=first.relayed or more.relayed,
        entities=first.entities if not more.text else (),
        beside=tuple(dict.fromkeys((*first.beside, *more.beside))),
    )
