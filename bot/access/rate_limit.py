"""Rate limits by token bucket: `RateLimit`."""

from __future__ import annotations

from collections.abc import Hashable

FEW = 1000  # keys of a rate limit that need no clearing


class RateLimit:
    """A token bucket for each key: `burst` events at once, then one every `interval` seconds; 0 is no limit.

    A key whose bucket is full again is forgotten, so the memory grows only with the keys that were used lately.
    """

    def __init__(self, *, interval: float, burst: int) -> None:
        self.interval = interval
        self.burst = burst
        self._full_at: dict[Hashable, float] = {}  # when the bucket of a key is full again
        self._most = FEW

    def take(self, key: Hashable, now: float) -> float:
        """Take one token at the monotonic time `now`. Returns 0.0, or the seconds to wait if no token is left."""
        full_at = max(self._full_at.get(key, now), now) + self.interval
        wait = full_at - now - self.burst * self.interval
        if wait > 1e-9:
            return wait
        if self.interval:
            self._full_at[key] = full_at
            self._clear(now)
        return 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._full_at)

    def _clear(self, now: float) -> None:
        if len(self._full_at) > self._most:
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
            self._most = max(FEW, 2 * len(self._full_at))
