"""Pictures drawn by rule: a landscape from the words of the prompt and the seed, as a real JPEG. Begin with `draw`.

The same prompt, seed and ratio give the same bytes. Words choose the scene (sea, forest, city, night and so on, in
English and Russian); everything else is chance that begins with the seed.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from bot.sandbox.media.jpeg import Encoder, tail

AREA = 1024 * 1024
Colour = tuple[float, float, float]
Grain = list[tuple[str, str, str]]


def size_of(width: int, height: int) -> tuple[int, int]:
    """Pixels for a ratio: about a million, each side a multiple of 8, no narrower than 1 to 4."""
    ratio = min(max(width / height, 0.25), 4.0)
    return round(math.sqrt(AREA * ratio) / 8) * 8, round(math.sqrt(AREA / ratio) / 8) * 8


@lru_cache(maxsize=32)
def draw(prompt: str, seed: int, width: int = 1, height: int = 1) -> bytes:
    """A JPEG of about a million pixels in that ratio. Takes a few tenths of a second: run it in a thread."""
    size = size_of(width, height)
    chance = random.Random(f"{prompt}\0{seed}")  # noqa: S311 - a picture, not a secret
    return _Painter(_scene(prompt.lower(), chance, *size), chance, *size).paint()


@dataclass(frozen=True, slots=True)
class Layer:
    """Everything below an outline: `line[x]` is its distance from the top; the colours are of top and bottom."""

    line: list[float]
    base: float
    top: Colour
    bottom: Colour
    depth: float
    grain: float
    waves: bool = False
    lit: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Sky from `zenith` to `horizon`, a sun or moon, and layers from far to near."""

    zenith: Colour
    horizon: Colour
    ground: float
    sun: tuple[float, float, float]
    sun_colour: Colour
    layers: list[Layer]
    stars: bool
    clouds: float


# --- what is in the picture


def _scene(prompt: str, chance: random.Random, width: int, height: int) -> Scene:
    words = {name for name, pattern in WORDS.items() if re.search(pattern, prompt)}
    mood = next((name for name in ("night", "sunset", "winter", "storm") if name in words), "")
    mood = mood or ("day", "sunset", "morning")[zlib.crc32(prompt.encode("utf-8", "replace")) % 3]
    zenith, horizon, sun_colour, far, near = MOODS[mood]
    ground = height * chance.uniform(0.5, 0.62)
    radius = min(width, height) * chance.uniform(0.06, 0.1)
    sun = (width * chance.uniform(0.2, 0.8), ground - height * chance.uniform(0.12, 0.34), radius)
    layers = _layers(words, chance, (width, height), ground, (_shifted(far, chance), _shifted(near, chance), horizon))
    clouds = 0.0 if mood == "night" else chance.uniform(6, 16)
    return Scene(zenith, horizon, ground, sun, sun_colour, layers, mood == "night", clouds)


def _layers(
    words: set[str], chance: random.Random, size: tuple[int, int], ground: float, colours: tuple[Colour, Colour, Colour]
) -> list[Layer]:
    width, height = size
    far, near, sky = colours
    found = []
    count = 4
    for number in range(count):
        share = (number + 0.6) / count
        base = ground + (height - ground) * (share - 0.25) * 0.95
        colour = _mixed(_mixed(sky, far, 0.35 + 0.65 * share), near, share * share)
        line = _outline(words, number, count, chance, width, base, height)
        if "forest" in words:
            colour = _mixed(colour, FOREST, 0.25 + 0.6 * share)
        wet = "sea" in words and number > 0
        if wet:
            colour = _mixed(colour, SEA, 0.75)
        bottom = _mixed(colour, (0.0, 0.0, 0.0), 0.35)
        lit = 0.16 if "city" in words and number < count - 1 else 0.0
        found.append(Layer(line, min(line), colour, bottom, height * 0.3, 0.35 + 0.65 * share, wet, lit))
    return found


def _outline(
    words: set[str], number: int, count: int, chance: random.Random, width: int, base: float, height: int
) -> list[float]:
    if "sea" in words and number > 0:
        return _waves(chance, width, base, height * 0.006 * number)
    if "city" in words and number < count - 1:
        return _skyline(chance, width, base, height * (0.20 - 0.03 * number))
    hills = _waves(chance, width, base, height * 0.045, rough="mountain" in words and number < 2)
    if "forest" in words and number > 0:
        return _firs(chance, hills, height * (0.03 + 0.025 * number))
    return hills


