"""The words of the native API: requests as JSON, answers as chunks, failures as our errors. Begin at `StreamReader`.

Everything here bears what servers, proxies and versions really send: numbers as strings, fields that are missing, null
or of another type, both shapes of errors, text that shrinks, halves of characters.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Set
from itertools import count
from typing import Any

from bot.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
    StreamCut,
)
from bot.lines import parse_json, whole_text
from bot.services import Ability, Chunk, Finish, Request, Usage
from bot.types import Image, Message, ToolCall, ToolResult

LONGEST_TEXT = 100_000  # characters the server takes in one message
LONGEST_ANSWER = 200_000  # characters we take
CUT_MARK = "[...]\n"

# --- requests ---------------------------------------------------------------------------------------------------------


def completion(uri: str, request: Request, *, stream: bool, reasons: bool = False) -> dict[str, Any]:
    """The body of a completion. Raises `ModelRefused` where nothing is left to ask: the server refuses empty texts.

    `reasons`: this model has a reasoning mode, which others would refuse.
    """
    options: dict[str, Any] = {"stream": stream}
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.max_tokens is not None:
        options["maxTokens"] = str(request.max_tokens)
    if request.reasoning and reasons:
        options["reasoningOptions"] = {"mode": "DISABLED" if request.reasoning == "none" else "ENABLED_HIDDEN"}
    messages = [said for message in request.messages if (said := _message(message)) is not None]
    if not messages:
        raise ModelRefused("the request has no text")
    return {"modelUri": uri, "completionOptions": options, "messages": messages, **_wishes(request)}


def _wishes(request: Request) -> dict[str, Any]:
    """What the answer may or must be: calls of these tools, an object of this schema."""
    found: dict[str, Any] = {}
    if request.tools:
        found["tools"] = [{"function": function(tool)} for tool in request.tools]
    if request.tools and request.choice:
        mode = CHOICES.get(request.choice)
        found["toolChoice"] = {"mode": mode} if mode else {"functionName": request.choice}
    if request.schema is not None:
        found["jsonSchema"] = {"schema": dict(request.schema)}
    return found


def data_url(picture: Image) -> str:
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"


def function(tool: Ability) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def _message(message: Message) -> dict[str, Any] | None:
    """One of text, calls and results: the server takes exactly one. Calls have no ids here, names match results."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if calls:
        items = [{"functionCall": {"name": call.name, "arguments": dict(call.arguments)}} for call in calls]
        return {"role": "assistant", "toolCallList": {"toolCalls": items}}
    if results:
        items = [{"functionResult": {"name": result.name, "content": result.content}} for result in results]
        return {"role": "user", "toolResultList": {"toolResults": items}}
    text = message.text
    if not text.strip():
        return None
    if len(text) > LONGEST_TEXT:
        text = CUT_MARK + text[len(CUT_MARK) - LONGEST_TEXT :]
    return {"role": message.role, "text": text}


# --- failures ---------------------------------------------------------------------------------------------------------


class Unauthenticated(ModelDenied):
    """The key or token was not accepted: worth one try with a new token."""


def refusal(
    status: int, body: bytes, *, retry_after: float = 0.0, trace: str = "", repeatable: bool = True
) -> ModelError:
    """The error that an answer with such a status means, whatever shape its body has.

    Of a request that is not `repeatable` nobody knows after most 5xx whether it was carried out.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    code, message = _details(value)
    error = failure(status, code, message, retry_after=retry_after, trace=trace)
    if not repeatable and isinstance(error, ModelUnavailable) and status != 429 and code != NOT_STARTED:
        return OutcomeUnknown(str(error), trace=trace)
    return error


def failure(status: int, code: int, message: str, *, retry_after: float = 0.0, trace: str = "") -> ModelError:
    """The error for an HTTP status (below 400: none was given), a gRPC code (0: none) and the server's words."""
    status = status if status >= 400 else HTTP_OF_GRPC.get(code, status)
    text = f"{status}: {printable(message)}" if message else f"{status}"
    overflow = _overflow(status, text, message, trace)
    if overflow is not None:
        return overflow
    if REFUSED.search(message):
        return ModelRefused(text, trace=trace)
    if WRONG_MODEL.search(message) or (status in {402, 403, 429} and MONEY.search(message)):
        return ModelDenied(text, trace=trace)
    if status in {408, 425, 429, 499} or (status >= 500 and status != 501):
        return ModelUnavailable(text, retry_after=retry_after, trace=trace)
    if 400 <= status <= 501:
        return KINDS.get(status, ModelRefused)(text, trace=trace)
    return ModelProtocolError(f"unexpected status {text}", trace=trace)


