"""Types that check the values of settings. No error message quotes the value, which may be a secret."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, HttpUrl, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

N = TypeVar("N", int, Decimal)

TOKEN_SHAPE = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{3,}")
FOLDER_SHAPE = re.compile(r"[A-Za-z0-9_-]+")
PLACEHOLDER = re.compile(r"(<.*>|your[-_ ].*|changeme|xxx+|.*\.\.\.)?", re.IGNORECASE)
KEY_SHAPE = re.compile(r"[!-~]*")  # what can stand in a header
SECRET_SHAPE = re.compile(r"([A-Za-z0-9_-]{16,256})?")
ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
CURRENCY_SHAPE = re.compile(r"[A-Z]{3}")
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


def _url_or_none(value: str) -> str:
    return checked_url(value) if value else value


def _model_source(value: str) -> str:
    return value if value in ("huggingface", "packages") else checked_url(value)


def _key(value: SecretStr) -> SecretStr:
    if not KEY_SHAPE.fullmatch(value.get_secret_value()):
        raise ValueError("has spaces or letters that no key has; copy it again")
    return value


def _key_or_placeholder(value: SecretStr) -> SecretStr:
    return value if PLACEHOLDER.fullmatch(value.get_secret_value()) else _key(value)


def _secret(value: SecretStr) -> SecretStr:
    if not SECRET_SHAPE.fullmatch(value.get_secret_value()):
        raise ValueError("16 to 256 of A-Z a-z 0-9 _ - are expected, or nothing")
    return value


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
    behind = [
        value for name, _, value in (pair.partition("=") for pair in parts.query.split("&")) if "password" in name
    ]
    written = {parts.password or "", *behind} - {""}
    return written | {unquote(password) for password in written}


def _address_or_none(value: SecretStr) -> SecretStr:
    return SecretStr(checked_database(value.get_secret_value())) if value.get_secret_value() else value


def _host(value: str) -> str:
    expected = "a name or an address of a machine is expected"
    bare = f"[{value}]" if value.count(":") > 1 and not value.startswith("[") else value  # IPv6
    if _parsed(f"http://{bare}", expected).path not in (None, "/") or "/" in value:
        raise ValueError(expected)
    return value


def _line(value: str) -> str:
    if not ONE_LINE.fullmatch(value):
        raise ValueError("one line is expected")
    return value


def _line_or_none(value: str) -> str:
    return "" if value.lower() in ("none", "off") else _line(value)


def _currency(value: str) -> str:
    if not CURRENCY_SHAPE.fullmatch(value):
        raise ValueError("three letters like RUB are expected")
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
    """Read a JSON list. Raises `ValueError`."""
    return _json(value, "[]", "a JSON list is expected")


def _by_role(value: Any) -> Any:
    return _json(value, "{}", "a JSON object is expected")


def _json(value: Any, empty: str, expected: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or empty)
    except ValueError:
        raise ValueError(expected) from None


def _not_negative(value: dict[str, N]) -> dict[str, N]:
    if any(amount < 0 for amount in value.values()):
        raise ValueError("amounts are 0 or more")
    return value


Url = Annotated[str, AfterValidator(checked_url)]
OptionalUrl = Annotated[str, AfterValidator(_url_or_none)]
ModelSource = Annotated[str, AfterValidator(_model_source)]
Key = Annotated[SecretStr, AfterValidator(_key)]
OwnKey = Annotated[SecretStr, AfterValidator(_key_or_placeholder)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_secret)]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
Database = Annotated[str, AfterValidator(checked_database)]
OptionalDatabase = Annotated[SecretStr, AfterValidator(_address_or_none)]
Host = Annotated[str, AfterValidator(_host)]
Line = Annotated[str, AfterValidator(_line)]
OptionalLine = Annotated[str, AfterValidator(_line_or_none)]
Currency = Annotated[str, AfterValidator(_currency)]
People = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split), AfterValidator(_people)]
AmountsByRole = Annotated[
    dict[Literal["user", "operator", "admin"], Decimal],
    NoDecode,
    BeforeValidator(_by_role),
    AfterValidator(_not_negative),
]
CountsByRole = Annotated[
    dict[Literal["user", "operator", "admin"], int],
    NoDecode,
    BeforeValidator(_by_role),
    AfterValidator(_not_negative),
]
