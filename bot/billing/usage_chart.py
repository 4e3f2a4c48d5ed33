"""Draws the bar chart of /usage: what each of the last days has cost. Pure; begin with `draw`.

The colours are readable in the dark and the light theme of Telegram. The font is the one inside Pillow, so none has to
be installed. It has only Latin letters: the chart has dates and amounts, all words stand in the caption.
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
    """One bar of the chart. `amount` is in units of the currency, or in tokens."""

    day: date
    amount: float


def draw(days: Sequence[Day], language: str = "en") -> bytes:
    """A PNG with one bar for each day. The days are in ascending order; the last is today."""
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
    for index, day in enumerate(days):
        left, bar = LEFT + index * slot, height * day.amount / top
        if day.amount > 0:
            box = (left + slot * 0.15, HEIGHT - BOTTOM - max(bar, 2), left + slot * 0.85, HEIGHT - BOTTOM)
            pen.rectangle(box, LAST if index == len(days) - 1 else BAR)
        if (len(days) - 1 - index) % 7 == 0:
            pen.text((left + slot / 2, HEIGHT - BOTTOM + 10), when(day.day, language), WORDS, font, anchor="mt")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def scale(most: float) -> tuple[float, float]:
    """The top of the axis and the step between its lines, both round numbers, for two to five lines."""
    if most <= 0:
        return 1.0, 1.0
    power = 10.0 ** (len(f"{most:.0f}") - 1 if most >= 1 else -6)
    while power * 10 <= most:
        power *= 10
    step = next(power * part / 2 for part in STEPS if power * part * 2 >= most)
    lines = -(-most // step)
    return step * lines, step


def amount(value: float, step: float, language: str) -> str:
    """A number with the separators of the language, and as many decimal places as the step of the axis needs."""
    places = next((count for count in range(7) if abs(step * 10**count - round(step * 10**count)) < 1e-6), 6)
    text = f"{value:,.{places}f}"
    return text.replace(",", " ").replace(".", ",") if known(language) == "ru" else text


def when(day: date, language: str) -> str:
    """A date as the language writes it: "22.11" or "Nov 22"."""
    return f"{day:%d.%m}" if known(language) == "ru" else f"{MONTHS[day.month - 1]} {day.day}"
