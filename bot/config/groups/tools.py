"""Which tools models may use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from bot.config.entries import McpServerConfig
from bot.config.groups import SettingsGroup
from bot.config.validators import ModelSource, names, rows


class ToolSettings(SettingsGroup):
    """Built-in tools, MCP servers, and where the sandbox downloads its local models."""

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
        description="Where the sandbox's local models come from: huggingface, or the address of a mirror of it (their "
        "SHA-256 is checked)",
    )
