"""The certificates that connections to services are checked against, read once in a process."""

from __future__ import annotations

import os
import ssl
from functools import cache

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
