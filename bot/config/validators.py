"""Types that check the values of settings. No error message quotes the value, which may be a secret."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import partial
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

TOKEN_SHAPE = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{3,}")
FOLDER_SHAPE = re.compile(r"[A-Za-z0-9_-]+")
PLACEHOLDER = re.compile(r"(<.*>|your[-_ ].*|changeme|xxx+|.*\.\.\.)?", re.IGNORECASE)
KEY, NO_KEY = "[!-~]*", "has spaces or letters that no key has; copy it again"  # what can stand in a header
HTTP_URL = TypeAdapter(HttpUrl)
PROXIES = {"http", "https", "socks4", "socks4h", "socks5", "socks5h"}
DATABASES = {"sqlite+aiosqlite", "postgresql", "postgresql+psycopg"}
DATABASE_EXPECTED = (
    "sqlite+aiosqlite:///file.db or postgresql://user:password@host/name is expected "
    "(in a password, what is no letter or digit stands as in an address: %40 is @)"
)


def checked_url(value: str) -> str:
    """Return the address of a service, normalised and without a slash at its end. Raises `ValueError`."""
    found = _parsed(value, "an address like https://host is expected")
    if found.scheme == "http" and not is_this_machine(found.host or ""):
        raise ValueError("http:// is taken only for this machine (127.0.0.1): keys would travel unprotected")
    return str(found).rstrip("/")


def _parsed(value: str, expected: str) -> HttpUrl:
    """An address without a person, a query and a fragment; `expected` is the message of the `ValueError`."""
    try:
        found = HTTP_URL.validate_python(value)
    except ValidationError:
        raise ValueError(expected) from None
    if found.username or found.password or found.query or found.fragment or re.search(r"[\s\\]", value):
        raise ValueError(expected)
    return found


def is_this_machine(host: str) -> bool:
    """Whether a host (IPv6 with or without brackets) is this machine, so that data sent to it stays here."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shaped(shape: str, expected: str) -> AfterValidator:
    """Check that a text or a secret has a shape; `expected` is the message of the `ValueError`."""

    def check(value: str | SecretStr) -> str | SecretStr:
        if not re.fullmatch(shape, value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _proxy(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in PROXIES and parts.hostname and parts.port and parts.path in ("", "/")
    except ValueError:
        is_good = False
    if address and (not is_good or re.search(r"[\s?#]", address)):
        raise ValueError("an address like http://user:password@host:port or socks5://host:port is expected")
    return value


def checked_database(value: str) -> str:
    """Return a database URL unchanged. Raises `ValueError` if it can't be opened, or if `passwords` would miss its
    password.
    """
    # Here, because SQLAlchemy takes 0.2 s to load that a process without a database does not wait for.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts, password = make_url(value), unquote(urlsplit(value).password or "")
    except (ArgumentError, ValueError):
        raise ValueError(DATABASE_EXPECTED) from None
    is_file = parts.drivername.startswith("sqlite")
    is_good = parts.drivername in DATABASES and parts.database and password == (parts.password or "")
    if not is_good or re.search(r"\s", value) or (is_file and (parts.host or parts.query)):
        raise ValueError(DATABASE_EXPECTED)
    return value


def passwords(address: str) -> set[str]:
    """Return the passwords in a URL (before the @, and in libpq's query parameters), as written and decoded."""
    parts = urlsplit(address)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    written = {parts.password or "", *(value for name, _, value in pairs if "password" in name)} - {""}
    return written | {unquote(password) for password in written}


def _host(value: str) -> str:
    expected = "a name or an address of a machine is expected"
    bare = f"[{value}]" if value.count(":") > 1 and not value.startswith("[") else value  # IPv6
    if _parsed(f"http://{bare}", expected).path not in (None, "/") or "/" in value:
        raise ValueError(expected)
    return value


def _split(value: Any) -> Any:
    return tuple(part for part in re.split(r"[,;\s]+", value) if part) if isinstance(value, str) else value


def _people(value: tuple[int, ...]) -> tuple[int, ...]:
    if any(number <= 0 for number in value):
        raise ValueError("ids of people are positive numbers; the others are chats")
    return value


def names(value: Any) -> Any:
    """Split names at commas or spaces; "none" means no names."""
    found = _split(value.lower()) if isinstance(value, str) else value
    return () if isinstance(value, str) and found in (("none",), ("off",)) else found


def rows(value: Any) -> Any:
    """Parse a text as a JSON list; any other value is returned unchanged. Raises `ValueError`."""
    return _json(value, "[]", "a JSON list is expected")


def _json(value: Any, empty: str, expected: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or empty)
    except ValueError:
        raise ValueError(expected) from None


Url = Annotated[str, AfterValidator(checked_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda value: checked_url(value) if value else value)]
ModelSource = Annotated[str, AfterValidator(lambda value: value if value == "huggingface" else checked_url(value))]
Key = Annotated[SecretStr, _shaped(KEY, NO_KEY)]
OwnKey = Annotated[SecretStr, _shaped(rf"(?i:{PLACEHOLDER.pattern})|{KEY}", NO_KEY)]
WebhookSecret = Annotated[
    SecretStr, _shaped("([A-Za-z0-9_-]{16,256})?", "16 to 256 of A-Z a-z 0-9 _ - are expected, or nothing")
]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
Database = Annotated[str, AfterValidator(checked_database)]
OptionalDatabase = Annotated[
    SecretStr,
    AfterValidator(lambda value: SecretStr(checked_database(value.get_secret_value())) if value else value),
]
Host = Annotated[str, AfterValidator(_host)]
Endpoint = Annotated[str, _shaped(r"[A-Za-z0-9.\[\]:_-]+:\d{1,5}", "host:port is expected")]
Line = Annotated[str, _shaped(r"[^\x00-\x1f\x7f]*", "one line is expected")]
OptionalLine = Annotated[Line, AfterValidator(lambda value: "" if value.lower() in ("none", "off") else value)]
Currency = Annotated[str, _shaped("[A-Z]{3}", "three letters like RUB are expected")]


def _by_language(value: Any) -> Any:
    """A text, or what a JSON object has: one for each language."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value  # "{name}, hello"
    return value


TextByLanguage = Annotated[str | dict[str, str], NoDecode, BeforeValidator(_by_language)]
People = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split), AfterValidator(_people)]
AmountsByRole = Annotated[
    dict[Literal["user", "operator", "admin"], Annotated[Decimal, Field(ge=0)]],
    NoDecode,
    BeforeValidator(partial(_json, empty="{}", expected="a JSON object is expected")),
]
CountsByRole = Annotated[
    dict[Literal["user", "operator", "admin"], Annotated[int, Field(ge=0)]],
    NoDecode,
    BeforeValidator(partial(_json, empty="{}", expected="a JSON object is expected")),
]
