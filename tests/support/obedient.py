"""A model that does what its system prompt says, with its own failings. Begin with `Obedient`.

It quotes the sentence of the sources that fits best. It obeys "Say: TEXT" (it begins with TEXT), "In Russian", and
begins as the examples that it is shown do (`+ `).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable

from bot.ai import Chunk, Finish, Profile, Request, Usage
from bot.errors import ModelUnavailable
from bot.llm.routing import ModelOption, Routing
from bot.prompts.catalog import instruct
from bot.sandbox import scripted_model as model

Failing = Callable[[str], str]
RULE = "[a3]"  # stands in the rule that each sentence ends with the mark of its source
MARK = re.compile(r" ?\[[a-z]\d+(?:,[a-z]\d+)*\]")
FREELY = ("Laptops are repaired for free", "Notebooks get mended gratis")  # in its own words, without that rule
SAY = re.compile(r"Say: ([^.\n]+)")


class Obedient:
    """A model called `name`; `failing` changes its answers, None: it is away."""

    profile = Profile(window=32_000)

    def __init__(self, name: str = "good", failing: Failing | None = str) -> None:
        self.name = name
        self.failing = failing

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        if self.failing is None:
            raise ModelUnavailable("the model is away")
        system = "\n".join(message.text for message in request.messages if message.role == "system")
        told = [{"role": message.role, "text": message.text} for message in request.messages]
        text = model.answer(told) if "<sources>" in told[-1]["text"] else self._alone(request, system)
        limit = 4 * (request.max_tokens or 1_000)
        text = self.failing(text if RULE in told[-1]["text"] or RULE in system else MARK.sub("", text).replace(*FREELY))
        yield Chunk(text[:limit])
        yield Chunk(finish=Finish.LENGTH if len(text) > limit else Finish.STOP, usage=Usage(10, 5))

    def _alone(self, request: Request, system: str) -> str:
        said = " ".join(SAY.findall(system))
        first = "+ " if any(one.role == "assistant" and one.text.startswith("+ ") for one in request.messages) else ""
        language = "Это хороший вопрос о нашем магазине." if "In Russian" in system else "That is a good question here."
        return f"{first}{said} {language} It has {len(request.messages[-1].text)} letters.".strip()


FAILINGS: dict[str, Failing | None] = {
    "good": str,
    "refuses": lambda _text: instruct("en", "knowledge.nothing"),
    "miscounts": lambda text: re.sub(r"\b14\b", "30", text).replace("one year", "two years"),
    "vague": lambda _text: "It depends on many things, and it is best to look into it.",
    "away": None,
    # what nobody should be alarmed by
    "bold": lambda text: re.sub(r"\b(14|one year)\b", r"**\1**", text),
    "spaced": lambda text: text.replace("14 ", "14\u00a0"),
    "loud": lambda text: f"\n\n{text}  \n",
    "twin": lambda text: text,
}


def routing() -> Routing:
    """All of them as models to choose from; "good" is the default."""
    return Routing([ModelOption(name, name, Obedient(name, failing)) for name, failing in FAILINGS.items()])
