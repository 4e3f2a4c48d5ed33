"""A request for a text, read and checked: messages, tools, JSON schema, reasoning, pictures. Begin with `TextRequest`.

All APIs are read into the same values. `as_chat` rewrites a request of the Responses API as the chat request that asks
for the same answer. The functions raise `Problem` for what the real service refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.ai_studio.validation import Access, TextModel, Uri, check_text, text_model, text_spec
from bot.sandbox.ai_studio.wire import (
    BadRequest,
    Call,
    Fields,
    Json,
    Problem,
    count_tokens,
    from_base64,
    get,
    integer,
    mapping,
)

Messages = list[dict[str, str]]
NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
EFFORTS = ("low", "medium", "high")
MAX_BRACES = 50  # where a JSON schema is looked for
PICTURE = 256  # tokens that a picture counts as


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema."""

    name: str
    parameters: Json


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A request, whichever API it came by.

    `limit` is the most tokens of the answer (0: no limit). `choice` is "", "none", "required" or the name of a tool.
    `schema` is the JSON schema of the answer. `reasons`: the model reasons before it answers. `pictures` are those of
    the newest message.
    """

    uri: Uri
    messages: Messages
    streams: bool
    limit: int
    tools: Sequence[Tool] = ()
    choice: str = ""
    parallel: bool = True
    schema: Json | None = None
    reasons: bool = False
    pictures: Sequence[bytes] = ()

    @property
    def model(self) -> TextModel:
        """What the model can do."""
        return text_spec(self.uri)

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has: as many as `native.template` returns, and those of pictures."""
        texts = sum(5 + count_tokens(message["text"]) for message in self.messages)
        return 9 + texts + PICTURE * len(self.pictures)


def native_request(call: Call, access: Access) -> TextRequest:
    """The request of a native call. Raises `Problem` 3 for a malformed one."""
    body = call.body
    uri = text_model(access, get(body, "modelUri"), native=True)
    messages = _native_messages(body)
    options = get(body, "completionOptions") or {}
    if not isinstance(options, Mapping):
        raise BadRequest("completionOptions must be an object")
    _check_temperature(options.get("temperature"), 1.0)
    limit = _limit(get(options, "maxTokens"), "maxTokens")
    mode = mapping(get(options, "reasoningOptions")).get("mode", "DISABLED")
    if mode not in ("REASONING_MODE_UNSPECIFIED", "DISABLED", "ENABLED_HIDDEN"):
        raise BadRequest(f"unknown reasoning mode: {mode!r}")
    tools, schema = _tools(get(body, "tools")), get(body, "jsonSchema")
    if schema is not None and get(body, "jsonObject"):
        raise BadRequest("oneof field 'ResponseFormat' is already set: jsonObject and jsonSchema")
    request = TextRequest(
        uri=uri,
        messages=messages,
        streams=options.get("stream") is True,
        limit=limit,
        tools=tools,
        choice=_native_choice(mapping(get(body, "toolChoice")), tools),
        parallel=get(body, "parallelToolCalls") is not False,
        schema=_schema(mapping(schema).get("schema")) if schema is not None else _any_object(body, messages),
        reasons=mode == "ENABLED_HIDDEN" and text_spec(uri).hidden,
    )
    return _fitting(call, request)


def openai_request(call: Call, access: Access, body: Fields) -> TextRequest:
    """The request of a chat body. Raises `Problem` 3 for a malformed one and for pictures that the model does not take.

    `parallel_tool_calls` is ignored, as recorded.
    """
    uri = text_model(access, body.get("model"), native=False)
    messages, spec = _openai_messages(body), text_spec(uri)
    _check_temperature(body.get("temperature"), 2.0)
    limit = _limit(body.get("max_completion_tokens", body.get("max_tokens")), "max_tokens")
    form = mapping(body.get("response_format"))
    schema = mapping(form.get("json_schema")) if form.get("type") == "json_schema" else None
    name = schema.get("name") if schema is not None else "schema"
    if not isinstance(name, str) or not SCHEMA_NAME.fullmatch(name):
        raise BadRequest("response_format.json_schema.name is required: 1-64 of a-z A-Z 0-9 _ -")
    tools, pictures = _tools(body.get("tools")), _pictures(body)
    if pictures and not spec.sees:
        raise BadRequest(f"model {uri.name} does not support image input")
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise BadRequest(f"reasoning_effort must be one of {', '.join(EFFORTS)}, got {effort!r}")
    request = TextRequest(
        uri=uri,
        messages=messages,
        streams=body.get("stream") is True,
        limit=limit,
        tools=tools,
        choice=_openai_choice(body.get("tool_choice"), tools),
        schema=_schema(schema.get("schema")) if schema is not None else _any_object(form, messages),
        reasons=spec.thinks,
        pictures=pictures,
    )
    return _fitting(call, request)


