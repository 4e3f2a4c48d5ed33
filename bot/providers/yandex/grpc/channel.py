"""Connections to AI Studio's gRPC services: `open_channel`."""

from __future__ import annotations

from urllib.parse import urlsplit

import grpc
import grpc.aio

from bot.config.validators import is_this_machine

LARGEST = 64 << 20  # bytes of an answer
OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),  # not two minutes: who waits is a person
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.enable_retries", 0),  # ours are by `Retry`: a call that is paid must never be repeated below us
    ("grpc.primary_user_agent", "govorun"),
)


def open_channel(address: str) -> grpc.aio.Channel:
    """Return a channel to host:port. TLS is used everywhere but on this machine."""
    if is_this_machine(host_of(address)):
        return grpc.aio.insecure_channel(address, options=(*OPTIONS, ("grpc.enable_http_proxy", 0)))
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(), options=OPTIONS)


def host_of(address: str) -> str:
    """The host of host:port."""
    return urlsplit(f"//{address}").hostname or ""
