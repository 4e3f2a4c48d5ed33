"""Says to a model what came with a message beside its text: `text_beside`; `without` takes it away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

from bot.prompts.catalog import PROMPTS, instruct
from bot.types import Beside, Message, Part, Text

SAID = {
    "reply": "beside.reply",
    "quote": "beside.quote",
    "forward": "beside.forward",
    "links": "beside.links",
    "struck": "beside.struck",
}
SAID_BY_THE_BOT = {"reply": "beside.reply.own", "forward": "beside.forward.own"}
QUOTED = "> "  # begins each line of others, so that it can't pose as an end of the material


def text_beside(beside: Sequence[Beside], language: str, *, is_known: bool = False) -> tuple[Text, ...]:
    """What came with a message as a part of the question, none if nothing did.

    `is_known`: the message that it replies to stands in the history, so its words are not repeated.
    """
    lines = [line for one in beside if not (is_known and one.kind == "reply") for line in _lines(one, language)]
    return (Text("\n".join([instruct(language, "beside.head"), *lines])),) if lines else ()


def without(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts of a question without what `text_beside` has said, in any language."""
    heads = tuple(prompts["beside.head"] for prompts in PROMPTS.values())
    return tuple(part for part in parts if not (isinstance(part, Text) and part.text.startswith(heads)))


def for_people(message: Message) -> str:
    """The text of a stored message without the words that are for a model."""
    heads = [prompts["beside.head"] + "\n" for prompts in PROMPTS.values()]
    texts = (part.text for part in message.parts if isinstance(part, Text))
    return "\n".join(reduce(str.removeprefix, heads, text) for text in texts)


def _lines(one: Beside, language: str) -> Iterator[str]:
    author = one.author or instruct(language, "beside.unknown")
    key = SAID_BY_THE_BOT.get(one.kind, SAID[one.kind]) if one.is_bots else SAID[one.kind]
    if one.kind == "reply" and not one.text:
        key = "beside.reply.unseen"
    yield instruct(language, key, author=author)
    yield from (f"{QUOTED}{line}" for line in one.text.splitlines())
