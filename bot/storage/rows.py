"""A row: one class is the table, the value in Python, and the way between both. Begin with `Row`, then `Rows`.

    class Gap(Row, table="kb_gaps"):
        id: Col[int] = column(Id, primary_key=True, default=0)
        bot: Col[int]
        text: Col[str] = column(default="")

`Gap.text` is the column, `gap.text` the value. SQLAlchemy's own mapping would cost 11 MB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, field, replace
from functools import cache, cached_property, partial
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    overload,
)

import sqlalchemy as sa
from sqlalchemy import BindParameter, Column, ColumnElement, Connection, Table, bindparam, delete, func, select, update
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.visitors import iterate

from bot.storage.engines.prepared import NOTHING, Inserter, Prepared, Result, Values
from bot.storage.schema import METADATA
from bot.types import Address

T = TypeVar("T")
R = TypeVar("R", bound="Row")
MISSING: Any = object()
COLUMNS = ("transport", "bot", "chat", "thread", "connection", "only")  # of an address, in the order of its fields
FIELDS = attrgetter("transport", "bot", "chat", "thread", "connection", "visible_to")
WHERE = COLUMNS[1:]  # the columns that tell addresses apart
KINDS: Mapping[str, Any] = {
    "int": sa.BigInteger,
    "float": sa.Float,
    "str": sa.Text,
    "bytes": sa.LargeBinary,
    "bool": sa.Integer,
}
dump_json = partial(json.dumps, ensure_ascii=False)
ANNOTATION = re.compile(r"Col\[(\w+)( \| None)?\]")


class Col(Generic[T]):
    """A field: of the class it is the column, of a row the value."""

    @overload
    def __get__(self, row: None, kind: Any) -> Column[T]: ...
    @overload
    def __get__(self, row: object, kind: Any) -> T: ...
    def __get__(self, row: object, kind: Any) -> Any: ...
    def __set__(self, row: Any, value: T) -> None: ...


class AddressCol:
    """The field of an address: of the class its columns, of a row the `Address`."""

    @overload
    def __get__(self, row: None, kind: Any) -> AddressColumns: ...
    @overload
    def __get__(self, row: object, kind: Any) -> Address: ...
    def __get__(self, row: object, kind: Any) -> Any: ...
    def __set__(self, row: Any, value: Address) -> None: ...


@dataclass(frozen=True, slots=True)
class AddressColumns:
    """The columns of an address in one table. `only` is the user who alone sees it, 0 for everybody."""

    transport: Column[str]
    bot: Column[int]
    chat: Column[int]
    thread: Column[int]
    connection: Column[str]
    only: Column[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a row as `column` has declared it."""

    parts: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    default: Any = MISSING
    load: Callable[[Any], Any] | None = None
    dump: Callable[[Any], Any] | None = None
    is_address: bool = False

    def column(self, name: str, note: str) -> Column[Any]:
        """The column; where no type was given, that of the annotation `note`."""
        parts, found = self.parts, ANNOTATION.fullmatch(note)
        if found is not None and not any(isinstance(part, type | sa.types.TypeEngine) for part in parts):
            parts = (KINDS[found[1]], *parts)
        return Column(name, *parts, **{"nullable": note.endswith("| None]"), **self.options})


