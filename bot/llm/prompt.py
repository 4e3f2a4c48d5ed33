"""Fits the history into the context window of a model (`build`). Pure: no I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.ai import Profile, Request, Usage
from bot.prompts.catalog import instruct
from bot.storage.repositories.messages import Remembered
from bot.types import Image, Message, Part, Text, ToolCall, ToolResult

FIRST_RATIO = 2.5  # characters a token before the first usage is known: low for English, about right for Russian
SHARE = 0.2  # weight of one answer's usage in the ratio
RESERVE = 64  # tokens that the service adds around messages
SHORTEST = 200  # characters of the last message that are always kept
PICTURE = 700  # characters that a picture counts as: 256 tokens for Gemma
GAP = "\n[…]\n"
HIDDEN = re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{2,6}\U000e007f)|[\U000e0000-\U000e01ef]")  # tags; flags stay


class Ratio:
    """How many characters a token of one model has, learned from the usage that the service reports; low at first."""

    def __init__(self, value: float = FIRST_RATIO) -> None:
        self.value = value

    def learn(self, characters: int, usage: Usage) -> None:
        """Learn from a response: the service counted `usage.prompt` tokens for `characters` characters.

        Absurd counts are ignored.
        """
        if usage.prompt < 20 or not 0.5 <= characters / usage.prompt <= 12:
            return
        self.value += SHARE * (characters / usage.prompt - self.value)

    def tokens(self, characters: int) -> int:
        """Return how many tokens a text of `characters` characters probably has, rounded up."""
        return int(characters / self.value) + 1


def build(
    system: str,
    history: Sequence[Message],
    profile: Profile,
    ratio: Ratio,
    *,
    max_tokens: int,
    temperature: float | None = None,
    shrink: float = 1.0,
    language: str = "",
) -> Request:
    """The request for the last message of `history`, which is always kept, shortened if need be.

    Older messages are kept as far as the window has room beside the answer. `shrink` < 1 is for a second try after the
    service found the prompt too long: it limits the prompt to that share of the first one. `language` is the chat's.
    """
    answer = min(max_tokens, profile.max_tokens)
    frame = ratio.tokens(len(system))
    budget = profile.window - answer - RESERVE - frame
    said = turns(history, profile, language)
    kept = _newest(said, budget, ratio)
    if shrink < 1:
        used = frame + sum(ratio.tokens(weight(message)) for message in kept)
        kept = _newest(said, min(budget, int(used * shrink) - frame), ratio)
    messages = (*([Message.of("system", system)] if system else []), *kept)
    return Request(messages, temperature=temperature, max_tokens=answer)


def turns(history: Sequence[Message], profile: Profile, language: str) -> list[Message]:
    """The messages of `history` as a model gets them: those that say something, neighbours of one role joined."""
    seen = (_seen(message, profile.vision, language) for message in history)
    return merged([message for message in seen if _says_something(message)])


def spoken(said: Sequence[Remembered]) -> list[Message]:
    """Messages as the model reads them: with the names of the speakers if several people ask."""
    if len({row.speaker for row in said if row.message.role == "user"}) < 2:
        return [row.message for row in said]
    return [_named(row) for row in said]


def _named(row: Remembered) -> Message:
    if row.message.role != "user" or not row.speaker:
        return row.message
    return Message(row.message.role, (Text(f"{row.speaker}: {row.text}"), *_others(row.message)))


def _others(message: Message) -> tuple[Part, ...]:
    return tuple(part for part in message.parts if not isinstance(part, Text))


def _newest(said: Sequence[Message], budget: int, ratio: Ratio) -> list[Message]:
    """The newest turns that fit into `budget` tokens, oldest first. The last one always stays, shortened if need be."""
    kept: list[Message] = []
    for message in reversed(said):
        tokens = ratio.tokens(weight(message))
        if tokens > budget:
            if not kept:
                kept = [_shortened(message, max(int((budget - 1) * ratio.value), SHORTEST))]
            break
        kept.append(message)
        budget -= tokens
    while len(kept) > 1 and kept[-1].role == "assistant":
        kept.pop()  # an answer whose question fell out of the window only confuses
    return kept[::-1]


def informed(history: Sequence[Message], context: str) -> Sequence[Message]:
    """The history with `context`, such as passages of documents, at the head of its last message."""
    if not context or not history:
        return history
    last = history[-1]
    return [*history[:-1], Message(last.role, (Text(context), *last.parts))]


def most(request: Request, ratio: Ratio) -> Usage:
    """An upper estimate of the tokens that a request can cost."""
    return Usage(ratio.tokens(size(request)) + RESERVE, request.max_tokens or 0)


def size(request: Request) -> int:
    """The characters of a request with its tools: `Ratio.learn` compares them with the tokens."""
    said = sum(weight(message) for message in request.messages)
    return said + sum(len(tool.name + tool.description + str(tool.parameters)) for tool in request.tools)


def weight(message: Message) -> int:
    """The characters of a message, with its tool calls and results; a picture counts as `PICTURE`."""
    return len(message.text) + sum(map(_weight, message.parts))


def _weight(part: Part) -> int:
    match part:
        case Image():
            return PICTURE
        case ToolCall(name=name, arguments=arguments):
            return len(name) + len(str(arguments))
        case ToolResult(name=name, content=content):
            return len(name) + len(content)
        case _:
            return 0


def merged(messages: Sequence[Message]) -> list[Message]:
    """Join neighbouring messages of one role, such as a question without an answer and the next question."""
    result: list[Message] = []
    for message in messages:
        if result and result[-1].role == message.role:
            parts: tuple[Part, ...] = (*result[-1].parts, *message.parts)
            result[-1] = Message(message.role, parts)
        else:
            result.append(message)
    return result


def _seen(message: Message, vision: bool, language: str) -> Message:
    """A message of the history without invisible characters, which can hide instructions to a model from people.

    Tool calls and results of earlier turns are left out: they are long, not every model takes them, providers use
    different ids, and an injected instruction would act again with every question. A picture that the model can't see,
    or whose data is no longer there, becomes a word.
    """
    if all(isinstance(part, Text) and not HIDDEN.search(part.text) for part in message.parts):
        return message
    said = (part for part in message.parts if not isinstance(part, ToolCall | ToolResult))
    return Message(message.role, tuple(_seen_part(part, vision, language) for part in said))


def _seen_part(part: Part, vision: bool, language: str) -> Part:
    if isinstance(part, Text):
        return Text(HIDDEN.sub(r"\1", part.text))
    if isinstance(part, Image) and not (vision and part.data):
        return Text(instruct(language, "picture.earlier"))
    return part


def _says_something(message: Message) -> bool:
    return bool(message.text.strip()) or any(not isinstance(part, Text) for part in message.parts)


def _shortened(message: Message, characters: int) -> Message:
    """The beginning and the end of a text that is longer than the window: the question is at either end."""
    text = message.text
    if len(text) <= characters:
        return message
    half = (characters - len(GAP)) // 2
    return Message(message.role, (Text(f"{text[:half]}{GAP}{text[-half:]}"), *_others(message)))
