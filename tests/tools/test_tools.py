"""Tools: typed functions that a model may call, and what it is told when a call goes wrong (P25, T21)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bot import Tool
from bot.ai import Source
from bot.errors import BadInput, ModelUnavailable
from bot.tools.tool import LONGEST_RESULT, ToolContext, ToolOutput
from bot.types import Address

ANNA = ToolContext(Address("telegram", 1, 1001), 1001, "en", "Europe/Moscow")


class Unit(Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    city: str
    country: str = "RU"


async def weather(
    city: str,
    days: Annotated[int, Field(ge=1, le=10)] = 1,
    unit: Unit = Unit.CELSIUS,
    *,
    parts: list[Literal["day", "night"]] | None = None,
    near: Place | None = None,
    asker: ToolContext,
) -> dict[str, Any]:
    """The weather forecast
    for a city.

    Args:
        city (str): its name,
            in any language
        days: how many
    """
    place = near.city if near else city
    return {"city": place, "days": days, "unit": unit.value, "parts": parts, "zone": asker.zone}


def test_a_function_is_described_by_its_signature_and_its_docstring() -> None:
    tool = Tool.of(weather)
    assert (tool.name, tool.description, tool.needs_approval) == ("weather", "The weather forecast for a city.", False)
    schema = tool.parameters
    assert set(schema["properties"]) == {"city", "days", "unit", "parts", "near"}
    assert schema["required"] == ["city"]
    assert schema["properties"]["city"] == {"type": "string", "description": "its name, in any language"}
    assert schema["properties"]["days"] == {
        "type": "integer", "minimum": 1, "maximum": 10, "default": 1, "description": "how many",
    }  # fmt: skip
    assert schema["$defs"]["Unit"]["enum"] == ["celsius", "kelvin"]
    assert schema["$defs"]["Place"]["properties"]["country"] == {"type": "string", "default": "RU"}
    assert schema["additionalProperties"] is False


def test_a_plain_line_about_a_parameter_and_an_annotated_text_describe_it() -> None:
    def send(to: str, text: Annotated[str, "what to write"], title: str = "") -> None:
        """Send a letter.

        to: the address
        """

    properties = Tool.of(send, needs_approval=True).parameters["properties"]
    assert [properties[name].get("description") for name in ("to", "text")] == ["the address", "what to write"]
    assert "title" in properties


def test_no_parameters_are_an_empty_object() -> None:
    def ping() -> str:
        """Say pong."""
        return "pong"

    assert Tool.of(ping).parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def _undocumented(city: str) -> str:
    return city


def _untyped(city) -> str:  # type: ignore[no-untyped-def]
    """Look."""
    return str(city)


def _many(*cities: str) -> str:
    """Look."""
    return "".join(cities)


def _indescribable(when: Callable[[], None]) -> None:
    """Look."""


def _strange(lock: asyncio.Lock) -> None:
    """Look."""


def _unnamable(model_dump: str) -> None:
    """Look."""


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_undocumented, "a docstring is missing"),
        (_untyped, "the parameter city needs a type"),
        (_many, "parameters need names"),
        (_indescribable, "can't be described"),
        (_strange, "can't be described"),
        (_unnamable, "needs another name"),
    ],
)
def test_what_cant_be_described_is_refused_when_it_is_defined(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Tool.of(function)


def test_a_name_that_no_model_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be a tool's name"):
        Tool.of(weather, name="the weather")


async def test_a_call_gets_its_arguments_as_types_and_who_asks() -> None:
    given = {"city": "Omsk", "days": 5.0, "unit": "kelvin", "near": {"city": "Tara"}}
    found = await Tool.of(weather).call(given, ANNA)
    assert found.text == '{"city": "Tara", "days": 5, "unit": "kelvin", "parts": null, "zone": "Europe/Moscow"}'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "city: Field required"),
        ({"city": "Omsk", "days": 99}, "days: Input should be less than or equal to 10"),
        ({"city": "Omsk", "asker": {"user": 1}}, "asker: Extra inputs are not permitted"),
        ({"city": ["Omsk"]}, "city: Input should be a valid string"),
    ],
)
async def test_a_wrong_call_is_answered_with_what_is_wrong(arguments: dict[str, Any], said: str) -> None:
    found = await Tool.of(weather).call(arguments, ANNA)
    assert found.failed
    assert said in found.text


async def test_what_a_tool_raises_is_a_sentence_without_its_insides() -> None:
    async def broken() -> str:
        """Break."""
        raise RuntimeError("password=hunter2")

    async def refusing() -> str:
        """Refuse."""
        raise BadInput("not on Sundays")

    async def away() -> str:
        """Be away."""
        raise ModelUnavailable("503 from 10.0.0.1")

    texts = [(await Tool.of(function).call({}, ANNA)).text for function in (broken, refusing, away)]
    assert texts == [
        "broken failed. The reason stands in the operator's log.",
        "refusing refused: not on Sundays",
        "away does not work at the moment.",
    ]
    russian = await Tool.of(away).call({}, replace(ANNA, language="ru"))
    assert russian.text == "Инструмент away сейчас не работает."


async def test_a_tool_that_would_end_the_bot_only_fails() -> None:
    async def leaves() -> None:
        """Leave."""
        raise SystemExit(1)

    async def cancels() -> None:
        """Cancel."""
        raise asyncio.CancelledError

    def quits() -> None:
        """Quit."""
        raise SystemExit(1)

    for function in (leaves, cancels, quits):
        assert (await Tool.of(function, deadline=0.5).call({}, ANNA)).failed


async def test_a_call_that_is_cancelled_stays_cancelled() -> None:
    async def slow() -> None:
        """Sleep."""
        await asyncio.sleep(60)

    call = asyncio.create_task(Tool.of(slow).call({}, ANNA))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_tool_that_hangs_is_left_alone_in_a_thread_too() -> None:
    async def slow() -> None:
        """Sleep."""
        await asyncio.sleep(60)

    def stuck() -> None:
        """Sleep."""
        time.sleep(3)

    begun = time.monotonic()
    for function in (slow, stuck):
        found = await Tool.of(function, deadline=0.05).call({}, ANNA)
        assert (found.failed, found.text) == (True, f"{function.__name__} did not answer within 0.05 seconds.")
    assert time.monotonic() - begun < 2


async def test_a_blocking_tool_does_not_hold_up_the_others() -> None:
    def blocks(asker: ToolContext) -> str:
        """Block."""
        time.sleep(0.2)
        return asker.language

    call = asyncio.create_task(Tool.of(blocks).call({}, ANNA))
    turns = 0
    while not call.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await call).text == "en"
    assert turns > 5


async def test_what_is_found_is_cut_to_a_size_and_keeps_its_sources() -> None:
    source = Source("A page", "https://example.com")

    def much() -> ToolOutput:
        """Tell much."""
        return ToolOutput("x" * 100_000, (source,))

    found = await Tool.of(much).call({}, ANNA)
    assert len(found.text) == LONGEST_RESULT
    assert found.text.endswith("[the rest was cut off]")
    assert found.sources == (source,)


def test_what_is_shown_meanwhile_is_in_the_language_of_the_user() -> None:
    named = Tool.of(weather, doing={"en": "asking the sky…", "ru": "смотрю на небо…"})
    assert [named.progress_text(language) for language in ("ru", "en", "de")] == [
        "смотрю на небо…", "asking the sky…", "asking the sky…",
    ]  # fmt: skip
    assert Tool.of(weather).progress_text("en") == "using weather…"
