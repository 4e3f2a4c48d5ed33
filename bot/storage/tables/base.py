"""Tables as classes whose attributes are columns: `class User(Base): id: ColumnClause[int] = column(BigInteger)`.

SQLAlchemy's own declarative classes say the same and bring its ORM along, which statements of Core have no use for:
8 MB, a tenth of the start, and more work for each statement that is built. Statements take such a class as they take
a `Table`; a mixin is any other class with columns.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, ColumnClause, Integer, MetaData, String, Table
from sqlalchemy.schema import SchemaItem

# SQLite numbers rows by itself only in a column that is called INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def column(*what: Any, **how: Any) -> Any:
    """What `Column` takes, but not nullable unless that is said. It is made anew for each table that has it."""
    return partial(Column, *what, **{"nullable": False, **how})


class Base:
    """`__tablename__` makes a table of it, with the columns of the class before those of its mixins."""

    metadata: ClassVar = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table__: ClassVar[Table]
    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[SchemaItem, ...]] = ()
    __table_options__: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        found = [item for kind in cls.__mro__ for item in vars(kind).items() if isinstance(item[1], partial)]
        columns = {name: make(name=name) for name, make in found}
        cls.__table__ = Table(
            cls.__tablename__, cls.metadata, *columns.values(), *cls.__table_args__, **cls.__table_options__
        )
        for name, made in columns.items():
            setattr(cls, name, made)

    @classmethod
    def __clause_element__(cls) -> Table:
        """What SQLAlchemy asks of whatever stands for a table in a statement."""
        return cls.__table__


class Addressed:
    """The columns of an `Address`."""

    transport: ColumnClause[str] = column(String(16))
    bot: ColumnClause[int] = column(BigInteger)
    connection: ColumnClause[str] = column(String(128))
    chat: ColumnClause[int] = column(BigInteger)
    thread: ColumnClause[int] = column(BigInteger)
    only: ColumnClause[int] = column(BigInteger, server_default="0")  # who alone sees it