def _fitting(call: Call, request: TextRequest) -> TextRequest:
    """The request. Raises `Problem` 3 if the prompt has more tokens than the context window of the model."""
    if request.prompt_tokens > (window := request.model.window):
        text = f"number of input tokens must be no more than {window}, got {request.prompt_tokens}"
        raise BadRequest(f"folder_id={call.folder}: {text}")
    call.seen.note = f"{request.uri.name}/{request.uri.version}, {len(request.messages)} messages"
    return request


def _native_messages(body: Fields) -> list[dict[str, str]]:
    """The messages of a native request as `{"role", "text"}`; tool calls and results become text."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("empty messages list")
    return [_native_message(message) for message in messages]


def _native_message(message: Any) -> dict[str, str]:
    if not isinstance(message, Mapping):
        raise BadRequest("message must be an object")
    role = message.get("role", "user")
    if role not in ("system", "user", "assistant"):
        raise BadRequest(f"unknown message role: {role!r}")
    contents = {name: value for name in CONTENTS if (value := get(message, name)) is not None}
    if len(contents) > 1:
        raise BadRequest(f"oneof field 'Content' is already set: {' and '.join([*contents][:2])}")
    if not contents:
        raise BadRequest("empty message text")
    ((kind, content),) = contents.items()
    if kind == "toolResultList":
        return _native_results(content)
    if kind == "text":
        check_text(content)
    return {"role": role, "text": str(content)}


def _native_results(content: Any) -> dict[str, str]:
    """The message with tool results; its field `tool` names the functions and tells that no person wrote it."""
    rows = get(mapping(content), "toolResults") or ()
    found = [mapping(get(mapping(row), "functionResult")) for row in rows]
    results = [row for row in found if isinstance(row.get("name"), str)]
    if not results:
        raise BadRequest("empty tool result list")
    texts, names = ([str(row.get(name, "")) for row in results] for name in ("content", "name"))
    return {"role": "user", "text": "; ".join(texts), "tool": ", ".join(names)}


def _openai_messages(body: Fields) -> list[dict[str, str]]:
    """The messages of a chat request as `{"role", "text"}`; a picture becomes the text "[image]"."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must not be empty")
    rows = (mapping(message).get("tool_calls") for message in messages)
    calls = [mapping(call) for row in rows if isinstance(row, list) for call in row]
    names = {str(call.get("id")): str(mapping(call.get("function")).get("name", "")) for call in calls}
    return [_openai_message(mapping(message), names) for message in messages]


def _openai_message(message: Fields, called: Mapping[str, str]) -> dict[str, str]:
    """A message; `called` are the names of the called functions by the id of their call."""
    role = message.get("role")
    if role not in OPENAI_ROLES:
        raise BadRequest(f"unknown message role: {role!r}")
    text = _content(message.get("content"))
    if not text and not message.get("tool_calls"):
        raise BadRequest("empty message text")
    if text:
        check_text(text)
    found = {"role": OPENAI_ROLES[role], "text": text}
    if role == "tool":
        id = str(message.get("tool_call_id", ""))
        if id not in called:
            raise BadRequest(f"tool_call_id {id!r} answers no call")
        found["tool"] = called[id]
    return found


