"""Converts pictures that people send into what models take: an upright JPEG of at most `LONG_SIDE` pixels.

Begin with `scaled`, which is only called in a child process (`concurrency/child_pool.py`). A small file can unpack to a
huge picture, so its size is checked before its pixels are decoded.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bot.errors import Unreadable

if TYPE_CHECKING:
    from PIL import Image as Pillow

LONG_SIDE = 1280  # pixels
QUALITY = 85
MOST_PIXELS = 50_000_000  # of a picture
MOST_OPENED = 25_000_000  # pixels that are decoded: a JPEG can be decoded at a smaller size
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MIMES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def scaled(data: bytes) -> bytes:
    """A scaled JPEG of the picture; of an animation, its first frame.

    Raises `Unreadable("large")` for too many pixels, and the errors of Pillow for a file that it can't open.
    """
    # Pillow takes 10 MB of memory, so only a child process that opens a picture imports it.
    from PIL import Image as Pillow
    from PIL import ImageOps

    Pillow.MAX_IMAGE_PIXELS = None  # the limit of Pillow only warns; MOST_PIXELS refuses
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Unreadable("large")
        opened.draft("RGB", (LONG_SIDE, LONG_SIDE))
        if opened.width * opened.height > MOST_OPENED:
            raise Unreadable("large")
        opened.thumbnail((LONG_SIDE, LONG_SIDE))
        return _jpeg(ImageOps.exif_transpose(opened))


def _jpeg(picture: Pillow.Image) -> bytes:
    """Encode a picture as JPEG, a transparent one on white: stickers are drawn for a white ground."""
    from PIL import Image as Pillow

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        drawn = picture.convert("RGBA")
        picture = Pillow.new("RGB", drawn.size, "white")
        picture.paste(drawn, mask=drawn.getchannel("A"))
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
