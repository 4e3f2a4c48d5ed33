"""Checks of a request before a model is asked, with the error texts of AI Studio: keys, folders, models, messages and
options.

Begin with `Access.admit` (who calls) and `Uri.parse` (which model). All functions raise `Problem`.
"""

from __future__ import annotations

import re
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.clock import Clock
from bot.sandbox.ai_studio.wire import BadRequest, Call, Json, Problem

URI = re.compile(r"(?P<scheme>[a-z]+)://(?P<folder>[^/@]+)/(?P<name>[^/@]+)(/(?P<version>[^/@]+))?(@(?P<tuned>.+))?")
TOKEN_LIFE = 12 * 3_600.0
MAX_TEXT = 100_000
Year = Literal["2025", "today"]
SCOPES = frozenset({"yc.ai.foundationModels.execute", "yc.ai.languageModels.execute", "yc.ai.imageGeneration.execute"})
InstanceState = Literal["off", "starting", "on"]


class Access:
    """The valid API keys (`keys`) and their `scopes`, the expired ones, the roles of the service account, the issued
    IAM tokens, and the suffixes of tuned models that are `archived`. `instances` are the dedicated instances by the
    name in their URI. `models` are the models that the folder has, a subset of `MODELS` (see `serve`).
    """

    def __init__(self, clock: Clock, keys: Iterable[str], folder: str) -> None:
        self.keys = set(keys)
        self.scopes = set(SCOPES)
        self.expired: set[str] = set()
        self.models: set[str] = set()
        self.serve("today")
        self.folder = folder
        self.roles = {"ai.languageModels.user", "ai.imageGeneration.user", "ai.editor"}
        self.archived: set[str] = set()
        self.instances: dict[str, InstanceState] = {}
        self.tokens: dict[str, float] = {}
        self._clock = clock

    def issue(self) -> tuple[str, float]:
        """Issue an IAM token. Returns it with the Unix time at which it expires."""
        token, until = f"t1.{secrets.token_urlsafe(48)}", self._clock.time() + TOKEN_LIFE
        self.tokens[token] = until
        return token, until

    def serve(self, *years: Year) -> None:
        """Have the models of the service of 2025, those of today, or both."""
        self.models = {name for name, one in MODELS.items() if not {*years}.isdisjoint(one.years)}

    def admit(self, call: Call) -> None:
        """Check who calls. Raises `Problem` 16 for an invalid credential, 7 for a missing role or a key without the
        scope, 3 for a foreign folder.
        """
        scheme, _, secret = call.request.headers.get("authorization", "").partition(" ")
        self._credential(scheme.lower(), secret.strip(), bearer_keys=call.route.shape == "openai")
        draws = call.route.name in ("imageGenerationAsync", "images/generations")
        if call.route.name not in ("operation", "cancel"):
            self._permit(secret, draws=draws)
        call.folder = self.folder
        self.check_folder(call.request.headers.get("x-folder-id", self.folder))

    def admit_call(self, authorization: str) -> None:
        """Check who calls by gRPC, by the metadata `authorization`. Raises `Problem` 16 for an invalid credential and 7
        for a missing role.
        """
        scheme, _, secret = authorization.partition(" ")
        self._credential(scheme.lower(), secret.strip(), bearer_keys=False)
        if "ai.editor" not in self.roles:
            raise Problem(7, "Permission denied: the service account lacks the role ai.editor")

    def _permit(self, secret: str, *, draws: bool) -> None:
        role = "ai.imageGeneration.user" if draws else "ai.languageModels.user"
        if role not in self.roles:
            raise Problem(7, f"Permission denied: the service account lacks the role {role}")
        scope = f"yc.ai.{'imageGeneration' if draws else 'languageModels'}.execute"
        if secret in self.keys and not self.scopes & ({scope} if draws else {scope, "yc.ai.foundationModels.execute"}):
            raise Problem(7, f"Permission denied: the API key lacks the scope {scope}")

    def check_folder(self, folder: str) -> None:
        """Raise `Problem` 3 if the folder is not the one of the service account."""
        if folder != self.folder:
            mismatch = f"Specified folder ID '{folder}' does not match with service account folder ID '{self.folder}'"
            raise BadRequest(mismatch)

    def admit_folder(self, folder: str) -> None:
        """Raise `Problem` 3 if a call of gRPC names no folder, and 7 if it names the folder of somebody else."""
        if not folder:
            raise BadRequest("folder_id: the field is required")
        if folder != self.folder:
            raise Problem(7, f"Permission denied to resource-manager.folder {folder}")

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
            raise BadRequest(f"Failed to parse model URI: {text!r}")
        if match["scheme"] not in schemes:
            raise BadRequest(f"invalid model_uri: scheme {match['scheme']!r} is not served here")
        version = match["version"] or "latest"
        return cls(match["scheme"], match["folder"], match["name"], version, match["tuned"] or "")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.folder}/{self.name}/{self.version}" + (f"@{self.tuned}" if self.tuned else "")


