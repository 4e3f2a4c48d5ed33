"""A small baseline JPEG encoder (ITU T.81) for pictures that are smooth almost everywhere. Begin with `Encoder`.

A block of 8x8 pixels is given as its mean and two slopes (`smooth`) or as 64 samples (`exact`): smooth blocks cost a
table look-up instead of a transform, which is what makes pure Python quick enough. Colour is YCbCr without subsampling.
"""

from __future__ import annotations

import math
from functools import lru_cache

STEP = (6, 9)
"""Quantisation step of brightness and of colour; one for all coefficients."""

Channel = int  # 0: brightness, 1 and 2: colour


def _zigzag() -> list[int]:
    cells = [(row, column) for row in range(8) for column in range(8)]
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return [row * 8 + column for row, column in cells]


def _huffman(counts: bytes, symbols: bytes) -> dict[int, str]:
    """Symbol -> bits, from the two lists that a JPEG file carries (T.81, annex C)."""
    found, code, index = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            found[symbols[index]] = format(code, f"0{length}b")
            code, index = code + 1, index + 1
        code <<= 1
    return found


ZIGZAG = _zigzag()
Octet = tuple[float, float, float, float, float, float, float, float]
C1, C2, C3, C4, C5, C6, C7 = (math.cos(k * math.pi / 16) / 2 for k in range(1, 8))
# A ramp of slope 1 from one block edge to the other has this in its first coefficient (the DCT of x/8, eight rows).
RAMP = sum((x - 3.5) / 8 * math.cos((2 * x + 1) * math.pi / 16) / 2 for x in range(8)) * math.sqrt(8)

# The tables of T.81 annex K for brightness serve colour too: the file says which it uses.
DC_COUNTS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
DC_SYMBOLS = bytes(range(12))
AC_COUNTS = bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125])
AC_SYMBOLS = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a"
) + bytes(
    high << 4 | low
    for high, first in enumerate(b"\x05\x04\x03\x03\x03\x03\x03\x02\x02\x02\x02\x02", 2)
    for low in range(first, 11)
) + bytes(high << 4 | low for high in (14, 15) for low in range(1, 11))  # fmt: skip
DC = _huffman(DC_COUNTS, DC_SYMBOLS)
AC = _huffman(AC_COUNTS, AC_SYMBOLS)


def _value(number: int) -> str:
    """The extra bits of a coefficient: negative ones are written in ones' complement."""
    size = abs(number).bit_length()
    return format(number if number > 0 else number + (1 << size) - 1, f"0{size}b") if size else ""


def _dc(difference: int) -> str:
    return DC[abs(difference).bit_length()] + _value(difference)


def _ac(zeros: int, number: int) -> str:
    return AC[0xF0] * (zeros // 16) + AC[(zeros % 16) << 4 | abs(number).bit_length()] + _value(number)


DIFFERENCE = {number: _dc(number) for number in range(-2047, 2048)}
END = AC[0]


def tail(coefficients: tuple[tuple[int, int], ...]) -> tuple[str, str, str]:
    """Coefficients (zigzag place above 2, value) as bits, for 0, 1 and 2 zeros left over before place 3."""
    variants = []
    for before in range(3):
        bits, place = "", 2 - before
        for at, number in coefficients:
            bits += _ac(at - place - 1, number)
            place = at
        variants.append(bits + END)
    return variants[0], variants[1], variants[2]


NOTHING = (END, END, END)


@lru_cache(maxsize=4_096)
def _slopes(across: int, down: int) -> tuple[str, int]:
    """The bits of the first two AC coefficients, and how many zeros are pending after them."""
    bits = _ac(0, across) if across else ""
    if down:
        return bits + _ac(0 if across else 1, down), 0
    return bits, 1 if across else 2


class Encoder:
    """Blocks are given row by row, for each the three channels in order; `close` returns the file."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._bits: list[str] = []
        self._rows: list[str] = []
        self._before = [0, 0, 0]

    def smooth(
        self, channel: Channel, mean: float, across: float, down: float, texture: tuple[str, str, str] = NOTHING
    ) -> None:
        """A block of that mean (-128..127) and of that rise over its width and height, with a texture on top."""
        step = STEP[channel > 0]
        level = round(mean * 8 / step)
        slopes, zeros = _slopes(round(across * RAMP / step), round(down * RAMP / step))
        bits = self._bits
        bits.append(DIFFERENCE[level - self._before[channel]])
        bits.append(slopes)
        bits.append(texture[zeros])
        self._before[channel] = level

    def exact(self, channel: Channel, samples: list[float]) -> None:
        """A block of 64 samples (-128..127)."""
        step = STEP[channel > 0]
        numbers = [round(value / step) for value in transform(samples)]
        level = numbers[0]
        bits = [DIFFERENCE[level - self._before[channel]]]
        self._before[channel] = level
        place = 0
        for at in range(1, 64):
            number = numbers[ZIGZAG[at]]
            if number:
                bits.append(_ac(at - place - 1, number))
                place = at
        if place < 63:
            bits.append(END)
        self._bits.append("".join(bits))

    def end_row(self) -> None:
        self._rows.append("".join(self._bits))
        self._bits.clear()

    def close(self) -> bytes:
        bits = "".join(self._rows)
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
        return self._head() + data + b"\xff\xd9"

    def _head(self) -> bytes:
        size = self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big")
        components = b"\x03" + b"\x01\x11\x00" + b"\x02\x11\x01" + b"\x03\x11\x01"
        return (
            b"\xff\xd8"
            + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
            + _segment(0xDB, b"\x00" + bytes([STEP[0]]) * 64 + b"\x01" + bytes([STEP[1]]) * 64)
            + _segment(0xC0, b"\x08" + size + components)
            + _segment(0xC4, b"\x00" + DC_COUNTS + DC_SYMBOLS + b"\x10" + AC_COUNTS + AC_SYMBOLS)
            + _segment(0xDA, b"\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00")
        )


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def transform(samples: list[float]) -> list[float]:
    """The two-dimensional DCT of 64 samples, rows first."""
    rows = [_line(*samples[start : start + 8]) for start in range(0, 64, 8)]
    columns = [_line(*column) for column in zip(*rows, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in row]


def _line(a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float) -> Octet:
    """The DCT of eight samples: sums give its even coefficients, differences its odd ones."""
    s0, s1, s2, s3 = a + h, b + g, c + f, d + e
    d0, d1, d2, d3 = a - h, b - g, c - f, d - e
    outer, inner = s0 - s3, s1 - s2
    return (
        (s0 + s1 + s2 + s3) * C4,
        d0 * C1 + d1 * C3 + d2 * C5 + d3 * C7,
        outer * C2 + inner * C6,
        d0 * C3 - d1 * C7 - d2 * C1 - d3 * C5,
        (s0 - s1 - s2 + s3) * C4,
        d0 * C5 - d1 * C1 + d2 * C7 + d3 * C3,
        outer * C6 - inner * C2,
        d0 * C7 - d1 * C5 + d2 * C3 - d3 * C1,
    )
