"""Tell systemd that the process is ready and that its event loop is alive, as sd_notify(3) describes.

NOTIFY_SOCKET names the socket; after WATCHDOG_USEC microseconds of silence systemd considers the process frozen.
`deploy/container_init.py` sets both in a container. A task of the event loop sends the signs of life, so a blocked loop
sends none. Without NOTIFY_SOCKET nothing is done. Begin with `telling`.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.clock import Clock

log = logging.getLogger(__name__)

LOOK = 0.2  # seconds between looks whether a bot that starts is ready
LONGEST_START = 30.0  # seconds after which it counts as started: Telegram may be away for hours
STANDARD_ERROR = 2


@dataclass(slots=True, kw_only=True)
class Notifier:
    """Sends signs of life to systemd. `is_ready` is asked until it returns True. `interval`: seconds between signs of
    life; 0.0: none are wanted.
    """

    clock: Clock
    address: str
    interval: float
    is_ready: Callable[[], bool] = lambda: False
    _is_heard: bool = field(default=True, init=False)

    async def run(self) -> None:
        """Send signs of life until cancelled, and once that the process is ready."""
        end, step, started = self.clock.monotonic() + LONGEST_START, LOOK, False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            while True:
                if self.interval:
                    self._tell(channel, b"WATCHDOG=1")
                if not started and (self.is_ready() or self.clock.monotonic() >= end):
                    started, step = True, self.interval
                    self._tell(channel, b"READY=1")
                if not step:
                    return
                await self.clock.sleep(min(step, self.interval or step))

    def _tell(self, channel: socket.socket, words: bytes) -> None:
        """Send a message. If systemd does not take it now, it is not sent again."""
        try:
            channel.sendto(words, self.address)
        except OSError as error:
            if self._is_heard:
                log.warning("NOTIFY_SOCKET: nobody hears that the bot is alive: %s", error.strerror)
            self._is_heard = False
        else:
            self._is_heard = True


@asynccontextmanager
async def telling(clock: Clock, environment: Mapping[str, str] = os.environ) -> AsyncIterator[Notifier]:
    """Tell systemd, if it started this process, that the process lives while the block runs."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):  # an abstract socket, whose name begins with a zero byte
        address = "\0" + address[1:]
    notifier = Notifier(clock=clock, address=address, interval=_interval(environment))
    if not address.startswith(("/", "\0")):
        yield notifier
        return
    if notifier.interval:
        # A frozen process is ended with SIGABRT: it says then in which lines its threads were, and no values.
        faulthandler.enable(STANDARD_ERROR)
    task = asyncio.create_task(notifier.run(), name="sd_notify")
    try:
        yield notifier
    finally:
        task.cancel()
        await asyncio.wait({task})


def _interval(environment: Mapping[str, str]) -> float:
    """Return a third of the seconds after which systemd expects a sign of life; 0.0 if it expects none."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(environment.get("WATCHDOG_USEC") or 0) / 3_000_000
