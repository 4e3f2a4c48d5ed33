"""Pictures that people send, made into what models take: a JPEG the right way up, not larger than it need be.

Begin with `scaled`, which is only called in a child process (`concurrency/child_pool.py`). A file says what it likes
about itself, so its size is looked at before a pixel is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bot.errors import Unreadable

if TYPE_CHECKING:
    from PIL import Image as Pillow

LONG_SIDE = 1280  # pixels
QUALITY = 85
MOST_PIXELS = 50_000_000  # of a picture that is opened
MOST_OPENED = 25_000_000  # ... and of what is unpacked of it: a JPEG can be opened smaller than it is
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MIMES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def scaled(data: bytes) -> bytes:
    """A JPEG of the picture; of what moves, the first one.

    Raises `Unreadable("large")` for too many pixels, and whatever Pillow raises for what it can't open.
    """
    # Pillow is 10 MB that a child process which opens no picture does without.
    from PIL import Image as Pillow
    from PIL import ImageOps

    Pillow.MAX_IMAGE_PIXELS = None  # it only warns, and at another size
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Unreadable("large")
        opened.draft("RGB", (LONG_SIDE, LONG_SIDE))
        if opened.width * opened.height > MOST_OPENED:
            raise Unreadable("large")
        opened.thumbnail((LONG_SIDE, LONG_SIDE))
        return _jpeg(ImageOps.exif_transpose(opened))


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
