"""The metrics of a tuning as a file that TensorBoard reads. Begin with `events`."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

POLYNOMIAL = 0x82F63B78  # CRC-32C


def events(steps: Iterable[tuple[float, int, Mapping[str, float]]]) -> bytes:
    """The file with a record for each step: its Unix time, its number, and its figures by name."""
    head = _double(1, 0.0) + _bytes(3, b"brain.Event:2")
    return _record(head) + b"".join(_record(_event(*step)) for step in steps)


def _event(at: float, step: int, figures: Mapping[str, float]) -> bytes:
    values = b"".join(
        _bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", value)) for name, value in figures.items()
    )
    return _double(1, at) + b"\x10" + _varint(step) + _bytes(5, values)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _double(number: int, value: float) -> bytes:
    return bytes([number << 3 | 1]) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _entry(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc


TABLE = [_entry(number) for number in range(256)]
