"""Storage, logs, several bots in one process, health checks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from bot.config.groups import SettingsGroup
from bot.config.validators import Database, Host, OptionalDatabase


class StorageSettings(SettingsGroup):
    """Where data is stored, and for how many days."""

    database_url: Database = Field(
        "sqlite+aiosqlite:///govorun.db",
        repr=False,  # a password may be in it
        exclude=True,
        description="Where everything is kept: a file, or postgresql://user:password@host/name (docs/postgresql.md)",
    )
    move_to: OptionalDatabase = Field(
        SecretStr(""),
        description="Where `govorun move` copies a SQLite database to: postgresql://user:password@host/name",
    )
    update_days: int = Field(
        2, gt=0, description="Days that handled updates are remembered (so that none is taken twice)"
    )
    retention_private_days: int = Field(
        0, ge=0, description="Days that private conversations are kept, with their files; 0 = until /forget"
    )
    retention_group_days: int = Field(0, ge=0, description="... and those of groups; 0 = for ever")


class TelemetrySettings(SettingsGroup):
    """What is logged, and whether traces are exported."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged")
    log_format: Literal["text", "json"] = Field("text", description="How: lines of text, or one JSON object a line")
    log_content: bool = Field(
        False, description="Questions and answers stand in the log: to look into a problem, never for long"
    )
    traces: bool = Field(
        False,
        description="Traces by OpenTelemetry (the extra otel). Its own variables say where to and how many, such as "
        "OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER (docs/operations.md)",
    )


class ProcessSettings(SettingsGroup):
    """Several bots in one process, and the HTTP server of health checks and metrics."""

    bots: Path | None = Field(None, description="Folder with an env file for each of them (docs/several-bots.md)")
    health_port: int = Field(
        0, ge=0, le=65535, description="Port of /healthz, /readyz, /livez and /metrics; 0 = no such server"
    )
    health_host: Host = Field("127.0.0.1", description="Where that server listens; it asks nobody for a password")
