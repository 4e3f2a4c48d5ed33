"""Every setting: the environment first, then `.env`. `.env.example` is generated from here.

The names are the ones operators already know; the environment names of the vendor's SDK are understood too.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import ConfigError

TOKEN_SHAPE = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{3,}")
PLACEHOLDER = re.compile(r"^(<.*>|your[-_ ].*|changeme|xxx+|\.\.\.)$", re.IGNORECASE)


class ModelEntry(BaseModel):
    """One row of MODELS: a name and what differs from the built-in profile of it."""

    name: str
    title: str = ""
    window: int | None = None
    max_tokens: int | None = None
    price_in: Decimal | None = None
    price_out: Decimal | None = None


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    # --- The three that a bot can't do without
    bot_token: SecretStr = Field(SecretStr(""), description="Telegram bot token, from @BotFather: 123456:ABC-...")
    yc_api_key: SecretStr = Field(
        SecretStr(""), description="API key of a service account with the role ai.languageModels.user: AQVN..."
    )
    yc_folder_id: str = Field("", description="The folder that pays, 20 characters: b1g...")

    # --- Telegram
    access: Literal["closed", "open"] = Field(
        "closed", description="Who may talk to the bot: closed = only OWNERS, open = everybody"
    )
    owners: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Numeric Telegram ids of the owners, separated by commas (the bot tells you yours)"
    )
    streaming: Literal["draft", "edit", "off"] = Field(
        "draft",
        description="How answers appear while they are written: draft = native drafts with a Stop button in private "
        "chats, edit = one message edited as it grows, off = whole answers only. Groups use edit instead of draft",
    )
    rich_messages: bool = Field(
        True, description="Send tables, task lists, formulas and answers over 4,096 characters as rich messages"
    )
    telegram_api_url: str = Field("https://api.telegram.org", description="Bot API server")
    telegram_proxy: str = Field("", description="Proxy for Telegram only: http://user:password@host:port")
    telegram_rate: float = Field(
        28.0, ge=0, description="Messages a second over all chats (Telegram allows about 30); 0 = no limit of our own"
    )
    telegram_chat_rate: float = Field(
        1.0, ge=0, description="Messages a second in one private chat, after a short burst; 0 = no limit of our own"
    )
    webhook_url: str = Field("", description="Public https address of the webhook; empty = long polling")
    webhook_secret: SecretStr = Field(SecretStr(""), description="1-256 of A-Z a-z 0-9 _ - ; made up when empty")
    webhook_host: str = Field("127.0.0.1", description="Where the webhook server listens")
    webhook_port: int = Field(8443, description="... and its port")
    shutdown_grace: float = Field(20.0, ge=0, description="Seconds that running answers get when the bot is stopped")

    # --- Yandex AI Studio
    yc_iam_token: SecretStr = Field(SecretStr(""), description="IAM token (t1....) instead of the API key; lives 12 h")
    yc_service_account_key_file: Path | None = Field(
        None, description="Authorized key of a service account (JSON file) instead of the API key"
    )
    yc_oauth_token: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("YC_OAUTH_TOKEN", "YC_TOKEN"), description="OAuth token (y0_...)"
    )
    yc_metadata: bool = Field(False, description="Take the IAM token from the metadata service of the virtual machine")
    yc_metadata_addr: str = Field("169.254.169.254", description="Address of the metadata service")
    model: str = Field("yandexgpt", description="The model that answers: a name, name/version or a whole gpt:// URI")
    models: list[ModelEntry] = Field(
        default_factory=list,
        description="Models that users may choose with /model, as JSON: "
        '[{"name":"yandexgpt","title":"Pro"},{"name":"yandexgpt-lite"}]; empty = the built-in list',
    )
    image_model: str = Field("yandex-art", description="The model that draws; empty = no /image")
    temperature: float = Field(0.3, ge=0, le=1, description="0 = always the likeliest word, 1 = free")
    max_tokens: int = Field(2000, gt=0, description="Longest answer, in tokens")
    system_prompt: str = Field("", description="Who the bot is; empty = a helpful assistant")
    yc_concurrency: int = Field(10, gt=0, description="Requests in flight (the folder's quota; 10 unless raised)")
    yc_data_logging: bool = Field(False, description="Let the service keep requests to improve its models")
    answer_deadline: float = Field(120.0, gt=0, description="Seconds an answer may take in all")
    idle_deadline: float = Field(30.0, gt=0, description="Seconds the model may be silent")
    yc_llm_url: str = Field("https://llm.api.cloud.yandex.net", description="Native API")
    yc_operation_url: str = Field("https://operation.api.cloud.yandex.net", description="Operations of text")
    yc_image_operation_url: str = Field("https://llm.api.cloud.yandex.net", description="Operations of pictures")
    yc_openai_url: str = Field("https://ai.api.cloud.yandex.net/v1", description="OpenAI-compatible API")
    yc_iam_url: str = Field("https://iam.api.cloud.yandex.net", description="IAM tokens")

    # --- Storage and logs
    database_url: str = Field("sqlite+aiosqlite:///govorun.db", description="Where everything is kept")
    update_days: int = Field(
        2, gt=0, description="Days that handled updates are remembered (so that none is taken twice)"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged")

    @field_validator("owners", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in re.split(r"[,\s]+", value.strip()) if part)
        return value

    @field_validator(
        "telegram_api_url", "yc_llm_url", "yc_operation_url", "yc_image_operation_url", "yc_openai_url", "yc_iam_url"
    )
    @classmethod
    def _url(cls, value: str) -> str:
        if not re.match(r"https?://[^\s/]+", value):
            raise ValueError("an address like https://host is expected")
        host = re.sub(r"^https?://(\[[^\]]*\]|[^:/]*).*", r"\1", value)
        if value.startswith("http://") and host not in {"localhost", "[::1]"} and not host.startswith("127."):
            raise ValueError("http:// is taken only for this machine (127.0.0.1): keys would travel unprotected")
        return value.rstrip("/")

    @property
    def bot_id(self) -> int:
        return int(self.bot_token.get_secret_value().partition(":")[0])

    def secrets(self) -> list[str]:
        """Everything that no log line may contain."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [found for value in values if isinstance(value, SecretStr) and (found := value.get_secret_value())]


