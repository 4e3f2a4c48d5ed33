"""How a turn ends with what a programmer's handler returned. Begin with `CustomAnswers.finish`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot import types
from bot.errors import ProgramError
from bot.extension import Button, OwnPress
from bot.extension.mistakes import messages
from bot.outbox import delivery_key, finish, finish_turn
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Address, Incoming, Outgoing

PRESS = "own.press"  # the action of all buttons of programmers: the payload has the name of the press


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomAnswers:
    """Ends turns with what handlers returned. `presses` are the functions for buttons, by their names."""

    store: Store
    presses: Mapping[str, OwnPress] = field(default_factory=dict)

    async def finish(self, incoming: Incoming, reply: Reply, answer: object) -> None:
        """Store the answer and the end of the turn in one transaction, and deliver. Raises `ProgramError` for a value
        that can't be sent.
        """
        answers = messages(answer, incoming.language)
        await finish(self.store, reply, lambda tx: self.store_end(tx, incoming, answers))

    def store_end(self, tx: Tx, incoming: Incoming, answers: Sequence[Outgoing], *, over: bool = False) -> None:
        """End the turn in a transaction of the caller. `over`: the first answer is written over the message whose
        button was pressed.
        """
        with_rows = [
            self.with_buttons(tx, answer, incoming.address, delivery_key(incoming.id, number), incoming.user.id)
            for number, answer in enumerate(answers)
        ]
        finish_turn(tx, incoming, *with_rows, over=over)

    def with_buttons(self, tx: Tx, answer: Outgoing, where: Address, delivery: str, user: int) -> Outgoing:
        """The message with a row in the database for each `Button` of the programmer. `delivery` is the key of its
        delivery, `user` whom it answers. Raises `ProgramError` for a button without a function.
        """
        rows = tuple(tuple(self._stored(tx, one, where, delivery, user) for one in row) for row in answer.buttons)
        return replace(answer, buttons=rows)

    def _stored(self, tx: Tx, button: types.Button, where: Address, delivery: str, user: int) -> types.Button:
        if not isinstance(button, Button):
            return button
        press = self.presses.get(button.press)
        if press is None:
            raise ProgramError(f"there is no @app.press({button.press!r}) for the button {button.label!r}")
        payload: dict[str, Any] = {"press": press.name, "arguments": press.stored(button.arguments)}
        presser = user if press.by == "asker" else 0
        row = tx.buttons.add_button(where, delivery, presser, button.label, PRESS, **payload)
        return replace(row, dangerous=button.dangerous)
