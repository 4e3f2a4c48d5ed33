"""Pictures drawn by rule: a landscape with what the prompt names, as a JPEG. Begin with `draw`.

Equal prompts, seeds and ratios give equal bytes. Words choose what is drawn (`subjects.WORDS`); everything else is
chance that begins with the seed.
"""

from __future__ import annotations

import io
import math
import random
import zlib
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from bot.sandbox.media.canvas import Colour, Pen, Point, glow, gradient, mixed
from bot.sandbox.media.figures import FIGURES, INK, LAMP, WHITE, fir
from bot.sandbox.media.subjects import find_subjects

AREA = 1024 * 1024  # pixels of a picture
FINER = 2  # how many times wider and higher it is drawn, for smooth edges
SOFTER = 4  # how many times smaller than that the clouds are drawn
QUALITY = 88


def size_of(width: int, height: int) -> tuple[int, int]:
    """Pixels for a ratio: about a million, each side a multiple of 8, no narrower than 1 to 4."""
    ratio = min(max(width / height, 0.25), 4.0)
    return round(math.sqrt(AREA * ratio) / 8) * 8, round(math.sqrt(AREA / ratio) / 8) * 8


@lru_cache(maxsize=32)
def draw(prompt: str, seed: int, width: int = 1, height: int = 1) -> bytes:
    """A JPEG of about a million pixels in that ratio. Takes about a tenth of a second: run it in a thread."""
    chance = random.Random(f"{prompt}\0{seed}")  # noqa: S311 - a picture, not a secret
    subjects, size = find_subjects(prompt), size_of(width, height)
    mood = next((name for name in ("night", "sunset", "winter", "storm") if name in subjects), "")
    mood = mood or ("day", "sunset", "morning")[zlib.crc32(prompt.encode("utf-8", "replace")) % 3]
    width, height = size[0] * FINER, size[1] * FINER
    image, horizon = Image.new("RGB", (width, height), MOODS[mood].skyline), height * chance.uniform(0.54, 0.62)
    side = min(width, height)
    scene = Scene(image, subjects, MOODS[mood], chance, width=width, height=height, horizon=horizon, side=side)
    _night_sky(scene) if mood == "night" else _day_sky(scene)
    _ground(scene)
    _figures(scene)
    _weather(scene)
    out = io.BytesIO()
    scene.image.reduce(FINER).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Mood:
    """Colours of a time of day or a season."""

    zenith: Colour
    skyline: Colour
    sun: Colour
    far: Colour
    near: Colour


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture that is being drawn. `horizon` is its distance from the top, `side` the shorter side, in pixels."""

    image: Image.Image
    subjects: set[str]
    mood: Mood
    chance: random.Random
    width: int
    height: int
    horizon: float
    side: int

    @property
    def pen(self) -> Pen:
        """Draws in pixels, from the upper left corner; upwards is above the picture."""
        return Pen(self.image, 0, 0, 1)

    def below_horizon(self, share: float) -> float:
        """How far from the top is what lies so far between the horizon (0) and the lower edge (1)."""
        return self.horizon + (self.height - self.horizon) * share


# --- sky --------------------------------------------------------------------------------------------------------------


def _day_sky(scene: Scene) -> None:
    """Sun and clouds are soft: they are drawn small and made larger, which is quick."""
    chance, stormy = scene.chance, "storm" in scene.subjects
    width, height = scene.width // SOFTER, int(scene.horizon) // SOFTER
    sky, side = gradient((width, height), scene.mood.zenith, scene.mood.skyline), scene.side / SOFTER
    x, y, radius = _sun(scene)
    if not stormy:
        glow(sky, (x / SOFTER, y / SOFTER), radius * 6 / SOFTER, scene.mood.sun, 0.7)
        Pen(sky, 0, 0, 1 / SOFTER).ellipse((x, -y), radius, radius, scene.mood.sun)
    for _ in range(10 if stormy else 5):
        x, y, size = chance.uniform(0, width), height * chance.uniform(0.08, 0.62), side * 0.05
        for _ in range(7):
            puff = (x + size * chance.uniform(-2.2, 2.2), y + size * chance.uniform(-0.3, 0.3))
            glow(sky, puff, size * chance.uniform(1.2, 2.4), mixed(scene.mood.skyline, WHITE, 0.35), 0.55)
    scene.image.paste(sky.resize((scene.width, int(scene.horizon)), Image.Resampling.BILINEAR))


def _night_sky(scene: Scene) -> None:
    chance = scene.chance
    scene.image.paste(gradient((scene.width, int(scene.horizon)), scene.mood.zenith, scene.mood.skyline))
    for _ in range(140):
        star, size = (chance.uniform(0, scene.width), -chance.uniform(0, scene.horizon)), chance.uniform(0.5, 1.6)
        light = mixed(scene.mood.zenith, WHITE, size / 1.6)
        scene.pen.ellipse(star, size * scene.side / 900, size * scene.side / 900, light)
    x, y, radius = _sun(scene)
    glow(scene.image, (x, y), radius * 6, scene.mood.sun, 0.7)
    moon = Pen(scene.image, x, y, radius)
    moon.ellipse((0.0, 0.0), 1.0, 1.0, scene.mood.sun)
    for across, up, size in ((-0.35, 0.3, 0.2), (0.3, -0.1, 0.26), (-0.2, -0.45, 0.14)):
        moon.ellipse((across, up), size, size, (214, 214, 200))


def _sun(scene: Scene) -> tuple[float, float, float]:
    """Where the sun or the moon stands, and its radius."""
    x, y = scene.width * scene.chance.uniform(0.15, 0.85), scene.horizon * scene.chance.uniform(0.25, 0.6)
    return x, y, scene.side * scene.chance.uniform(0.05, 0.075)


# --- ground -----------------------------------------------------------------------------------------------------------


def _ground(scene: Scene) -> None:
    if "mountains" in scene.subjects:
        _mountains(scene)
    at_sea = bool({"sea", "ship", "lighthouse"} & scene.subjects)
    if not at_sea:
        _hills(scene, 0.0, 0.25)
    if "city" in scene.subjects:
        _city(scene)
    if at_sea:
        _sea(scene)
        if {"house", "cat", "dog", "flowers"} & scene.subjects:  # which do not stand on water
            _hills(scene, 0.55, 0.9)
        return
    for row in range(4):
        share = 0.12 + row * 0.22
        if "forest" in scene.subjects:
            _firs(scene, share)
        _hills(scene, share, 0.4 + row * 0.2)


def _hills(scene: Scene, share: float, nearness: float) -> None:
    """Hills whose foot lies so far (a share) below the horizon."""
    colour = mixed(mixed(scene.mood.skyline, scene.mood.far, 0.5 + nearness / 2), scene.mood.near, nearness)
    outline = _waves(scene, scene.below_horizon(share), scene.side * 0.022)
    scene.pen.polygon([*outline, (scene.width, -scene.height), (0, -scene.height)], colour)


def _waves(scene: Scene, base: float, swing: float) -> list[Point]:
    parts = [(scene.chance.uniform(0.6, 1.4) * 2**power, scene.chance.uniform(0, 7), 1.8**-power) for power in range(4)]

    def height(turn: float) -> float:
        return swing * sum(size * math.sin(phase + rate * turn) for rate, phase, size in parts) - base

    return [(scene.width * step / 120, height(math.tau * step / 120)) for step in range(121)]


def _mountains(scene: Scene) -> None:
    chance = scene.chance
    for row in range(3):
        colour = mixed(scene.mood.skyline, mixed(scene.mood.far, scene.mood.zenith, 0.4), 0.45 + row * 0.2)
        for number in range(5 - row):
            x = scene.width * (number + chance.uniform(0.1, 0.9)) / (5 - row)
            pen = Pen(scene.image, x, scene.horizon + scene.side * 0.06, scene.side * chance.uniform(0.2, 0.34))
            top = 1.45 - row * 0.3
            ridge = [(0.0, top), (0.1, top * 0.8), (0.03, top * 0.62), (0.16, top * 0.4), (0.08, 0.0)]
            pen.polygon([(-1.15, 0.0), (0.0, top), (1.15, 0.0)], colour)
            pen.polygon([*ridge, (1.15, 0.0)], mixed(colour, INK, 0.22))
            snow = [(-0.3, top * 0.74), (-0.16, top * 0.8), (-0.06, top * 0.7), (0.06, top * 0.79), (0.16, top * 0.72)]
            pen.polygon([(0.0, top), *snow, (0.3, top * 0.74)], mixed(WHITE, colour, 0.15))


def _firs(scene: Scene, share: float) -> None:
    """A row of firs whose feet lie so far (a share) below the horizon."""
    base = scene.below_horizon(share)
    colour = mixed(scene.mood.far, mixed((24, 66, 46), scene.mood.near, 0.3), 0.4 + share * 0.6)
    unit, x = scene.side * (0.13 + share * 0.22), 0.0
    while x < scene.width + unit:
        size = unit * scene.chance.uniform(0.75, 1.25)
        shade = mixed(colour, INK, scene.chance.uniform(0.0, 0.25))
        fir(Pen(scene.image, x, base + unit * 0.12, size), shade)
        x += unit * scene.chance.uniform(0.25, 0.5)


def _city(scene: Scene) -> None:
    chance, base = scene.chance, scene.horizon + scene.side * 0.12
    for row in range(3):
        wall, x = mixed(scene.mood.skyline, mixed(scene.mood.far, INK, 0.35), 0.4 + row * 0.3), 0.0
        while x < scene.width:
            wide, high = scene.side * chance.uniform(0.06, 0.12), scene.side * chance.uniform(0.12, 0.42 - row * 0.08)
            scene.pen.rectangle(x, -base - row * scene.side * 0.05, x + wide, high - base, wall)
            pane = scene.side * 0.009
            for place in range(int(wide / pane / 2.5)):
                for storey in range(int((high - pane) / pane / 3)):
                    if chance.random() < 0.35:
                        left, top = x + pane * (0.7 + 2.5 * place), high - base - pane * (1 + 3 * storey)
                        scene.pen.rectangle(left, top - pane * 1.5, left + pane, top, mixed(wall, LAMP, 0.75))
            x += wide * 1.04


def _sea(scene: Scene) -> None:
    chance, top = scene.chance, int(scene.horizon)
    far, near = mixed(scene.mood.skyline, SEA, 0.55), mixed(mixed(SEA, scene.mood.zenith, 0.4), INK, 0.3)
    scene.image.paste(gradient((scene.width, scene.height - top), far, near), (0, top))
    for _ in range(260):
        share = chance.random() ** 1.6
        long, thick = scene.side * (0.02 + 0.1 * share), scene.side * (0.001 + 0.004 * share)
        place = (chance.uniform(-long, scene.width), -scene.below_horizon(share))
        scene.pen.ellipse(place, long, thick, mixed(mixed(far, near, share), scene.mood.sun, 0.2))


# --- figures and weather ----------------------------------------------------------------------------------------------


def _figures(scene: Scene) -> None:
    chosen = [name for name in FIGURES if name in scene.subjects]
    slots = scene.chance.sample(range(len(chosen)), len(chosen))
    for name, slot in zip(chosen, slots, strict=True):
        figure, size, below = FIGURES[name]
        x = scene.width * (slot + scene.chance.uniform(0.38, 0.62)) / len(chosen)
        y, unit = scene.below_horizon(below), scene.side * size
        if name == "lighthouse":
            glow(scene.image, (x, y - 2.07 * unit), unit * 1.6, LAMP, 0.8)
        figure(Pen(scene.image, x, y, unit), scene.chance)


def _weather(scene: Scene) -> None:
    chance, side = scene.chance, scene.side
    flakes = 220 if "winter" in scene.subjects else 0
    for _ in range(flakes):
        size = side * chance.uniform(0.001, 0.004)
        scene.pen.ellipse((chance.uniform(0, scene.width), -chance.uniform(0, scene.height)), size, size, WHITE)
    drops = 260 if "storm" in scene.subjects else 0
    for _ in range(drops):
        x, y = chance.uniform(0, scene.width), -chance.uniform(0, scene.height)
        scene.pen.line([(x, y), (x - side * 0.012, y - side * 0.045)], side * 0.0012, (176, 188, 202))


SEA: Colour = (24, 92, 128)
# The colours of `Mood`, in the order of its fields.
COLOURS = {
    "day": ((58, 122, 196), (196, 222, 240), (255, 248, 220), (120, 158, 150), (64, 120, 62)),
    "morning": ((112, 150, 204), (252, 222, 196), (255, 240, 200), (150, 150, 168), (88, 118, 88)),
    "sunset": ((62, 52, 110), (250, 150, 84), (255, 226, 150), (128, 74, 96), (58, 44, 62)),
    "night": ((8, 12, 34), (38, 52, 92), (240, 240, 224), (30, 40, 68), (16, 24, 36)),
    "winter": ((136, 164, 196), (226, 234, 242), (255, 252, 240), (180, 196, 214), (228, 234, 242)),
    "storm": ((52, 60, 72), (138, 146, 152), (206, 206, 196), (84, 94, 100), (50, 60, 58)),
}
MOODS = {name: Mood(*colours) for name, colours in COLOURS.items()}
