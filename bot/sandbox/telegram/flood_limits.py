"""The flood limits of the Bot API: how fast a bot may send. Begin with `FloodLimits.wait`.

Telegram does not publish the exact numbers; these are the documented ones. A chat in which the limit was exceeded stays
closed until the wait is over.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass

SPEAKING = frozenset({
    "sendmessage", "sendrichmessage", "sendphoto", "senddocument", "sendvoice", "sendvideo", "sendanimation",
    "sendaudio", "sendvideonote", "sendsticker", "sendlocation", "sendcontact", "sendmediagroup", "copymessage",
    "copymessages", "forwardmessage", "forwardmessages", "editmessagetext", "editmessagecaption",
    "editmessagereplymarkup", "editephemeralmessagetext", "editephemeralmessagecaption",
    "editephemeralmessagereplymarkup", "createforumtopic", "editforumtopic", "closeforumtopic", "reopenforumtopic",
    "pinchatmessage",
})  # fmt: skip
SHOWING = frozenset({"sendmessagedraft", "sendrichmessagedraft", "sendchataction"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is allowed. Rates are messages a second; an edit counts like a message.

    In a private chat `private_burst` messages may follow each other at once, then `private_rate` a second; an album
    counts once there. A group takes `group_minute` messages a minute, and each part of an album counts; all chats
    together take `overall` a second. Drafts and chat actions are
    counted separately: `drafts_short` in 5 s and `drafts_long` in 30 s for each chat. `flood_wait` is the longest wait
    in seconds.
    """

    private_rate: float = 1.0
    private_burst: int = 5
    group_minute: int = 20
    overall: int = 30
    drafts_short: int = 20
    drafts_long: int = 40
    flood_wait: int = 3


class FloodLimits:
    """Counts calls and says how much of the limits is used up. `on` may be changed at any time."""

    def __init__(self, limits: Limits | bool = True) -> None:
        self.on = bool(limits)
        self.limits = limits if isinstance(limits, Limits) else Limits()
        self._closed: dict[int, float] = {}
        self._levels: dict[int, tuple[float, float]] = {}
        self._minutes: defaultdict[int, deque[float]] = defaultdict(deque)
        self._drafts: defaultdict[int, deque[float]] = defaultdict(deque)
        self._all: deque[float] = deque()

    def wait(self, method: str, chat_id: int, private: bool, now: float, parts: int = 1) -> int:
        """Count a call that sends so many messages. Returns 0, or the `retry_after` in seconds if the call must be
        refused. `now` is a monotonic time.
        """
        method = method.lower()
        if not self.on:
            if method in SPEAKING and not private:
                self._minutes[chat_id] += [now] * parts
            return 0
        if method in SHOWING:
            return self._draft(chat_id, now)
        return self._message(chat_id, private, now, parts) if method in SPEAKING else 0

    def spent(self, chat_id: int, now: float) -> int:
        """How many messages the bot has sent to a group in the last minute. `now` is a monotonic time."""
        _forget(self._minutes[chat_id], now - 60)
        return len(self._minutes[chat_id])

    def _message(self, chat_id: int, private: bool, now: float, parts: int) -> int:
        if (left := self._closed.get(chat_id, 0.0) - now) > 0:
            return math.ceil(left)
        allowed = self._private(chat_id, now) if private else self._group(chat_id, now, parts)
        if not allowed:
            self._closed[chat_id] = now + self.limits.flood_wait
            return self.limits.flood_wait
        _forget(self._all, now - 1)
        self._all.append(now)
        return 1 if len(self._all) > self.limits.overall else 0

    def _private(self, chat_id: int, now: float) -> bool:
        level, at = self._levels.get(chat_id, (0.0, now))
        level = max(level - (now - at) * self.limits.private_rate, 0.0)
        allowed = level + 1 <= self.limits.private_burst + 1e-9
        self._levels[chat_id] = (level + allowed, now)
        return allowed

    def _group(self, chat_id: int, now: float, parts: int) -> bool:
        if self.spent(chat_id, now) + parts > self.limits.group_minute:
            return False
        self._minutes[chat_id] += [now] * parts
        return True

    def _draft(self, chat_id: int, now: float) -> int:
        shown = self._drafts[chat_id]
        _forget(shown, now - 30)
        recent = sum(at > now - 5 for at in shown)
        if len(shown) >= self.limits.drafts_long:
            return max(1, min(self.limits.flood_wait, math.ceil(shown[0] + 30 - now)))
        if recent >= self.limits.drafts_short:
            return max(1, min(self.limits.flood_wait, math.ceil(shown[-self.limits.drafts_short] + 5 - now)))
        shown.append(now)
        return 0


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
