"""A small chart of what the last days have cost: `draw`, which is pure. Bars on a ground that suits both themes.

The letters are Pillow's own (Latin), so that no font has to be installed: dates and amounts are written in them, in the
way of the language; what needs words stands in the caption.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.texts.catalog import known

WIDTH, HEIGHT = 800, 360
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 24, 44
GROUND, LINE, WORDS, BAR, LAST = "#f3f5f7", "#cfd6dd", "#4b5762", "#5b9bd5", "#2f6fb0"  # readable beside dark and light
STEPS = (1, 2, 2.5, 5, 10)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, slots=True)
class Day:
    """`amount` in whatever is drawn: money, or tokens."""

    day: date
    amount: float


def draw(days: Sequence[Day], language: str = "en") -> bytes:
    """A PNG with one bar a day, oldest first; the last is today."""
    from PIL import Image, ImageDraw, ImageFont  # 20 MB that only those who ask for a chart pay for

    image = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    top, step = scale(max((day.amount for day in days), default=0.0))
    height, slot = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    ticks = round(top / step)
    for number in range(ticks + 1):
        level = HEIGHT - BOTTOM - height * number / ticks
        pen.line((LEFT, level, WIDTH - RIGHT, level), LINE)
        pen.text((LEFT - 10, level), amount(number * step, step, language), WORDS, font, anchor="rm")
    for place, day in enumerate(days):
        left, bar = LEFT + place * slot, height * day.amount / top
        if day.amount > 0:
            box = (left + slot * 0.15, HEIGHT - BOTTOM - max(bar, 2), left + slot * 0.85, HEIGHT - BOTTOM)
            pen.rectangle(box, LAST if place == len(days) - 1 else BAR)
        if (len(days) - 1 - place) % 7 == 0:
            pen.text((left + slot / 2, HEIGHT - BOTTOM + 10), when(day.day, language), WORDS, font, anchor="mt")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def scale(most: float) -> tuple[float, float]:
    """The top of the axis, and the step between its lines: round numbers, two to five of them."""
    if most <= 0:
        return 1.0, 1.0
    power = 10.0 ** (len(f"{most:.0f}") - 1 if most >= 1 else -6)
    while power * 10 <= most:
        power *= 10
    step = next(power * part / 2 for part in STEPS if power * part * 2 >= most)
    lines = -(-most // step)
    return step * lines, step


def amount(value: float, step: float, language: str) -> str:
    """A number as the language writes it, with as many places as the step needs."""
    places = next((count for count in range(7) if abs(step * 10**count - round(step * 10**count)) < 1e-6), 6)
    text = f"{value:,.{places}f}"
    return text.replace(",", " ").replace(".", ",") if known(language) == "ru" else text


def when(day: date, language: str) -> str:
    return f"{day:%d.%m}" if known(language) == "ru" else f"{MONTHS[day.month - 1]} {day.day}"
