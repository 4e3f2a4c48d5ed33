"""Keep every test on this machine: a connection beyond loopback, and the look-up of a foreign name, fail.

Python imports a module of this name at its start, so the hook is in every interpreter that a test starts with this
folder in `PYTHONPATH` (see `tests/support/child.py`), and `tests/conftest.py` imports it for the tests themselves.
Programs that are not Python are not watched.

It also lets the garbage collector run more seldom: a quarter of the CPU of a program that lives for seconds goes to it,
most of it while modules are imported and nothing is garbage. A bot that runs sets thresholds of its own.
"""

from __future__ import annotations

import gc
import ipaddress
import socket
import sys
from typing import Any

gc.set_threshold(50_000, 20, 100)
RESERVED = (".example", ".invalid", ".test", ".example.com", ".example.org")  # RFC 2606: they lead nowhere

tries: list[str] = []  # what this process has tried; `tests/conftest.py` fails a test that has tried anything


class BeyondLoopbackError(socket.gaierror):
    """A test has tried to leave this machine. Code that talks to a network takes it for a name that nobody knows."""


def is_local(host: str) -> bool:
    """Whether an address or a name means this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else ""  # a socket in the file system has a path
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0] or ""
    else:
        return
    host = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    if is_local(host) or (_is_address(host) and event == "socket.getaddrinfo"):  # nobody is asked about a number
        return
    if not f".{host}".endswith(RESERVED):
        tries.append(f"{event} {host}")
    raise BeyondLoopbackError(socket.EAI_NONAME, f"tests reach nothing beyond loopback, not even {host} ({event})")


# In an interpreter that was started with this folder in PYTHONPATH the hook is there already, with a list of its own.
_first = getattr(sys.modules.get("sitecustomize"), "tries", None)
if __name__ != "sitecustomize" and _first is not None:
    tries = _first
else:
    sys.addaudithook(_watch)
