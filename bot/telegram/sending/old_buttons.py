"""Removes buttons that stand below the newest answer only (`Button.NEWEST`) from the answers before it.

This is an edit for the eye: an old button still works when it is pressed. So it waits until the chat is quiet, leaves
the flood budget to answers, and is given up where there is no room or the process is busy. What was given up or lost in
a crash is done after the next answer, because the outbox records which answers still show such buttons.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from aiogram.methods import EditMessageReplyMarkup

from bot.clock import Clock
from bot.concurrency import lease
from bot.errors import Lost, Refused, TransportError
from bot.ports import Outbox
from bot.telegram.client.api import Api, Flood
from bot.telegram.sending import messages
from bot.telegram.sending.flood_budget import FloodBudget
from bot.types import Address

log = logging.getLogger(__name__)

QUIET = 3.0  # seconds after an answer: a budget that its frames have spent is full again
LATE = 0.02  # seconds: a process that comes so late to what is due has answers to write
TRIES = 5  # times `QUIET` to wait for room in the flood budget
DEADLINE = 10.0


@dataclass(slots=True, kw_only=True)
class OldButtons:
    """Removes buttons from older answers. `spend` counts an edit, `flooded` is told of a refused one."""

    api: Api
    outbox: Outbox
    budget: FloodBudget
    clock: Clock
    tasks: asyncio.TaskGroup
    spend: Callable[[int], None]
    flooded: Callable[[int, Flood], object]
    _waiting: dict[Address, asyncio.Task[None]] = field(default_factory=dict, init=False)

    def remove_soon(self, address: Address) -> None:
        """Remove the old buttons in a chat when it has been quiet for a moment. Never waits and never fails."""
        self.not_now(address)
        if not (address.visible_to or self.api.lacks(EditMessageReplyMarkup)):
            self._waiting[address] = self.tasks.create_task(self._run(address))

    def not_now(self, address: Address) -> None:
        """Leave the chat alone until `remove_soon` is called again: another answer is being written."""
        if (waiting := self._waiting.pop(address, None)) is not None:
            waiting.cancel()

    async def _run(self, address: Address) -> None:
        try:
            for _ in range(TRIES):
                due = self.clock.monotonic() + QUIET
                await self.clock.sleep(QUIET)
                is_busy = self.clock.monotonic() - due > LATE
                if not is_busy and self._has_room(address) and await self._remove(address):
                    break
        except Lost:
            raise
        except Exception:  # what is only for the eye must not end the bot
            log.exception("chat %d: old buttons were not removed", address.chat)
        del self._waiting[address]

    def _has_room(self, address: Address) -> bool:
        """Whether the flood budget has more room than the next answer needs."""
        return self.budget.lands(address.chat, self.clock.monotonic())

    async def _remove(self, address: Address) -> bool:
        """Remove old buttons while there is room. Returns whether none is left."""
        if not lease.covers(address):
            return True
        for older in await self.outbox.with_old_buttons(address):
            if not self._has_room(address):
                return False
            self.spend(address.chat)
            try:
                await self.api.call(messages.edit_keyboard(address, older), deadline=DEADLINE)
            except Flood as error:
                self.flooded(address.chat, error)
                return False
            except Refused as error:  # the message is deleted, or shows no such button any more
                log.debug("chat %d: a keyboard was not changed: %s", address.chat, error)
            except TransportError as error:
                log.debug("chat %d: a keyboard was not changed: %s", address.chat, error)
                return False
            await self.outbox.replace_buttons(older)
        return True
