"""Drawing with Pillow in the units of a figure instead of pixels. Begin with `Pen`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Pen:
    """Draws one figure onto an image: (0, 0) is where the figure stands, one unit is `unit` pixels, y grows upwards."""

    def __init__(self, image: Image.Image, x: float, y: float, unit: float) -> None:
        self.unit = unit
        self._draw = ImageDraw.Draw(image)
        self._at = (x, y)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill the area between the points, in the canvas's own units."""
        self._draw.polygon([self._place(point) for point in points], fill=colour)

    def rectangle(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Fill an upright rectangle, in the canvas's own units."""
        self._draw.rectangle([self._place((left, top)), self._place((right, bottom))], fill=colour)

    def ellipse(self, centre: Point, across: float, up: float, colour: Colour) -> None:
        """Fill an ellipse with the radii `across` and `up`, in the canvas's own units."""
        x, y = centre
        self._draw.ellipse([self._place((x - across, y + up)), self._place((x + across, y - up))], fill=colour)

    def line(self, points: Sequence[Point], thickness: float, colour: Colour) -> None:
        """Draw a line with round corners and ends, in the canvas's own units."""
        width = max(round(thickness * self.unit), 1)
        self._draw.line([self._place(point) for point in points], fill=colour, width=width, joint="curve")
        for point in (points[0], points[-1]):
            self.ellipse(point, thickness / 2, thickness / 2, colour)

    def _place(self, point: Point) -> Point:
        return self._at[0] + point[0] * self.unit, self._at[1] - point[1] * self.unit


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: the first at a share of 0, the second at 1."""
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(first, second, strict=True))
    return red, green, blue


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """An image that goes from one colour to another, downwards."""
    steps = Image.new("RGB", (1, 64))
    steps.putdata([mixed(top, bottom, step / 63) for step in range(64)])
    return steps.resize(size, Image.Resampling.BILINEAR)


def glow(image: Image.Image, centre: Point, radius: float, colour: Colour, strength: float) -> None:
    """Lay light over an image that fades towards `radius` pixels."""
    side = round(radius * 2)
    mask = _glow_mask(strength).resize((side, side), Image.Resampling.BILINEAR)
    image.paste(colour, (round(centre[0] - radius), round(centre[1] - radius)), mask)


@lru_cache
def _glow_mask(strength: float) -> Image.Image:
    edge = 181  # of Pillow's gradient, in the middle of a side
    return Image.radial_gradient("L").point([round(max(1 - at / edge, 0) ** 2 * 255 * strength) for at in range(256)])
