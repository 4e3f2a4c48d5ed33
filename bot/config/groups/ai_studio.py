"""Yandex AI Studio: credentials, models, addresses, speech."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from bot.config.entries import ModelConfig
from bot.config.groups import SettingsGroup
from bot.config.validators import Endpoint, Host, Line, OptionalLine, OwnKey, TextByLanguage, Url, rows


class CredentialSettings(SettingsGroup):
    """Other credentials that may stand in place of the API key."""

    yc_iam_token: OwnKey = Field(SecretStr(""), description="IAM token (t1....) instead of the API key; lives 12 h")
    yc_service_account_key_file: Path | None = Field(
        None, description="Authorized key of a service account (JSON file) instead of the API key"
    )
    yc_oauth_token: OwnKey = Field(
        SecretStr(""), validation_alias=AliasChoices("YC_OAUTH_TOKEN", "YC_TOKEN"), description="OAuth token (y0_...)"
    )
    yc_metadata: bool = Field(False, description="Take the IAM token from the metadata service of the virtual machine")
    yc_metadata_addr: Host = Field("169.254.169.254", description="Address of the metadata service")


class ModelSettings(SettingsGroup):
    """The models, how they answer, and the addresses of their APIs."""

    model: Line = Field(
        "yandexgpt-5.1", description="The model that answers: a name, name/version or a whole gpt:// URI"
    )
    models: Annotated[list[ModelConfig], NoDecode, BeforeValidator(rows)] = Field(
        default_factory=list,
        description="Models that users may choose with /model, as JSON: "
        '[{"name":"yandexgpt-5.1","title":"Pro"},{"name":"aliceai-llm"}]; empty = the built-in list. A row with a url '
        'is a model of another OpenAI-compatible server: {"name":"llama","url":"http://127.0.0.1:11434/v1",'
        '"model":"llama3.2","tools":true,"window":8192}, with its key or $NAME of a variable in "key". '
        '"search":true lets a model search the web, "agent" is the id of one saved in the console; with '
        '"memory":"service" either is sent only what is new, since AI Studio remembers the conversation',
    )
    image_model: OptionalLine = Field(
        "auto",
        description="The model that draws; auto = the first that the folder has (aliceai-image-art-3.0, yandex-art), "
        "none = no /image",
    )
    temperature: float = Field(0.3, ge=0, le=1, description="0 = always the likeliest word, 1 = free")
    max_tokens: int = Field(2000, gt=0, description="Longest answer, in tokens")
    system_prompt: str = Field("", description="Who the bot is; empty = a helpful assistant")
    greeting: TextByLanguage = Field(
        "",
        description="What /start says, {name} is who reads it; empty = the usual greeting; "
        'or one for each language: {"en":"Hello, {name}!","ru":"Привет, {name}!"}',
    )
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
        "yandexgpt-5-lite", description="The cheap model that names conversations and summarises long ones"
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
    yc_transport: Literal["rest", "grpc"] = Field(
        "rest",
        description="How the native API is asked: rest, or grpc, which needs the extra `grpc` and asks no YC_LLM_URL",
    )
    yc_grpc_address: Endpoint = Field(
        "api.cloud.yandex.net:443",
        description="Where gRPC services are listed: batch runs, datasets, tuning, and models with YC_TRANSPORT=grpc",
    )

    @property
    def has_instances(self) -> bool:
        """Whether a row of MODELS is an instance of one's own."""
        return any(row.uri for row in self.models)


class ServiceSettings(SettingsGroup):
    """Speech, and the addresses of speech, IAM and search."""

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
