"""What a value of a setting looks like. `settings.py` says what it is for."""

from __future__ import annotations

import re

TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{3,}")
FOLDER = re.compile(r"[A-Za-z0-9_-]+")
PLACEHOLDER = re.compile(r"(<.*>|your[-_ ].*|changeme|xxx+|.*\.\.\.)?", re.IGNORECASE)
URL = re.compile(r"(https?)://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?(/[^\s?#]*)?")
DATABASE = re.compile(r"sqlite\+aiosqlite:///[^\s?]+")
PROXY = re.compile(r"((https?|socks[45]h?)://([^\s@/]+@)?[^\s@/:]+:\d{1,5}/?)?")
KEY = re.compile(r"[!-~]*")  # what can stand in a header
HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[?[0-9a-fA-F:]+\]?")
SECRET = re.compile(r"([A-Za-z0-9_-]{16,256})?")
ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
CURRENCY = re.compile(r"[A-Z]{3}")
THIS_MACHINE = re.compile(r"localhost|\[::1\]|127(\.\d{1,3}){3}")


def checked_url(value: str) -> str:
    """The address of a service, without a slash at its end. Raises `ValueError`."""
    found = URL.fullmatch(value)
    if found is None:
        raise ValueError("an address like https://host is expected")
    if found[1] == "http" and not THIS_MACHINE.fullmatch(found[2]):
        raise ValueError("http:// is taken only for this machine (127.0.0.1): keys would travel unprotected")
    return value.rstrip("/")
