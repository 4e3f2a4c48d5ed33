"""`ask(model, question, schema)`: a validated object, one repair, or a clear error."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from bot import ask
from bot.errors import ModelProtocolError, ModelUnavailable
from tests.support.scripted_model import ScriptedModel


class City(BaseModel):
    """A city."""

    name: str = Field(description="in English")
    people: int = Field(gt=0)
    kind: Literal["town", "city"] = "city"


OMSK = City(name="Omsk", people=1_100_000)
GOOD = '{"name": "Omsk", "people": 1100000}'


async def told(*answers: Any) -> tuple[City, ScriptedModel]:
    model = ScriptedModel(*answers)
    return await ask(model, "Which city?", City), model


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}```",
        f"Here it is:\n\n```json\n{GOOD}\n```\nAnything else?",
        f"The answer is {GOOD}.",
        '{"name": "Omsk", "people": 1100000.0}',
        '{"name": "Omsk", "people": "1100000"}',
    ],
)
async def test_an_answer_is_an_object_however_it_is_wrapped(answer: str) -> None:
    found, model = await told(answer)
    assert found == OMSK
    assert len(model.requests) == 1


async def test_the_schema_goes_with_the_request_and_in_its_words() -> None:
    _, model = await told(GOOD)
    request = model.requests[0]
    assert request.schema is not None
    assert request.schema["properties"]["name"] == {"type": "string", "description": "in English"}
    assert request.schema["required"] == ["name", "people"]
    assert '"people"' in request.messages[0].text
    assert request.messages[1].text == "Which city?"


async def test_an_answer_that_does_not_fit_is_repaired_once() -> None:
    found, model = await told('{"name": "Omsk", "people": -5}', GOOD)
    assert found == OMSK
    repair = model.requests[1].messages
    assert [message.role for message in repair] == ["system", "user", "assistant", "user"]
    assert "people: Input should be greater than 0" in repair[-1].text
    assert model.requests[1].schema == model.requests[0].schema


@pytest.mark.parametrize("wrong", ["I don't know.", "", '{"name": "Omsk"', '{"name": 1}', "[]", "{}" * 3])
async def test_a_model_that_does_not_follow_twice_is_a_clear_error(wrong: str) -> None:
    with pytest.raises(ModelProtocolError, match="scripted does not follow City: "):
        await told(wrong, wrong, GOOD)


async def test_errors_of_the_model_pass_through() -> None:
    with pytest.raises(ModelUnavailable):
        await told(ModelUnavailable("away"))


async def test_a_list_can_be_asked_for_too() -> None:
    from pydantic import RootModel

    class Cities(RootModel[list[City]]):
        pass

    found = await ask(ScriptedModel(f"```json\n[{GOOD}]\n```"), "Which cities?", Cities)
    assert found.root == [OMSK]
