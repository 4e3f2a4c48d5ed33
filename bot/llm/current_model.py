"""A model that may be replaced while the bot runs, because the service has switched off the one before."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.ai import Chunk, Model, Profile, Request


class CurrentModel:
    """Asks `model`, which may be set to another one at any time; what is being streamed goes on."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def name(self) -> str:
        """The name of the model that answers now."""
        return self.model.name

    @property
    def profile(self) -> Profile:
        """The profile of the model that answers now."""
        return self.model.profile

    def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Ask the model that answers now."""
        return self.model.stream(request)
