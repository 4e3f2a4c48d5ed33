"""Buttons that a programmer puts under messages (`Button`), and the functions that are called when one is pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from bot import types
from bot.errors import ProgramError
from bot.extension.arguments import described, model_of
from bot.extension.commands import Answer

By = Literal["asker", "all", "owners"]
Pressed = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True, init=False)
class Button(types.Button):
    """A button under a message: `Button("Buy", "buy", item="lamp")` calls the function that `@app.press("buy")` has
    added, with `item="lamp"`.

    The arguments are kept in the database, never in the message; they are values that JSON can hold, or dates, UUIDs
    and decimals. The messenger shows a `dangerous` button in red. A button works for 30 days.
    """

    press: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __init__(self, label: str, press: str, /, *, dangerous: bool = False, **arguments: Any) -> None:
        for name, value in {
            "label": label,
            "data": "",
            "dangerous": dangerous,
            "press": press,
            "arguments": arguments,
        }.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class OwnPress:
    """What the buttons with one name do: `run` is called with the press, the reply and the button's arguments.

    `by` says who may press: "asker" (whom the message with the button answers), "all" who see it, or "owners", in their
    private chats. `once`: a press that was handled is the last one. `replaces`: the answer is written over the message
    with the button.
    """

    name: str
    run: Pressed
    by: By = "asker"
    once: bool = False
    replaces: bool = False

    @cached_property
    def _model(self) -> type[BaseModel]:
        """The arguments of the function, without the press and the reply."""
        return model_of(self.name, self.run)

    def stored(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a button as JSON holds them. Raises `ProgramError` if the function does not take them."""
        try:
            stored: dict[str, Any] = to_jsonable_python(dict(arguments))
            self.read(stored)
        except (TypeError, ValueError) as error:
            raise ProgramError(str(error)) from None
        return stored

    def read(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Stored arguments as the function takes them. Raises `TypeError` if it does not take them (any more)."""
        try:
            found = self._model.model_validate(stored)
        except ValidationError as error:
            raise TypeError(f"the button {self.name!r}: {described(error)}") from None
        return {name: getattr(found, name) for name in type(found).model_fields}
