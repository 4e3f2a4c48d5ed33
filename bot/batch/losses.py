"""The losses of a tuning: read from a TensorBoard file, shown as text or as a PNG. Begin with `read_losses`."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bot.errors import BadInput

Losses = Mapping[str, Sequence[tuple[int, float]]]  # by name: step and value
ROWS, COLUMNS = 10, 60  # of the chart in text
WIDTH, HEIGHT, EDGE = 800, 400, 60
GROUND, WORDS, COLOURS = "#f3f5f7", "#4b5762", ("#2f6fb0", "#d1772d", "#3a8f4d", "#8a4fae")
MARKS = "*o+x"
LARGEST_RECORD = 1 << 24  # bytes


def read_losses(path: Path) -> Losses:
    """Read the figures of a TensorBoard file. Raises `BadInput` for what is none."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in _records(path):
        step, values = 0, []
        for number, value in _fields(record):
            if number == 2 and isinstance(value, int):
                step = value
            elif number == 5 and isinstance(value, bytes):
                values += [_figure(one) for key, one in _fields(value) if key == 1 and isinstance(one, bytes)]
        for name, figure in values:
            found.setdefault(name, []).append((step, figure))
    return found


def text_chart(losses: Losses) -> list[str]:
    """The losses as lines of text: a chart, the first and the last figure of each."""
    points = [(step, value) for series in losses.values() for step, value in series]
    if not points:
        return ["There are no figures yet."]
    last, low, high = max(step for step, _ in points), min(v for _, v in points), max(v for _, v in points)
    cells = [[" "] * COLUMNS for _ in range(ROWS)]
    for mark, series in zip(MARKS, losses.values(), strict=False):
        for step, value in series:
            row = round((high - value) / ((high - low) or 1) * (ROWS - 1))
            cells[row][min(step * (COLUMNS - 1) // max(last, 1), COLUMNS - 1)] = mark
    lines = [f"{high - (high - low) * row / (ROWS - 1):8.3f} |{''.join(cells[row])}" for row in range(ROWS)]
    legend = [
        f"  {mark} {name}: {series[0][1]:.3f} -> {series[-1][1]:.3f} (step {series[-1][0]})"
        for mark, (name, series) in zip(MARKS, losses.items(), strict=False)
    ]
    return [*lines, f"{'':8} +{'-' * COLUMNS}", *legend]


def write_chart(losses: Losses, to: Path) -> None:
    """Draw the losses into a PNG."""
    from PIL import Image, ImageDraw, ImageFont  # 20 MB that only those who ask for a chart pay for

    image = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    points = [(step, value) for series in losses.values() for step, value in series] or [(0, 0.0)]
    last, low, high = max(step for step, _ in points), min(v for _, v in points), max(v for _, v in points)
    pen.text((EDGE - 8, EDGE), f"{high:.3f}", WORDS, font, anchor="rm")
    pen.text((EDGE - 8, HEIGHT - EDGE), f"{low:.3f}", WORDS, font, anchor="rm")
    pen.text((WIDTH - EDGE, HEIGHT - EDGE + 12), f"{last}", WORDS, font, anchor="mt")
    for index, (name, series) in enumerate(losses.items()):
        colour = COLOURS[index % len(COLOURS)]
        line = [
            (
                EDGE + (WIDTH - 2 * EDGE) * step / max(last, 1),
                EDGE + (HEIGHT - 2 * EDGE) * (high - value) / ((high - low) or 1),
            )
            for step, value in series
        ]
        if len(line) > 1:
            pen.line(line, colour, 3)
        pen.text((EDGE + 200 * index, 20), name, colour, font)
    image.save(to, "PNG", optimize=True)


def _records(path: Path) -> Iterator[bytes]:
    """The records of the file: each has its length, a checksum of that, its bytes, and a checksum of these."""
    with path.open("rb") as file:
        while head := file.read(12):
            size = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else LARGEST_RECORD + 1
            record = file.read(size) if size <= LARGEST_RECORD else b""
            if len(record) != size or len(file.read(4)) != 4:
                raise BadInput("the metrics are no TensorBoard file, or were cut off")
            yield record


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protobuf message, by number."""
    place = 0
    try:
        while place < len(data):
            tag, place = _varint(data, place)
            kind = tag & 7
            if kind == 0:
                value, place = _varint(data, place)
                yield tag >> 3, value
            elif kind == 1:
                yield tag >> 3, struct.unpack_from("<d", data, place)[0]
                place += 8
            elif kind == 5:
                yield tag >> 3, struct.unpack_from("<f", data, place)[0]
                place += 4
            elif kind == 2:
                size, place = _varint(data, place)
                yield tag >> 3, data[place : place + size]
                place += size
            else:
                raise BadInput("the metrics are no TensorBoard file")
    except (IndexError, struct.error):
        raise BadInput("the metrics are no TensorBoard file") from None


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _figure(data: bytes) -> tuple[str, float]:
    name, figure = "", 0.0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            name = value.decode(errors="replace")
        elif number == 2 and isinstance(value, float):
            figure = value
    return name, figure
