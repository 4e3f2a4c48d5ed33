"""Flood limits of the Bot API: how often the bot may call Telegram, and how to spend that well.

Telegram publishes one budget exactly: drafts and chat actions share 20 calls in 5 s and 40 in 30 s a chat
(core.telegram.org/api/bots/ai). For messages, about 30 a second over all chats, 1 a second in a private chat after a
short burst, and 20 a minute in a group are known to be safe; beyond that Telegram answers with `retry_after`, which is
obeyed for that chat. Edits count like messages, and drafts do not: an answer uses both budgets. It begins as drafts
and, after its share of them, becomes a message that is edited (`lands`). Everything here is arithmetic on a clock:
nothing waits inside.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

DRAFTS = ((20, 5.0), (40, 30.0))  # calls in seconds, all of them at once
GROUP_MINUTE = ((20, 60.0),)  # messages in seconds, each part of an album counted
PRIVATE_BURST = 4.5  # Telegram forgives about 5
GROUP_RATE, GROUP_BURST = 16 / 60, 4.0  # no minute has more than 20, the one with the burst included
FASTEST_DRAFT, SLOWEST_DRAFT = 0.22, 3.0  # seconds between drafts
EARLY = 0.4  # how much sooner a draft is sent than an even spending of what is left would send it
SHARE = 10  # drafts of an answer in a chat that goes on: four answers in 30 s is as fast as people talk
LANDING = 3.0  # messages that must be free before an answer becomes one: fewer would make it slower than drafts
EDIT_PRIVATE, EDIT_GROUP, EDIT_CAREFUL = 0.36, 5.0, 1.5  # seconds between the edits of an answer, at best
CAREFUL = 3600.0  # seconds that a chat is treated with care after Telegram complained of messages there
LOOKS = 20.0  # looks a second, over all chats, for messages that may not be there
GRAIN = 1e-6  # seconds: a shorter wait is none (sums of fractions come out a little off)
KEPT_CHATS = 4096


class Bucket:
    """A token bucket: `rate` calls a second after a burst of `size` calls. A rate of 0 is no limit."""

    def __init__(self, rate: float, size: float) -> None:
        self.rate = rate
        self.size = size
        self._level = size
        self._at = 0.0

    def wait(self, now: float, calls: float = 1.0) -> float:
        """Return the seconds until `calls` calls may be made at once; `now` is a monotonic time."""
        if not self.rate:
            return 0.0
        self._level = min(self.size, self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        return max(0.0, (calls - self._level) / self.rate)

    def empty(self, now: float) -> None:
        """Leave nothing for calls at the monotonic time `now`."""
        self._level, self._at = 0.0, now

    def take(self, calls: int = 1) -> None:
        """Count calls. There may be more than are left: then the next ones wait longer."""
        self._level -= calls


class Window:
    """Sliding windows: at most `n` calls in `s` seconds, for several pairs (n, s) at once. No pair is no limit."""

    def __init__(self, limits: tuple[tuple[int, float], ...] = DRAFTS) -> None:
        self.limits = limits
        self._calls: deque[float] = deque(maxlen=max((most for most, _ in limits), default=0))

    def wait(self, now: float, share: float = 1.0, calls: int = 1) -> float:
        """Return the seconds until a caller that may use `share` of the limits may make calls, all at once."""
        return max(
            (self._until(max(int(most * share) - calls + 1, 1), seconds) - now for most, seconds in self.limits),
            default=0.0,
        )

    def even(self, now: float) -> float:
        """Return the seconds between calls that spread what is left of the longest window evenly over it."""
        _, seconds = max(self.limits, key=lambda limit: limit[1])
        spent = [at for at in self._calls if now - at < seconds]
        return (spent[0] + seconds - now if spent else seconds) / max(self.left(now), 1)

    def left(self, now: float) -> int:
        """Return the number of calls that the longest window still allows."""
        most, seconds = max(self.limits, key=lambda limit: limit[1])
        return most - sum(now - at < seconds for at in self._calls)

    def take(self, now: float) -> None:
        """Count a call made at the monotonic time `now`."""
        self._calls.append(now)

    def _until(self, most: int, seconds: float) -> float:
        # A little later than allowed: Telegram counts a call when it arrives, we when it starts.
        return self._calls[-most] + seconds + 0.1 if most <= len(self._calls) else float("-inf")


@dataclass(slots=True)
class ChatBudget:
    """The flood budget of one chat. Times are monotonic."""

    messages: Bucket
    minute: Window  # what an album must fit into, which is more than the bucket holds
    drafts: Window = field(default_factory=Window)
    held: float = field(default=0.0, init=False)  # until when Telegram wants no messages
    drafts_held: float = field(default=0.0, init=False)  # until when Telegram wants no drafts
    last_draft: float = field(default=float("-inf"), init=False)
    last_message: float = field(default=float("-inf"), init=False)
    careful: float = field(default=float("-inf"), init=False)  # until when the chat is spared after a flood error


class FloodBudget:
    """The flood budget of one bot token. `rate` and `chat_rate` are messages a second; 0 is no limit of our own."""

    def __init__(self, rate: float, chat_rate: float) -> None:
        self.chat_rate = chat_rate
        # A window, because a bucket of that size would let twice as many calls through in its first second.
        self._all = Window(((most, most / rate),) if rate and (most := max(int(rate), 1)) else ())
        self._looks = Bucket(LOOKS if rate else 0.0, LOOKS)
        self._chats: OrderedDict[int, ChatBudget] = OrderedDict()

    def message_wait(self, chat: int, now: float, parts: int = 1) -> float:
        """Return the seconds until the budget of a chat allows a message or an edit, or an album of so many parts."""
        budget = self._of(chat)
        album = budget.minute.wait(now, calls=parts) if parts > 1 else 0.0
        return _grained(max(budget.held - now, budget.messages.wait(now), album))

    def bot_wait(self, now: float) -> float:
        """Return the seconds until the budget of the whole bot allows a message or an edit."""
        return _grained(self._all.wait(now))

    def held(self, chat: int, now: float) -> float:
        """Return the seconds for which Telegram has asked the bot to send no messages to a chat."""
        return max(self._of(chat).held - now, 0.0)

    def look_wait(self, now: float) -> float:
        """Return the seconds until `SendReconciler` may try an edit of another message id, to find a lost message.

        An edit of an id that does not exist costs nothing of the budget for messages.
        """
        return _grained(self._looks.wait(now))

    def take_look(self) -> None:
        """Count a try of `SendReconciler` to find a message."""
        self._looks.take()

    def edit_wait(self, chat: int, now: float) -> float:
        """Return the seconds until a half-written answer should be edited.

        One message of the chat's budget and half of the bot's stay free, so that a finished answer never waits.
        """
        budget = self._of(chat)
        pace = EDIT_GROUP if chat < 0 else EDIT_CAREFUL if budget.careful > now else EDIT_PRIVATE
        shown = max(budget.last_message + pace, budget.last_draft + FASTEST_DRAFT)
        waits = (budget.held - now, shown - now, budget.messages.wait(now, 2.0))
        return _grained(max(*waits, self._all.wait(now, share=0.5)))

    def lands(self, chat: int, now: float) -> bool:
        """Return whether an answer that was shown as drafts should now be sent as a message that is edited."""
        budget = self._of(chat)
        calm = max(budget.held, budget.careful) <= now and self._all.wait(now, share=0.5) <= 0
        return calm and budget.messages.wait(now, LANDING) <= 0

    def take_message(self, chat: int, now: float, parts: int = 1) -> None:
        """Count a message or an edit, or an album of so many parts."""
        budget = self._of(chat)
        budget.messages.take(parts if chat < 0 else 1)
        for _ in range(parts):
            budget.minute.take(now)
        budget.last_message = now
        self._all.take(now)

    def begin_empty(self, chat: int, now: float) -> None:
        """Begin without a burst in a chat to which another process, which has died, may have sent one just now."""
        self._of(chat).messages.empty(now)

    def draft_wait(self, chat: int, now: float, sent: int = SHARE) -> float:
        """Return the seconds until the next draft of an answer that has had `sent` drafts.

        An answer spends its share of the budget at once, so that it feels instant. Further drafts come the slower the
        less of the budget is left, so that a long answer never stops.
        """
        budget = self._of(chat)
        has_its_share = sent < SHARE and budget.drafts.left(now) >= SHARE - sent
        early = 0.0 if has_its_share else EARLY * budget.drafts.even(now)
        pace = min(max(early, FASTEST_DRAFT), SLOWEST_DRAFT)
        return _grained(max(budget.last_draft + pace - now, budget.drafts.wait(now), budget.drafts_held - now))

    def action_fits(self, chat: int, now: float) -> bool:
        """Return whether a chat action may be shown: it spends the budget of drafts."""
        budget = self._of(chat)
        return budget.drafts.wait(now) <= 0 and budget.drafts_held <= now

    def take_draft(self, chat: int, now: float) -> None:
        """Count a draft or a chat action."""
        budget = self._of(chat)
        budget.drafts.take(now)
        budget.last_draft = now

    def hold(self, chat: int, until: float, *, drafts: bool = False) -> None:
        """Let a chat wait until the monotonic time `until`, because Telegram has asked for it."""
        budget = self._of(chat)
        if drafts:
            budget.drafts_held = max(budget.drafts_held, until)
        else:
            budget.held = max(budget.held, until)
            budget.careful = until + CAREFUL

    def _of(self, chat: int) -> ChatBudget:
        found = self._chats.get(chat)
        if found is None:
            unlimited = not self.chat_rate
            rate, burst = (self.chat_rate, PRIVATE_BURST) if chat > 0 or unlimited else (GROUP_RATE, GROUP_BURST)
            minute = Window(() if chat > 0 or unlimited else GROUP_MINUTE)
            found = self._chats[chat] = ChatBudget(Bucket(rate, burst), minute)
            if len(self._chats) > KEPT_CHATS:
                self._chats.popitem(last=False)
        else:
            self._chats.move_to_end(chat)
        return found


def _grained(wait: float) -> float:
    return wait if wait > GRAIN else 0.0