def _waves(chance: random.Random, width: int, base: float, swing: float, *, rough: bool = False) -> list[float]:
    """A sum of sines; `rough` folds them into ridges."""
    parts = [(2**power * chance.uniform(0.7, 1.3), chance.uniform(0, 7), swing / 1.7**power) for power in range(6)]
    shape: Callable[[float], float] = (lambda value: 2.2 * abs(math.sin(value)) - 2.0) if rough else math.sin
    return [
        base + sum(size * shape(phase + rate * 6.283 * x / width) for rate, phase, size in parts) for x in range(width)
    ]


def _firs(chance: random.Random, ground: list[float], tall: float) -> list[float]:
    line, x = list(ground), -int(tall / 3)
    while x < len(line):
        size = tall * chance.uniform(0.6, 1.2)
        half = max(int(size * 0.28), 3)
        for at in range(max(x - half, 0), min(x + half, len(line))):
            share = 1 - abs(at - x) / half
            line[at] = min(line[at], ground[at] - size * (share + 0.06 * math.sin(share * 28)))
        x += int(half * chance.uniform(0.7, 1.5)) + 1
    return line


def _skyline(chance: random.Random, width: int, base: float, tall: float) -> list[float]:
    line: list[float] = []
    while len(line) < width:
        roof = base - tall * chance.random() ** 1.6
        line += [roof] * chance.randrange(width // 40 + 2, width // 14 + 4)
    return line[:width]


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    a, b, c = first
    return a + (second[0] - a) * share, b + (second[1] - b) * share, c + (second[2] - c) * share


def _shifted(colour: Colour, chance: random.Random) -> Colour:
    red, green, blue = (min(max(part + chance.uniform(-22, 22), 0.0), 255.0) for part in colour)
    return red, green, blue


# --- how it is painted


class _Painter:
    """Blocks that an outline crosses are drawn pixel by pixel, all others from the colours at their corners."""

    def __init__(self, scene: Scene, chance: random.Random, width: int, height: int) -> None:
        self._scene = scene
        self._size = (width, height)
        self._encoder = Encoder(width, height)
        self._grains = [_grain(chance, strength) for strength in (0.2, 0.5, 0.8, 1.2)]
        self._random = chance.random
        self._haze = [chance.uniform(0, 7) for _ in range(6)]
        self._borders = [_column_bounds(layer.line, width) for layer in scene.layers]

    def paint(self) -> bytes:
        width, height = self._size
        above = self._edge(0)
        for row in range(height // 8):
            below = self._edge(row + 1)
            for column in range(width // 8):
                self._block(column, row, above, below)
            self._encoder.end_row()
            above = below
        return self._encoder.close()

    def _edge(self, row: int) -> list[Colour]:
        """The sky's colours at the corners along one row of blocks, as YCbCr."""
        return [_ycc(self._sky(column * 8.0, row * 8.0)) for column in range(self._size[0] // 8 + 1)]

    def _sky(self, x: float, y: float) -> Colour:
        scene = self._scene
        share = min(y / (scene.ground * 1.05), 1.0)
        colour = _mixed(scene.zenith, scene.horizon, share**1.3)
        sun_x, sun_y, radius = scene.sun
        near = math.hypot(x - sun_x, y - sun_y) / (radius * 5.0)
        if near < 3:
            colour = _mixed(colour, scene.sun_colour, 0.55 * math.exp(-near * near * 1.6))
        if scene.clouds:
            a, b, c, d, *_ = self._haze
            wave = math.sin(y / 34 + a + 2.1 * math.sin(x / 170 + b)) * math.sin(x / 120 + c + math.sin(y / 60 + d))
            light = scene.clouds * max(wave, -0.2) * 2
            colour = (colour[0] + light, colour[1] + light, colour[2] + light * 0.8)
        return colour

    def _block(self, column: int, row: int, above: list[Colour], below: list[Colour]) -> None:
        layer, clean = self._owner(column, row)
        if not clean or (layer < 0 and self._on_sun_rim(column, row)):
            self._pixels(column, row)
        elif layer < 0:
            corners = (above[column], above[column + 1], below[column], below[column + 1])
            self._sky_block(column, row, corners)
        else:
            self._layer_block(layer, column, row)

    def _owner(self, column: int, row: int) -> tuple[int, bool]:
        """The nearest layer that covers the block (-1: sky), and whether it covers all of it."""
        top, bottom = row * 8, row * 8 + 8
        for number in range(len(self._borders) - 1, -1, -1):
            high, low = self._borders[number][column]
            if low <= top - 1:
                return number, True
            if high < bottom + 1:
                return number, False
        return -1, True

    def _on_sun_rim(self, column: int, row: int) -> bool:
        x, y, radius = self._scene.sun
        return abs(math.hypot(column * 8 + 4 - x, row * 8 + 4 - y) - radius) < 7

    def _sky_block(self, column: int, row: int, corners: tuple[Colour, Colour, Colour, Colour]) -> None:
        x, y, radius = self._scene.sun
        if math.hypot(column * 8 + 4 - x, row * 8 + 4 - y) < radius:
            self._flat(_ycc(self._scene.sun_colour))
            return
        if self._scene.stars and self._random() < 0.02:
            self._star(corners[0])
            return
        grain = self._pick(0)
        for channel in range(3):
            a, b, c, d = (corner[channel] for corner in corners)
            across, down = (b + d - a - c) / 2, (c + d - a - b) / 2
            texture = grain if channel == 0 else NO_GRAIN
            self._encoder.smooth(channel, (a + b + c + d) / 4, across, down, texture)

    def _layer_block(self, number: int, column: int, row: int) -> None:
        layer = self._scene.layers[number]
        if layer.lit and column % 2 and row % 2 and self._random() < layer.lit:
            self._window(_ycc(self._ground(layer, column * 8 + 4, row * 8 + 4)))
            return
        top = _ycc(self._ground(layer, column * 8 + 4, row * 8))
        end = _ycc(self._ground(layer, column * 8 + 4, row * 8 + 8))
        grain = self._pick(1 + int(layer.grain * 2.9))
        for channel in range(3):
            texture = grain if channel == 0 else NO_GRAIN
            self._encoder.smooth(channel, (top[channel] + end[channel]) / 2, 0.0, end[channel] - top[channel], texture)

    def _ground(self, layer: Layer, x: int, y: int) -> Colour:
        deep = min(max(y - layer.base, 0.0) / layer.depth, 1.0)
        colour = _mixed(layer.top, layer.bottom, deep)
        if layer.waves:
            glitter = self._glitter(x, y)
            colour = _mixed(colour, self._scene.sun_colour, glitter)
        return colour

    def _glitter(self, x: int, y: int) -> float:
        """How much of the sun the water shows: a column of light under it, broken by waves."""
        sun_x, _, radius = self._scene.sun
        beside = (x - sun_x) / (radius * 1.6)
        ripple = 0.5 + 0.5 * math.sin(y / 3.1 + 2.0 * math.sin(x / 23 + self._haze[0]))
        return 0.06 * ripple + 0.5 * ripple * math.exp(-beside * beside)

    def _flat(self, colour: Colour) -> None:
        for channel in range(3):
            self._encoder.smooth(channel, colour[channel], 0.0, 0.0)

    def _star(self, colour: Colour) -> None:
        x, y, size = 1 + int(self._random() * 5), 1 + int(self._random() * 5), 60 + self._random() * 120
        samples = [colour[0]] * 64
        for dx, dy, share in STAR:
            at = (y + dy) * 8 + x + dx
            samples[at] = min(samples[at] + size * share, 127.0)
        self._encoder.exact(0, samples)
        self._encoder.smooth(1, colour[1], 0.0, 0.0)
        self._encoder.smooth(2, colour[2], 0.0, 0.0)

    def _window(self, wall: Colour) -> None:
        light = _mixed(wall, _ycc((255.0, 214.0, 130.0)), 0.4 + 0.5 * self._random())
        for channel in range(3):
            inside, outside = light[channel], wall[channel]
            samples = [inside if 2 <= at % 8 <= 5 and 1 <= at // 8 <= 6 else outside for at in range(64)]
            self._encoder.exact(channel, samples)

    def _pixels(self, column: int, row: int) -> None:
        """A block with an edge in it: every pixel has the colour of the nearest thing, softened at the outline."""
        left, top = column * 8, row * 8
        back = _ycc(self._sky(left + 4, top + 4))
        edges: list[tuple[list[float], Colour]] = []
        for layer, borders in zip(self._scene.layers, self._borders, strict=True):
            high, low = borders[column]
            colour = _ycc(self._ground(layer, left + 4, top + 4))
            if low <= top - 1:
                back, edges = colour, []
            elif high < top + 9:
                edges.append((layer.line, colour))
        across, down = range(left, left + 8), range(top, top + 8)
        rim = self._on_sun_rim(column, row)
        pixels = [self._rim(x, y, back) if rim else back for y in down for x in across]
        for line, colour in edges:
            pixels = _covered(pixels, line[left : left + 8], top, colour)
        for channel in range(3):
            self._encoder.exact(channel, [pixel[channel] for pixel in pixels])

    def _rim(self, x: int, y: int, back: Colour) -> Colour:
        sun_x, sun_y, radius = self._scene.sun
        inside = radius - math.hypot(x - sun_x, y - sun_y) + 0.5
        return _mixed(back, _ycc(self._scene.sun_colour), min(max(inside, 0.0), 1.0))

    def _pick(self, strength: int) -> tuple[str, str, str]:
        grains = self._grains[strength]
        return grains[int(self._random() * len(grains))]


def _covered(pixels: list[Colour], line: list[float], top: int, colour: Colour) -> list[Colour]:
    """64 pixels with everything below an outline in a colour; the pixels on the outline are mixed."""
    found = []
    for at, pixel in enumerate(pixels):
        share = top + at // 8 - line[at % 8] + 0.5
        found.append(pixel if share <= 0 else colour if share >= 1 else _mixed(pixel, colour, share))
    return found


def _column_bounds(line: list[float], width: int) -> list[tuple[float, float]]:
    """The highest and lowest point of an outline in each column of blocks."""
    return [(min(line[x : x + 8]), max(line[x : x + 8])) for x in range(0, width, 8)]


def _grain(chance: random.Random, strength: float) -> Grain:
    """Textures of small coefficients: what makes a surface look like paper or grass and not like plastic."""
    found = []
    for _ in range(96):
        places = sorted(chance.sample(range(3, 36), int(2 + 7 * strength)))
        top = 1 if strength < 0.9 else 2
        found.append(tail(tuple((place, chance.choice((-1, 1)) * chance.randint(1, top)) for place in places)))
    return found


def _ycc(colour: Colour) -> Colour:
    """RGB 0..255 as brightness and two colour differences, all about -128..127."""
    red, green, blue = (min(max(part, 0.0), 255.0) for part in colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma - 128.0, (blue - luma) * 0.564, (red - luma) * 0.713


NO_GRAIN = tail(())
STAR = ((0, 0, 1.0), (1, 0, 0.45), (-1, 0, 0.45), (0, 1, 0.45), (0, -1, 0.45))
FOREST: Colour = (26.0, 62.0, 48.0)
SEA: Colour = (28.0, 96.0, 128.0)
WORDS = {
    "sea": r"\bsea|ocean|lake|wave|ship|beach|мор[еяс]|океан|озер|волн|корабл|пляж|река|реки",
    "forest": r"forest|tree|wood|pine|лес|дерев|сосн|[её]лк|тайг",
    "mountain": r"mountain|alps|peak|гор[аыу]\b|горн|вершин",
    "city": r"city|town|street|house|skyline|город|улиц|дом\b|небоскр",
    "night": r"night|moon|star|space|ноч|лун|зв[её]зд|космос",
    "sunset": r"sunset|evening|dusk|autumn|закат|вечер|осен",
    "winter": r"snow|winter|ice|frost|снег|снеж|зим|мороз|л[её]д",
    "storm": r"storm|rain|гроз|дожд|шторм|бур[яи]",
}
# zenith, horizon, sun, far ground, near ground
MOODS: dict[str, tuple[Colour, Colour, Colour, Colour, Colour]] = {
    "day": ((58, 122, 196), (196, 222, 240), (255, 248, 220), (120, 158, 150), (46, 96, 52)),
    "morning": ((112, 150, 204), (252, 222, 196), (255, 240, 200), (150, 150, 168), (72, 98, 78)),
    "sunset": ((62, 52, 110), (250, 150, 84), (255, 226, 150), (128, 74, 96), (38, 28, 44)),
    "night": ((8, 12, 34), (38, 52, 92), (240, 240, 224), (30, 40, 68), (8, 12, 22)),
    "winter": ((136, 164, 196), (226, 234, 242), (255, 252, 240), (180, 196, 214), (232, 238, 244)),
    "storm": ((52, 60, 72), (138, 146, 152), (206, 206, 196), (84, 94, 100), (40, 48, 50)),
}