def _overflow(status: int, text: str, message: str, trace: str) -> ContextOverflow | None:
    if found := TOKENS.search(message) or OTHER_TOKENS.search(message):
        return ContextOverflow(text, limit=int(found[1]), given=int(found[2]), trace=trace)
    if status == 413 or (400 <= status < 500 and TOO_LONG.search(message)):
        return ContextOverflow(text, trace=trace)
    return None


def stream_error(value: Mapping[str, Any], *, trace: str = "") -> ModelError | None:
    """The error inside an answer with status 200, if there is one."""
    if not value.get("error"):
        return None
    error = value["error"]
    code, message = _details(value)
    status = number(error.get("httpCode")) if isinstance(error, Mapping) else None
    if not code and not status and not message:
        return None
    if not status and 400 <= code < 600:  # the compatible servers tell the HTTP status as the code
        status = code
    return failure(status or HTTP_OF_GRPC.get(code, 500), code, message, trace=trace)


def _details(value: Any) -> tuple[int, str]:
    """gRPC code and message of an error body, 0 and "" where it has none."""
    if not isinstance(value, dict):
        return 0, ""
    error = value.get("error")
    source: Mapping[str, Any] = error if isinstance(error, Mapping) else value
    words = (source.get(key) for key in ("message", "error", "detail", "error_message"))
    message = next((word for word in words if isinstance(word, str) and word), "")
    return number(source.get("grpcCode")) or number(source.get("code")) or 0, message


def printable(message: str) -> str:
    """One short line: it goes into logs."""
    return "".join(char if char.isprintable() else " " for char in message[:300])


# --- answers ----------------------------------------------------------------------------------------------------------


class StreamReader:
    """Turns the lines of a completion, each with the whole text so far, into chunks of what is new.

    Also reads an answer that was not streamed: its body is one line. After the chunk with `finish` everything else is
    ignored. `end` must be called when the lines are over.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        self.done = False
        self._taken = taken
        self._text = ""
        self._usage: Usage | None = None
        self._broken = False
        self._trace = trace

    @property
    def whole(self) -> bool:
        return self.done

    def feed(self, line: str) -> Chunk | None:
        """Raises the `ModelError` that the line carries, or `ModelProtocolError` for lines that are no JSON."""
        if self.done or not line.strip():
            return None
        if self._broken:
            raise ModelProtocolError("a line of the answer is not JSON", trace=self._trace)
        try:
            value = parse_json(line)
        except ModelProtocolError:
            self._broken = True  # no fault of the server's words if this is the last line, cut in the middle: see `end`
            return None
        if not isinstance(value, dict):
            raise ModelProtocolError("a line of the answer is not an object", trace=self._trace)
        if error := stream_error(value, trace=self._trace):
            raise error
        return self._read(_mapping(value.get("result"), value), mended="\\u" in line)

    def end(self) -> Chunk | None:
        """Nothing. Raises `StreamCut` where no line said that the answer is complete."""
        if not self.done:
            raise StreamCut("the answer ended without its final status", trace=self._trace)
        return None

    def take(self, result: Mapping[str, Any]) -> Chunk | None:
        """A `CompletionResponse` that was read elsewhere: an operation holds one too."""
        return self._read(result, mended=True)

    def _read(self, result: Mapping[str, Any], *, mended: bool) -> Chunk | None:
        alternatives = result.get("alternatives")
        first = _mapping(alternatives[0]) if isinstance(alternatives, list) and alternatives else {}
        message = _mapping(first.get("message"))
        self._usage = _usage(result.get("usage")) or self._usage
        finish = FINISHES.get(str(first.get("status")))
        self.done = finish is not None
        text = message.get("text")
        text = text if isinstance(text, str) else ""
        if mended:
            text = _mended(text, last=self.done)
        if finish is Finish.FILTERED:
            return Chunk(text, replaces=True, finish=finish, usage=self._usage)
        if len(text) > LONGEST_ANSWER:
            text, finish, self.done = text[:LONGEST_ANSWER], finish or Finish.LENGTH, True
        calls = _calls(message, self._taken) if finish is Finish.TOOLS else ()
        return self._chunk(text, finish, calls)

    def _chunk(self, text: str, finish: Finish | None, calls: tuple[ToolCall, ...]) -> Chunk | None:
        # A line without text says nothing about the text: it may be a call, a status, or only numbers.
        before = self._text
        self._text = text or before
        if text.startswith(before):
            new = text[len(before) :]
            return Chunk(new, finish=finish, usage=self._usage, calls=calls) if new or finish else None
        if text:
            return Chunk(text, replaces=True, finish=finish, usage=self._usage, calls=calls)
        return Chunk(finish=finish, usage=self._usage, calls=calls) if finish else None


def _mended(text: str, *, last: bool) -> str:
    """Valid Unicode without NUL. A first half of a pair at the very end waits for its other half in the next line."""
    if not last and text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    return whole_text(text).replace("\0", "\ufffd")


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = number(value.get("inputTextTokens")), number(value.get("completionTokens"))
    if prompt is None or completion is None:
        return None
    details = _mapping(value.get("completionTokensDetails"))
    return Usage(prompt, completion, number(details.get("reasoningTokens")) or 0)


def _calls(message: Mapping[str, Any], taken: Set[str]) -> tuple[ToolCall, ...]:
    """The calls, with ids of our own: the native API has none."""
    items = _mapping(message.get("toolCallList")).get("toolCalls")
    found: list[ToolCall] = []
    for item in items if isinstance(items, list) else ():
        call = _mapping(_mapping(item).get("functionCall"))
        name = call.get("name")
        if isinstance(name, str) and name:
            id = unique("", name, taken | {call.id for call in found})
            found.append(ToolCall(id, name, whole_numbers(dict(_mapping(call.get("arguments"))))))
    return tuple(found)


def taken(request: Request) -> Set[str]:
    """The ids that calls of this conversation already have."""
    parts = (part for message in request.messages for part in message.parts)
    return {part.id for part in parts if isinstance(part, ToolCall)}


def unique(id: str, name: str, taken: Set[str]) -> str:
    """An id for a call, the given one where that is not `taken`: some servers give the function's name to each call."""
    if id and id not in taken:
        return id
    return next(found for number in count(1) if (found := f"{id or name}-{number}") not in taken)


