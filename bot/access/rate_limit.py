"""Rate limits by token bucket (`RateLimit`), and the settings of rates and queues (`Limits`)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from bot.config.settings import Settings

FEW = 1000  # keys of a rate limit that need no clearing


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates and queues that `dispatch/throttle.py` enforces.

    `user_rate` is in messages a minute, 0 for no limit; `user_burst` messages may come at once. While the bot answers
    in a conversation, `chat_queue` more messages may wait in it. `queue` messages may wait in all conversations
    together, and twice as many before a user is refused who has no message waiting. `longest` is the length of a
    question in characters.
    """

    user_rate: float = 60.0
    user_burst: int = 20
    chat_queue: int = 5
    queue: int = 200
    longest: int = 50_000

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Without USER_RATE a user may write as often as Telegram lets the bot write to one chat."""
        return cls(
            user_rate=60 * settings.telegram_chat_rate if settings.user_rate is None else settings.user_rate,
            user_burst=settings.user_burst,
            chat_queue=settings.chat_queue,
            queue=settings.queue_size,
            longest=settings.longest_question,
        )


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
