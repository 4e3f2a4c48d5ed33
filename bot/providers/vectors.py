"""The numbers of an embedding, as services give them: `numbers_of`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.errors import ModelProtocolError

LARGEST = 1e9  # of a number: no model gives such, and the squares of 1e20 are infinite in 32 bits


def numbers_of(value: Any) -> Sequence[float]:
    """Return an embedding as its numbers. Raises `ModelProtocolError` for one that can't be compared with others: no
    list of numbers, a number that is not finite (JSON of some servers has NaN) or absurdly large, nothing but zeros.
    """
    if not isinstance(value, list) or not value or not all(type(one) in (int, float) for one in value):
        raise ModelProtocolError("an embedding is not a list of numbers")
    if not all(abs(one) <= LARGEST for one in value):  # false for NaN, too
        raise ModelProtocolError("an embedding has numbers that are not finite")
    if not any(value):
        raise ModelProtocolError("an embedding has nothing but zeros")
    return [float(one) for one in value]
