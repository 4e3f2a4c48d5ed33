"""History and a budget in tokens -> what the model is asked. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.ai import Profile, Request, Usage
from bot.prompts.catalog import instruct
from bot.storage.repositories.messages import Remembered
from bot.types import Image, Message, Part, Text, ToolCall, ToolResult

FIRST_RATIO = 2.5  # characters a token, before anything was learned: low for English, near for Russian
SHARE = 0.2  # how much one answer's usage changes the ratio
RESERVE = 64  # tokens for what the service adds around messages
SHORTEST = 200  # characters of the last turn that stay in any case
PICTURE = 700  # characters that a picture is reckoned as: 256 tokens for Gemma
GAP = "\n[…]\n"
HIDDEN = re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{2,6}\U000e007f)|[\U000e0000-\U000e01ef]")  # tags; flags stay


class Ratio:
    """Characters a token, learned from the usage that a service reports. One for each model; starts careful."""

    def __init__(self, value: float = FIRST_RATIO) -> None:
        self.value = value

    def learn(self, characters: int, usage: Usage) -> None:
        """`characters` were counted by the service as `usage.prompt` tokens. Absurd counts are left out."""
        if usage.prompt < 20 or not 0.5 <= characters / usage.prompt <= 12:
            return
        self.value += SHARE * (characters / usage.prompt - self.value)

    def tokens(self, characters: int) -> int:
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
    """The request for the last message of `history`.

    The newest messages that fit into the window beside the answer are kept; the last one always stays. `shrink` < 1 is
    for a second try after the service found the prompt too long: at most so much of what the first one had.
    """
    answer = min(max_tokens, profile.max_tokens)
    frame = ratio.tokens(len(system))
    budget = profile.window - answer - RESERVE - frame
    seen = (_seen(message, profile.vision, language) for message in history)
    turns = merged([message for message in seen if _says_something(message)])
    kept = _newest(turns, budget, ratio)
    if shrink < 1:
        used = frame + sum(ratio.tokens(weight(message)) for message in kept)
        kept = _newest(turns, min(budget, int(used * shrink) - frame), ratio)
    messages = (*([Message.of("system", system)] if system else []), *kept)
    return Request(messages, temperature=temperature, max_tokens=answer)


def spoken(said: Sequence[Remembered]) -> list[Message]:
    """What was said as the model reads it: with the names of who asks, where there are several."""
    if len({row.speaker for row in said if row.message.role == "user"}) < 2:
        return [row.message for row in said]
    return [_named(row) for row in said]


def _named(row: Remembered) -> Message:
    if row.message.role != "user" or not row.speaker:
        return row.message
    return Message(row.message.role, (Text(f"{row.speaker}: {row.text}"), *_others(row.message)))


def _others(message: Message) -> tuple[Part, ...]:
    return tuple(part for part in message.parts if not isinstance(part, Text))


def _newest(turns: Sequence[Message], budget: int, ratio: Ratio) -> list[Message]:
    """The newest turns that fit into `budget` tokens, oldest first. The last one always stays, shortened if need be."""
    kept: list[Message] = []
    for message in reversed(turns):
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
    """The history with what is to be known for its last message, before it."""
    if not context or not history:
        return history
    last = history[-1]
    return [*history[:-1], Message(last.role, (Text(context), *last.parts))]


def most(request: Request, ratio: Ratio) -> Usage:
    """The most tokens that a request can cost, as far as one can know before."""
    return Usage(ratio.tokens(size(request)) + RESERVE, request.max_tokens or 0)


def size(request: Request) -> int:
    """The characters of a request: what `Ratio.learn` compares with the tokens."""
    said = sum(weight(message) for message in request.messages)
    return said + sum(len(tool.name + tool.description + str(tool.parameters)) for tool in request.tools)


def weight(message: Message) -> int:
    """The characters of a message and of the calls in it; a picture weighs as much as so many."""
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
    """Messages of one role in a row as one: a question whose answer failed stands before the next question."""
    result: list[Message] = []
    for message in messages:
        if result and result[-1].role == message.role:
            parts: tuple[Part, ...] = (*result[-1].parts, *message.parts)
            result[-1] = Message(message.role, parts)
        else:
            result.append(message)
    return result


def _seen(message: Message, vision: bool, language: str) -> Message:
    """Without what only a model can read: invisible letters are a way to give it orders behind a person's back.

    Nor does it see what tools returned in earlier turns: that is long, not every model takes calls, their ids differ
    from one provider to the next, and what somebody hid in a page would speak again with every question. A picture
    that is not shown again, or not to this model, is a word.
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
    """The beginning and the end of a text that is longer than the whole window: questions stand at either end."""
    text = message.text
    if len(text) <= characters:
        return message
    half = (characters - len(GAP)) // 2
    return Message(message.role, (Text(f"{text[:half]}{GAP}{text[-half:]}"), *_others(message)))
