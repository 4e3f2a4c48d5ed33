"""The scripted model with tools, JSON schemas, reasoning and pictures: by rules, without state. Begin with `calls`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.prompts.catalog import instruct
from bot.sandbox.guard import Json
from bot.sandbox.media import picture_header
from bot.sandbox.scripted_model import Messages, language_of, phrase, question, spoken
from bot.texts.catalog import LANGUAGES

Call = tuple[str, Json]
Schema = Mapping[str, Any]

MAX_DEPTH = 8


# --- calls


def calls(
    messages: Messages, tools: Sequence[tuple[str, Schema]], choice: str = "", *, parallel: bool = True
) -> list[Call]:
    """The tool calls that the newest question asks for and that have no result yet; `tools` are names with JSON
    schemas.
    """
    text, done = spoken(question(messages)), set(results(messages))
    if choice == "none" or not tools:
        return []
    named = [tool for tool in tools if tool[0] == choice]
    wanted = named or [tool for tool in tools if is_asked(tool[0], text)]
    if choice == "required":
        wanted = wanted or list(tools[:1])
    elif not named:
        wanted = [tool for tool in wanted if tool[0] not in done]
    twice = 2 if re.search(r"\btwice\b|дважды", text, re.IGNORECASE) and parallel else 1
    return [(name, fits(schema, text)) for name, schema in wanted[: None if parallel else 1] for _ in range(twice)]


def is_asked(name: str, text: str) -> bool:
    """Whether a question asks for a tool: by its name, a word of its name, or a phrase such as a sum for a
    calculator.
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if len(word) > 3]
    hints = [pattern for word, pattern in HINTS.items() if word in name.lower()]
    patterns = [re.escape(name), *(rf"\b{re.escape(word)}" for word in words), *hints]
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


def results(messages: Messages) -> list[str]:
    """The names of the tools that have answered since the newest question."""
    return [name for message in _since(messages) for name in message.get("tool", "").split(", ") if name]


def results_text(messages: Messages) -> str:
    """A message that reports what the tools answered; "" if none did."""
    rows, language = list[str](), language_of(spoken(question(messages)))
    for said in _since(messages):
        if said.get("tool"):
            rows += _reported(said["tool"], said["text"])
    head = phrase(language, "found" if "search" in results(messages)[-1] else "told") if rows else ""
    return "\n".join([head, "", *rows]) if rows else ""


def _reported(tool: str, text: str) -> list[str]:
    """What a tool answered, as items of a list: what it has found on each page, or its whole answer. What the bot says
    to the model around it is left out.
    """
    found = MARK.match(text)
    mark = f" [{found[1]}]" if found else ""
    told = FRAME.sub("", MARK.sub("", text))
    for language in LANGUAGES:
        told = told.replace(instruct(language, "search.listed"), "").strip()
    if pages := PAGE.findall(told):
        return [f"- **{title.strip()}**: {' '.join(words.split())}{mark}" for title, words in pages]
    return [f"- **{tool}:** {told}{mark}"]


def _since(messages: Messages) -> Messages:
    asked = [place for place, message in enumerate(messages) if message["role"] == "user" and "tool" not in message]
    return messages[asked[-1] + 1 :] if asked else messages


# --- values that fit a schema


def fits(schema: Schema, text: str) -> Any:
    """A value that fits the JSON schema, filled with numbers and words of the text where possible."""
    return _Fitting(schema, text).value(schema, "", 0)


def as_json(schema: Schema, text: str) -> str:
    """A JSON text that fits the schema, filled with numbers and words of the text where possible."""
    return json.dumps(fits(schema, text), ensure_ascii=False)


