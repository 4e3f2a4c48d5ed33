"""The states of the dialogues that a programmer's aiogram routers lead."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, insert, select

from bot.ports import NO_STATE, RouterKey, RouterRows
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.work import RouterState

STATE_KEY = ("bot", "chat", "user", "thread", "connection", "destiny")  # of a `RouterKey`


class RouterStates(Repository):
    """Reads and writes the states of dialogues, each with its data as JSON."""

    def read(self, key: RouterKey) -> tuple[str | None, str]:
        """Return the state of a dialogue and its data; `NO_STATE` where nothing is stored."""
        row = self.connection.execute(select(*RouterState.table.c["state", "data"]).where(*_of(key))).one_or_none()
        return NO_STATE if row is None else (row.state, row.data)

    def write(self, rows: RouterRows) -> None:
        """Store the state and data of these dialogues; delete the row of a dialogue that has neither any more."""
        for key, (state, data) in rows.items():
            self.connection.execute(delete(RouterState.table).where(*_of(key)))
            if (state, data) != NO_STATE:
                row = dict(zip(STATE_KEY, key, strict=True)) | {"state": state, "data": data, "at": self.clock.time()}
                self.connection.execute(insert(RouterState.table), row)


def _of(key: RouterKey) -> list[ColumnElement[bool]]:
    return [RouterState.table.c[name] == value for name, value in zip(STATE_KEY, key, strict=True)]
