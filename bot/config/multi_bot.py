"""Several bots in one process: BOTS is a folder with an env file for each bot, which overrides the process's settings.

Begin with `plan`. A file that can't be used is refused alone: the other bots run.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from bot.config.settings import WHERE, Settings, require
from bot.config.validators import TOKEN_SHAPE
from bot.errors import BadInput, ConfigError

ENDING = ".env"
LOGGING = frozenset({"log_level", "log_format"})
FIXED = frozenset(
    {
        "database_url",
        "health_host",
        "health_port",
        "traces",
        "webhook_host",
        "webhook_port",
        "yc_metadata_addr",
    }
)
UNUSED = frozenset({"bots", "move_to"})  # no bot looks at them
OF_THE_PROCESS = LOGGING | FIXED | UNUSED | {"webhook_url"}  # what can't stand in the file of a bot
ALIASES = {"yc_oauth_token": "YC_OAUTH_TOKEN", "yc_token": "YC_OAUTH_TOKEN"}

Read = Callable[..., Settings]  # what it is given counts more than the environment and .env


@dataclass(frozen=True, slots=True)
class Plan:
    """The bots to run: their settings by the name of their file, which is "" if the process has only one bot.

    `refused`: by file name, why a file is not used, in one line.
    """

    process: Settings
    bots: Mapping[str, Settings]
    refused: Mapping[str, str] = field(default_factory=dict)

    def secrets(self) -> list[str]:
        """Every secret of the process and its bots: no log line may contain one."""
        return [secret for settings in (self.process, *self.bots.values()) for secret in settings.secrets()]

    def checked(self, check: Callable[[Settings], None]) -> Plan:
        """Return a plan without the bots for which `check` raises `ConfigError`. Raises that error if the process has
        only one bot.
        """
        good, refused = dict(self.bots), dict(self.refused)
        for name, settings in self.bots.items():
            try:
                check(settings)
            except ConfigError as error:
                if not name:
                    raise
                del good[name]
                refused[name] = one_line(error)
        return replace(self, bots=good, refused=refused)


def plan(process: Settings, read: Read, *, studio: bool = True) -> Plan:
    """Read the BOTS folder. Without a folder the process runs one bot, with the settings of the process.

    `studio` False: no model of AI Studio is used, so no key is required. Raises `ConfigError` if the folder can't be
    read, or if the only bot lacks a required setting.
    """
    found = files(process)
    if not found:
        require(process, studio=studio)
        return Plan(process, {"": process})
    bots, refused = {}, {}
    for path in found:
        try:
            bots[path.stem] = _bot(process, path, read, studio=studio)
        except ConfigError as error:
            refused[path.stem] = one_line(error)
    for names in _twins(bots):
        for name in names:
            del bots[name]
            others = ", ".join(f"{other}{ENDING}" for other in names if other != name)
            refused[name] = f"BOT_TOKEN: {others} has the same; all of them are left out"
    return Plan(process, bots, refused)


def files(process: Settings) -> list[Path]:
    """Return the env files of the BOTS folder, sorted by name. Raises `ConfigError` if the folder can't be read."""
    if process.bots is None or not process.bots.exists():
        return []
    try:
        return sorted(path for path in process.bots.iterdir() if path.suffix == ENDING and path.stem[0] != ".")
    except OSError as error:
        raise ConfigError(f"BOTS: can't read {process.bots}: {error.strerror}") from None


def numbers(process: Settings) -> set[int]:
    """Return the ids of all bots of the process: the number with which each token begins. Raises `ConfigError` without
    a token.
    """
    own = process.bot_token.get_secret_value()
    tokens = [str(_given(path).get("bot_token", "")) for path in files(process)] or [own]
    found = {int(token.partition(":")[0]) for token in tokens if TOKEN_SHAPE.fullmatch(token)}
    if not found:
        raise ConfigError(f"BOT_TOKEN is missing: {WHERE['bot_token']}")
    return found


def one_of(process: Settings, bot: int) -> int:
    """Return the id of the bot that a command is about: `bot`, or for 0 the only one of the settings.

    Raises `BadInput` if there are several, `ConfigError` if no token is set.
    """
    found = {bot} if bot else numbers(process)
    if len(found) != 1:
        raise BadInput(f"which bot? --bot takes one of {', '.join(map(str, sorted(found)))}")
    return found.pop()


def changed(one: Settings, other: Settings) -> bool:
    """Whether a bot that runs with `one` has to be rebuilt to run with `other`."""
    return bool(different(one, other) - LOGGING - UNUSED)


def different(one: Settings, other: Settings) -> set[str]:
    """Return the names of the settings that have different values in `one` and `other`."""
    return {name for name in Settings.model_fields if getattr(one, name) != getattr(other, name)}


def one_line(error: object) -> str:
    """Return the lines of an error joined by semicolons."""
    return "; ".join(str(error).splitlines())


def _bot(process: Settings, path: Path, read: Read, *, studio: bool) -> Settings:
    """The settings of a bot. Raises `ConfigError`."""
    given = _given(path)
    if wrong := sorted(OF_THE_PROCESS.intersection(name.lower() for name in given)):
        raise ConfigError(f"{', '.join(map(str.upper, wrong))}: of the whole process, and can't stand in such a file")
    settings = read(**{"bot_token": "", **given})
    require(settings, studio=studio)
    if process.webhook_url:
        settings = settings.model_copy(update=_webhook(process, settings, own="webhook_secret" in given))
    return settings


def _given(path: Path) -> dict[str, Any]:
    """The values in an env file, by the names of the settings. Raises `ConfigError`."""
    try:
        rows = dotenv_values(path, encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError("is not in UTF-8; save it in that encoding") from None
    known = {name.lower(): value for name, value in rows.items() if value}
    return {
        ALIASES.get(name, name): value
        for name, value in known.items()
        if name in Settings.model_fields or name in ALIASES
    }


def _webhook(process: Settings, settings: Settings, *, own: bool) -> dict[str, Any]:
    """An address for each bot, and a secret: its own, or one made of that of the process."""
    update: dict[str, Any] = {"webhook_url": f"{process.webhook_url.rstrip('/')}/{settings.bot_id}"}
    common = process.webhook_secret.get_secret_value()
    if common and not own:
        made = hmac.digest(common.encode(), str(settings.bot_id).encode(), "sha256")
        update["webhook_secret"] = SecretStr(base64.urlsafe_b64encode(made).decode().rstrip("="))
    return update


def _twins(bots: Mapping[str, Settings]) -> Iterable[list[str]]:
    """The names of files with tokens of one and the same bot: a token begins with the bot's id."""
    names: dict[int, list[str]] = {}
    for name, settings in bots.items():
        names.setdefault(settings.bot_id, []).append(name)
    return [same for same in names.values() if len(same) > 1]
