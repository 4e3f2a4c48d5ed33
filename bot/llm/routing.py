"""Which model answers: the operator's list of models, and the choices of chats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ai import Model
from bot.llm.circuit_breaker import CircuitBreaker

STAND_INS = 2  # options that stand in for an unavailable model: an outage must not try a whole long list


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model that users may choose: the database stores its `name`, users see its `title`.

    `stand_in` is the name of the model that answers while this one is unavailable, "" for the first that can.
    """

    name: str
    title: str
    model: Model
    stand_in: str = ""

    @property
    def is_unavailable(self) -> bool:
        """Whether the circuit of the model is open, so that a request would fail at once."""
        return isinstance(self.model, CircuitBreaker) and self.model.is_open


class Routing:
    """Finds the model for a request. `options` is the operator's list; its first model is the default."""

    def __init__(self, options: Sequence[ModelOption]) -> None:
        self.options = tuple(options)

    @property
    def default(self) -> ModelOption:
        """The model of chats that have chosen none."""
        return self.options[0]

    def by_name(self, name: str) -> ModelOption:
        """The model of that name, or the default if there is none."""
        return next((option for option in self.options if option.name == name), self.default)

    def resolve(self, *choices: str) -> tuple[ModelOption, tuple[str, ...]]:
        """Return the first of the chosen models that is still offered, and the names of the chosen models before it
        that are not.

        `choices` are names in order of precedence; "" stands for no choice. If no chosen model is offered, the default
        is returned.
        """
        gone: list[str] = []
        for choice in dict.fromkeys(filter(None, choices)):
            if found := next((option for option in self.options if option.name == choice), None):
                return found, tuple(gone)
            gone.append(choice)
        return self.default, tuple(gone)

    def available(self, chosen: ModelOption) -> ModelOption:
        """Return the model to ask now: `chosen`, or while that is unavailable its stand-in, else the first of the first
        `STAND_INS` models that is not. If all are unavailable, `chosen`.
        """
        named = [option for option in self.options if option.name == chosen.stand_in]
        others = (chosen, *named, *self.options[:STAND_INS])
        return next((option for option in others if not option.is_unavailable), chosen)
