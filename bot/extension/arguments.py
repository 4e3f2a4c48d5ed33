"""Arguments of a programmer's functions beyond those that all have: the types that they are annotated with."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

GIVEN = 2  # parameters that all such functions have, as (incoming, reply)


def names_of(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments beyond the first two."""
    return [one.name for one in _extra(function)]


def model_of(title: str, function: Callable[..., Any]) -> type[BaseModel]:
    """Return a model of the arguments beyond the first two, by their annotations; one without takes anything.

    The annotations of the others are not looked at: their types may be known to type checkers alone.
    """
    extra = _extra(function)
    bare = SimpleNamespace(__annotations__={one.name: one.annotation for one in extra if one.annotation != one.empty})
    hints = typing.get_type_hints(bare, _globals(function), include_extras=True)
    fields: dict[str, Any] = {
        one.name: (hints.get(one.name, Any), ... if one.default is one.empty else one.default) for one in extra
    }
    return create_model(f"arguments of {title}", __config__={"extra": "forbid"}, **fields)


def described(error: ValidationError) -> str:
    """Return in one line what is wrong with the first wrong argument."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _extra(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())[GIVEN:]


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    """The names of the module in which a function, a method, a partial or an object that can be called was written."""
    code = inspect.unwrap(getattr(function, "func", function))
    found = getattr(code, "__globals__", None) or getattr(type(code).__call__, "__globals__", {})
    return dict(found)
