"""A programmer's model as the bot asks it: an error in it, or a stream that breaks the rules, is a `ModelError`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ai import Chunk, Model, Profile, Request
from bot.errors import HookFailed, ModelError, StreamCut

log = logging.getLogger(__name__)


class CheckedModel:
    """A `Model` around one of a programmer. Any other error than a `ModelError` becomes `HookFailed`, and a stream
    whose last chunk has no `finish` ends with `StreamCut`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The name of the model."""
        return self._model.name

    @property
    def profile(self) -> Profile:
        """The profile of the model."""
        return self._model.profile

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream the model's answer. Raises only `ModelError`s."""
        is_finished = False
        try:
            async with aclosing(self._model.stream(request)) as chunks:
                async for chunk in chunks:
                    is_finished = chunk.finish is not None
                    yield chunk
        except ModelError:
            raise
        except Exception as error:  # the boundary around code that is not ours
            log.exception("the model %s has failed", self.name)
            cause = "".join(traceback.format_exception_only(error)).strip()
            raise HookFailed(f"the model {self.name} has failed: {cause}") from error
        if not is_finished:
            raise StreamCut(f"{self.name}: the last chunk has no `finish`: end with Chunk(finish=Finish.STOP)")