def _content(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    texts = []
    for part in map(mapping, content if isinstance(content, list) else [content]):
        kind = part.get("type")
        if kind not in ("text", "image_url"):
            raise BadRequest(f"unknown content part: {kind!r}")
        texts.append(str(part.get("text", "")) if kind == "text" else "[image]")
    return "\n".join(texts)


def _check_temperature(value: Any, top: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
        raise BadRequest(f"temperature must be in range [0, {top:g}], got {value!r}")


def _limit(value: Any, name: str) -> int:
    tokens = 0 if value is None else integer(value, name)
    if value is not None and tokens <= 0:
        raise BadRequest(f"max_tokens must be greater than 0, got {tokens}")
    return tokens


def _tools(given: Any) -> list[Tool]:
    tools = []
    for row in _rows(given):
        function = mapping(mapping(row).get("function"))
        name = function.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise BadRequest(f"invalid function name: {name!r}")
        tools.append(Tool(name, _schema(function.get("parameters") or {"type": "object"})))
    return tools


def _native_choice(choice: Fields, tools: Sequence[Tool]) -> str:
    if name := get(choice, "functionName"):
        return _known(name, tools)
    mode = str(choice.get("mode", "AUTO"))
    if mode not in ("AUTO", "NONE", "REQUIRED", "TOOL_CHOICE_MODE_UNSPECIFIED"):
        raise BadRequest(f"unknown tool choice mode: {mode!r}")
    return mode.lower() if mode in ("NONE", "REQUIRED") else ""


def _openai_choice(choice: Any, tools: Sequence[Tool]) -> str:
    if isinstance(choice, Mapping):
        return _known(mapping(choice.get("function")).get("name"), tools)
    if choice not in (None, "auto", "none", "required"):
        raise BadRequest(f"unknown tool_choice: {choice!r}")
    return "" if choice in (None, "auto") else str(choice)


def _known(name: Any, tools: Sequence[Tool]) -> str:
    if not any(tool.name == name for tool in tools):
        raise BadRequest(f"function {name!r} is not among the tools")
    return str(name)


def _pictures(body: Fields) -> list[bytes]:
    users = [row for row in map(mapping, _rows(body.get("messages"))) if row.get("role") == "user"]
    content = users[-1].get("content") if users else None
    parts = map(mapping, content if isinstance(content, list) else [])
    return [_picture(part) for part in parts if part.get("type") == "image_url"]


def _picture(part: Fields) -> bytes:
    head, comma, data = str(mapping(part.get("image_url")).get("url", "")).partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise BadRequest("image_url must be a data URL with base64")
    return from_base64(data, "image_url")


def _schema(value: Any) -> Json:
    if not isinstance(value, dict):
        raise BadRequest("a JSON schema must be an object")
    return value


def _any_object(form: Fields, messages: Messages) -> Json | None:
    """Return the schema of an answer that may be any JSON object; None if the request asks for no object.

    Clients write a schema into the messages: the first one counts, else it is an object with a text.
    """
    if form.get("type") != "json_object" and not get(form, "jsonObject"):
        return None
    text = "\n".join(message["text"] for message in messages)
    for start in [match.start() for match in re.finditer(r"\{", text)][:MAX_BRACES]:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if "properties" in found:
            return dict(found)
    return {"type": "object", "properties": {"answer": {"type": "string"}}}


def _rows(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise BadRequest("a list is expected")
    return value or []


CONTENTS = ("text", "toolCallList", "toolResultList")
OPENAI_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}


def as_chat(body: Fields, items: Sequence[Json], system: Sequence[str], model: Any) -> Json:
    """The chat request for the items of a dialogue. `system` are the instructions. Raises `Problem` 3 for a malformed
    item, 12 for a tool that the sandbox does not have.
    """
    told = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    tools = [mapping(tool) for tool in body.get("tools") or ()]
    if lacking := {str(tool.get("type")) for tool in tools} - {"function", "web_search", "file_search"}:
        raise Problem(12, f"the sandbox has no tool {min(lacking)!r}; it has function, web_search and file_search")
    return {
        "model": model,
        "messages": [*told, *(message for item in items for message in _messages(item))],
        "tools": [{"function": tool} for tool in tools if tool.get("type") == "function"],
        "tool_choice": _choice(body.get("tool_choice")),
        "response_format": _format(mapping(mapping(body.get("text")).get("format"))),
        "temperature": body.get("temperature"),
        "max_tokens": body.get("max_output_tokens"),
        "reasoning_effort": mapping(body.get("reasoning")).get("effort"),
    }


def _messages(item: Json) -> list[Json]:
    """The messages that an item becomes: one, or none for what only the service itself reads again."""
    kind = item["type"]
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        return [{"role": "assistant", "tool_calls": [{"id": item.get("call_id"), "function": function}]}]
    if kind == "function_call_output":
        return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": _chat_content(item.get("output"))}]
    if kind in ("reasoning", "web_search_call", "file_search_call"):
        return []
    if kind != "message":
        raise BadRequest(f"unknown item type: {kind!r}")
    return [{"role": item.get("role"), "content": _chat_content(item.get("content"))}]


def _chat_content(content: Any) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> Json:
    kind = mapping(part).get("type")
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text")}
    raise BadRequest(f"unknown content part: {kind!r}")


def _choice(choice: Any) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    return {"function": {"name": choice.get("name")}} if choice.get("type") == "function" else None


def _format(form: Fields) -> Json:
    return {"type": form.get("type"), "json_schema": form}
