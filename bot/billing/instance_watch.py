"""Tells admins when an instance of their own stops answering, and when it answers again: once each way.

Begin with `InstanceWatch.run`. Nothing is asked for that: the circuit breaker of a model knows it from the last
question, and tries again by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.access.rights import Rights
from bot.llm.circuit_breaker import CircuitBreaker
from bot.llm.routing import ModelOption, Routing
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two looks


@dataclass(slots=True, kw_only=True)
class InstanceWatch:
    """Watches the instances of one bot among the models that it offers. `deliver` sends what was stored."""

    store: Store
    bot: int
    routing: Routing
    names: Sequence[str]
    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]
    _failing: dict[str, bool] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            for option in self.routing.options:
                if option.name in self.names and isinstance(option.model, CircuitBreaker):
                    try:
                        await self._look(option, option.model)
                    except Exception as error:  # a watch that fails must not end the bot
                        why = str(error) or type(error).__name__
                        log.warning("the instance %s can't be watched now: %s", option.name, why)
            await self.store.clock.sleep(EVERY)

    async def _look(self, option: ModelOption, breaker: CircuitBreaker) -> None:
        """Tell what has changed since the last look of this process, unless another process has told it."""
        failure = breaker.failure
        was_failing = self._failing.get(option.name, False)
        if not failure and not breaker.answered:
            return
        if not failure or not was_failing:
            now = await self.store.read(lambda tx: tx.evaluations.find_state(self.bot, option.name))
            is_back = not failure and 0 < now.down < breaker.answered
            if (failure and not now.down) or is_back:
                chats = await self.store.write(lambda tx: self._tell(tx, option, failure, breaker.answered))
                self.deliver("", chats)
        self._failing[option.name] = bool(failure)

    def _tell(self, tx: Tx, option: ModelOption, failure: str, answered: float) -> Sequence[Address]:
        state, now = tx.evaluations.find_state(self.bot, option.name), tx.clock.time()
        if bool(state.down) is bool(failure):
            return ()  # another process was quicker
        tx.put(replace(state, down=now if failure else 0.0))
        key = f"instance-{int(now)}-{option.name}"[:40]
        if not failure:
            return self.rights.tell(
                tx, self.bot, key, lambda language: say(language, "instance.back", model=option.title)
            )
        last = tx.ledger.last_used(self.bot, option.name)
        other = self._stand_in(option)

        def told(language: str) -> str:
            when = (
                f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC" if last else say(language, "instance.never")
            )
            return "\n".join(
                [
                    say(language, "instance.down", model=option.title, reason=failure[:200]),
                    say(language, "instance.other", model=other) if other else say(language, "instance.nobody"),
                    say(language, "instance.last", when=when),
                ]
            )

        return self.rights.tell(tx, self.bot, key, told)

    def _stand_in(self, option: ModelOption) -> str:
        found = self.routing.available(option)
        return found.title if found is not option else ""
