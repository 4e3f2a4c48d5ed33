"""Figures of the sandbox's pictures, drawn in units of their own size. Begin with `FIGURES` at the foot."""

from __future__ import annotations

import math
import random

from bot.sandbox.media.canvas import Colour, Pen, mixed

INK: Colour = (38, 34, 40)
WHITE: Colour = (246, 242, 232)
RED: Colour = (196, 62, 54)
LAMP: Colour = (255, 226, 130)
ROCK: Colour = (84, 82, 90)
WOOD: Colour = (120, 78, 52)
GREEN: Colour = (62, 124, 66)
FURS: tuple[Colour, ...] = ((214, 136, 66), (112, 108, 114), (62, 56, 62), (224, 206, 178), (146, 98, 66))
PETALS: tuple[Colour, ...] = ((228, 84, 96), (244, 188, 70), (176, 104, 196), (244, 240, 236), (240, 130, 170))


def lighthouse(pen: Pen, chance: random.Random) -> None:
    """Draw a striped tower with a lit lamp on a rock."""
    pen.polygon([(-1.0, -0.5), (-0.7, 0.12), (-0.25, 0.26), (0.3, 0.22), (0.75, 0.05), (1.1, -0.5)], ROCK)
    pen.polygon([(-1.0, -0.5), (-0.7, 0.12), (-0.3, -0.1), (-0.1, -0.5)], mixed(ROCK, INK, 0.35))
    for step in range(6):
        low, high = step / 6, (step + 1) / 6
        wide, narrow = 0.3 - 0.12 * low, 0.3 - 0.12 * high
        foot, head = 0.2 + 1.7 * low, 0.2 + 1.7 * high
        colour = RED if step % 2 else WHITE
        pen.polygon([(-wide, foot), (-narrow, head), (narrow, head), (wide, foot)], colour)
        pen.polygon([(wide * 0.35, foot), (narrow * 0.35, head), (narrow, head), (wide, foot)], mixed(colour, INK, 0.2))
    pen.rectangle(-0.06, 0.2, 0.06, 0.42, WOOD)
    pen.rectangle(-0.03, 0.95, 0.03, 1.06, INK)
    pen.rectangle(-0.25, 1.88, 0.25, 1.94, INK)
    pen.rectangle(-0.14, 1.94, 0.14, 2.2, LAMP)
    pen.rectangle(-0.01, 1.94, 0.01, 2.2, INK)
    pen.polygon([(-0.2, 2.2), (0.0, 2.42), (0.2, 2.2)], RED)
    pen.line([(0.0, 2.42), (0.0, 2.54)], 0.02, INK)


def cat(pen: Pen, chance: random.Random) -> None:
    """Draw a sitting cat; chance chooses its coat."""
    fur = chance.choice(FURS)
    dark, light = mixed(fur, INK, 0.35), mixed(fur, WHITE, 0.6)
    tail = [(0.42 + 0.5 * math.sin(turn / 5), 0.1 + 0.075 * turn) for turn in range(11)]
    pen.line(tail, 0.14, dark)
    pen.ellipse((0.0, 0.45), 0.52, 0.5, fur)
    pen.ellipse((0.0, 0.8), 0.38, 0.42, fur)
    pen.ellipse((0.0, 0.5), 0.22, 0.38, light)
    for side in (-1, 1):
        pen.ellipse((side * 0.4, 0.18), 0.22, 0.2, dark)
        pen.rectangle(side * 0.17 - 0.1, 0.05, side * 0.17 + 0.1, 0.5, fur)
        pen.ellipse((side * 0.18, 0.06), 0.15, 0.09, light)
        pen.polygon([(side * 0.44, 1.4), (side * 0.46, 1.98), (side * 0.1, 1.62)], fur)
        pen.polygon([(side * 0.37, 1.5), (side * 0.4, 1.82), (side * 0.2, 1.62)], (232, 160, 160))
    pen.ellipse((0.0, 1.32), 0.5, 0.42, fur)
    for stripe in (-0.12, 0.0, 0.12):
        pen.line([(stripe, 1.72), (stripe * 0.8, 1.56)], 0.045, dark)
    for side in (-1, 1):
        pen.ellipse((side * 0.2, 1.38), 0.12, 0.13, (150, 196, 92))
        pen.ellipse((side * 0.2, 1.38), 0.045, 0.115, INK)
        pen.ellipse((side * 0.2 + 0.04, 1.43), 0.025, 0.025, WHITE)
        pen.ellipse((side * 0.1, 1.16), 0.12, 0.09, light)
        for lift in (-0.06, 0.02, 0.1):
            pen.line([(side * 0.18, 1.16 + lift / 3), (side * 0.62, 1.14 + lift)], 0.012, WHITE)
    pen.polygon([(-0.055, 1.25), (0.055, 1.25), (0.0, 1.18)], (214, 110, 116))


