"""Of which format a file is: `kind_of`, by its content where that says it, else by its name or type."""

from __future__ import annotations

import io
import re
import zipfile

from bot.knowledge.formats.office.packages import OLE

OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN = "application/vnd.oasis.opendocument"
TYPES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "md",
    "text/x-markdown": "md",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/x-csv": "csv",
    "text/comma-separated-values": "csv",
    "text/tab-separated-values": "tsv",
    "application/epub+zip": "epub",
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    f"{OFFICE}.wordprocessingml.document": "docx",
    f"{OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{OFFICE}.presentationml.presentation": "pptx",
    f"{OPEN}.text": "odt",
    f"{OPEN}.spreadsheet": "ods",
}
# Types that stores of files and browsers give to files of any format.
ANY = (
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-download",
    "application/force-download",
    "application/download",
    "application/x-binary",
    "application/unknown",
    "application/zip",
    "text/plain",
)
HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*)*<(?:!doctype html|html|head|body|table)\b",
    re.IGNORECASE | re.DOTALL,
)
PACKED = {
    "word/document.xml": "docx",
    "xl/workbook.xml": "xlsx",
    "xl/workbook.bin": "xlsb",
    "ppt/presentation.xml": "pptx",
}
SOUNDS = (b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9", b"#!AMR", b"caff")
PICTURES = (b"heic", b"heix", b"mif1", b"msf1", b"avif")
# What programs save under names of other formats: pages and rich text as documents and tables.
TABLES = ("xls", "xlsx", "xlsm", "xlsb")
DISGUISED = ("xls", "doc", "xlsx", "docx", "pdf", "")


def kind_of(data: bytes, told: str) -> str:
    """The ending that a file should have; `told` is what its name or type says, "" for nothing.

    A sound is "sound"; "" for what nobody knows.
    """
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if data.startswith(b"PK\3\4"):
        return _packed(data) or told
    if told in DISGUISED and HTML.match(data[:2_000]):
        return "html"
    if not told and (data.startswith(SOUNDS) or data[8:12] == b"WAVE" or _has_sound(data)):
        return "sound"
    if told in TABLES and not data.startswith(OLE) and _is_text(data[:4_000]):
        return "csv"
    return told or ("txt" if _is_text(data[:4_000]) else "")


def _has_sound(data: bytes) -> bool:
    """Whether a file is of the family of MP4, but no picture."""
    return data[4:8] == b"ftyp" and data[8:12] not in PICTURES


def _is_text(data: bytes) -> bool:
    text = data.decode("utf-8", "ignore")
    return bool(text.strip()) and "\0" not in text and len(data) - len(text.encode()) < 4  # a letter cut at the end


def _packed(data: bytes) -> str:
    """The format of a packed document, "" for any other archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = set(packed.namelist())
            mime = packed.read("mimetype")[:100].decode("ascii", "replace").strip() if "mimetype" in names else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        return ""
    return TYPES.get(mime) or next((ending for name, ending in PACKED.items() if name in names), "")
