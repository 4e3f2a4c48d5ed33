"""What a request asks for beside its messages: tools, a JSON schema, reasoning, pictures. Begin with `RequestOptions`.

Both APIs are read into the same values. The functions raise `Problem` for what the real service refuses.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.ai_studio.validation import TEXT_MODELS, Uri
from bot.sandbox.ai_studio.wire import Json, Problem, get

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema."""

    name: str
    parameters: Json


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options of a request, whichever API it came by.

    `choice` is "", "none", "required" or the name of a tool. `schema` is the JSON schema of the answer. `reasons`: the
    model reasons before it answers. `pictures` are those of the newest message.
    """

    tools: Sequence[Tool] = ()
    choice: str = ""
    parallel: bool = True
    schema: Json | None = None
    reasons: bool = False
    pictures: Sequence[bytes] = ()


def native_request_options(body: Mapping[str, Any], uri: Uri) -> RequestOptions:
    """The options of a native request. Raises `Problem` 3 for malformed ones."""
    tools = [_tool(row, "function") for row in _rows(get(body, "tools"))]
    schema = get(body, "jsonSchema")
    if schema is not None and get(body, "jsonObject"):
        raise Problem(3, "oneof field 'ResponseFormat' is already set: jsonObject and jsonSchema")
    options = _mapping(get(body, "completionOptions"))
    mode = _mapping(get(options, "reasoningOptions")).get("mode")
    return RequestOptions(
        tools=tools,
        choice=_native_choice(_mapping(get(body, "toolChoice")), tools),
        parallel=get(body, "parallelToolCalls") is not False,
        schema=_schema(_mapping(schema).get("schema")) if schema is not None else None,
        reasons=mode == "ENABLED_HIDDEN" and TEXT_MODELS[uri.name].hidden,
    )


def openai_request_options(body: Mapping[str, Any], uri: Uri) -> RequestOptions:
    """The options of a chat request. Raises `Problem` 3 for malformed ones and for pictures that the model does not
    take.
    """
    tools = [_tool(row, "function") for row in _rows(body.get("tools"))]
    form = _mapping(body.get("response_format"))
    spec, pictures = TEXT_MODELS[uri.name], _pictures(body)
    if pictures and not spec.sees:
        raise Problem(3, f"model {uri.name} does not support image input")
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise Problem(3, f"reasoning_effort must be one of {', '.join(EFFORTS)}, got {effort!r}")
    found = _mapping(form.get("json_schema"))
    return RequestOptions(
        tools=tools,
        choice=_openai_choice(body.get("tool_choice"), tools),
        parallel=True,  # recorded: this API ignores parallel_tool_calls
        schema=_schema(found.get("schema")) if form.get("type") == "json_schema" else None,
        reasons=spec.thinks,
        pictures=pictures,
    )


def _tool(row: Any, key: str) -> Tool:
    function = _mapping(_mapping(row).get(key))
    name = function.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Problem(3, f"invalid function name: {name!r}")
    return Tool(name, _schema(function.get("parameters") or {"type": "object"}))


def _native_choice(choice: Mapping[str, Any], tools: Sequence[Tool]) -> str:
    if name := get(choice, "functionName"):
        return _known(name, tools)
    mode = str(choice.get("mode", "AUTO"))
    if mode not in ("AUTO", "NONE", "REQUIRED", "TOOL_CHOICE_MODE_UNSPECIFIED"):
        raise Problem(3, f"unknown tool choice mode: {mode!r}")
    return mode.lower() if mode in ("NONE", "REQUIRED") else ""


def _openai_choice(choice: Any, tools: Sequence[Tool]) -> str:
    if isinstance(choice, Mapping):
        return _known(_mapping(choice.get("function")).get("name"), tools)
    if choice not in (None, "auto", "none", "required"):
        raise Problem(3, f"unknown tool_choice: {choice!r}")
    return "" if choice in (None, "auto") else str(choice)


def _known(name: Any, tools: Sequence[Tool]) -> str:
    if not any(tool.name == name for tool in tools):
        raise Problem(3, f"function {name!r} is not among the tools")
    return str(name)


def _pictures(body: Mapping[str, Any]) -> list[bytes]:
    """The pictures of the newest message of a user."""
    users = [row for row in _rows(body.get("messages")) if _mapping(row).get("role") == "user"]
    content = _mapping(users[-1]).get("content") if users else None
    parts = content if isinstance(content, list) else []
    return [_picture(part) for part in parts if _mapping(part).get("type") == "image_url"]


def _picture(part: Mapping[str, Any]) -> bytes:
    head, comma, data = str(_mapping(part.get("image_url")).get("url", "")).partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise Problem(3, "image_url must be a data URL with base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(3, "image_url is not in base64") from None


def _schema(value: Any) -> Json:
    if not isinstance(value, dict):
        raise Problem(3, "a JSON schema must be an object")
    return value


def _rows(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Problem(3, "a list is expected")
    return value or []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
