"""What the tables share: the metadata that lists them, the type of numbered ids, the columns of an address.

A table is a SQLAlchemy `Table` whose columns are listed in a `TypedColumns` class, so that type checkers know
`updates.c.id`. Statements are built with SQLAlchemy Core: its ORM would cost 8 MB, a tenth of the start, and three
times the work for each statement.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import BigInteger, Column, Named, String, Table, TypedColumns
from sqlalchemy.schema import SchemaItem

from bot.storage.schema import METADATA

Columns = TypeVar("Columns", bound=TypedColumns)


class Addressed(TypedColumns):
    """The columns that hold a `bot.types.Address`."""

    transport: Named[str] = Column(String(16))
    bot: Named[int] = Column(BigInteger)
    connection: Named[str] = Column(String(128))
    chat: Named[int] = Column(BigInteger)
    thread: Named[int] = Column(BigInteger)
    only: Named[int] = Column(BigInteger, server_default="0")  # the user who alone sees it; 0: everybody


def declare_table(name: str, columns: type[Columns], *parts: SchemaItem, **options: Any) -> Table[Columns]:
    """Declare a table of the bot: the columns of a class, indexes and constraints, options such as `sqlite_with_rowid`.

    SQLAlchemy copies the columns. The originals are removed from `columns`: nothing reads them, and they take 1.5 MB.
    So no other class may inherit from `columns`; what several tables share is in a class such as `Addressed`.
    """
    table = Table(name, METADATA, columns, *parts, **options)
    for original in [key for key, value in vars(columns).items() if isinstance(value, Column)]:
        delattr(columns, original)
    return table
