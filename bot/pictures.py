"""Pictures that people send, made into what models take: a JPEG the right way up, not larger than it need be.

Begin with `prepared`. A file says what it likes about itself, so its size is looked at before a pixel is.
"""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from typing import TYPE_CHECKING

from bot.types import Image

if TYPE_CHECKING:
    from PIL import Image as Pillow

LONG_SIDE = 1280  # pixels
QUALITY = 85
MOST_PIXELS = 50_000_000  # of a picture that is opened
MOST_OPENED = 25_000_000  # ... and of what is unpacked of it: a JPEG can be opened smaller than it is
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MIMES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
# What Pillow's readers fall over where a file is not what it says.
BROKEN = (
    OSError, ValueError, SyntaxError, TypeError, EOFError, IndexError, KeyError, OverflowError, MemoryError,
    struct.error, zlib.error,
)  # fmt: skip


class NoPicture(ValueError):
    """The bytes are no picture that can be opened."""


class TooManyPixels(ValueError):
    """The picture is larger than what is opened."""


async def prepared(data: bytes) -> Image:
    """Raises `NoPicture` and `TooManyPixels`."""
    return await asyncio.to_thread(scaled, data)


def scaled(data: bytes) -> Image:
    """The same in this thread. Of what moves, the first picture."""
    # Pillow is 10 MB that a bot which is sent no picture does without.
    from PIL import Image as Pillow
    from PIL import ImageOps

    Pillow.MAX_IMAGE_PIXELS = None  # it only warns, and at another size
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise TooManyPixels
            opened.draft("RGB", (LONG_SIDE, LONG_SIDE))
            if opened.width * opened.height > MOST_OPENED:
                raise TooManyPixels
            opened.thumbnail((LONG_SIDE, LONG_SIDE))
            return Image(_jpeg(ImageOps.exif_transpose(opened)))
    except TooManyPixels:
        raise
    except BROKEN as error:
        raise NoPicture(type(error).__name__) from None


def _jpeg(picture: Pillow.Image) -> bytes:
    """On white, where the picture is transparent: stickers are drawn for it."""
    from PIL import Image as Pillow

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        drawn = picture.convert("RGBA")
        picture = Pillow.new("RGB", drawn.size, "white")
        picture.paste(drawn, mask=drawn.getchannel("A"))
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
