"""What the log says at a start: versions, access and models, and warnings about settings that are probably mistakes."""

from __future__ import annotations

import logging
import stat
from collections.abc import Collection
from pathlib import Path

from bot import __version__
from bot.config.entries import ENV_FILE, written
from bot.config.settings import Settings, misspelt
from bot.llm.routing import Routing
from bot.prompts.library import Library
from bot.storage.maintenance import migrations

log = logging.getLogger(__name__)

OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
LIMITS = ("user_daily_tokens", "chat_daily_tokens", "daily_tokens")


def announce(
    settings: Settings, routing: Routing, health: str, database: str, code: str = "", env_file: Path = ENV_FILE
) -> None:
    """Write the report of a start into the log.

    `routing`: the models that are offered, also a programmer's own; the default is named first. `health`: the address
    of the health server, "" for none. `database`: its kind and version. `code`: the code that makes the first owner, ""
    if there is an owner. `env_file`: the file with the settings.
    """
    models = ", ".join(option.name for option in routing.options)
    log.info("Govorun %s, schema %s, %s", __version__, migrations.HEAD, database)
    log.info(
        "access: %s, owners: %d, models: %s, pictures: %s, health: %s",
        settings.access,
        len(settings.owners),
        models,
        settings.image_model or "none",
        health or "off",
    )
    for warning in warnings(settings, env_file):
        log.warning(warning)
    if code:
        log.warning(
            "this bot has no owner yet. To become its owner, send it /start %s (works once, until a restart)", code
        )


def uncallable(routing: Routing, tools: Collection[str]) -> str:
    """Return a sentence about tools that the default model can't call; "" if it can, or if there are none."""
    if not tools or routing.default.model.profile.tools:
        return ""
    return f"the default model {routing.default.name} can't call tools (Profile.tools): {', '.join(tools)} are not used"


def warnings(settings: Settings, env_file: Path = ENV_FILE) -> list[str]:
    """Return a sentence for each setting that works but is probably not meant."""
    found = misspelt(env_file)
    if _holds_something(env_file) and env_file.stat().st_mode & OTHERS:
        found.append(f"{env_file} holds keys and can be read by others on this machine: chmod 600 {env_file}")
    if settings.log_content:
        found.append("LOG_CONTENT is on: the log contains what people write and what the bot answers")
    if settings.access == "open" and not any(getattr(settings, name) for name in LIMITS):
        found.append("ACCESS=open and no budget for a day: everybody may spend your money (DAILY_TOKENS, ...)")
    found += [f"{problem} (it is left out)" for problem in Library(settings.prompts_dir).problems()]
    return found


def _holds_something(env_file: Path) -> bool:
    """Whether the env file sets a variable: comments and names without values do not count."""
    return any(written(env_file).values())
