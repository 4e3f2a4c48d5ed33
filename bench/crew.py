"""Who there is in a fleet, before anybody is started: what each process does, and where it listens. See `crew`."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hand:
    """`role` is that of `govorun run --role`, `port` where it takes the webhook (0: it takes none)."""

    role: str
    port: int = 0

    @property
    def settings(self) -> dict[str, str]:
        return {"WEBHOOK_PORT": str(self.port)} if self.port else {}


def crew(webhooks: int, workers: int) -> dict[str, Hand]:
    """By their names. Without webhooks, who works takes the updates as well."""
    role = "worker" if webhooks else "all"
    return {
        **{f"webhook{number}": Hand("webhook", free_port()) for number in range(webhooks)},
        **{f"worker{number}": Hand(role) for number in range(workers)},
    }


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
