"""The native API over gRPC, which is loaded only where it is chosen. Begin with `transport.GrpcTransport`."""

from __future__ import annotations

import importlib.util


def is_installed() -> bool:
    """Whether the extra `grpc` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("grpc", "yandex"))
