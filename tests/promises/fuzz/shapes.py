"""What an update may look like, read from aiogram's types. Begin with `places`: every field of every type, by its path.

A path is what leads from the update to a field: names of fields, and 0 for the first item of a list.
"""

from __future__ import annotations

import random
import sys
import types
import typing
from collections import deque
from datetime import datetime
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import Any

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

import aiogram.types
from aiogram.client.default import Default
from aiogram.types import Update
from pydantic import BaseModel

Path = tuple[str | int, ...]

NAMES = {**vars(typing), "datetime": datetime, "Default": Default} | {
    name: getattr(aiogram.types, name) for name in aiogram.types.__all__
}
NOW = 1_800_000_000


@cache
def fields(model: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    """The fields of a type as they stand in JSON, each with everything that it may be."""
    names = {**vars(sys.modules[model.__module__]), **NAMES}
    found = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        found[alias] = tuple(_alternatives(field.annotation, names))
    return found


def _alternatives(annotation: Any, names: dict[str, Any]) -> list[Any]:
    """The types of a union, one by one, and the lists among them as `list[...]`."""
    if isinstance(annotation, typing.ForwardRef | str):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        return _alternatives(eval(text, dict(names)), names)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _alternatives(arguments[0], names)
    if origin in (typing.Union, types.UnionType):
        return [one for argument in arguments for one in _alternatives(argument, names)]
    if origin is list:
        return [list[tuple(_alternatives(arguments[0], names))]]  # type: ignore[misc]
    return [annotation]


@cache
def places() -> tuple[Path, ...]:
    """The shortest path to every field of `Update` and of all that is below it."""
    found: list[Path] = []
    known: set[Any] = set()
    waiting: deque[tuple[Path, Any]] = deque([((), Update)])
    while waiting:
        path, kind = waiting.popleft()
        for name, alternatives in fields(kind).items():
            found.append((*path, name))
            for steps, inner in _inside(alternatives):
                if inner not in known:
                    known.add(inner)
                    waiting.append(((*path, name, *steps), inner))
    return tuple(found)


def _inside(alternatives: tuple[Any, ...]) -> list[tuple[Path, Any]]:
    """The types within a field, and how many lists are around each."""
    found: list[tuple[Path, Any]] = []
    for one in alternatives:
        if typing.get_origin(one) is list:
            found += [((0, *steps), inner) for steps, inner in _inside(typing.get_args(one))]
        elif isinstance(one, type) and issubclass(one, BaseModel):
            found.append(((), one))
    return found


def along(path: Path, chance: random.Random) -> dict[str, Any]:
    """The smallest valid update that has the field at the end of a path."""
    update = _object(Update, chance, 0)
    here: Any = update
    kinds: tuple[Any, ...] = (Update,)
    for step, following in pairwise(path):
        kinds = typing.get_args(_list_of(kinds)) if isinstance(step, int) else fields(_having(step, kinds))[step]
        inner: Any = [] if isinstance(following, int) else _object(_having(following, kinds), chance, 0)
        if isinstance(here, list):
            here.append(inner)
        else:
            here[step] = inner
        here = inner
    return update


def _list_of(kinds: tuple[Any, ...]) -> Any:
    return next(kind for kind in kinds if typing.get_origin(kind) is list)


def _having(name: str | int, kinds: tuple[Any, ...]) -> type[BaseModel]:
    """The first of several types that has a field of that name."""
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return next(model for model in models if name in fields(model))


def valid(chance: random.Random, alternatives: tuple[Any, ...], depth: int) -> Any:
    """A value that a field may have; below `depth` only what must be there."""
    one = chance.choice(alternatives)
    if typing.get_origin(one) is list:
        count = chance.randint(0, 2) if depth > 0 else 0
        return [valid(chance, typing.get_args(one), depth - 1) for _ in range(count)]
    if typing.get_origin(one) is typing.Literal:
        return _plain(typing.get_args(one)[0])
    if isinstance(one, type) and issubclass(one, BaseModel):
        return _object(one, chance, depth - 1)
    return _leaf(one, chance)


def _object(model: type[BaseModel], chance: random.Random, depth: int) -> dict[str, Any]:
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    required |= {name for name, kinds in fields(model).items() if typing.get_origin(kinds[0]) is typing.Literal}
    share = 0.1 if depth > 0 else 0.0
    return {
        name: valid(chance, alternatives, depth)
        for name, alternatives in fields(model).items()
        if name in required or chance.random() < share
    }


def _leaf(kind: Any, chance: random.Random) -> Any:
    leaves: dict[Any, Any] = {
        int: chance.choice((0, 1, 5, 1_000_000, -1_001_000_000_009)),
        str: chance.choice(("x", "", "hello", "private", "https://example.org/")),
        bool: chance.random() < 0.5,
        float: chance.random(),
        datetime: NOW,
    }
    return leaves.get(kind)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