WHERE = {
    "bot_token": "open @BotFather in Telegram, send /newbot, copy the line that looks like 123456:ABC-DEF...",
    "yc_api_key": "console.yandex.cloud -> your folder -> Service accounts -> Create API key "
    "(scope yc.ai.foundationModels.execute); it begins with AQVN",
    "yc_folder_id": "console.yandex.cloud -> your folder -> Overview -> Identifier; it begins with b1g",
}


def load(**given: Any) -> Settings:
    """Read the settings. Raises `ConfigError` with one line for each value that is wrong; no value is ever shown."""
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            known = Settings.model_fields.get(name.lower())
            lines.append(f"{name}: {problem['msg']}" + (f" ({known.description})" if known else ""))
        raise ConfigError("\n".join(lines)) from None


def require(settings: Settings) -> None:
    """Check what a bot on Telegram can't do without. Raises `ConfigError` that names it and where to get it."""
    lines = []
    token = settings.bot_token.get_secret_value()
    if not token or PLACEHOLDER.match(token):
        lines.append(f"BOT_TOKEN is missing: {WHERE['bot_token']}")
    elif not TOKEN_SHAPE.fullmatch(token):
        lines.append(f"BOT_TOKEN does not look like 123456:ABC-DEF...: {WHERE['bot_token']}")
    keys = (settings.yc_api_key, settings.yc_iam_token, settings.yc_oauth_token)
    given = [key.get_secret_value() for key in keys if key.get_secret_value()]
    if any(PLACEHOLDER.match(key) for key in given) or not (
        given or settings.yc_service_account_key_file or settings.yc_metadata
    ):
        lines.append(f"YC_API_KEY is missing: {WHERE['yc_api_key']}")
    if not settings.yc_folder_id or PLACEHOLDER.match(settings.yc_folder_id):
        lines.append(f"YC_FOLDER_ID is missing: {WHERE['yc_folder_id']}")
    if settings.yc_service_account_key_file and not settings.yc_service_account_key_file.is_file():
        lines.append(f"YC_SERVICE_ACCOUNT_KEY_FILE: there is no file {settings.yc_service_account_key_file}")
    if lines:
        raise ConfigError("\n".join(lines))