def whole_numbers(value: Any) -> Any:
    """Numbers arrive as doubles: 5.0 was 5. Inside lists and objects too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    return value


def _mapping(value: Any, otherwise: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else otherwise or {}


def number(value: Any) -> int | None:
    """A number of at least 0, also where it is a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1 << 53 else None


CHOICES: Mapping[str, str] = {"none": "NONE", "required": "REQUIRED"}

FINISHES: Mapping[str, Finish] = {
    "ALTERNATIVE_STATUS_FINAL": Finish.STOP,
    "ALTERNATIVE_STATUS_TRUNCATED_FINAL": Finish.LENGTH,
    "ALTERNATIVE_STATUS_CONTENT_FILTER": Finish.FILTERED,
    "ALTERNATIVE_STATUS_TOOL_CALLS": Finish.TOOLS,
}

HTTP_OF_GRPC: Mapping[int, int] = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503,
    15: 500, 16: 401,
}  # fmt: skip

NOT_STARTED = 14  # gRPC UNAVAILABLE

KINDS: Mapping[int, type[ModelError]] = {
    401: Unauthenticated,
    402: ModelDenied,
    403: ModelDenied,
    404: ModelDenied,
    405: ModelDenied,
    501: ModelDenied,
}

# What the servers were seen to say; pieces, because whole sentences change.
TOKENS = re.compile(r"input tokens must be no more than (\d{1,15}), got (\d{1,15})")
OTHER_TOKENS = re.compile(  # OpenAI, vLLM
    r"maximum context length is (\d{1,15}) tokens.{1,80}?(?:requested|resulted in|has|contains)\D{0,40}(\d{1,15})",
    re.DOTALL,
)
TOO_LONG = re.compile(r"text length is \d{6,},|context.{0,10}length|too many tokens|maximum context", re.IGNORECASE)
REFUSED = re.compile(r"not possible to generate an image|may violate the terms", re.IGNORECASE)
WRONG_MODEL = re.compile(
    r"does not match with service account folder|invalid model_?uri|parse model uri|failed to get model", re.IGNORECASE
)
MONEY = re.compile(r"billing|payment|balance|money|funds|overdue|баланс|оплат|плат[её]ж|средств|биллинг", re.IGNORECASE)
