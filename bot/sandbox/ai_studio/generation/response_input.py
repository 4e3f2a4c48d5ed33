"""A request of the Responses API, rewritten as the chat request that asks for the same answer. Begin with `as_chat`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.ai_studio.wire import Json, Problem, mapping


def as_chat(body: Mapping[str, Any], items: Sequence[Json], system: Sequence[str], model: Any) -> Json:
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
        return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": _content(item.get("output"))}]
    if kind in ("reasoning", "web_search_call", "file_search_call"):
        return []
    if kind != "message":
        raise Problem(3, f"unknown item type: {kind!r}")
    return [{"role": item.get("role"), "content": _content(item.get("content"))}]


def _content(content: Any) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> Json:
    kind = mapping(part).get("type")
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text")}
    raise Problem(3, f"unknown content part: {kind!r}")


def _choice(choice: Any) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    return {"function": {"name": choice.get("name")}} if choice.get("type") == "function" else None


def _format(form: Mapping[str, Any]) -> Json:
    return {"type": form.get("type"), "json_schema": form}