def dog(pen: Pen, chance: random.Random) -> None:
    """Draw a sitting dog; chance chooses its coat."""
    fur = chance.choice(FURS)
    dark, light = mixed(fur, INK, 0.4), mixed(fur, WHITE, 0.65)
    pen.line([(0.45, 0.3), (0.72, 0.5), (0.82, 0.8)], 0.13, fur)
    pen.ellipse((0.0, 0.5), 0.5, 0.52, fur)
    pen.ellipse((0.0, 0.6), 0.24, 0.4, light)
    for side in (-1, 1):
        pen.ellipse((side * 0.4, 0.16), 0.22, 0.18, dark)
        pen.rectangle(side * 0.18 - 0.11, 0.05, side * 0.18 + 0.11, 0.5, fur)
        pen.ellipse((side * 0.19, 0.07), 0.16, 0.1, light)
    pen.ellipse((0.0, 1.34), 0.44, 0.46, fur)
    for side in (-1, 1):
        pen.ellipse((side * 0.46, 1.3), 0.15, 0.36, dark)
        pen.ellipse((side * 0.17, 1.46), 0.075, 0.085, INK)
        pen.ellipse((side * 0.17 + 0.025, 1.49), 0.022, 0.022, WHITE)
    pen.ellipse((0.0, 1.12), 0.26, 0.2, light)
    pen.ellipse((0.0, 0.98), 0.07, 0.12, (226, 110, 120))
    pen.ellipse((0.0, 1.2), 0.1, 0.075, INK)
    pen.line([(-0.12, 1.06), (0.0, 1.03), (0.12, 1.06)], 0.025, INK)
    pen.rectangle(-0.3, 0.88, 0.3, 0.95, RED)


def house(pen: Pen, chance: random.Random) -> None:
    """Draw a house with a roof, a door and windows."""
    wall = mixed(chance.choice(FURS), WHITE, 0.55)
    pen.rectangle(0.35, 1.1, 0.55, 1.75, mixed(RED, INK, 0.3))
    pen.rectangle(-0.8, -0.05, 0.8, 0.95, wall)
    pen.rectangle(0.3, -0.05, 0.8, 0.95, mixed(wall, INK, 0.12))
    pen.polygon([(-1.0, 0.9), (-0.1, 1.6), (0.1, 1.6), (1.0, 0.9)], mixed(RED, INK, 0.15))
    pen.rectangle(-0.16, -0.05, 0.16, 0.55, WOOD)
    pen.ellipse((0.1, 0.25), 0.025, 0.025, LAMP)
    for x in (-0.5, 0.5):
        pen.rectangle(x - 0.19, 0.3, x + 0.19, 0.68, WHITE)
        pen.rectangle(x - 0.15, 0.34, x + 0.15, 0.64, LAMP)
        pen.line([(x, 0.34), (x, 0.64)], 0.03, WHITE)
        pen.line([(x - 0.15, 0.49), (x + 0.15, 0.49)], 0.03, WHITE)


def ship(pen: Pen, chance: random.Random) -> None:
    """Draw a sailing ship."""
    sail = mixed(chance.choice(PETALS), WHITE, 0.6)
    pen.line([(0.0, 0.2), (0.0, 1.75)], 0.05, WOOD)
    pen.polygon([(0.06, 0.4), (0.06, 1.65), (0.5, 1.05), (0.8, 0.4)], sail)
    pen.polygon([(-0.06, 0.45), (-0.06, 1.5), (-0.7, 0.45)], mixed(sail, INK, 0.15))
    pen.polygon([(0.0, 1.72), (0.3, 1.64), (0.0, 1.56)], RED)
    pen.polygon([(-0.95, 0.3), (-0.7, -0.08), (0.65, -0.08), (1.0, 0.32)], WOOD)
    pen.polygon([(-0.95, 0.3), (-0.9, 0.22), (0.93, 0.23), (1.0, 0.32)], WHITE)


def flowers(pen: Pen, chance: random.Random) -> None:
    """Draw a few flowers; chance chooses their colours."""
    for number in range(23):
        x, y = (number - 11) / 4.4 + chance.uniform(-0.1, 0.1), chance.uniform(-0.55, 0.1)
        size = chance.uniform(0.09, 0.15)
        top, petal = y + chance.uniform(0.35, 0.75), chance.choice(PETALS)
        pen.line([(x, y), (x + 0.03, top)], 0.03, GREEN)
        pen.polygon([(x, y + 0.1), (x + 0.16, y + 0.3), (x + 0.02, y + 0.2)], mixed(GREEN, WHITE, 0.15))
        for turn in range(6):
            angle = turn * math.tau / 6
            pen.ellipse((x + size * math.cos(angle), top + size * math.sin(angle)), size * 0.62, size * 0.62, petal)
        pen.ellipse((x, top), size * 0.5, size * 0.5, LAMP if petal != PETALS[1] else WOOD)


def fir(pen: Pen, colour: Colour) -> None:
    """Draw one fir tree."""
    pen.rectangle(-0.04, -0.05, 0.04, 0.2, mixed(colour, INK, 0.4))
    for low, high, wide in ((0.12, 0.55, 0.34), (0.34, 0.78, 0.26), (0.58, 1.0, 0.18)):
        pen.polygon([(-wide, low), (0.0, high), (wide, low)], colour)
        pen.polygon([(0.0, low), (0.0, high), (wide, low)], mixed(colour, INK, 0.18))


# What is drawn, its height as a share of the picture's shorter side, and how far below the horizon it stands: a share
# of the ground. From the back to the front.
FIGURES = {
    "ship": (ship, 0.16, 0.18),
    "lighthouse": (lighthouse, 0.22, 0.22),
    "house": (house, 0.2, 0.3),
    "flowers": (flowers, 0.2, 0.85),
    "dog": (dog, 0.19, 0.78),
    "cat": (cat, 0.19, 0.8),
}
