"""The format and the size of a picture from its header, without decoding it. Begin with `picture_header`."""

from __future__ import annotations

import struct


def picture_header(data: bytes) -> tuple[str, int, int]:
    """Format ("JPEG", "PNG", "GIF", "WebP" or "?"), width and height in pixels; zeros if the size cannot be read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        return "PNG", *struct.unpack(">II", data[16:24])
    if data.startswith(b"GIF8") and len(data) >= 10:
        return "GIF", *struct.unpack("<HH", data[6:10])
    if data.startswith(b"\xff\xd8"):
        return "JPEG", *_jpeg_size(data)
    return ("WebP" if data[8:12] == b"WEBP" else "?"), 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in {0x01, *range(0xD0, 0xD8)}:
            place += 2
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0
