"""HTTP endpoints that a programmer adds: `Http`, which is `App.http`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Protocol, TypeVar

from pydantic import BaseModel, PydanticUserError, ValidationError

from bot.errors import ConfigError
from bot.extension.arguments import described, model_of, names_of
from bot.extension.mistakes import check_async, check_function, check_stopped, shown
from bot.extension.running import Running

PATH = re.compile(r"(?:/(?:[\w.~-]+|\{[a-z_]\w*\}))+/?|/", re.ASCII)
PART = re.compile(r"\{(\w+)\}")
BY_SETTING = ""  # as a secret: that of the setting HTTP_SECRET


class HttpRequest(Protocol):
    """A request to an endpoint: what `aiohttp.web.Request` and the requests of `App.asgi` have in common."""

    @property
    def method(self) -> str:
        """GET or POST."""
        ...

    @property
    def path(self) -> str:
        """The path, without the query."""
        ...

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters behind the question mark."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; their names are found in upper and lower case."""
        ...

    async def read(self) -> bytes:
        """Return the body, of at most 2 MB."""
        ...

    async def text(self) -> str:
        """Return the body as a text."""
        ...

    async def json(self) -> Any:
        """Return what the JSON of the body says. Raises `ValueError` for other bodies, which is answered by 400."""
        ...


Answered = Any  # a text, what JSON can hold, None, or a `web.Response` of aiohttp
Serve = Callable[Concatenate[Any, Running[Any], ...], Awaitable[Answered]]
F = TypeVar("F", bound=Serve)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function for requests of one method to one path. `secret` None: anybody may call it. `arguments` are the parts
    of the path that vary, by their names.
    """

    method: str
    path: str
    serve: Serve
    secret: str | None = BY_SETTING
    arguments: type[BaseModel] | None = None

    @property
    def shape(self) -> str:
        """The path with "{}" for each part that varies."""
        return PART.sub("{}", self.path)

    def read(self, parts: Sequence[str]) -> dict[str, Any]:
        """Return the parts of a path, from the left, as the function takes them. Raises `ValueError` for a wrong
        one.
        """
        if self.arguments is None:
            return {}
        try:
            found = self.arguments.model_validate(dict(zip(PART.findall(self.path), parts, strict=True)))
        except ValidationError as error:
            raise ValueError(f"the path is not {self.path}: {described(error)}") from None
        return {name: getattr(found, name) for name in type(found).model_fields}


@dataclass(slots=True)
class Http:
    """Adds HTTP endpoints to an App. They are served where the webhook is: WEBHOOK_HOST (this machine alone, unless it
    is set) and WEBHOOK_PORT, or in another server (`App.aiohttp`, `App.asgi`). `running` are the bots of the App that
    run now, to which nothing can be added.
    """

    running: Collection[object] = field(default=(), repr=False)
    endpoints: list[Endpoint] = field(default_factory=list)

    def post(self, path: str, *, secret: str | None = BY_SETTING) -> Callable[[F], F]:
        """Call a function for each POST to a path: an `async (request: HttpRequest, running: Running)`.

        It returns a text, what JSON can hold, None (204), or a `web.Response` of aiohttp. A `ValueError` or `UserError`
        is answered by 400, `UnknownUser` by 404, any other error by 500 with a code for `govorun log`. A caller that
        gets no answer may call again, so give `Running.send` a key from the request.

        A path such as "/orders/{number}" has parts that vary; each is a parameter of the function, `number: int`, and a
        part that is none of its type is answered by 400.

        Callers send "Authorization: Bearer SECRET". The secret is HTTP_SECRET; a `secret` of its own may be given
        here, or None to let anybody call. Returns the function unchanged. Raises `ConfigError` for a wrong
        function or path.
        """
        return self._adding("POST", path, secret)

    def get(self, path: str, *, secret: str | None = BY_SETTING) -> Callable[[F], F]:
        """Call a function for each GET of a path, as `post` does for POST."""
        return self._adding("GET", path, secret)

    def _adding(self, method: str, path: str, secret: str | None) -> Callable[[F], F]:
        if not isinstance(path, str) or not PATH.fullmatch(path):
            raise ConfigError(f"App.http: {shown(path)} is no path: /order-shipped or /orders/{{number}} is expected")
        title = f"{method} {path}"
        if (method, PART.sub("{}", path)) in ((one.method, one.shape) for one in self.endpoints):
            raise ConfigError(f"App.http: there is a function for {title} already")

        def add(serve: F) -> F:
            check_stopped(self.running)
            self.endpoints.append(Endpoint(method, path, serve, secret, arguments=_arguments(title, path, serve)))
            return serve

        return add


def _arguments(title: str, path: str, serve: Any) -> type[BaseModel] | None:
    """A model of the parameters for what varies in a path, None if nothing does. Raises `ConfigError` for a function
    that takes others.
    """
    names = PART.findall(path)
    if not names:
        check_function(title, serve, ("request", "running"))
        return None
    check_async(title, serve)
    if sorted(names_of(serve)) != sorted(names):
        wanted, takes = ", ".join(("request", "running", *names)), inspect.signature(serve)
        raise ConfigError(f"{title}: async def ({wanted}) is expected, and the function takes {takes}")
    try:
        return model_of(title, serve)
    except (NameError, PydanticUserError) as error:
        raise ConfigError(f"{title}: {error}".splitlines()[0]) from None


def by_path(endpoints: Sequence[Endpoint]) -> Mapping[str, Mapping[str, Endpoint]]:
    """Return the endpoints by the shapes of their paths, and by their methods."""
    found: dict[str, dict[str, Endpoint]] = {}
    for one in endpoints:
        found.setdefault(one.shape, {})[one.method] = one
    return found
