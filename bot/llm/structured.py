"""Structured output: a pydantic model in, a validated object out. Begin with `ask`.

class City(BaseModel):
    name: str
    people: int

city = await ask(model, "The largest city of Siberia?", City)
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.ai import Model, Request
from bot.errors import ModelProtocolError
from bot.llm import whole_answer
from bot.llm.json_schema import complaint, schema_of
from bot.prompts.catalog import instruct
from bot.types import Message

S = TypeVar("S", bound=BaseModel)

TRIES = 2
FENCED = re.compile(r"```[\w-]*+[^\S\n]*+\n(.*?)```", re.DOTALL)


async def ask(
    model: Model,
    question: str,
    schema: type[S],
    *,
    system: str = "",
    temperature: float | None = 0.0,
    max_tokens: int | None = None,
    language: str = "",
) -> S:
    """Ask a model and return its answer as an object of `schema`.

    The request has the schema as a parameter and, for models that ignore the parameter, in the system prompt. An answer
    that does not fit is sent back once with a complaint. `language` is the language of the instructions, "" for
    English. Raises `ModelProtocolError` if the second answer does not fit either, and the model's `ModelError`s.
    """
    described = schema_of(schema)
    order = "\n\n".join(filter(None, (system, instruct(language, "json.only"))))
    messages = [Message.of("system", f"{order}\n{json.dumps(described, ensure_ascii=False)}")]
    messages.append(Message.of("user", question))
    for _ in range(TRIES):
        request = Request(tuple(messages), temperature, max_tokens, schema=described)
        answer = (await whole_answer.ask(model, request)).text
        try:
            return read(answer, schema)
        except ValueError as error:
            wrong = complaint(error) if isinstance(error, ValidationError) else str(error)
        messages.append(Message.of("assistant", answer or "{}"))
        messages.append(Message.of("user", instruct(language, "json.repair", complaint=wrong)))
    raise ModelProtocolError(f"{model.name} does not follow {schema.__name__}: {wrong}")


def request_about(material: object, order: str, schema: type[BaseModel], language: str, max_tokens: int) -> Request:
    """Return the request to do what `order` says with texts that others have written, and to answer in a schema.

    As JSON none of these texts can look like the end of the material or like another message.
    """
    described = schema_of(schema)
    rules = f"{order} {instruct(language, 'json.only')}\n{json.dumps(described, ensure_ascii=False)}"
    asked = json.dumps(material, ensure_ascii=False, indent=1)
    return Request((Message.of("system", rules), Message.of("user", asked)), 0.0, max_tokens, schema=described)


def read(answer: str, schema: type[S]) -> S:
    """The object in an answer, also if it is in a code fence or between words. Raises `ValueError`."""
    first: ValidationError | None = None
    for text in _candidates(answer):
        try:
            return schema.model_validate_json(text)
        except ValidationError as error:
            is_json = error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
            first = error if is_json and first is None else first
    raise first or ValueError("there is no JSON in it, or it was cut short")


def _candidates(answer: str) -> list[str]:
    """The texts that may be the JSON: the whole answer, a code fence, the part between first and last bracket."""
    fenced = [match[1].strip() for match in FENCED.finditer(answer)]
    spans = [(answer.find(opening), answer.rfind(closing)) for opening, closing in ("{}", "[]")]
    between = [answer[start : end + 1] for start, end in sorted(spans) if 0 <= start < end]
    return [answer, *fenced[-1:], *fenced[:1], *between]
