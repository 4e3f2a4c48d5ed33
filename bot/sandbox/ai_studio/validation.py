"""What AI Studio refuses before it asks a model, in its own words: keys, folders, models, messages and options.

Begin with `Access.admit` (who calls) and `Uri.parse` (which model). All functions raise `Problem`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.sandbox.ai_studio.wire import Call, Json, Problem, get, integer

URI = re.compile(r"(?P<scheme>[a-z]+)://(?P<folder>[^/@]+)/(?P<name>[^/@]+)(/(?P<version>[^/@]+))?(@(?P<tuned>.+))?")
TOKEN_LIFE = 12 * 3_600.0
LONGEST_TEXT = 100_000


class Access:
    """The valid API keys (`keys`), the expired ones, the roles of the service account, and the issued IAM tokens."""

    def __init__(self, clock: Clock, keys: Iterable[str], folder: str) -> None:
        self.keys = set(keys)
        self.expired: set[str] = set()
        self.folder = folder
        self.roles = {"ai.languageModels.user", "ai.imageGeneration.user"}
        self.tokens: dict[str, float] = {}
        self._clock = clock

    def issue(self) -> tuple[str, float]:
        """Issue an IAM token. Returns it with the Unix time at which it expires."""
        token, until = f"t1.{secrets.token_urlsafe(48)}", self._clock.time() + TOKEN_LIFE
        self.tokens[token] = until
        return token, until

    def admit(self, call: Call) -> None:
        """Check who calls. Raises `Problem` 16 for an invalid credential, 7 for a missing role, 3 for a
        foreign folder.
        """
        scheme, _, secret = call.request.headers.get("authorization", "").partition(" ")
        self._credential(scheme.lower(), secret.strip(), bearer_keys=call.shape == "openai")
        role = "ai.imageGeneration.user" if call.route == "imageGenerationAsync" else "ai.languageModels.user"
        if call.route not in ("operation", "cancel") and role not in self.roles:
            raise Problem(7, f"Permission denied: the service account lacks the role {role}")
        call.folder = self.folder
        self.check_folder(call.request.headers.get("x-folder-id", self.folder))

    def check_folder(self, folder: str) -> None:
        """Raise `Problem` 3 if the folder is not the one of the service account."""
        if folder != self.folder:
            mismatch = f"Specified folder ID '{folder}' does not match with service account folder ID '{self.folder}'"
            raise Problem(3, mismatch)

    def _credential(self, scheme: str, secret: str, *, bearer_keys: bool) -> None:
        if secret in self.expired:
            raise Problem(16, "The apikey has expired")
        if secret in self.keys and (scheme == "api-key" or (scheme == "bearer" and bearer_keys)):
            return
        if scheme == "api-key":
            raise Problem(16, "Unknown api key")
        if scheme != "bearer" or self.tokens.get(secret, 0.0) <= self._clock.time():
            raise Problem(16, "The token is invalid")


@dataclass(frozen=True, slots=True)
class Uri:
    """The address of a model: `<scheme>://<folder>/<name>[/<version>][@<tuned>]`."""

    scheme: str
    folder: str
    name: str
    version: str
    tuned: str

    @classmethod
    def parse(cls, text: Any, *schemes: str) -> Uri:
        """Parse a model URI. Raises `Problem` 3 if it is malformed or has none of these schemes."""
        match = URI.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise Problem(3, f"Failed to parse model URI: {text!r}")
        if match["scheme"] not in schemes:
            raise Problem(3, f"invalid model_uri: scheme {match['scheme']!r} is not served here")
        version = match["version"] or "latest"
        return cls(match["scheme"], match["folder"], match["name"], version, match["tuned"] or "")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.folder}/{self.name}/{self.version}" + (f"@{self.tuned}" if self.tuned else "")


def text_model(call: Call, access: Access, uri: Any, *, native: bool) -> Uri:
    """The model of a text request. Raises `Problem` 3 if it is unknown; some models have no native API (`native`)."""
    found = Uri.parse(uri, "gpt")
    access.check_folder(found.folder)
    spec = TEXT_MODELS.get(found.name)
    if spec is None or found.version not in VERSIONS or (native and not spec.native):
        raise Problem(3, f"Failed to get model: {found}")
    return found


def any_model(access: Access, uri: Any, scheme: str, names: Iterable[str]) -> Uri:
    """A model that writes no text. Raises `Problem` 3 if `names` does not contain it."""
    found = Uri.parse(uri, scheme)
    access.check_folder(found.folder)
    if found.name not in names or found.version not in VERSIONS:
        raise Problem(3, f"Failed to get model: {found}")
    return found


def native_messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a native request as `{"role", "text"}`; tool calls and results become text."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(3, "empty messages list")
    return [_native_message(message) for message in messages]


def _native_message(message: Any) -> dict[str, str]:
    if not isinstance(message, Mapping):
        raise Problem(3, "message must be an object")
    role = message.get("role", "user")
    if role not in ("system", "user", "assistant"):
        raise Problem(3, f"unknown message role: {role!r}")
    contents = [name for name in ("text", "toolCallList", "toolResultList") if get(message, name) is not None]
    if len(contents) > 1:
        raise Problem(3, f"oneof field 'Content' is already set: {contents[0]} and {contents[1]}")
    if not contents:
        raise Problem(3, "empty message text")
    content = get(message, contents[0])
    if contents[0] == "text":
        check_text(content)
        return {"role": role, "text": content}
    if contents[0] == "toolResultList":
        return _native_results(content)
    return {"role": role, "text": str(content)}


def _native_results(content: Any) -> dict[str, str]:
    """The message with tool results; its field `tool` names the functions and tells that no person wrote it."""
    rows = get(content, "toolResults") if isinstance(content, Mapping) else None
    found = [get(row, "functionResult") for row in rows or () if isinstance(row, Mapping)]
    results = [row for row in found if isinstance(row, Mapping) and isinstance(row.get("name"), str)]
    if not results:
        raise Problem(3, "empty tool result list")
    names = ", ".join(str(row["name"]) for row in results)
    return {"role": "user", "text": "; ".join(str(row.get("content", "")) for row in results), "tool": names}


def check_text(text: Any) -> None:
    """Raise `Problem` 3 for a text that is empty, too long or no string."""
    if not isinstance(text, str):
        raise Problem(3, "invalid value for string field text")
    if not text:
        raise Problem(3, "empty message text: text length is 0, which is outside the range (0, 100000]")
    if len(text) > LONGEST_TEXT:
        raise Problem(3, f"text length is {len(text)}, which is outside the range (0, 100000]")


def native_stream_and_limit(body: Mapping[str, Any]) -> tuple[bool, int]:
    """Whether a native request asks for a stream, and its limit of tokens (0: none). Raises `Problem` 3 for bad
    options.
    """
    options = get(body, "completionOptions") or {}
    if not isinstance(options, Mapping):
        raise Problem(3, "completionOptions must be an object")
    _temperature(options.get("temperature"), 1.0)
    limit = get(options, "maxTokens")
    tokens = 0 if limit is None else integer(limit, "maxTokens")
    if limit is not None and tokens <= 0:
        raise Problem(3, f"max_tokens must be greater than 0, got {tokens}")
    mode = (get(options, "reasoningOptions") or {}).get("mode", "DISABLED")
    if mode not in ("REASONING_MODE_UNSPECIFIED", "DISABLED", "ENABLED_HIDDEN"):
        raise Problem(3, f"unknown reasoning mode: {mode!r}")
    return options.get("stream") is True, tokens


def openai_messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a chat request as `{"role", "text"}`; a picture becomes the text "[image]"."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(3, "messages must not be empty")
    names = _called(messages)
    return [_openai_message(message, names) for message in messages]


def _called(messages: list[Any]) -> dict[str, str]:
    """The names of the called functions by the id of their call."""
    rows = (message.get("tool_calls") for message in messages if isinstance(message, Mapping))
    calls = (call for row in rows if isinstance(row, list) for call in row if isinstance(call, Mapping))
    return {str(call.get("id")): str((call.get("function") or {}).get("name", "")) for call in calls}


def _openai_message(message: Any, called: Mapping[str, str]) -> dict[str, str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in OPENAI_ROLES:
        raise Problem(3, f"unknown message role: {role!r}")
    text = _content(message.get("content"))
    if not text and not message.get("tool_calls"):
        raise Problem(3, "empty message text")
    if len(text) > LONGEST_TEXT:
        check_text(text)
    found = {"role": OPENAI_ROLES[role], "text": text}
    if role == "tool":
        id = str(message.get("tool_call_id", ""))
        if id not in called:
            raise Problem(3, f"tool_call_id {id!r} answers no call")
        found["tool"] = called[id]
    return found


def _content(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    parts = content if isinstance(content, list) else [content]
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in ("text", "image_url"):
            raise Problem(3, f"unknown content part: {kind!r}")
        texts.append(str(part.get("text", "")) if kind == "text" else "[image]")
    return "\n".join(texts)


def openai_stream_and_limit(body: Mapping[str, Any]) -> tuple[bool, int]:
    """Whether a chat request asks for a stream, and its limit of tokens (0: none). Raises `Problem` 3 for
    bad options.
    """
    _temperature(body.get("temperature"), 2.0)
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    tokens = 0 if limit is None else integer(limit, "max_tokens")
    if limit is not None and tokens <= 0:
        raise Problem(3, f"max_tokens must be greater than 0, got {tokens}")
    form = body.get("response_format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        _schema_name(form.get("json_schema"))
    return body.get("stream") is True, tokens


def _schema_name(schema: Any) -> None:
    name = schema.get("name") if isinstance(schema, Mapping) else None
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise Problem(3, "response_format.json_schema.name is required: 1-64 of a-z A-Z 0-9 _ -")


def _temperature(value: Any, top: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
        raise Problem(3, f"temperature must be in range [0, {top:g}], got {value!r}")


def check_window(call: Call, uri: Uri, tokens: int) -> None:
    """Raise `Problem` 3 if the prompt has more tokens than the context window of the model."""
    limit = TEXT_MODELS[uri.name].window
    if tokens > limit:
        text = f"number of input tokens must be no more than {limit}, got {tokens}"
        raise Problem(3, f"folder_id={call.folder}: {text}")


def require_body(call: Call) -> Json:
    """The JSON object of the request. Raises `Problem` 3 if the body is none."""
    if not isinstance(call.body, dict) or "\0broken" in call.body:
        raise Problem(3, "invalid request body: a JSON object is expected")
    return call.body


@dataclass(frozen=True, slots=True)
class TextModel:
    """What a text model can do. `window` is its context window in tokens.

    `native`: the native API serves it too. `tokens`: it streams token by token, as open models do. `sees`: it takes
    pictures. `thinks`: it shows its reasoning. `hidden`: the native API offers hidden reasoning.
    """

    window: int
    native: bool = True
    tokens: bool = False
    owner: str = "Yandex"
    sees: bool = False
    thinks: bool = False
    hidden: bool = False


VERSIONS = frozenset({"latest", "rc", "deprecated"})
OPENAI_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}
TEXT_MODELS = {
    "yandexgpt-lite": TextModel(32_768),
    "yandexgpt": TextModel(32_768, hidden=True),
    "yandexgpt-5-lite": TextModel(32_768),
    "yandexgpt-5-pro": TextModel(32_768, hidden=True),
    "yandexgpt-5.1": TextModel(32_768),
    "aliceai-llm": TextModel(65_536),
    "aliceai-llm-flash": TextModel(65_536, native=False),
    "qwen3-235b-a22b-fp8": TextModel(262_144, native=False, tokens=True, owner="Alibaba"),
    "gpt-oss-120b": TextModel(131_072, native=False, tokens=True, owner="OpenAI", thinks=True),
    "gpt-oss-20b": TextModel(131_072, native=False, tokens=True, owner="OpenAI", thinks=True),
    "gemma-3-27b-it": TextModel(131_072, native=False, tokens=True, owner="Google", sees=True),
}
EMBEDDINGS = frozenset({"text-search-doc", "text-search-query", "text-embeddings"})
V2_EMBEDDINGS = frozenset({"text-embeddings-v2-doc", "text-embeddings-v2-query"})
CLASSIFIERS = frozenset({"yandexgpt", "yandexgpt-lite"})