class _Fitting:
    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._text = text
        self._numbers: Iterator[float] = iter([float(found) for found in NUMBER.findall(text)])

    def value(self, schema: Schema, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            said = (option for option in options if str(option).lower() in self._text.lower())
            return next(said, options[0])
        if "default" in schema:  # optional, such as a time zone: a value out of the question would be wrong
            return schema["default"]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
        if depth > MAX_DEPTH or kind == "null":
            return None
        if kind in ("object", "array"):
            return self._object(schema, depth) if kind == "object" else self._array(schema, name, depth)
        if kind == "boolean":
            return True
        return self._string(schema, name) if kind == "string" else self._number(schema, kind)

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(MAX_DEPTH):
            if "$ref" in schema:
                found: Any = self._root
                for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                    found = found.get(step, {}) if isinstance(found, Mapping) else {}
                schema = found
            elif choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                schema = next((one for one in choices if one.get("type") != "null"), {"type": "null"})
            else:
                break
        return schema

    def _object(self, schema: Schema, depth: int) -> Json:
        properties = schema.get("properties", {})
        names = schema.get("required") or list(properties)
        return {one: self.value(properties.get(one, {}), one, depth + 1) for one in names}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        items = self._resolved(schema.get("items", {}))
        count = int(schema.get("minItems", 1))
        if items.get("type") in ("integer", "number"):
            count = max(count, len(NUMBER.findall(self._text)))
        return [self.value(items, name, depth + 1) for _ in range(min(count, int(schema.get("maxItems", count))))]

    def _string(self, schema: Schema, name: str) -> str:
        if form := FORMATS.get(schema.get("format", "")):
            return form
        value, quoted = self._text.strip(), QUOTED.search(self._text)
        if re.search("expr|formula", name) and (found := _sum(value)):
            value = found
        elif quoted:
            value = quoted[1]
        value = value.ljust(int(schema.get("minLength", 0)), ".")
        return value[: int(schema.get("maxLength", 1_000))]

    def _number(self, schema: Schema, kind: str) -> float:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -1e15) + ("exclusiveMinimum" in schema))
        most = schema.get("maximum", schema.get("exclusiveMaximum", 1e15) - ("exclusiveMaximum" in schema))
        number = min(max(next(self._numbers, 1.0), least), most)
        return int(number) if kind == "integer" else number


def _sum(text: str) -> str:
    """The first stretch of numbers and signs that ends with a number or a bracket; "" if there is none."""
    stretches = (REST.sub("", found[0]) for found in SUM.finditer(text))
    return next((stretch for stretch in stretches if SIGN.search(stretch)), "")


# --- thoughts and eyes


def thought(messages: Messages) -> str:
    """The reasoning before an answer, in the language of the question."""
    text = question(messages)
    short = " ".join(text.split())[:80]
    return phrase(language_of(text), "thought", question=short, words=len(text.split()))


def describe_pictures(messages: Messages, pictures: Sequence[bytes]) -> str:
    """The kind and size of each picture, which proves that the pictures arrived."""
    text = question(messages)
    language = language_of(text.replace("[image]", ""))
    rows = []
    for number, data in enumerate(pictures, 1):
        kind, width, height = picture_header(data)
        rows.append(phrase(language, "seen", number=number, kind=kind, width=width, height=height, size=len(data)))
    return "\n".join([phrase(language, "looked"), "", *rows])


NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
SIGN = re.compile(r"[-+*/^%×÷@]")
SUM = re.compile(r"[\d(][\d\s.,()+*/^%×÷@-]*")
REST = re.compile(r"(?<![^\d)])[^\d)]+$")  # what follows the last number or bracket
QUOTED = re.compile(r"[«\"“]([^«»\"“”]+)[»\"”]")
FORMATS = {
    "date-time": "2026-11-21T12:00:00Z",
    "date": "2026-11-21",
    "time": "12:00:00Z",
    "email": "ann@example.com",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
HINTS = {
    "calc": r"\d\s*[-+*/^×÷@]\s*\d|посчитай|вычисли|сколько будет",
    "time": r"\btime\b|который час|сколько времени|какое сегодня|what day",
    "search": r"\bsearch|\bfind\b|найди|поищи|новост|\bnews\b",
    "remind": r"remind|напомни",
    "weather": r"погод",
}
MARK = re.compile(r"\A\[([a-z]\d+)\][^\n]*\n")  # the line with the mark of a result
PAGE = re.compile(r"^\[\d+\] ([^\n]+)\nhttps?://\S+\n(.+?)(?=\n\n\[\d+\] |\Z)", re.DOTALL | re.MULTILINE)
FRAME = re.compile(r"\A\[[^\]\n]*\]\n")  # the first line that the bot puts before a result
