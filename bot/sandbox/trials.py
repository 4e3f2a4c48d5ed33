"""What the page's section "Try" can change: settings of the bot, and who owns it. Begin with `Trials`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.sandbox.ai_studio.server import SANDBOX_FOLDER

Restart = Callable[[Mapping[str, str]], Awaitable[None]]

MOST = 1_000  # of the currency
EXAMPLE_PRICES = {
    "SPEECH_PRICE": "0.16",
    "SPEECH_LONG_PRICE": "0.16",
    "VOICE_PRICE": "1.32",
    "SEARCH_PRICE": "0.48",
    "SEARCH_ANSWER_PRICE": "0.96",
}
INSTANCE = "mine"  # the dedicated instance: its name in its URI, and that of its row of MODELS
INSTANCE_MODELS = (
    {"name": INSTANCE, "title": "My instance", "uri": f"gpt://{SANDBOX_FOLDER}/{INSTANCE}/latest", "stand_in": "lite",
     "price_hour": "100", "hours": "0-24", "concurrency": 2},
    {"name": "yandexgpt", "title": "YandexGPT Pro"},
    {"name": "lite", "title": "YandexGPT Lite"},
)  # fmt: skip
SETTINGS: Mapping[str, Callable[[int], Mapping[str, str]]] = {
    "search": lambda _on: {"TOOLS": "time,calculator,reminders,search"},
    "budget": lambda amount: {**EXAMPLE_PRICES, "USER_DAILY_MONEY": str(amount)},
    "confirm": lambda amount: {"CONFIRM_ABOVE": str(amount)},
    "closed": lambda _on: {"ACCESS": "closed"},
    "instance": lambda _on: {"MODELS": json.dumps(INSTANCE_MODELS), "MODEL": INSTANCE},
}


class Trials:
    """The switches of the page's tab Try, each a number (0: off), and the first-run code that makes an owner.

    `search`: the bot searches the web. `budget`: services have prices, and each person may spend this much money a day.
    `confirm`: people are asked before a request that costs more than this. `closed`: only people who are invited may
    talk. `instance`: an instance of one's own answers (`service_switches.py`). `restart` gets all settings that follow
    from the switches; for a switch that is off the bot's own settings hold. Nothing of this outlives the sandbox.
    """

    def __init__(self, restart: Restart) -> None:
        self._restart = restart
        self._chosen = dict.fromkeys(SETTINGS, 0)
        self._code = ""
        self._owner = 0
        self._ready = False

    def state(self) -> dict[str, Any]:
        """What the page shows: the numbers, `code` ("" if the bot has an owner), `owner` (the id of the person who has
        used the code, 0 if unknown), and `ready`: the bot has started, so that the other two are known.
        """
        return {**self._chosen, "code": self._code, "owner": self._owner, "ready": self._ready}

    async def change(self, wanted: Mapping[str, Any]) -> None:
        """Change some of the numbers and restart the bot with what follows. Raises `ValueError` for anything else."""
        for name, value in wanted.items():
            if name not in SETTINGS:
                raise ValueError(f"there is nothing called {name!r} to try; known: {', '.join(SETTINGS)}")
            if not isinstance(value, int) or not 0 <= value <= MOST:
                raise ValueError(f"{name} must be a number from 0 to {MOST}")
        self._chosen |= {name: int(value) for name, value in wanted.items()}
        on = [SETTINGS[name](value) for name, value in self._chosen.items() if value]
        await self._restart({name: value for settings in on for name, value in settings.items()})

    def bot_started(self) -> None:
        """The bot was started: until it is ready nobody knows whether it has an owner."""
        self._code, self._ready = "", False

    def bot_ready(self, code: str) -> None:
        """The bot works. `code` makes its first owner; "" if it has one."""
        self._code, self._ready = code, True
        if code:
            self._owner = 0

    def said(self, user_id: int, text: str) -> bool:
        """Notice a private message to the bot. Returns whether it used the code, which works once."""
        if not self._code or text.split() != ["/start", self._code]:
            return False
        self._code, self._owner = "", user_id
        return True
