"""Resets connections, one or all of a server, to test how the bot copes with that."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web


def reset(transport: asyncio.Transport | asyncio.BaseTransport) -> None:
    """Close a connection with RST: data that was sent and not yet read is lost."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def reset_all(runner: web.BaseRunner | None) -> int:
    """Reset all connections of a server, with requests in progress too. Returns how many there were."""
    server = runner.server if runner else None
    transports = [connection.transport for connection in server.connections] if server else []
    open_ones = [transport for transport in transports if transport is not None]
    for transport in open_ones:
        reset(transport)
    return len(open_ones)
