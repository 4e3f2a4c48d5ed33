"""/context and /prompt: what the next request to the model will hold, and its size."""

from __future__ import annotations

import re

from bot.llm import prompt
from bot.prompts.catalog import instruct
from bot.texts.catalog import say
from bot.texts.numbers import separated
from bot.tools.tool import Tool
from tests.support.scripted_model import USAGE, ScriptedModel
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import soon

NOTES = "The harvest was 4711 tons of apples."


async def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


async def talked(stage: Stage) -> ScriptedModel:
    """A conversation with a tool, a pinned fact, a document and an answer."""
    model = ScriptedModel("4711 tons", "more")
    stage.given = {"routing": model.routing, "tools": [Tool.of(weather)]}
    await stage.start(tools=("none",))
    await stage.ask("/pin my name is Anna")
    stage.telegram.upload(ANNA, NOTES.encode(), "document", name="notes.txt", caption="how much?")
    await stage.texts(2)
    return model


async def test_the_page_counts_what_the_next_request_holds(stage: Stage) -> None:
    model = await talked(stage)
    page = (await stage.ask("/context")).splitlines()
    ratio = prompt.Ratio()
    ratio.learn(prompt.size(model.requests[0]), USAGE)
    await stage.ask("?")
    request = model.requests[-1]
    sums = [
        int(found[1].replace(",", "")) for line in page if (found := re.search(r"about ([\d,]+) tokens", line, re.I))
    ]
    assert sum(sums[:-1]) == sums[-1]
    assert abs(sums[-1] - ratio.tokens(prompt.size(request) - len("?"))) < 10  # each part is rounded
    assert say("en", "context.document", name="notes.txt", tokens=separated(ratio.tokens(len(NOTES)), "en")) in page
    assert page.index(say("en", "context.fact", text="my name is Anna")) < page.index(say("en", "context.kept.how"))
    tool = request.tools[0]
    size = ratio.tokens(len(tool.name + tool.description + str(tool.parameters)))
    assert say("en", "context.tools", count=1, tokens=size) in page
    said = sum(prompt.weight(row) for row in request.messages[1:3])
    assert say("en", "context.messages", count=2, tokens=ratio.tokens(said)) in page


async def test_a_document_is_taken_out_of_the_conversation_by_its_button(stage: Stage) -> None:
    model = await talked(stage)
    await stage.ask("/context")
    await stage.press("✕ 📄 notes.txt")
    await soon(stage, lambda: "notes.txt, " not in stage.telegram.texts(ANNA)[-1] or None)
    await stage.ask("and now?")
    assert NOTES not in str(model.requests[-1])


async def test_the_prompt_is_shown_word_for_word(stage: Stage) -> None:
    model = await talked(stage)
    shown = await stage.ask("/prompt")
    await stage.ask("?")
    for message in model.requests[-1].messages:
        assert f"[{message.role}]\n{message.text.removesuffix('?')}".rstrip() in shown
    assert instruct("en", "facts.preface") + "\n- my name is Anna" in shown
    assert "[tool] weather\nThe weather of a city." in shown


async def test_a_prompt_that_is_longer_than_a_message_is_a_file(stage: Stage) -> None:
    model = ScriptedModel("long " * 2_000)
    stage.given = {"routing": model.routing}
    await stage.start()
    await stage.ask("tell me")
    stage.telegram.say(ANNA, "/prompt")
    sent = await stage.until(lambda: next((m for m in stage.telegram.transcript(ANNA) if "document" in m), None))
    assert sent["document"]["file_name"] == "prompt.txt"
    assert sent["document"]["file_size"] > 10_000
    assert sent["caption"].startswith("What the model gets")


async def test_a_long_document_counts_with_the_passages_that_fit(stage: Stage) -> None:
    model = ScriptedModel("yes", window=4_000)
    stage.given = {"routing": model.routing}
    await stage.start(tools=("none",))
    text = "\n\n".join(f"Paragraph {number} tells of the harvest of year {number}." for number in range(400))
    stage.telegram.upload(ANNA, text.encode(), "document", name="long.txt", caption="how much?")
    await stage.texts(1)
    page = await stage.ask("/context")
    assert "passages of the documents" in page
    assert text[:200] not in await stage.ask("/prompt")
