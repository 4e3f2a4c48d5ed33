"""Forms: pydantic models whose fields are asked one after the other (`Ask`), and the values that are no text."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot.errors import ConfigError
from bot.extension.commands import About
from bot.texts.catalog import LANGUAGES, say
from bot.types import Attachment

ASK = "ask"  # key of the extra schema of a field that is asked


@dataclass(frozen=True, slots=True)
class Contact:
    """A person whom somebody has shared, or a phone number that they have written.

    `user` is that person's id in the messenger, 0 if unknown. Where it is `incoming.user.id`, it is the sender's own
    number.
    """

    phone: str
    name: str = ""
    user: int = 0


@dataclass(frozen=True, slots=True)
class Location:
    """A place that somebody has shared, in degrees; `title` is its name, "" for a mere point."""

    latitude: float
    longitude: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture that somebody has sent: `await reply.fetch(photo.attachment)` returns its bytes."""

    attachment: Attachment


def Ask(
    question: About,
    *,
    default: Any = ...,
    labels: Mapping[str, About] | None = None,
    own: bool = False,
    **constraints: Any,
) -> Any:
    """A field of a form that is asked with `question`: a text in Markdown, one for all languages or one for each.

    With a `default` the field may be skipped. `labels` are what the buttons of a choice say, by its value. `own`: a
    `Contact` must be that of the person who is asked, shared by the button; written numbers and other people's
    contacts are refused. The other arguments are those of pydantic's `Field` (`gt`, `max_length`, `pattern`).
    """
    extra: Any = {ASK: {"question": question, "labels": labels or {}, "own": own}}
    return Field(default, json_schema_extra=extra, **constraints)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to a person. `key` names its answer among those that are stored.

    `takes` is what answers it: "text", "date", "contact", "location", "photo" or "choice"; then `choices` are the
    values with the labels of their buttons. `is_optional`: it may be skipped. `is_own`: only the person's own contact
    answers it.
    """

    key: str
    question: About
    takes: str = "text"
    choices: Mapping[str, tuple[Any, About]] = field(default_factory=dict)
    is_optional: bool = False
    is_own: bool = False

    @classmethod
    def of(
        cls,
        key: str,
        question: About,
        kind: Any,
        labels: Mapping[str, About],
        *,
        optional: bool = False,
        own: bool = False,
    ) -> Prompt:
        """The question for a value of the type `kind`."""
        kind = _bare(kind)
        values: tuple[Any, ...] = get_args(kind) if get_origin(kind) is Literal else ()
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            values = tuple(one.value for one in kind)
        if kind is bool:
            values, labels = (True, False), {**_yes_no(), **labels}
        choices = {str(value): (value, labels.get(str(value), str(value))) for value in values}
        takes = "choice" if choices else next((word for one, word in TAKEN.items() if one is kind), "text")
        if takes == "text" and not _can_be_written(kind):
            raise ConfigError(
                f"{key}: a person can't write a {getattr(kind, '__name__', kind)}: a text, a number, a date, a "
                "choice (Literal, Enum), a Contact, a Location or a Photo is expected"
            )
        return cls(key, question, takes, choices, optional, own)


def _can_be_written(kind: Any) -> bool:
    """Whether a text may be a value of this type, as far as its JSON schema tells: no list and no object is."""
    try:
        schema = TypeAdapter(kind).json_schema()
    except PydanticUserError:  # a type without a schema, which reads what it likes
        return True
    kinds = schema.get("anyOf", [schema])
    return any(one.get("type") not in ("array", "object") and "$ref" not in one for one in kinds)


def _yes_no() -> dict[str, About]:
    """What the buttons of a yes or no say in each language."""
    return {
        str(value): {code: say(code, key) for code in LANGUAGES}
        for value, key in ((True, "form.yes"), (False, "form.no"))
    }


TAKEN = {Contact: "contact", Location: "location", Photo: "photo", date: "date"}


def _bare(kind: Any) -> Any:
    """The type of a field without `Annotated` and without None beside it."""
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def prompts(form: type[BaseModel]) -> dict[str, Prompt]:
    """The questions of a form by its fields, in their order. Raises `ConfigError` for a field that is neither asked nor
    has a default.
    """
    form.model_rebuild()  # types that were named before they were made
    found: dict[str, Prompt] = {}
    for name, info in form.model_fields.items():
        told = _told(info)
        if told is None and info.is_required():
            raise ConfigError(f"{form.__name__}.{name}: a question is missing: {name}: … = Ask('…')")
        if told is not None and told["own"] and _bare(info.annotation) is not Contact:
            raise ConfigError(f"{form.__name__}.{name}: Ask(own=True) is for a Contact")
        if told is not None:
            found[name] = Prompt.of(
                f"{form.__name__}.{name}",
                told["question"],
                info.annotation,
                told["labels"],
                optional=info.default is not PydanticUndefined,
                own=told["own"],
            )
    return found


def _told(info: FieldInfo) -> Any:
    extra = info.json_schema_extra
    return extra.get(ASK) if isinstance(extra, dict) else None
