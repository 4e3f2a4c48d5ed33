"""Which model answers: the operator's list of models, and the choices of chats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.ai import Model
from bot.llm.circuit_breaker import CircuitBreaker

STAND_INS = 2  # options that stand in for an unavailable model: an outage must not try a whole long list


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model that users may choose: the database stores its `name`, users see its `title`.

    `stand_in` is the name of the model that answers while this one is unavailable, "" for the first that can. `former`
    are older names of it, which files and chats may still have.
    """

    name: str
    title: str
    model: Model
    stand_in: str = ""
    former: tuple[str, ...] = ()

    def has_name(self, name: str) -> bool:
        """Whether this is the model's name, or one that it had."""
        return name == self.name or name in self.former

    @property
    def is_unavailable(self) -> bool:
        """Whether the circuit of the model is open, so that a request would fail at once."""
        return isinstance(self.model, CircuitBreaker) and self.model.is_open


class Routing:
    """Finds the model for a request. `options` is the operator's list; its first model is the default."""

    def __init__(self, options: Sequence[ModelOption]) -> None:
        self.options = tuple(options)

    @property
    def names(self) -> Sequence[str]:
        """Every name by which a model that is offered can be asked for."""
        return [name for option in self.options for name in (option.name, *option.former)]

    def replace(self, old: str, option: ModelOption) -> None:
        """Let a model take the place of the one called `old`, whose names lead to it from now on. A model that is
        offered already only gets these names.
        """
        gone = next((one for one in self.options if one.name == old), None)
        if gone is None:
            return
        new = next((one for one in self.options if one.name == option.name), option)
        new = replace(new, former=(*new.former, gone.name, *gone.former))
        places = [new if one in (gone, new) or one.name == new.name else one for one in self.options]
        self.options = tuple(dict.fromkeys(places))

    @property
    def default(self) -> ModelOption:
        """The model of chats that have chosen none."""
        return self.options[0]

    def by_name(self, name: str) -> ModelOption:
        """The model of that name, or the default if there is none."""
        return next((option for option in self.options if option.has_name(name)), self.default)

    def resolve(self, *choices: str) -> tuple[ModelOption, tuple[str, ...]]:
        """Return the first of the chosen models that is still offered, and the names of the chosen models before it
        that are not.

        `choices` are names in order of precedence; "" stands for no choice. If no chosen model is offered, the default
        is returned.
        """
        gone: list[str] = []
        for choice in dict.fromkeys(filter(None, choices)):
            if found := next((option for option in self.options if option.has_name(choice)), None):
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
