"""How connections end badly, on purpose: with RST, one of them or all that a server has. Both servers cut them here."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web


def reset(transport: asyncio.Transport | asyncio.BaseTransport) -> None:
    """Close the client's connection with RST: what was sent and not yet read is lost."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def reset_all(runner: web.BaseRunner | None) -> int:
    """Do that with all connections of a server, whatever is under way on them. Returns how many there were."""
    server = runner.server if runner else None
    transports = [connection.transport for connection in server.connections] if server else []
    open_ones = [transport for transport in transports if transport is not None]
    for transport in open_ones:
        reset(transport)
    return len(open_ones)
