"""Arrays whose memory goes back to the system when they are dropped."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def zeros(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """An array of zeros in pages of its own.

    An array that grows is made anew again and again, and glibc keeps what the old ones leave: 16 MB with 100,000
    passages.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    if not size:
        return np.zeros(shape, kind)
    return np.frombuffer(mmap.mmap(-1, size), kind).reshape(shape)
