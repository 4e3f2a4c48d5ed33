"""Clock skew: a warning when the clocks of this machine and of the database, which schedules jobs, differ."""

from __future__ import annotations

from bot.clock import Clock
from bot.telemetry.outage import Outage

MOST = 5.0  # seconds that they may be apart


class Clocks:
    """Compares the clock of this machine with the database's, and logs when they differ by more than `MOST` seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outage = Outage("the clock of this machine", clock)
        self._ahead = 0.0  # of what was told

    def compare(self, asked: float, server: float) -> None:
        """Compare the clocks: the database was asked at `asked`, by the clock of this machine, and told its time
        `server`.

        Both are Unix seconds.
        """
        ahead = (asked + self._clock.time()) / 2 - server
        if abs(ahead) <= MOST:
            self._outage.over()
            return
        if abs(ahead - self._ahead) > MOST:
            self._ahead = ahead
        told = f"{abs(self._ahead):.0f} s {'ahead of' if self._ahead > 0 else 'behind'}"
        self._outage.failed(
            f"it is {told} that of the database: set both by NTP. Reminders and the days of budgets err"
        )