def text_model(access: Access, uri: Any, *, native: bool) -> Uri:
    """The model of a text request. Raises `Problem` 3 if it is unknown, and 14 if its dedicated instance does not run;
    some models have no native API (`native`).
    """
    served = [name for name, spec in TEXT_MODELS.items() if spec.native or not native]
    found = any_model(access, uri, "gpt", [*served, *access.instances])
    if (state := access.instances.get(found.name, "on")) != "on":
        raise Problem(14, f"the dedicated instance {found.name} is {state}")
    return found


def text_spec(uri: Uri) -> TextModel:
    """What a text model can do. A dedicated instance does what most models do."""
    return TEXT_MODELS.get(uri.name, TextModel(32_768))


def any_model(access: Access, uri: Any, scheme: str, names: Iterable[str]) -> Uri:
    """A model of a kind (`scheme`). Raises `Problem` 3 if `names` does not contain it, 7 if the folder does not have it
    any more.
    """
    found = Uri.parse(uri, scheme)
    access.check_folder(found.folder)
    if scheme in ("gpt", "art") and found.name in MODELS and found.name not in access.models:
        raise Problem(7, f"Access to model {uri} denied")
    if found.name not in names or found.version not in VERSIONS or found.tuned in access.archived:
        raise BadRequest(f"Failed to get model: {found}")
    return found


def check_text(text: Any) -> None:
    """Raise `Problem` 3 for a text that is empty, too long or no string."""
    if not isinstance(text, str):
        raise BadRequest("invalid value for string field text")
    if not text:
        raise BadRequest("empty message text: text length is 0, which is outside the range (0, 100000]")
    if len(text) > MAX_TEXT:
        raise BadRequest(f"text length is {len(text)}, which is outside the range (0, 100000]")


def require_body(call: Call) -> Json:
    """The JSON object of the request. Raises `Problem` 3 if the body is none."""
    if not isinstance(call.body, dict) or "\0broken" in call.body:
        raise BadRequest("invalid request body: a JSON object is expected")
    return call.body


@dataclass(frozen=True, slots=True)
class TextModel:
    """What a text model can do. `window` is its context window in tokens, `years` says when the service had it.

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
    years: tuple[Year, ...] = ("2025", "today")


@dataclass(frozen=True, slots=True)
class ArtModel:
    """A model that draws: by the API of operations, or else by the Images API."""

    operations: bool
    years: tuple[Year, ...]


VERSIONS = frozenset({"latest", "rc", "deprecated"})
SERVICE = tomllib.loads(Path(__file__).with_name("service.toml").read_text("utf-8"))
TEXT_MODELS = {name: TextModel(**row) for name, row in SERVICE["text"].items()}
ART_MODELS = {name: ArtModel(**row) for name, row in SERVICE["art"].items()}
MODELS: dict[str, TextModel | ArtModel] = {**TEXT_MODELS, **ART_MODELS}
EMBEDDINGS = frozenset({"text-search-doc", "text-search-query", "text-embeddings"})
V2_EMBEDDINGS = frozenset({"text-embeddings-v2-doc", "text-embeddings-v2-query"})
CLASSIFIERS = frozenset({"yandexgpt", "yandexgpt-lite"})
