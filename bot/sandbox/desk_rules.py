"""The rules of the sandbox's support desk, which the page's tab Desk switches. Begin with `DeskRules`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.sandbox.bot_process import private

NAME = "desk.toml"
MARK = "# Written by the sandbox's page, tab Desk. Delete this line to keep your own rules.\n"
SWITCHES = ("closed", "own")


class DeskRules:
    """The file `desk.toml` in a folder of the sandbox. The switches of the page change it, and the bot reads it at
    once.

    `closed`: nobody works before Monday. `own`: cases open in the private chats of operators. If somebody else has
    written the file, it is left alone.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._file = directory / NAME
        self._clock = clock
        self._on = dict.fromkeys(SWITCHES, False)

    def begin(self) -> None:
        """Write the file with everything switched off, unless somebody has a file of their own."""
        if self._is_own:
            self._write()

    def change(self, body: Mapping[str, Any]) -> dict[str, bool]:
        """Set the switches that `body` names on (True) or off. Returns the state of all switches. Raises
        `ValueError`.
        """
        wanted = {name: body[name] for name in SWITCHES if name in body}
        if not all(isinstance(value, bool) for value in wanted.values()):
            raise ValueError(f"{', '.join(SWITCHES)} must be true or false")
        if wanted and not self._is_own:
            raise ValueError(f"{self._file} has rules of your own: the page does not change them")
        if wanted:
            self._on |= wanted
            self._write()
        return dict(self._on)

    @property
    def _is_own(self) -> bool:
        return not self._file.exists() or self._file.read_text("utf-8").startswith(MARK)

    def _write(self) -> None:
        lines = [MARK, f'seats = "{"own" if self._on["own"] else "group"}"\n', "[business]\n"]
        if self._on["closed"]:
            now = datetime.fromtimestamp(self._clock.time(), UTC)
            left = 7 - now.weekday()  # it is Sunday: all days up to the end of this week are closed
            days = ", ".join(f'"{(now + timedelta(days=ahead)).date()}"' for ahead in range(left))
            lines.append(f'[hours]\nmon-sun = ["09:00-18:00"]\nclosed = [{days}]\naway = "collect"\n')
        fresh = self._file.with_suffix(".new")
        private(fresh).write_text("".join(lines), "utf-8")
        os.replace(fresh, self._file)
