"""When drafts about a topic are sent without a person: `verdict`. Pure.

People decide on drafts. The share of those that they have sent unchanged is known the better the more there are, so its
lower bound counts (Wilson's score interval, 95 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.storage.tables.desk import ASKED, ON, SENT

LAST = 50  # the newest drafts of a topic that count
ENOUGH, TOO_LITTLE = 0.80, 0.70  # of the lower bound: an administrator is asked; it ends
EACH = 20  # one draft in so many goes to a person all the same
Z = 1.959964  # of the normal distribution, for 95 %


def lower_bound(unchanged: int, of: int) -> float:
    """The lower bound of a share, from so many of so many; 0.0 for nothing."""
    if not of:
        return 0.0
    share, square = unchanged / of, Z * Z
    middle = share + square / (2 * of)
    return (middle - Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))) / (1 + square / of)


def share(states: Sequence[str]) -> float:
    """Return the lower bound of the share of drafts that were sent unchanged, given the states of the newest drafts."""
    newest = states[:LAST]
    return lower_bound(sum(state == SENT for state in newest), len(newest))


def is_proven(states: Sequence[str]) -> bool:
    """Whether nearly all of the newest drafts of a topic were sent unchanged."""
    return len(states) >= LAST and share(states) >= ENOUGH


def verdict(states: Sequence[str], now: str) -> str:
    """The state of a topic after people have decided on drafts: "", `ASKED` (an administrator may agree), or `ON`."""
    if now == "":
        return ASKED if is_proven(states) else ""
    if now in (ASKED, ON) and share(states) < TOO_LITTLE:
        return ""
    return now


def goes_to_person(count: int) -> bool:
    """Whether a person decides about the draft with this number of its topic (from 1), even if the topic's drafts are
    sent without one: one in `EACH` is checked.
    """
    return count % EACH == 0