def column(
    *parts: Any,
    default: Any = MISSING,
    is_younger: bool = False,
    load: Callable[[Any], Any] | None = None,
    dump: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Any:
    """A field of a row. `parts` and `options` are those of SQLAlchemy's `Column`; the type may be left to `KINDS`.

    `is_younger`: it came to a table in use, whose older rows have the `default`. `load` makes the value of the row of
    what is stored, `dump` does the reverse.
    """
    if is_younger:
        written = default if isinstance(default, str) else f"{default:g}"
        options["server_default"] = sa.false() if sa.Boolean in parts else written
    return Field(parts=parts, options=options, default=default, load=load, dump=dump)


def address_columns() -> Any:
    """The field of an `Address`, in six columns."""
    return Field(is_address=True)


def _columns_of_address() -> list[Column[Any]]:
    """The columns, in the order of `COLUMNS`."""
    return [
        Column("transport", sa.String(16), nullable=False),
        *(Column(name, sa.BigInteger, nullable=False) for name in ("bot", "chat", "thread")),
        Column("connection", sa.String(128), nullable=False),
        Column("only", sa.BigInteger, nullable=False, server_default="0"),
    ]


@dataclass_transform(kw_only_default=True, field_specifiers=(column, address_columns))
class Row:
    """A value that is a row of a table. It can't be changed: `replace(row, name=value)` makes another one.

    A subclass names its `table` and what it is `having`: indexes and constraints. A programmer's table belongs to the
    `metadata` of the App.
    """

    if TYPE_CHECKING:
        table: ClassVar[Table[Any]]
        all_rows: ClassVar[Query[Any]]  # all rows
        fields: ClassVar[dict[str, Field]]
        plain: ClassVar[Sequence[str]]  # the fields that have one column each
        address_field: ClassVar[str]  # "": it has no address
        defaults: ClassVar[Mapping[str, Any]]
        loads: ClassVar[Sequence[tuple[str, Callable[[Any], Any]]]]
        dumps: ClassVar[Sequence[tuple[str, Callable[[Any], Any]]]]

    def __init_subclass__(
        cls, *, table: str, having: Sequence[SchemaItem] = (), metadata: sa.MetaData = METADATA, **options: Any
    ) -> None:
        notes = {name: _text_of(note) for name, note in cls.__annotations__.items()}
        notes = {name: note for name, note in notes.items() if not note.startswith("ClassVar")}
        cls.fields = {name: vars(cls).get(name, Field()) for name in notes}
        cls.address_field = next((name for name, one in cls.fields.items() if one.is_address), "")
        cls.plain = [name for name in notes if name != cls.address_field]
        columns = [cls.fields[name].column(name, notes[name]) for name in cls.plain]
        columns += _columns_of_address() if cls.address_field else []
        cls.table = Table(table, metadata, *columns, *having, **options)
        for name in cls.plain:
            if notes[name].startswith("Col[bool") and isinstance(cls.table.c[name].type, sa.Integer):
                cls.fields[name] = replace(cls.fields[name], load=bool, dump=int)
        cls.defaults = {name: one.default for name, one in cls.fields.items() if one.default is not MISSING}
        cls.loads = [(name, one.load) for name, one in cls.fields.items() if one.load]
        cls.dumps = [(name, one.dump) for name, one in cls.fields.items() if one.dump]
        dataclass(init=False, repr=False, eq=False)(cls)  # so that `replace` and `asdict` know its fields
        for name in cls.plain:
            setattr(cls, name, cls.table.c[name])
        if cls.address_field:
            setattr(cls, cls.address_field, AddressColumns(*(cls.table.c[name] for name in COLUMNS)))
        cls.all_rows = Query(cls)

    def __init__(self, **values: Any) -> None:
        missing = self.fields.keys() - values.keys() - self.defaults.keys()
        if unknown := missing | (values.keys() - self.fields.keys()):
            raise TypeError(f"{type(self).__name__} misses or does not have {', '.join(sorted(unknown))}")
        self.__dict__.update(self.defaults, **values)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    @classmethod
    def load(cls, stored: Sequence[Any]) -> Self:
        """The row of all its columns, in the order of the table."""
        row = object.__new__(cls)
        values = row.__dict__
        values.update(zip(cls.plain, stored, strict=False))
        if cls.address_field:
            values[cls.address_field] = Address(*stored[len(cls.plain) :])
        for name, load in cls.loads:
            values[name] = load(values[name])
        return row

    @classmethod
    def dump(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of fields as those of columns."""
        found = dict(values)
        for name, dump in cls.dumps:
            if name in found:
                found[name] = dump(found[name])
        if cls.address_field in found:
            found.update(zip(COLUMNS, FIELDS(found.pop(cls.address_field)), strict=True))
        return found

    @property
    def primary(self) -> dict[str, Any]:
        """The fields of the primary key."""
        return {one.name: getattr(self, one.name) for one in self.table.primary_key}

    @property
    def lacks_id(self) -> bool:
        """Whether the database is to number this row."""
        return not getattr(self, "id", 1)

    def altered(self, **values: Any) -> Self:
        """The row with other values, whose names no type checker knows: elsewhere `replace` is used."""
        return type(self)(**{**self.__dict__, **values})

    def stored(self) -> dict[str, Any]:
        """All columns with their values, but for an id that the database is to give."""
        values = self.dump(self.__dict__)
        if self.lacks_id:
            del values["id"]
        return values

    @classmethod
    @cache
    def insert(
        cls, *, is_new: bool = False, beside: bool = False, over: tuple[str, ...] = (), keep: tuple[str, ...] = ()
    ) -> Prepared:
        """The statement that inserts a row. `is_new`: the database numbers it. Another row with its key is left alone
        (`beside`); one that is the same in the fields `over` is changed, except for the fields `keep`.
        """

        def build(insert: Inserter) -> Any:
            new = insert(cls.table)
            if beside:
                return new.on_conflict_do_nothing()
            if over:
                kept, names = {"id", *over, *keep}, [one.name for one in cls.table.c]
                changed = {name: new.excluded[name] for name in names if name not in kept}
                return new.on_conflict_do_update(index_elements=over, set_=changed)
            return new.returning(cls.table.c.id) if is_new else new

        return Prepared(build)


def _text_of(note: Any) -> str:
    """An annotation as its module writes it, also without `from __future__ import annotations`."""
    if isinstance(note, str):
        return note
    inner = next(iter(get_args(note)), None)
    if inner is None:
        return str(getattr(note, "__name__", note))
    return f"{get_origin(note).__name__}[{inner.__name__ if isinstance(inner, type) else inner}]"


class Query(Generic[R]):
    """The rows of a table that meet conditions, in an order. It is built once, and its statements are compiled once.

    A caller names fields that must have a value, or one of several (a list, tuple or set), and the query's own
    parameters (`bindparam`): `tx.all(OPEN, bot=bot, owner=(WAITING, HELD))`.
    """

    def __init__(self, of: type[R], *where: ColumnElement[bool], order: Sequence[Any] = ()) -> None:
        self.of = of
        self.is_ordered = bool(order)
        self._where, self._order = where, order
        self._statements: dict[tuple[Any, ...], Prepared] = {}

    def statement(self, kind: str, values: Values, changed: Collection[str] = (), limit: bool = False) -> Prepared:
        """The statement of a `kind` (select, count, update, delete) for callers who name these fields."""
        key = (kind, limit, *changed, *((name, value is None, _is_many(value)) for name, value in values.items()))
        if (found := self._statements.get(key)) is None:
            found = self._statements[key] = Prepared(self._build(kind, values, changed, limit))
        return found

    def values(self, values: Values, changes: Values = NOTHING) -> dict[str, Any]:
        """The parameters of a statement."""
        own = {name: value for name, value in values.items() if name in self._own}
        fields = self.of.dump({name: value for name, value in values.items() if name not in own})
        equal = {f"is_{name}": list(value) if _is_many(value) else value for name, value in fields.items()}
        return own | equal | {f"new_{name}": value for name, value in self.of.dump(changes).items()}

    @cached_property
    def _own(self) -> frozenset[str]:
        """The names of its own parameters."""
        found = (one for where in self._where for one in iterate(where) if isinstance(one, BindParameter))
        return frozenset(one.key for one in found if one.required)

    def _build(self, kind: str, values: Values, changed: Collection[str], limit: bool) -> Any:
        table = self.of.table
        where = [*self._where, *self._equal(values)]
        if kind == "count":
            return select(func.count()).select_from(table).where(*where)
        if kind == "delete":
            return delete(table).where(*where)
        if kind == "update":
            for name in changed:
                self._insist(name)
            return update(table).where(*where).values({name: bindparam(f"new_{name}") for name in changed})
        found = select(table).where(*where).order_by(*self._order)
        return found.limit(bindparam("limit")) if limit else found

    def _insist(self, name: str) -> None:
        if name not in self.of.fields and name not in self.of.table.c:
            raise TypeError(f"{self.of.__name__} has no {name}")

    def _equal(self, values: Values) -> Iterator[ColumnElement[bool]]:
        """The conditions that callers add. Raises `TypeError` for a name that is neither field nor parameter."""
        for name, value in values.items():
            if name in self._own:
                continue
            self._insist(name)
            for column in WHERE if name == self.of.address_field else (name,):
                yield _condition(self.of.table.c[column], value)


def _condition(column: Column[Any], value: Any) -> ColumnElement[bool]:
    if _is_many(value):
        return column.in_(bindparam(f"is_{column.name}", expanding=True))
    return column.is_(None) if value is None else column == bindparam(f"is_{column.name}")


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


class Rows:
    """The rows of all tables, in a transaction of `connection`. A `Row` class stands for the query of all its rows."""

    connection: Connection

    def one(self, of: type[R] | Query[R], **values: Any) -> R | None:
        """Return the row with these values: the first in the order of the query, None if there is none.

        Raises `MultipleResultsFound` if the query has no order and there are several.
        """
        query = _query(of)
        if query.is_ordered:
            return next(iter(self.all(query, limit=1, **values)), None)
        found = self.all(query, **values)
        if len(found) > 1:
            raise MultipleResultsFound(f"one {query.of.__name__} is expected, and there are {len(found)}")
        return found[0] if found else None

    def all(self, of: type[R] | Query[R], *, limit: int | None = None, **values: Any) -> list[R]:
        """Return the rows with these values, at most `limit`."""
        query = _query(of)
        given = query.values(values) | ({} if limit is None else {"limit": limit})
        found = query.statement("select", values, limit=limit is not None).fetch(self.connection, given)
        return list(map(query.of.load, found))

    def count(self, of: type[R] | Query[R], **values: Any) -> int:
        """Return how many rows have these values."""
        query = _query(of)
        return int(query.statement("count", values).fetch(self.connection, query.values(values))[0][0])

    def add(self, row: R) -> R:
        """Insert a row, and return it; an `id` of 0 is replaced by the next one."""
        statement = row.insert(is_new=row.lacks_id)
        found = statement.fetch(self.connection, row.stored())
        return row.altered(id=found[0][0]) if row.lacks_id else row

    def add_missing(self, row: Row) -> bool:
        """Insert a row unless one with its key, or with another unique value of it, is there. Returns whether it was
        inserted.
        """
        return self.execute(row.insert(is_new=row.lacks_id, beside=True), row.stored()).rowcount == 1

    def add_all(self, rows: Sequence[Row]) -> None:
        """Insert rows of one table."""
        if rows:
            rows[0].insert().execute_many(self.connection, [row.stored() for row in rows])

    def put(self, row: Row, *, by: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
        """Insert a row. One that has its key, or is the same in the unique fields `by`, gets its values instead, except
        for the fields `keep`.
        """
        over = tuple(by) or tuple(row.primary)
        self.execute(row.insert(is_new=row.lacks_id, over=over, keep=tuple(keep)), row.stored())

    def change(self, row: R, **values: Any) -> R:
        """Store new values of a row, found by its key. Returns the row with them."""
        self.change_all(type(row), values, **row.primary)
        return row.altered(**values)

    def change_all(self, of: type[Row] | Query[Any], changes: Mapping[str, Any], /, **values: Any) -> int:
        """Change the rows with these values. Returns how many there were."""
        query = _query(of)
        statement = query.statement("update", values, tuple(query.of.dump(changes)))
        return statement.execute(self.connection, query.values(values, changes)).rowcount

    def remove(self, of: type[Row] | Query[Any], **values: Any) -> int:
        """Delete the rows with these values. Returns how many there were."""
        query = _query(of)
        return query.statement("delete", values).execute(self.connection, query.values(values)).rowcount

    def execute(self, statement: Prepared, values: Values = NOTHING) -> Result:
        """Execute a statement that was built once."""
        return statement.execute(self.connection, values)

    def execute_many(self, statement: Prepared, rows: Sequence[Values]) -> None:
        """Execute a statement for each of these values."""
        statement.execute_many(self.connection, rows)


def _query(of: type[R] | Query[R]) -> Query[R]:
    return of if isinstance(of, Query) else of.all_rows
