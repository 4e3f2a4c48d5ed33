"""The types of the settings in `App(...)`: scripts/app_settings.py makes them of config/settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict


class AppSettings(TypedDict, total=False):
    """The settings that `App(...)` takes: those of `.env.example` in lower case. docs/settings.md describes them."""

    bot_token: str
    yc_api_key: str
    yc_folder_id: str
    access: Literal["closed", "open"]
    owners: Sequence[int]
    user_rate: float | None
    user_burst: int
    chat_queue: int
    feedback_buttons: bool
    queue_notice: float
    queue_size: int
    longest_question: int
    user_daily_tokens: int
    user_monthly_tokens: int
    chat_daily_tokens: int
    chat_monthly_tokens: int
    daily_tokens: int
    monthly_tokens: int
    role_daily_tokens: Mapping[Literal["user", "operator", "admin"], int]
    role_monthly_tokens: Mapping[Literal["user", "operator", "admin"], int]
    user_daily_images: int
    user_monthly_images: int
    chat_daily_images: int
    chat_monthly_images: int
    daily_images: int
    monthly_images: int
    role_daily_images: Mapping[Literal["user", "operator", "admin"], int]
    role_monthly_images: Mapping[Literal["user", "operator", "admin"], int]
    user_daily_money: Decimal | float | str
    user_monthly_money: Decimal | float | str
    chat_daily_money: Decimal | float | str
    chat_monthly_money: Decimal | float | str
    daily_money: Decimal | float | str
    monthly_money: Decimal | float | str
    role_daily_money: Mapping[Literal["user", "operator", "admin"], Decimal | float | str]
    role_monthly_money: Mapping[Literal["user", "operator", "admin"], Decimal | float | str]
    confirm_above: Decimal | float | str
    image_price: Decimal | float | str
    embedding_price: Decimal | float | str
    speech_price: Decimal | float | str
    speech_long_price: Decimal | float | str
    speech_block: int
    voice_price: Decimal | float | str
    search_price: Decimal | float | str
    search_answer_price: Decimal | float | str
    model_search_price: Decimal | float | str
    vector_store_price: Decimal | float | str
    topic_price: Decimal | float | str
    currency: str
    streaming: Literal["draft", "edit", "off"]
    rich_messages: bool
    telegram_api_url: str
    telegram_proxy: str
    telegram_rate: float
    telegram_chat_rate: float
    webhook_url: str
    webhook_secret: str
    webhook_host: str
    webhook_port: int
    http_secret: str
    shutdown_grace: float
    yc_iam_token: str
    yc_service_account_key_file: Path | str | None
    yc_oauth_token: str
    yc_metadata: bool
    yc_metadata_addr: str
    model: str
    models: Sequence[Mapping[str, Any]]
    image_model: str
    temperature: float
    max_tokens: int
    system_prompt: str
    greeting: str | Mapping[str, str]
    prompts_dir: Path | str
    image_improve: Literal["ask", "always", "never"]
    show_reasoning: bool
    helper_model: str
    name_chats: bool
    summaries: bool
    yc_concurrency: int
    yc_data_logging: bool
    answer_deadline: float
    idle_deadline: float
    yc_llm_url: str
    yc_operation_url: str
    yc_image_operation_url: str
    yc_openai_url: str
    yc_transport: Literal["rest", "grpc"]
    yc_grpc_address: str
    speech: Literal["off", "on"]
    speech_seconds: int
    speech_voice: str
    yc_stt_url: str
    yc_tts_url: str
    yc_iam_url: str
    yc_search_url: str
    mcp_servers: Sequence[Mapping[str, Any]]
    local_model_source: str
    knowledge: Literal["open", "cited", "judged", "extract", "off"]
    embedding_models: Sequence[Mapping[str, Any]]
    embeddings: str
    kb_rerank: int
    kb_mark_own: bool
    kb_correct_days: int
    routing: Path | str | None
    desk: Path | str | None
    desk_keep_days: int
    desk_hook_secret: str
    knowledge_cache: Path | str
    read_hidden: bool
    eval_cases: Path | str | None
    eval_at: str
    eval_budget: Decimal | float | str
    database_url: str
    move_to: str
    update_days: int
    retention_private_days: int
    retention_group_days: int
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    log_format: Literal["text", "json"]
    log_content: bool
    traces: bool
    check_at_start: bool
    bots: Path | str | None
    health_port: int
    health_host: str
