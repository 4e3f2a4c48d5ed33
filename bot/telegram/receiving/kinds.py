"""The kinds of updates that the server is asked for. Begin with `UpdateKinds.ask`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import TelegramMethod

from bot.errors import Refused, TransportError
from bot.telegram.client.api import TIMEOUT, Api, Strange

log = logging.getLogger(__name__)

NEWEST = ("stopped_message_generation",)  # since Bot API 10
OLDEST = ("message", "edited_message", "callback_query")


class UpdateKinds:
    """Names the kinds of updates in a call: all that the bot knows, or fewer if the server refuses the newer ones.

    Telegram ignores a kind that it does not know. Some emulators refuse the whole call, and would leave the bot deaf.
    """

    def __init__(self, *, api: Api, kinds: Sequence[str]) -> None:
        self._api = api
        older = [kind for kind in kinds if kind not in NEWEST]
        # What is asked for, then what is asked for after a refusal; None leaves the choice to the server.
        self._choices: list[list[str] | None] = [list(kinds), older, list(OLDEST), None]

    async def ask(self, method: TelegramMethod[Any], *, deadline: float = TIMEOUT) -> Any:
        """Call `getUpdates` or `setWebhook`, again with fewer kinds if the server refuses it. Fewer are remembered
        only if that helps.
        """
        refusal: TransportError | None = None
        for number, kinds in enumerate(self._choices):
            try:
                result = await self._api.call(method.model_copy(update={"allowed_updates": kinds}), deadline=deadline)
            except (Refused, Strange) as error:
                if "bad webhook" in str(error).lower():  # it is the address that is refused
                    raise
                refusal = refusal or error
            except TransportError as error:
                raise refusal or error from None
            else:
                if number:
                    known = "those of its own choice" if kinds is None else ", ".join(kinds)
                    log.warning("the server refuses some kinds of updates (%s): asked for %s", refusal, known)
                    del self._choices[:number]
                return result
        assert refusal is not None  # noqa: S101  there is always a choice
        raise refusal
