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
from bot.sandbox.ai_studio.wire import Call, Json, Problem, get, mapping

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
        self._credential(scheme.lower(), secret.strip(), bearer_keys=call.route.shape == "openai")
        role = "ai.imageGeneration.user" if call.route.name == "imageGenerationAsync" else "ai.languageModels.user"
        if call.route.name not in ("operation", "cancel") and role not in self.roles:
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


def text_model(access: Access, uri: Any, *, native: bool) -> Uri:
    """The model of a text request. Raises `Problem` 3 if it is unknown; some models have no native API (`native`)."""
    return any_model(access, uri, "gpt", [name for name, spec in TEXT_MODELS.items() if spec.native or not native])


def any_model(access: Access, uri: Any, scheme: str, names: Iterable[str]) -> Uri:
    """A model of a kind (`scheme`). Raises `Problem` 3 if `names` does not contain it."""
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
    contents = {name: value for name in CONTENTS if (value := get(message, name)) is not None}
    if len(contents) > 1:
        raise Problem(3, f"oneof field 'Content' is already set: {' and '.join([*contents][:2])}")
    if not contents:
        raise Problem(3, "empty message text")
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
        raise Problem(3, "empty tool result list")
    texts, names = ([str(row.get(name, "")) for row in results] for name in ("content", "name"))
    return {"role": "user", "text": "; ".join(texts), "tool": ", ".join(names)}


def check_text(text: Any) -> None:
    """Raise `Problem` 3 for a text that is empty, too long or no string."""
    if not isinstance(text, str):
        raise Problem(3, "invalid value for string field text")
    if not text:
        raise Problem(3, "empty message text: text length is 0, which is outside the range (0, 100000]")
    if len(text) > LONGEST_TEXT:
        raise Problem(3, f"text length is {len(text)}, which is outside the range (0, 100000]")


def openai_messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a chat request as `{"role", "text"}`; a picture becomes the text "[image]"."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(3, "messages must not be empty")
    rows = (mapping(message).get("tool_calls") for message in messages)
    calls = [mapping(call) for row in rows if isinstance(row, list) for call in row]
    names = {str(call.get("id")): str(mapping(call.get("function")).get("name", "")) for call in calls}
    return [_openai_message(mapping(message), names) for message in messages]


def _openai_message(message: Mapping[str, Any], called: Mapping[str, str]) -> dict[str, str]:
    """A message; `called` are the names of the called functions by the id of their call."""
    role = message.get("role")
    if role not in OPENAI_ROLES:
        raise Problem(3, f"unknown message role: {role!r}")
    text = _content(message.get("content"))
    if not text and not message.get("tool_calls"):
        raise Problem(3, "empty message text")
    if text:
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
    texts = []
    for part in map(mapping, content if isinstance(content, list) else [content]):
        kind = part.get("type")
        if kind not in ("text", "image_url"):
            raise Problem(3, f"unknown content part: {kind!r}")
        texts.append(str(part.get("text", "")) if kind == "text" else "[image]")
    return "\n".join(texts)


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
CONTENTS = ("text", "toolCallList", "toolResultList")
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
