"""Which model answers: the operator's list, and what a chat chose from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ai import Model
from bot.llm.circuit_breaker import CircuitBreaker

STAND_INS = 2  # offers that answer for another: in an outage not every model of a long list should be tried


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model that users may choose, under the name that is stored and the title that is shown."""

    name: str
    title: str
    model: Model

    @property
    def is_unavailable(self) -> bool:
        """Whether it is known not to answer now."""
        return isinstance(self.model, CircuitBreaker) and self.model.is_open


class Routing:
    """`offers` is the operator's list; its first is the default."""

    def __init__(self, offers: Sequence[ModelOption]) -> None:
        self.options = tuple(offers)

    @property
    def default(self) -> ModelOption:
        return self.options[0]

    def by_name(self, chosen: str) -> ModelOption:
        """The chosen model, or the default where nothing was chosen or the choice is no longer offered."""
        return next((offer for offer in self.options if offer.name == chosen), self.default)

    def resolve(self, *wishes: str) -> tuple[ModelOption, tuple[str, ...]]:
        """The first of the wishes that is offered, and those before it that are not any more."""
        gone: list[str] = []
        for wish in dict.fromkeys(filter(None, wishes)):
            if found := next((offer for offer in self.options if offer.name == wish), None):
                return found, tuple(gone)
            gone.append(wish)
        return self.default, tuple(gone)

    def available(self, chosen: ModelOption) -> ModelOption:
        """The offer to ask now: the chosen one, or while that is known not to answer the first stand-in that may."""
        return next((offer for offer in (chosen, *self.options[:STAND_INS]) if not offer.is_unavailable), chosen)
