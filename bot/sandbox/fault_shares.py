"""How often the sandbox's servers fail by chance, as the sliders of the page set it. See `changed_shares`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed_shares(
    shares: Mapping[str, float], given: Mapping[str, Any], most: Mapping[str, float]
) -> dict[str, float]:
    """The shares by name, with some changed. A share is from 0 to 1; `most` has other upper limits.

    Raises `ValueError` for an unknown name or a number out of range.
    """
    for name, value in given.items():
        top = most.get(name, 1.0)
        if name not in shares:
            raise ValueError(f"there is no fault {name!r}; known: {', '.join(shares)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
            raise ValueError(f"{name} must be a number from 0 to {top:g}")
    return {**shares, **given}
