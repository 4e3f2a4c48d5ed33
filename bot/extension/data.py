"""Tables of a programmer in the bot's database, and what `/export` and `/forget` do with them: `OwnData`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

Exports = Callable[["Connection", int], Iterable[Mapping[str, Any]]]
Forgets = Callable[["Connection", int], object]
Migration = Callable[["Connection"], object]


@dataclass(slots=True)
class OwnData:
    """`metadata` lists the tables (None: there are none), `migrations` change them, by name, in this order.

    `exports` read the rows of a person, by name; `forgets` delete them.
    """

    metadata: MetaData | None = None
    migrations: dict[str, Migration] = field(default_factory=dict)
    exports: dict[str, Exports] = field(default_factory=dict)
    forgets: list[Forgets] = field(default_factory=list)
