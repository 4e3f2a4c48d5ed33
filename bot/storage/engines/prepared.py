"""Statements that are built once: SQLAlchemy compiles each once for a database, then the driver executes it.

SQLAlchemy's own way takes 60 of the 100 us of a statement: a key for its cache, a context, the metadata of a result.
Begin with `Prepared.execute`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Connection, Executable, Insert, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

Values = Mapping[str, Any]
Inserter = Callable[[Table[Any]], sqlite.Insert]  # PostgreSQL's `insert` has these methods too
Convert = Callable[[Any], Any]
NOTHING: Values = {}


class Prepared:
    """A statement with its parameters (`bindparam`); an INSERT has the columns whose values it is executed with.

    A function builds it from the `insert` of a dialect, for INSERT ... ON CONFLICT.
    """

    __slots__ = ("_inserts", "_plans", "_statement")

    def __init__(self, statement: Executable | Callable[[Inserter], Executable]) -> None:
        self._statement = statement
        self._inserts = isinstance(statement, Insert) or not isinstance(statement, Executable)
        self._plans: dict[Any, _Plan] = {}

    def execute(self, connection: Connection, values: Values = NOTHING) -> Result:
        """Return the rows as named tuples. Raises SQLAlchemy's `DBAPIError`, whose text has no value of a row."""
        rows, count, names = self._plan(connection.dialect, values).run(connection, values)
        return Result(list(map(_named(names), rows)), count)

    def fetch(self, connection: Connection, values: Values = NOTHING) -> Sequence[Sequence[Any]]:
        """Return the rows as bare tuples. Raises as `execute`."""
        return self._plan(connection.dialect, values).run(connection, values)[0]

    def execute_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute it for each of these values. Raises as `execute`."""
        if rows:
            plan = self._plan(connection.dialect, rows[0])
            plan.send(connection, [plan.arguments(row) for row in rows], many=True)

    def _plan(self, dialect: Dialect, values: Values) -> _Plan:
        key = (dialect.name, *values) if self._inserts else dialect.name
        plan = self._plans.get(key)
        if plan is None:
            made = self._statement
            statement = made if isinstance(made, Executable) else made(inserter(dialect.name))
            plan = self._plans[key] = _plan(statement, dialect, values)
        return plan


def insert_or_update(table: Table[Any], key: Sequence[str], changed: Sequence[str]) -> Prepared:
    """An INSERT that sets the columns `changed` of the row that already has this `key`, if there is one."""

    def build(insert: Inserter) -> Executable:
        new = insert(table)
        return new.on_conflict_do_update(index_elements=key, set_={name: new.excluded[name] for name in changed})

    return Prepared(build)


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a statement, and how many rows it has changed."""

    rows: Sequence[Any]
    rowcount: int

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def all(self) -> Sequence[Any]:
        """All rows."""
        return self.rows

    def first(self) -> Any:
        """The first row, None if there is none."""
        return self.rows[0] if self.rows else None

    def one(self) -> Any:
        """The only row. Raises `NoResultFound` and `MultipleResultsFound`."""
        if not self.rows:
            raise NoResultFound("a row is expected, and there is none")
        return self.one_or_none()

    def one_or_none(self) -> Any:
        """The only row, None if there is none. Raises `MultipleResultsFound`."""
        if len(self.rows) > 1:
            raise MultipleResultsFound(f"one row is expected, and there are {len(self.rows)}")
        return self.first()

    def scalar(self) -> Any:
        """The first column of the first row, None if there is none."""
        return self.rows[0][0] if self.rows else None

    def scalars(self) -> Sequence[Any]:
        """The first column of each row."""
        return [row[0] for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A statement as one database takes it. `order`: the names of its positional parameters, None if they have names.

    `fixed` are the values that stand in the statement; `binds` and `results` convert values of a few types. `names` are
    those of the columns, none where SQLAlchemy does not know them. `is_expanding`: the text depends on how many values
    a parameter has, so SQLAlchemy executes it.
    """

    statement: Executable
    sql: str
    order: Sequence[str] | None
    fixed: Values
    binds: Mapping[str, Convert]
    results: Sequence[Convert | None]
    names: tuple[str, ...]
    is_expanding: bool

    def run(self, connection: Connection, values: Values) -> tuple[Sequence[Sequence[Any]], int, tuple[str, ...]]:
        """The rows, how many were changed, and the names of the columns."""
        if self.is_expanding:
            found = connection.execute(self.statement, values)
            return (found.all() if found.returns_rows else ()), found.rowcount, self.names
        cursor = self.send(connection, self.arguments(values))
        names = self.names or tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall() if cursor.description else ()
        if self.results:
            rows = [
                [value if load is None else load(value) for load, value in zip(self.results, row, strict=True)]
                for row in rows
            ]
        return rows, cursor.rowcount, names

    def arguments(self, values: Values) -> Any:
        """The values as the driver takes them."""
        given = {**self.fixed, **values}
        for name, bind in self.binds.items():
            given[name] = bind(given[name])
        return given if self.order is None else [given[name] for name in self.order]

    def send(self, connection: Connection, arguments: Any, *, many: bool = False) -> Any:
        """Execute it and return the cursor. After a break the connection is invalid, as after SQLAlchemy's own way."""
        dialect = connection.dialect
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(self.sql, arguments)
        except dialect.loaded_dbapi.Error as error:
            error.args = (str(error).partition("\n")[0],)  # further lines show values, and users' texts are not logged
            is_broken = dialect.is_disconnect(error, driver, cursor)
            if is_broken:
                connection.invalidate(error)
            raise DBAPIError.instance(
                self.sql,
                None,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=is_broken,
                dialect=dialect,
            ) from error
        return cursor


def _plan(statement: Any, dialect: Dialect, values: Values) -> _Plan:
    if isinstance(statement, Insert) and not statement.exported_columns:
        statement = statement.inline()  # else SQLAlchemy asks for the new id
    columns_of = list(values) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns_of)
    types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    columns = list(getattr(statement, "exported_columns", ()))
    is_bool = [isinstance(column.type, Boolean) for column in columns]  # SQLite keeps numbers
    return _Plan(
        statement=statement,
        sql=compiled.string,
        order=compiled.positiontup,
        fixed={name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required},
        binds={name: bind for name, type_ in types.items() if (bind := type_.bind_processor(dialect))},
        results=[bool if one else None for one in is_bool] if any(is_bool) else (),
        names=tuple(str(column.key) for column in columns),
        is_expanding=any(bind.expanding for bind in compiled.binds.values()),
    )


@cache
def _named(names: tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    """What makes a row of a tuple. Names that Python can't have are replaced by their place: `_1`."""
    kind: Any = namedtuple  # mypy wants the names as a literal
    made = kind("Row", names, rename=True)
    return lambda row: made(*row)


def inserter(dialect: str) -> Any:
    """Return the `insert` of a dialect, which knows ON CONFLICT."""
    if dialect == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # 2 MB, which SQLite does not need

    return postgresql.insert
