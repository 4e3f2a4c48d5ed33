"""Pictures drawn by rule: a landscape with what the prompt names, as a JPEG. Begin with `draw`.

Equal prompts, seeds and ratios give equal bytes. Words choose what is drawn; everything else is chance that begins with
the seed. The words, colours, layers and figures are in `pictures.toml`.
"""

from __future__ import annotations

import io
import math
import random
import re
import tomllib
import zlib
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]

BOOK = tomllib.loads(Path(__file__).with_name("pictures.toml").read_text("utf-8"))
AREA = 1024 * 1024  # pixels of a picture
FINER = 2  # how many times wider and higher it is drawn, for smooth edges
GLOW_EDGE = 181  # of Pillow's radial gradient, in the middle of a side
# What colours of the land become the nearer they are.
NEAR = {"land": "near", "tree": "fir", "peak": "zenith", "wall": "ink", "water": "sea"}


def find_subjects(prompt: str) -> set[str]:
    """The subjects (keys of `words`) that a prompt names as whole words: "lighthouse" does not name a house."""
    words = re.findall(r"\w+", prompt.lower().replace("ё", "е"))
    return {SUBJECT_OF_FORM[word] for word in words if word in SUBJECT_OF_FORM}


def size_of(width: int, height: int) -> tuple[int, int]:
    """Pixels for a ratio: about a million, each side a multiple of 8, no narrower than 1 to 4."""
    ratio = min(max(width / height, 0.25), 4.0)
    return round(math.sqrt(AREA * ratio) / 8) * 8, round(math.sqrt(AREA / ratio) / 8) * 8


@lru_cache(maxsize=32)
def draw(prompt: str, seed: int, width: int = 1, height: int = 1) -> bytes:
    """A JPEG of about a million pixels in that ratio. Takes about a fifth of a second: run it in a thread."""
    chance = random.Random(f"{prompt}\0{seed}")  # noqa: S311 - a picture, not a secret
    shown = find_subjects(prompt)
    mood = next((name for name in ("night", "sunset", "winter", "storm") if name in shown), "")
    mood = mood or ("day", "sunset", "morning")[zlib.crc32(prompt.encode("utf-8", "replace")) % 3]
    shown |= {"sea"} if shown & {"ship", "lighthouse"} else set()
    shown |= {"land"} if "sea" not in shown else {"shore"} if shown & {"house", "cat", "dog", "flowers"} else set()
    shown |= {mood} if mood == "night" else {"clouds"} if "storm" in shown else {"clouds", "sun"}
    scene = Scene(size_of(width, height), mood, chance, at_sea="sea" in shown)
    layers = [line.split() for line in BOOK["layers"].splitlines() if line[:1] not in "#"]
    layers = [layer for layer in layers if layer[0] in shown]
    alone = sum(layer[2] == "0" for layer in layers)
    slots = chance.sample(range(alone), alone)
    for _, figure, count, *numbers in layers:
        scene.scatter(figure, [slots.pop()] if count == "0" else [], int(count) or alone, *map(float, numbers))
    out = io.BytesIO()
    scene.image.reduce(FINER).save(out, "JPEG", quality=88)
    return out.getvalue()


