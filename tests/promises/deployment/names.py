"""Names that files of `deploy/` use and the code decides on: settings, commands, paths, metrics."""

from __future__ import annotations

from collections.abc import Iterable

from bot.config.settings import OPENTELEMETRY, Settings

# What Python, PostgreSQL's and the proxy's images read.
OTHERS = {"PATH", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER", "PYTHONDONTWRITEBYTECODE"}
OTHERS |= {"PYTHONUNBUFFERED", "WEBHOOK_DOMAIN"}
ALIASES = {"YC_TOKEN"}


def unknown(names: Iterable[str]) -> set[str]:
    """Those that neither Govorun nor anything beside it reads."""
    known = {name.upper() for name in Settings.model_fields} | ALIASES | OTHERS
    return {name for name in names if name not in known and not name.startswith(OPENTELEMETRY)}


def readable(values: dict[str, str]) -> Settings:
    """The settings that these values make. Raises `ValidationError` for one that is refused."""
    return Settings.model_validate({name.lower(): value for name, value in values.items() if name not in OTHERS})
