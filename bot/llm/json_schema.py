"""A typed function as a JSON schema, and a model's JSON as arguments of the function. Begin with `Signature.of`.

The first paragraph of the docstring is the description; lines like `city: where to look` (plain, below "Args:", or in
an `Annotated[str, "where to look"]`) describe the parameters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo

from bot.errors import BadInput

ARGUMENT = re.compile(r"^\s*\*{0,2}`?(?P<name>[A-Za-z_]\w*)`?\s*+(\([^)]*\))?\s*+:\s+(?P<text>\S.*)$")
SECTION = re.compile(r"^\s*(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$")
MOST_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Signature:
    """How a model calls a function. `parameters` is a JSON schema; `context`, if any, the parameter for the caller."""

    description: str
    parameters: Mapping[str, Any]
    arguments: type[BaseModel]
    context: str = ""

    @classmethod
    def of(cls, function: Callable[..., Any], context: type[Any]) -> Signature:
        """The signature of a function. A parameter of the type `context` is hidden from the model.

        Raises `TypeError` if the function can't be described to a model.
        """
        name = getattr(function, "__name__", "a tool")
        text, described = _told(inspect.getdoc(function) or "")
        if not text:
            raise TypeError(f"{name}: a docstring is missing; its first paragraph tells the model what the tool does")
        hints = _hints(function, name)
        fields: dict[str, Any] = {}
        asks = ""
        for parameter in inspect.signature(function).parameters.values():
            if hints.get(parameter.name) is context:
                asks = parameter.name
            else:
                fields[parameter.name] = _field(name, parameter, hints, described)
        model, schema = _model(name, fields)
        return cls(text, schema, model, asks)

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A model's arguments as the function takes them. Raises `BadInput` with a complaint for the model."""
        try:
            given = self.arguments.model_validate(dict(arguments))
        except (ValidationError, RecursionError) as error:
            raise BadInput(complaint(error)) from None
        return {name: getattr(given, name) for name in type(given).model_fields}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a pydantic model, without titles, which only repeat names and cost tokens."""
    schema: dict[str, Any] = _untitled(model.model_json_schema())
    return (
        schema if "properties" in schema or schema.get("type", "object") != "object" else {"properties": {}, **schema}
    )


def complaint(error: Exception) -> str:
    """What is wrong with a model's JSON, in words for the model: paths and reasons."""
    if not isinstance(error, ValidationError):
        return "the arguments are nested too deeply"
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in problems[:MOST_ERRORS]]
    return "; ".join(lines)


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise TypeError(f"{name}: its types can't be read: {error}") from None


def _field(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any], described: Mapping[str, str]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise TypeError(f"{name}: {parameter} can't be described to a model; parameters need names")
    if parameter.name not in hints:
        raise TypeError(f"{name}: the parameter {parameter.name} needs a type")
    if parameter.name.startswith("_") or hasattr(BaseModel, parameter.name):
        raise TypeError(f"{name}: the parameter {parameter.name} needs another name")
    hint = hints[parameter.name]
    default = ... if parameter.default is parameter.empty else parameter.default
    words = _words(hint) or described.get(parameter.name)
    return (Annotated[hint, Field(description=words)] if words else hint, default)


def _words(hint: Any) -> str:
    """The description in an `Annotated`, as a bare text or in a `Field`."""
    if get_origin(hint) is not Annotated:
        return ""
    for extra in get_args(hint)[1:]:
        if isinstance(extra, str):
            return extra
        if isinstance(extra, FieldInfo) and extra.description:
            return extra.description
    return ""


def _model(name: str, fields: Mapping[str, Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    try:
        model: type[BaseModel] = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        schema = schema_of(model)
    except (PydanticUserError, PydanticSchemaGenerationError) as error:
        first = str(error).splitlines()[0]
        raise TypeError(f"{name}: a parameter can't be described to a model: {first}") from None
    return model, schema


def _told(doc: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what its lines say about parameters."""
    first: list[str] = []
    described: dict[str, str] = {}
    over, last = False, ""
    for line in doc.splitlines():
        found = ARGUMENT.match(line)
        if SECTION.match(line) or not line.strip():
            over, last = over or bool(first), ""
        elif found and (over or line[:1].isspace()):
            last = found["name"]
            described[last] = found["text"].strip()
        elif last and line[:1].isspace():
            described[last] += f" {line.strip()}"
        elif not over:
            first.append(line.strip())
    return " ".join(first), described


def _untitled(schema: Any, *, names: bool = False) -> Any:
    """Remove the titles from a JSON schema. `names`: the keys here name properties; one may be called "title"."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value, names=key in ("properties", "$defs") and not names)
            for key, value in schema.items()
            if names or key != "title" or not isinstance(value, str)
        }
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema
