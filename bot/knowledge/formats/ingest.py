"""Files that the other readers do not know: old Office, mail, notebooks, ... (the extra `ingest`, kreuzberg).

Begin with `read_other`. Without the extra such files are left out, as those of any unknown format.
"""

from __future__ import annotations

from importlib.util import find_spec

from bot.errors import Unreadable

TYPES = {
    "doc": "application/msword", "ppt": "application/vnd.ms-powerpoint", "msg": "application/vnd.ms-outlook",
    "eml": "message/rfc822", "odp": "application/vnd.oasis.opendocument.presentation", "org": "text/x-org",
    "ipynb": "application/x-ipynb+json", "fb2": "application/x-fictionbook+xml", "dbk": "application/docbook+xml",
    "opml": "text/x-opml", "hwp": "application/x-hwp",
}  # fmt: skip


def is_installed() -> bool:
    """Whether the library of the extra is there."""
    return find_spec("kreuzberg") is not None


def read_other(data: bytes, ending: str) -> str:
    """The text of a file as Markdown; `ending` is one of `TYPES`. No picture is read, and nothing is kept on the disk.

    Raises `Unreadable` (missing: the extra is not installed), or any exception of the library.
    """
    try:
        import kreuzberg
    except ImportError:
        raise Unreadable("missing") from None
    options = kreuzberg.ExtractionConfig(use_cache=False, disable_ocr=True, output_format="markdown")
    return str(kreuzberg.extract_bytes_sync(data, TYPES[ending], options).content)