class Scene:
    """A picture that is being drawn, larger than it will be."""

    def __init__(self, size: tuple[int, int], mood: str, chance: random.Random, *, at_sea: bool) -> None:
        self._width, self._height = width, height = size[0] * FINER, size[1] * FINER
        self._chance = chance
        self._side = min(width, height)
        self._horizon = horizon = int(height * chance.uniform(0.54, 0.62))
        of_mood = dict(zip(("zenith", "skyline", "sun", "far", "near"), BOOK["moods"][mood].split(), strict=True))
        named = {**BOOK["colours"], **of_mood}
        self._colours: dict[str, Colour] = {name: ImageColor.getrgb(text) for name, text in named.items()}
        self._colours["cloud"] = mixed(self._colours["skyline"], self._colours["white"], 0.35)
        self.image = gradient((width, horizon), self._colours["zenith"], self._colours["skyline"])
        self.image = self.image.crop((0, 0, width, height))
        self._colour_land(0.0)
        far = self._colours["water" if at_sea else "land"]
        near = mixed(self._colours["sea"], self._colours["ink"], 0.4)
        self.image.paste(gradient((width, height - horizon), far, near), (0, horizon))
        self._draw = ImageDraw.Draw(self.image)

    def scatter(
        self, figure: str, slots: list[int], count: int, first: float, last: float, least: float, most: float
    ) -> None:
        """Draw a figure `count` times, from the back to the front; or once, in one of `count` equal parts of the
        width. It stands between two places and has the sizes of `pictures.toml`.
        """
        for share in [0.5] if slots else sorted(self._chance.random() for _ in range(count)):
            place = first + (last - first) * share
            x = self._chance.uniform(0.38, 0.62) + slots[0] if slots else self._chance.uniform(0.1, count - 0.1)
            y = self._horizon + place * (self._horizon if place < 0 else self._height - self._horizon)
            size = (least + (most - least) * share) * (1 if slots else self._chance.uniform(0.75, 1.25))
            self._colour_land(place)
            self._put(figure, self._width * x / count, y, self._side * size)

    def _colour_land(self, place: float) -> None:
        """Choose coats and petals, and the colours of what lies so far below the horizon (a share)."""
        for name, some in BOOK["one_of"].items():
            self._colours[name] = ImageColor.getrgb(self._chance.choice(some.split()))
        far = mixed(self._colours["skyline"], self._colours["far"], min(0.6 + place / 2, 1.0))
        for name, near in NEAR.items():
            self._colours[name] = mixed(far, self._colours[near], min(max(0.3 + place * 0.8, 0.1), 1.0))

    def _put(self, figure: str, x: float, y: float, unit: float) -> None:
        """Draw the lines of a figure that stands at a place in pixels; a unit of its lines is `unit` pixels."""
        for line in BOOK["figures"][figure].split("\n"):
            shape, _, rest = line.partition(" ")
            if not shape or (shape.endswith("?") and self._chance.random() > 0.35):
                continue
            name, *numbers = rest.split()
            thickness = float(numbers.pop(0)) if "," not in numbers[0] else 0.0
            points = [(float(left), float(up)) for left, _, up in (one.partition(",") for one in numbers)]
            for side in (-1, 1) if shape.endswith("s") else (1,):
                places = [(x + side * left * unit, y - up * unit) for left, up in points]
                radii = (points[-1][0] * unit, points[-1][1] * unit)
                self._draw_shape(shape.rstrip("s?"), self._mixed(name), thickness, places, radii, unit)

    def _draw_shape(
        self, shape: str, colour: Colour, thickness: float, places: list[Point], radii: Point, unit: float
    ) -> None:
        if shape == "area":
            self._draw.polygon(places, colour)
        elif shape == "line":
            self._draw.line(places, colour, max(round(thickness * unit), 1), "curve")
            for place in (places[0], places[-1]):
                self._draw.circle(place, thickness * unit / 2, colour)
        elif shape == "box":
            (left, bottom), (right, top) = places
            self._draw.rectangle((min(left, right), top, max(left, right), bottom), colour)
        else:
            (x, y), (across, up) = places[0], radii
            if shape == "oval":
                self._draw.ellipse((x - across, y - up, x + across, y + up), colour)
            else:
                mask = glow(thickness).resize((round(across * 2), round(up * 2)), Image.Resampling.BILINEAR)
                self.image.paste(colour, (round(x - across), round(y - up)), mask)

    def _mixed(self, name: str) -> Colour:
        """A colour by its name: `coat-35` has 35 parts of ink in a hundred, `coat+60` of white, `#e8a0a0` is itself."""
        if name.startswith("#"):
            return ImageColor.getrgb(name)
        base, sign, share = name.partition("+") if "+" in name else name.partition("-")
        other = self._colours["white" if sign == "+" else "ink"]
        return mixed(self._colours[base], other, int(share or 0) / 100)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: the first at a share of 0, the second at 1."""
    return tuple(round(one + (other - one) * share) for one, other in zip(first, second, strict=True))


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """An image that goes from one colour to another, downwards."""
    steps = Image.new("RGB", (1, 64))
    steps.putdata([mixed(top, bottom, step / 63) for step in range(64)])
    return steps.resize(size, Image.Resampling.BILINEAR)


@lru_cache
def glow(strength: float) -> Image.Image:
    """How much of a light is seen, which fades away from the middle."""
    fading = [round(max(1 - at / GLOW_EDGE, 0) ** 2 * 255 * strength) for at in range(256)]
    return Image.radial_gradient("L").point(fading)


def _forms(word: str) -> list[str]:
    """An English word and its plural; a Russian stem, which ends with *, with each ending; else the word alone."""
    if word.endswith("*"):
        return [word[:-1] + ending for ending in ("", *BOOK["endings"].split())]
    return [word, word + "s", word + "es"] if word.isascii() else [word]


WORDS: dict[str, str] = BOOK["words"]
SUBJECT_OF_FORM = {form: subject for subject, words in WORDS.items() for word in words.split() for form in _forms(word)}
