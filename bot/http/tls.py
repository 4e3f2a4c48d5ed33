"""The certificates that connections to services are checked against, read once in a process."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import certifi


def trusted_context() -> ssl.SSLContext:
    """Return the TLS context of every client in this process. It trusts the authorities in `SSL_CERT_FILE`, else in the
    folder `SSL_CERT_DIR`, else those of the package certifi.

    Reading the certificates takes 20 ms of CPU time, so all clients share one context.
    """
    return _context(os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None)


@cache
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file or not folder:
        return ssl.create_default_context(cafile=file or certifi.where())
    return ssl.create_default_context(capath=folder)


class LateContext(ssl.SSLContext):
    """A context that reads the system's certificates when it makes its first connection."""

    _is_read = False

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """Read the certificates if nobody has, then do what `ssl.SSLContext` does."""
        self._read()
        return super().wrap_bio(*given, **named)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        """Read the certificates if nobody has, then do what `ssl.SSLContext` does."""
        self._read()
        return super().wrap_socket(*given, **named)

    def _read(self) -> None:
        if not self._is_read:
            self._is_read = True
            self.load_default_certs()


@contextmanager
def certificates_when_needed() -> Iterator[None]:
    """Turn the contexts that a library makes meanwhile into `LateContext`.

    aiohttp makes two while it is imported. The bot uses neither of them, and reading their certificates takes 40 ms and
    2 MB; code of an App that opens a connection with aiohttp gets them.
    """
    made: list[ssl.SSLContext] = []
    kind: Any = ssl.SSLContext
    read = kind.load_default_certs
    kind.load_default_certs = lambda context, *_: made.append(context)
    kind.set_default_verify_paths = lambda context: made.append(context)
    try:
        yield
    finally:
        kind.load_default_certs = read
        del kind.set_default_verify_paths  # what stands there again is the base class's
    for context in made:
        context.__class__ = LateContext
