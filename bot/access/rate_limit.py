"""How often somebody may write, and how much may wait: `RateLimit` counts, `Limits` are the settings."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from bot.config.settings import Settings

FEW = 1000  # keys of a pace that need no clearing


@dataclass(frozen=True, slots=True)
class Limits:
    """What the door lets through. Rates are messages a minute; 0 is no limit.

    `chat_queue` messages may wait in one conversation behind the one that is being answered, `queue` in all of them
    (twice as many where none of them is one's own); a question may have `longest` characters.
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
    """So many at once, then one every `interval` seconds, for each key; an `interval` of 0 is no limit.

    A key that has its whole burst again is forgotten, so memory is bounded by those who came lately.
    """

    def __init__(self, *, interval: float, burst: int) -> None:
        self.interval = interval
        self.burst = burst
        self._even: dict[Hashable, float] = {}  # when the key has its whole burst again
        self._most = FEW

    def take(self, key: Hashable, now: float) -> float:
        """Take one at `now` (monotonic): 0.0, or the seconds until there is one again."""
        even = max(self._even.get(key, now), now) + self.interval
        wait = even - now - self.burst * self.interval
        if wait > 1e-9:
            return wait
        if self.interval:
            self._even[key] = even
            self._clear(now)
        return 0.0

    def __len__(self) -> int:
        return len(self._even)

    def _clear(self, now: float) -> None:
        if len(self._even) > self._most:
            self._even = {key: even for key, even in self._even.items() if even > now}
            self._most = max(FEW, 2 * len(self._even))
