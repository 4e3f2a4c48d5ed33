"""Outages: the log lines about a service that fails, from the first failure until it works again."""

from __future__ import annotations

import logging

from bot.clock import Clock

log = logging.getLogger(__name__)

ALARM = 60.0  # seconds after which a failure is no passing one any more; also the shortest time between two lines
LONGEST_SILENCE = 3600.0


class Outage:
    """Tracks whether one service works, and logs its failures sparingly.

    A failing service logs a warning at once, an error after a minute, then ever less often, at last once an hour, and a
    line when it works again. A new reason is logged anew, but at most once a minute. `since` is when the outage began
    (the clock's `monotonic`), None while the service works; `at` is the last failure.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.since: float | None = None
        self.at = 0.0
        self.reason = ""
        self.grave = False
        self._clock = clock
        self._said = self._next = float("-inf")
        self._pause = ALARM
        self._told = False  # the outage was logged, so its end must be logged, too

    def failed(self, reason: str, *, grave: bool = False) -> None:
        """Note a failure. `reason` goes into the log; `grave` makes it an error at once: it will not pass."""
        now = self._clock.monotonic()
        self.since = now if self.since is None else self.since
        self.at, self.grave = now, grave
        if reason != self.reason:
            self.reason, self._pause, self._next = reason, ALARM, min(self._next, self._said + ALARM)
        if now < self._next:
            return
        away = now - self.since
        lasting = f" (for {away:.0f} s now)" if away >= ALARM else ""
        log.log(logging.ERROR if grave or lasting else logging.WARNING, "%s: %s%s", self.name, reason, lasting)
        self._said, self._next, self._told = now, now + self._pause, True
        self._pause = min(2 * self._pause, LONGEST_SILENCE)

    def over(self) -> None:
        """Note that the service works."""
        if self.since is None:
            return
        if self._told:
            log.warning("%s: works again after %.0f s", self.name, self._clock.monotonic() - self.since)
        self.since, self.reason, self.grave, self._told = None, "", False, False
