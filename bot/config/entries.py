"""Settings whose values are rows of JSON: the models that users may choose, and MCP servers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.config.validators import Key, OptionalUrl, Url, checked_url

ENV_FILE = Path(".env")
EMBEDDERS = ("yandex", "offline", "off")  # the values of EMBEDDINGS that are no name of a row
SHORTEST_KEY = 16  # characters: shorter steps of a path are words like `mcp` and `documents`


class KeyedRow(BaseModel):
    """A row about a server: `key` is the server's key, or `$NAME` for a key in the environment variable NAME."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True, regex_engine="python-re")

    key: Key = SecretStr("")

    @property
    def variable(self) -> str:
        """The environment variable that holds the key; "" if the key stands in the row or none is needed."""
        key = self.key.get_secret_value()
        return key[1:] if key.startswith("$") else ""

    @property
    def secret(self) -> str:
        """The key itself; "" if none is needed."""
        return _variable(self.variable) if self.variable else self.key.get_secret_value()


class ModelConfig(KeyedRow):
    """One row of MODELS: a model's name, and what differs from its built-in profile.

    With a `url` the model belongs to another server with an OpenAI-compatible API, which knows it as `model` (empty: as
    `name`). Without a `url` it is a model of AI Studio: `model` is its name there, `agent` the id of an agent from the
    console, `search` lets it search the web; with `memory` "service" either is told only what is new, since the service
    remembers the conversation. `window` and `max_tokens` are tokens, prices are for 1,000 tokens;
    `price_cached` is for those that the server had cached, `price_tools` for those of its own tools, `batch_share` the
    part of the prices that an answer of a batch run costs.

    With a `uri` it is an instance of one's own: it takes `concurrency` requests at once and costs `price_hour` in its
    `hours` ("9-18 mon-fri"); while it does not run, the model called `stand_in` answers.
    """

    name: str
    title: str = ""
    window: int | None = Field(None, gt=0)
    max_tokens: int | None = Field(None, gt=0)
    price_in: Decimal | None = None
    price_out: Decimal | None = None
    price_cached: Decimal | None = None
    price_tools: Decimal | None = None
    batch_share: Decimal | None = Field(None, ge=0)
    currency: str | None = None
    url: OptionalUrl = ""
    key: Key = SecretStr("")
    model: str = ""
    agent: str = ""
    search: bool = False
    memory: Literal["bot", "service"] = "bot"
    vision: bool | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    native: bool | None = None
    uri: str = Field("", pattern=r"^$|^gpt://\S+$")
    price_hour: Decimal | None = Field(None, ge=0)
    concurrency: int = Field(10, gt=0, le=1_000)
    hours: str = Field("", pattern=r"^$|^\d{1,2}-\d{1,2}( [a-z]{3}(-[a-z]{3})?)?( [\w/+-]+)?$")
    stand_in: str = ""

    @model_validator(mode="after")
    def _remembering(self) -> Self:
        by_responses = (self.agent or self.search) and not self.url and not self.uri
        if self.memory == "service" and not by_responses:
            raise ValueError(
                'only a row with "agent" or "search" can have "memory": "service", and none with "url" or "uri"; '
                'leave "memory" out, and the bot sends the history itself'
            )
        return self


class EmbeddingModelConfig(KeyedRow):
    """One row of EMBEDDING_MODELS: a model that makes vectors of texts, on a server with an OpenAI-compatible API.

    The server at `url` knows it as `model` (empty: as `name`), and as `question_model` where questions have a model of
    their own. The prefixes are put before each text. `dimensions` asks for vectors with so many numbers, `batch` is how
    many texts one request may have, `window` the most tokens of a text, and `price` is for 1,000 tokens, in CURRENCY.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[\w.:/@-]{1,40}$")
    url: Url
    model: str = Field("", max_length=120)
    question_model: str = ""
    passage_prefix: str = ""
    question_prefix: str = ""
    dimensions: int | None = Field(None, gt=0, le=65_536)
    batch: int = Field(20, gt=0, le=100)
    window: int = Field(8_192, gt=0)
    price: Decimal = Field(Decimal(0), ge=0)

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in EMBEDDERS:
            raise ValueError(f"{', '.join(EMBEDDERS)} are not free as names")
        return name

    @property
    def vectors(self) -> str:
        """The name under which its vectors are stored. It tells apart what would make other vectors of a text: the
        row, the model, the number of dimensions, the prefix of passages.
        """
        prefix = hashlib.sha256(self.passage_prefix.encode()).hexdigest()[:8] if self.passage_prefix else ""
        model = self.model if self.model != self.name else ""
        parts = ["openai", self.name, model, str(self.dimensions or ""), prefix]
        return "/".join(part for part in parts if part)


class McpServerConfig(BaseModel):
    """One row of MCP_SERVERS: a program to start (`command`), or the address of a server (`url`).

    Secrets may stand in `headers`, in `env`, and in the path of the address. `deadline` is in seconds.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,24}$")
    command: str = ""
    args: list[str] = []
    env: dict[str, SecretStr] = {}
    url: SecretStr = SecretStr("")
    headers: dict[str, SecretStr] = {}
    deadline: float = Field(20.0, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        address = self.url.get_secret_value()
        if bool(self.command) == bool(address):
            raise ValueError("either a command or a url is expected")
        if address:
            checked_url(address)
        return self

    @property
    def secrets(self) -> list[str]:
        """Every string of this row that no log line may contain."""
        return [*(value.get_secret_value() for value in (*self.env.values(), *self.headers.values())), *self._address]

    @property
    def _address(self) -> list[str]:
        """The address, if it has a path, and the steps of that which may be keys."""
        address = self.url.get_secret_value()
        steps = [step for step in urlsplit(address).path.split("/") if step]
        keys = [step for step in steps if len(step) >= SHORTEST_KEY]
        return [address, *keys, *map(unquote, keys)] if steps else []

    def hide(self, text: str) -> str:
        """Return the text with the server's address masked. Values of `env` and `headers` stay: they may be ordinary
        words that an answer needs.
        """
        for secret in self._address:
            text = text.replace(secret, "***")
        return text


def written(env_file: Path) -> Mapping[str, str | None]:
    """Return the variables that stand in an env file; none if there is no such file."""
    return dotenv_values(env_file, encoding="utf-8-sig") if env_file.is_file() else {}


def _variable(name: str) -> str:
    """Return what a variable holds that a row of settings names: in the environment, else in `.env`; "" in neither."""
    return (os.environ.get(name) or written(ENV_FILE).get(name) or "").strip()
