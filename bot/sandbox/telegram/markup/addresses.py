"""The addresses of links, checked and completed as the real server does it. Begin with `checked_address`."""

from __future__ import annotations

import re
import socket

_APP = re.compile(r"(tg|ton|tonsite):(?://)?", re.I)
_PARTS = re.compile(r"(?:([^:/?#@\[\]]*)://)?([^/?#]*)(.*)", re.S)
_PORT = re.compile(r"(.+):([^:\]@]*)", re.S)
_ALLOWED = re.compile(r"(?:[a-z0-9._!$,~*'();&+=-]|%[0-9a-f]{2}|[^\0-\x7f])*", re.I)
_ALLOWED_BEFORE_AT = re.compile(r"(?:[a-z0-9._!$,~*'();&+=:-]|%[0-9a-f]{2}|[^\0-\x7f])*", re.I)
_BLANKS = " \t\r\n\0\v"


class WrongAddress(ValueError):
    """The server refuses a link with this address. The text says why, in the server's words."""


def checked_address(url: str) -> str:
    """Return an address as the server stores it: with a scheme, a host in small letters and a path.

    Raises `WrongAddress` for one that may not be a link.
    """
    app = _APP.match(url)
    rest = url[app.end() :] if app else url
    scheme, place, query = _split(rest)
    host, userinfo, port = _place(place)
    while query[-1:] and query[-1] in _BLANKS:
        query = query[:-1]
    query = query if query[:1] == "/" else f"/{query}"
    query = re.sub("[\0- ]", lambda found: f"%{ord(found[0]):02X}", query)
    if app:
        return _of_app(app[1].lower(), rest, host, query, wrong=scheme == "https" or bool(userinfo or port))
    if "." not in host and host[0] != "[":
        raise WrongAddress("Wrong HTTP URL")
    return f"{scheme}://{userinfo}{'@' * bool(userinfo)}{host}{f':{port}' if port else ''}{query}"


def user_of(url: str) -> int:
    """Return the number of the user that `tg://user?id=5` means; 0 for any other address."""
    number = integer(_first(parameters(url.lower(), "user"), "id"))
    return number if 0 < number < 1 << 40 else 0


def emoji_of(url: str) -> int:
    """Return the number of the custom emoji that `tg://emoji?id=5` means; 0 for any other address."""
    return integer(_first(parameters(url, "emoji"), "id"))


def time_of(url: str) -> int:
    """Return the time that `tg://time?unix=1700000000&format=wD` means; 0 for any other address."""
    found = parameters(url, "time")
    times = [integer(value) for name, value in found if name == "unix"]
    formats = [value for name, value in found if name == "format"]
    is_good = times and all(0 < time < 1 << 31 for time in times) and is_time_format((formats or [""])[-1])
    return times[-1] if is_good else 0


def is_time_format(format: str) -> bool:
    """Return whether the server knows a format of a time: "r" for a relative one, or letters for its parts."""
    return re.fullmatch("[rR]|[tTdDwW]*", format) is not None


def integer(text: str) -> int:
    """Return the number that a text of digits gives; 0 for any other text and for one of more than 63 bits."""
    return int(text) if re.fullmatch("-?[1-9][0-9]{0,18}", text) and -(1 << 63) <= int(text) < 1 << 63 else 0


def parameters(url: str, host: str) -> list[tuple[str, str]]:
    """Return the parameters of `tg://host?name=value&...`; none for an address of another kind."""
    found = re.match(rf"tg:(?://)?{host}/?\?([^#]*)", url, re.I)
    return [
        (name, value) for name, _, value in (part.partition("=") for part in (found[1] if found else "").split("&"))
    ]


def _first(found: list[tuple[str, str]], name: str) -> str:
    return next((value for key, value in found if key == name), "")


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, place (user, host and port) and the rest of an address."""
    found = _PARTS.fullmatch(url)
    scheme, place, rest = found.groups() if found else (None, "", "")
    if scheme is not None and scheme.lower() not in {"http", "https"}:
        raise WrongAddress("Unsupported URL protocol")
    return (scheme or "http").lower(), place, rest


def _place(place: str) -> tuple[str, str, int]:
    """Return host, user and port (0 for none)."""
    port = 0
    if found := _PORT.fullmatch(place):
        place, digits = found[1], found[2].lstrip("0")
        port = int(digits) if re.fullmatch("[0-9]{1,5}", digits) else 0
        if not 0 < port < 1 << 16:
            raise WrongAddress("Wrong port number specified in the URL")
    userinfo, _, host = place.rpartition("@")
    if host[:1] == "[" and host[-1] == "]":
        _check_ipv6(host)
        return host.lower(), userinfo, port
    if host in {"", "."}:
        raise WrongAddress("Host is invalid" if host else "URL host is empty")
    _check_part(host, _ALLOWED, "host")
    _check_part(userinfo, _ALLOWED_BEFORE_AT, "userinfo")
    return _small(host), userinfo, port


def _check_ipv6(host: str) -> None:
    try:
        socket.inet_pton(socket.AF_INET6, host[1:-1])
    except (OSError, ValueError):
        raise WrongAddress("Wrong IPv6 address specified in the URL") from None


def _check_part(part: str, allowed: re.Pattern[str], name: str) -> None:
    found = allowed.match(part)
    end = found.end() if found else 0
    if end < len(part):
        reason = "Wrong percent-encoded symbol" if part[end] == "%" else "Disallowed character"
        raise WrongAddress(f"{reason} in URL {name}")


def _of_app(kind: str, rest: str, host: str, query: str, *, wrong: bool) -> str:
    if wrong or host[0] == "[" or rest.lower().startswith("http://"):
        raise WrongAddress("Wrong tg URL" if kind == "tg" else "Wrong ton URL")
    if not re.fullmatch("[a-z0-9_.-]+" if kind == "tonsite" else "[a-z0-9_-]+", host):
        raise WrongAddress("Unallowed characters in URL host")
    return f"{kind}://{host}{query[1:] if query[:2] == '/?' else query}"


def _small(host: str) -> str:
    return "".join(char.lower() if char < "\x80" else char for char in host)
