"""Packed documents (OOXML, ODF, EPUB) and their XML, which may be hostile: `check_package`, `parse_xml`."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from bot.errors import Unreadable

UNPACKED = 100 << 20  # bytes that a packed document may unpack to
UNPACKED_XML = 30 << 20  # ... of which XML, which takes many times as much once it is parsed
MARKUP = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # begins encrypted files of Office, and those of before 2007


def check_package(data: bytes) -> zipfile.ZipFile:
    """Open a ZIP. Raises `Unreadable` for one that would unpack to too much, and for an encrypted or old file."""
    if data.startswith(OLE):
        raise Unreadable("locked")
    packed = zipfile.ZipFile(io.BytesIO(data))
    markup = sum(entry.file_size for entry in packed.infolist() if entry.filename.lower().endswith(MARKUP))
    if markup > UNPACKED_XML or sum(entry.file_size for entry in packed.infolist()) > UNPACKED:
        raise Unreadable("long")
    return packed


def parse_xml(data: bytes) -> Any:
    """Parse XML that may be hostile into an element of lxml: no entities are resolved, nothing is fetched."""
    try:
        from lxml import etree
    except ImportError:
        raise Unreadable("missing") from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(data, parser)
