"""The states of aiogram's dialogues (FSM) in the bot's database: `DatabaseStorage`.

What a handler changes is stored in the transaction that ends its update: a handler that fails has changed nothing, and
one that is called again after a crash finds what it found before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseStorage, StateType, StorageKey

from bot.ports import RouterKey, RouterStates


@dataclass(slots=True)
class Gathered:
    """What handlers of one update have changed: state and data (JSON) of each dialogue. `is_open`: not stored yet."""

    rows: dict[RouterKey, tuple[str | None, str]] = field(default_factory=dict)
    is_open: bool = True


_gathered: ContextVar[Gathered] = ContextVar("router_states")


@contextmanager
def gathering() -> Iterator[Gathered]:
    """Keep what is changed inside of the block for a transaction of the caller. What a task that outlives the block
    changes is stored at once.
    """
    found = Gathered()
    token = _gathered.set(found)
    try:
        yield found
    finally:
        found.is_open = False
        _gathered.reset(token)


class DatabaseStorage(BaseStorage):
    """A storage of aiogram's FSM. `stores` are the databases of the running bots, by the bots' ids.

    Data is kept as JSON: `set_data` raises `TypeError` for what JSON can't hold.
    """

    def __init__(self) -> None:
        self.stores: dict[int, RouterStates] = {}

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        """Replace the state of a dialogue; None: it has none any more."""
        _, data = await self._read(key)
        await self._write(key, state.state if isinstance(state, State) else state, data)

    async def get_state(self, key: StorageKey) -> str | None:
        """Return the state of a dialogue, None without one."""
        return (await self._read(key))[0]

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        """Replace the data of a dialogue."""
        state, _ = await self._read(key)
        await self._write(key, state, json.dumps(dict(data), ensure_ascii=False))

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        """Return the data of a dialogue, {} without any."""
        found: dict[str, Any] = json.loads((await self._read(key))[1])
        return found

    async def close(self) -> None:
        """Do nothing: the bot closes its database."""

    async def _read(self, key: StorageKey) -> tuple[str | None, str]:
        found = _gathered.get(None)
        if found is not None and (changed := found.rows.get(_row(key))) is not None:
            return changed
        return await self.stores[key.bot_id].read(_row(key))

    async def _write(self, key: StorageKey, state: str | None, data: str) -> None:
        found = _gathered.get(None)
        if found is not None and found.is_open:
            found.rows[_row(key)] = (state, data)
        else:
            await self.stores[key.bot_id].write({_row(key): (state, data)})


def _row(key: StorageKey) -> RouterKey:
    return (
        key.bot_id,
        key.chat_id,
        key.user_id,
        key.thread_id or 0,
        key.business_connection_id or "",
        key.destiny,
    )
