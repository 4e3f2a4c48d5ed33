"""Read and check the settings: from the environment first, then from `.env`. `config/groups/` declares them.

`.env.example` is generated from the descriptions of the fields; `config/validators.py` checks single values.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.config.entries import ENV_FILE, written
from bot.config.groups.access import AccessSettings
from bot.config.groups.ai_studio import CredentialSettings, ModelSettings, ServiceSettings
from bot.config.groups.evaluation import EvaluationSettings
from bot.config.groups.knowledge import KnowledgeSettings
from bot.config.groups.money import BudgetSettings, PriceSettings
from bot.config.groups.operations import ProcessSettings, StorageSettings, TelemetrySettings
from bot.config.groups.required import RequiredSettings
from bot.config.groups.telegram import TelegramSettings
from bot.config.groups.tools import ToolSettings
from bot.config.overrides import of_app
from bot.config.validators import FOLDER_SHAPE, PLACEHOLDER, TOKEN_SHAPE, checked_database, passwords
from bot.errors import BadInput, ConfigError

OPENTELEMETRY = "OTEL_"  # OpenTelemetry's own variables begin so: no settings, but no misspelt ones either
SIMILAR = 0.85  # how alike a name that is no setting must be to one that is


class Settings(
    ProcessSettings,
    TelemetrySettings,
    StorageSettings,
    EvaluationSettings,
    KnowledgeSettings,
    ToolSettings,
    ServiceSettings,
    ModelSettings,
    CredentialSettings,
    TelegramSettings,
    PriceSettings,
    BudgetSettings,
    AccessSettings,
    RequiredSettings,
    BaseSettings,
):
    """Every setting of one bot. The groups stand in reverse: pydantic collects the fields from the last base upwards.

    This order is that of `.env.example` and of the lines of a `ConfigError`.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        defer_build=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _bare(cls, value: Any, info: ValidationInfo) -> Any:
        """Strip spaces, line ends and quotes that were copied with a value; if nothing is left, use the default.

        The system prompt is used as it is written. Runs before the types of the fields check the value.
        """
        if not isinstance(value, str) or info.field_name == "system_prompt":
            return value
        bare = value.strip()
        bare = bare[1:-1].strip() if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare
        if value and not bare:
            raise PydanticUseDefault
        return bare

    @field_validator("*", mode="after")
    @classmethod
    def _full_path(cls, value: Any) -> Any:
        """Make a path absolute once: what is started with it may work in another folder, as git does."""
        return value.expanduser().absolute() if isinstance(value, Path) else value

    @property
    def bot_id(self) -> int:
        """The bot's id on Telegram: the number with which the token begins."""
        return int(self.bot_token.get_secret_value().partition(":")[0])

    def secrets(self) -> list[str]:
        """Return every string that no log line may contain."""
        values = (getattr(self, name) for name in type(self).model_fields if name not in ("telegram_proxy", "move_to"))
        addresses = (self.telegram_proxy.get_secret_value(), self.database_url, self.move_to.get_secret_value())
        written = [password for address in addresses for password in sorted(passwords(address))]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        found += [entry.secret for entry in (*self.models, *self.embedding_models)]
        for server in self.mcp_servers:
            found += server.secrets
        return list(dict.fromkeys(secret for secret in (*found, *written) if secret))


WHERE = {
    "bot_token": "open @BotFather in Telegram, send /newbot, copy the line that looks like 123456:ABC-DEF...",
    "yc_api_key": "console.yandex.cloud -> your folder -> Service accounts -> Create API key "
    "(scope yc.ai.foundationModels.execute); it begins with AQVN",
    "yc_folder_id": "console.yandex.cloud -> your folder -> Overview -> Identifier; it begins with b1g",
}


def database_address(value: str) -> str:
    """Return the address of a database, checked. Raises `BadInput`."""
    try:
        return checked_database(value)
    except ValueError as error:
        raise BadInput(str(error)) from None


def load(**given: Any) -> Settings:
    """Read the settings: those given, then those of the App (`of_app`), then the environment and `.env`. Raises
    `ConfigError` with one line for each wrong value; the values are never shown.
    """
    app = of_app.get()()
    try:
        return Settings(**{**app, **given})
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        in_code = {name: app.place for name in app if name not in given}
        lines = (in_code.get(str(one["loc"][0]), "") + _line(one["loc"], one["msg"]) for one in problems)
        raise ConfigError("\n".join(lines)) from None
    except UnicodeDecodeError:
        raise ConfigError(".env: is not in UTF-8; save it in that encoding") from None


def _line(location: tuple[int | str, ...], message: str) -> str:
    """A line of the `ConfigError` about one wrong value: the name, what is wrong, and what the setting is for."""
    name, *inside = (str(step) for step in location)
    field = Settings.model_fields.get(name.lower())
    where = f"{name.upper()} ({'.'.join(inside)})" if inside else name.upper()
    return f"{where}: {message.removeprefix('Value error, ')}" + (f" ({field.description})" if field else "")


def misspelt(env_file: Path = ENV_FILE) -> list[str]:
    """Return a sentence for each name, in the environment or the env file, that is nearly that of a setting."""
    known = {name.upper() for name in Settings.model_fields} | {"YC_TOKEN"}
    given = {name.upper() for name in (*os.environ, *written(env_file))} - known
    near = {name: get_close_matches(name, known, 1, SIMILAR) for name in sorted(given)}
    return [f"{name} is no setting of Govorun; did you mean {found[0]}?" for name, found in near.items() if found]


def has_key(settings: Settings) -> bool:
    """Whether any credential for AI Studio is set."""
    keys = [key.get_secret_value() for key in (settings.yc_api_key, settings.yc_iam_token, settings.yc_oauth_token)]
    has_one = any(not PLACEHOLDER.fullmatch(key) for key in keys)
    return has_one or bool(settings.yc_service_account_key_file) or settings.yc_metadata


def require(settings: Settings, *, studio: bool = True) -> None:
    """Check that a bot on Telegram has what it can't do without. Raises `ConfigError`, which says where to get it.

    `studio` False: no model of AI Studio is used, so no key is required.
    """
    lines = []
    token = settings.bot_token.get_secret_value()
    if PLACEHOLDER.fullmatch(token):
        lines.append(f"BOT_TOKEN is missing: {WHERE['bot_token']}")
    elif not TOKEN_SHAPE.fullmatch(token):
        lines.append(f"BOT_TOKEN does not look like 123456:ABC-DEF...: {WHERE['bot_token']}")
    if lines := [*lines, *(_studio_lacks(settings) if studio else ())]:
        raise ConfigError("\n".join(lines))


def _studio_lacks(settings: Settings) -> Iterable[str]:
    if not has_key(settings):
        yield f"YC_API_KEY is missing: {WHERE['yc_api_key']}"
    if PLACEHOLDER.fullmatch(settings.yc_folder_id):
        yield f"YC_FOLDER_ID is missing: {WHERE['yc_folder_id']}"
    elif not FOLDER_SHAPE.fullmatch(settings.yc_folder_id):
        yield f"YC_FOLDER_ID does not look like b1g...: {WHERE['yc_folder_id']}"
    if settings.yc_service_account_key_file and not settings.yc_service_account_key_file.is_file():
        yield f"YC_SERVICE_ACCOUNT_KEY_FILE: there is no file {settings.yc_service_account_key_file}"
