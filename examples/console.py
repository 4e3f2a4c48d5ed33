"""Another messenger beside Telegram: the terminal. What is written there is answered there; reminders come there, too.

python examples/console.py
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable

from govorun import App, Door, Outgoing, OwnTransport, shown

ME = 1


async def typed() -> AsyncIterator[str]:
    """Yield the lines that somebody types, until the end of the input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


class Console(OwnTransport):
    """One person at a terminal. A line that is the label of a button below the newest message presses it."""

    name = "console"

    def __init__(self, read: Callable[[], AsyncIterator[str]] = typed, write: Callable[[str], None] = print) -> None:
        self.read = read
        self.write = write
        self.newest, self.number = Outgoing(), 0

    async def run(self, door: Door) -> None:
        async for line in self.read():
            buttons = {button.label: button for row in self.newest.buttons for button in row}
            if line in buttons:
                await door.press(ME, self.number, buttons[line])
            elif line:
                await door.say(ME, line, name="Console")

    async def send(self, person: int, message: Outgoing, number: int) -> None:
        self.newest, self.number = message, number
        self.write(shown(message))


app = App()
app.transport(Console())

if __name__ == "__main__":
    app.run()
