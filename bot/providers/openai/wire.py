"""The JSON of the OpenAI-compatible API: requests, and the events of answers as chunks. Begin at `EventReader`.

It reads all the dialects that are in use: large pieces without token counts (Yandex's own models), single tokens with a
trailing chunk that has no choices (vLLM), no finish reason at all (Alice), reasoning in a field or between tags.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bot.ai import Chunk, Finish, Profile, Request, Usage
from bot.errors import ModelError, ModelRefused, StreamCut
from bot.http.client import Stream
from bot.http.framing import mapping, objects, whole_text
from bot.providers.error_mapping import stream_error
from bot.providers.openai.streamed_calls import Calls
from bot.providers.reader import Reader, counted
from bot.providers.text_model import LONGEST_ANSWER, event_pieces, shortened
from bot.providers.tool_calls import CHOICES, function, taken_ids
from bot.types import Image, Message, Text, ToolCall, ToolResult

NOTHING = "(nothing)"  # what a tool said that said nothing: some servers refuse empty texts

# --- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between servers with OpenAI's API.

    These are: the name of the parameter that limits the tokens, whether token counts must be asked for, the longest
    text in characters (0: no limit), the value that switches reasoning off, and whether a model that reasons takes a
    temperature.
    """

    limit: str = "max_tokens"
    ask_usage: bool = True
    longest: int = 0
    unreasoned: str = "none"
    cool: bool = True


ANY = Dialect()
OPENAI = Dialect(limit="max_completion_tokens", cool=False)


class OpenAIWire:
    """Requests and answers as chat completions: server-sent events, each with the text that is new."""

    def __init__(self, model: str, profile: Profile, dialect: Dialect = ANY) -> None:
        self._model = model
        self._profile = profile
        self._dialect = dialect

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` if no message is left to send."""
        profile, dialect = self._profile, self._dialect
        said = [entry for message in request.messages for entry in _entries(message, profile, dialect)]
        if not said:
            raise ModelRefused("the request has no text")
        found: dict[str, Any] = {"model": self._model, "messages": said, "stream": stream}
        if stream and dialect.ask_usage:
            found["stream_options"] = {"include_usage": True}
        if request.temperature is not None and (dialect.cool or not profile.reasoning):
            found["temperature"] = request.temperature
        if request.max_tokens is not None:
            found[dialect.limit] = request.max_tokens
        if request.reasoning and profile.reasoning:
            found["reasoning_effort"] = dialect.unreasoned if request.reasoning == "none" else request.reasoning
        return {**found, **_wishes(request)}

    def reader(self, request: Request, *, trace: str) -> EventReader:
        """Return a new reader for one answer."""
        return EventReader(trace=trace, taken=taken_ids(request), tools=bool(request.tools))

    def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Yield the data of server-sent events, in lists: those that arrived together."""
        return event_pieces(stream)


def _wishes(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.tools:
        found["tools"] = [{"type": "function", "function": function(tool)} for tool in request.tools]
    if request.tools and request.choice:
        named = {"type": "function", "function": {"name": request.choice}}
        found["tool_choice"] = request.choice if request.choice in CHOICES else named
    if request.schema is not None:
        form = {"name": "answer", "schema": dict(request.schema)}
        found["response_format"] = {"type": "json_schema", "json_schema": form}
    return found


def _entries(message: Message, profile: Profile, dialect: Dialect) -> list[dict[str, Any]]:
    """Return a message as the entries of the API, where each result of a tool is an entry of its own."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    found: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result.id, "content": result.content or NOTHING} for result in results
    ]
    content = _content(message, profile, dialect)
    if calls:
        said = {"content": content} if content else {}
        found.append({"role": "assistant", **said, "tool_calls": [_call(call) for call in calls]})
    elif content:
        found.append({"role": message.role, "content": content})
    return found


def _content(message: Message, profile: Profile, dialect: Dialect) -> str | list[dict[str, Any]]:
    text = message.text if message.text.strip() else ""
    if dialect.longest:
        text = shortened(text, dialect.longest)
    if not profile.vision or not any(isinstance(part, Image) for part in message.parts):
        return text
    return [_part(part) for part in message.parts if isinstance(part, Image) or (isinstance(part, Text) and part.text)]


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}


def data_url(picture: Image) -> str:
    """Return a picture as a `data:` URL."""
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


# --- answers ----------------------------------------------------------------------------------------------------------


class EventReader(Reader):
    """Turns the data of events into chunks of what is new.

    The last chunk comes from `end`: tool calls and token counts may follow the text, and the finish reason may never
    come.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset(), tools: bool = False) -> None:
        super().__init__(trace=trace, taken=taken)
        self._pen = Pen(tools=tools)
        self._calls = Calls(taken)
        self._finish: Finish | None = None
        self._over = self._cut = False
        self._length = 0
        self._instead: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the server has said that the answer is complete."""
        return not self._cut and (self._finish is not None or self._over)

    def feed(self, piece: str) -> Chunk | None:
        """Read the data of one event; see `Reader.feed`."""
        if piece.strip() != "[DONE]" or self._broken:
            return super().feed(piece)
        self.done = self._over = True
        return None

    def _read(self, value: Mapping[str, Any], piece: str) -> Chunk | None:
        if error := failure(value, trace=self._trace):
            raise error
        # The trailing event with the numbers has no choices.
        chunk = self._choice(next((row for row in objects(value.get("choices")) if not row.get("index")), {}))
        self._usage = usage(value.get("usage")) or self._usage
        self.done = self.done or (self._finish is not None and self._usage is not None)
        return chunk

    def end(self) -> Chunk:
        """Return the last chunk. Raises `StreamCut` if the server has not said that the answer is complete."""
        if not self.whole:
            raise StreamCut("the answer ended without a finish reason", trace=self._trace)
        if self._instead is not None:
            return Chunk(self._instead, replaces=True, finish=Finish.FILTERED, usage=self._usage)
        text, thought = self._pen.rest()
        calls = () if self._finish is Finish.LENGTH else self._calls.made()
        finish = Finish.TOOLS if calls else self._finish or Finish.STOP
        if finish is Finish.TOOLS and not calls:
            finish = Finish.STOP
        return Chunk(text, finish=finish, usage=self._usage, tool_calls=calls, reasoning=thought)

    def _choice(self, choice: Mapping[str, Any]) -> Chunk | None:
        delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
        self._calls.feed(delta.get("tool_calls"))
        said = _words(delta.get("content")) or _words(delta.get("refusal"))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._cut = reason in CUTS
            self._finish = FINISHES.get(reason, Finish.STOP)
        if self._finish is Finish.FILTERED:
            self._instead = whole_text(said)
            return None
        shown = _words(delta.get("reasoning_content")) or _words(delta.get("reasoning"))
        text, thought = self._pen.write(said, shown)
        if self._pen.is_anew:
            self._length = 0
        return self._bounded(text, thought) if text or thought or self._pen.is_anew else None

    def _bounded(self, text: str, thought: str) -> Chunk:
        anew = self._pen.is_anew
        self._length += len(text) + len(thought)
        if self._length > LONGEST_ANSWER:
            text = text[: max(len(text) - (self._length - LONGEST_ANSWER), 0)]
            self._finish, self.done = self._finish or Finish.LENGTH, True
            self._pen = Pen()
        return Chunk(text, reasoning=thought, replaces=anew)


class Pen:
    """Separates text from reasoning, for models that write their reasoning into the text as `<think>…</think>`, or only
    end it with `</think>`, since their template has begun it.

    Also removes a mark that some models leak from their tool calls, and joins characters that were divided between two
    pieces. `is_anew`: what was written before the last piece was reasoning, so its text is the whole text.
    """

    def __init__(self, *, tools: bool = False) -> None:
        self.is_anew = False
        self._tools = tools
        self._held = self._half = self._said = ""
        self._place = "start"

    def write(self, said: str, shown: str = "") -> tuple[str, str]:
        """Add a piece of the model's text; return the new text and the new reasoning in it.

        `shown` is reasoning that the server gave in a field of its own, beside the text.
        """
        self.is_anew = False
        said, self._half = _without_half(self._half + said)
        text, thought = self._divided(self._held + said)
        self._said = "" if self.is_anew else self._said + text
        return _clean(text), _clean(shown + thought)

    def rest(self) -> tuple[str, str]:
        """Return the text and the reasoning that were held back because a tag could have begun there."""
        held, self._held = self._held + self._half, ""
        return ("", _clean(held)) if self._place == "thought" else (_clean(held), "")

    def _divided(self, raw: str) -> tuple[str, str]:
        self._held = ""
        if self._place == "start":
            bare = raw.lstrip()
            if any(mark.startswith(bare) for mark in OPENS):  # an empty text, too
                self._held = raw
                return "", ""
            opened = next((mark for mark in OPENS if bare.startswith(mark)), "")
            self._place = "thought" if opened else "text"
            raw = bare.removeprefix(opened) if opened else raw
        if self._place == "thought":
            thought, closed, after = _parted(raw)
            if not closed:
                thought, self._held = _held_back(raw, *CLOSES)
                return "", thought
            self._place = "after"
            return self._divided(after)[0], thought
        if self._place == "after":
            raw = raw.lstrip()
            self._place = "answer" if raw else "after"
        if self._place == "text":
            thought, closed, after = _parted(raw)
            if closed and self._was_thought(thought):
                self.is_anew, self._place, said = True, "after", self._said
                return self._divided(after)[0], said + thought
        marks = (*(CLOSES if self._place == "text" else ()), *((LEAKED,) if self._tools else ()))
        text, self._held = _held_back(raw.replace(LEAKED, "") if self._tools else raw, *marks)
        return text, ""

    def _was_thought(self, before: str) -> bool:
        """Whether a closing mark ends what was said until then: it is not named in code, and none has opened."""
        said = self._said + before
        return said.count("`") % 2 == 0 and not any(mark in said for mark in OPENS)


def _parted(text: str) -> tuple[str, str, str]:
    """A text before and after the first mark that closes reasoning, and that mark."""
    found = min((text.find(mark), mark) if mark in text else (len(text), "") for mark in CLOSES)
    return text[: found[0]], found[1], text[found[0] + len(found[1]) :]


def _held_back(text: str, *marks: str) -> tuple[str, str]:
    """The text without an end that may be the beginning of a mark, and that end."""
    longest = min(max(map(len, marks), default=1) - 1, len(text))
    ends = (text[-size:] for size in range(longest, 0, -1))
    end = next((end for end in ends if any(mark.startswith(end) and mark != end for mark in marks)), "")
    return text[: len(text) - len(end)], end


def _without_half(text: str) -> tuple[str, str]:
    return (text[:-1], text[-1]) if text and "\ud800" <= text[-1] <= "\udbff" else (text, "")


def _clean(text: str) -> str:
    return whole_text(text).replace("\0", "\ufffd") if text else ""


def failure(value: Mapping[str, Any], *, trace: str = "") -> ModelError | None:
    """Return the error that vLLM puts into an answer with status 200, None if there is none."""
    if value.get("object") == "error":
        value = {"error": {**value}}
    return stream_error(value, trace=trace)


def usage(value: Any) -> Usage | None:
    """Return the tokens that the server counted, None if it counted none."""
    return counted(value, "prompt_tokens", "completion_tokens", "completion_tokens_details.reasoning_tokens")


def _words(content: Any) -> str:
    """Text, also if it comes in parts."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(_words(mapping(part).get("text")) for part in content)
    return content if isinstance(content, str) else ""


OPENS = ("<think>", "<thinking>", "<thought>", "<reasoning>")
CLOSES = ("</think>", "</thinking>", "</thought>", "</reasoning>")
LEAKED = "[TOOL_CALL_END]"
CUTS = ("insufficient_system_resource", "abort", "error")  # DeepSeek, vLLM, OpenRouter: the server gave up half-way
FINISHES: Mapping[str, Finish] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "content_filter": Finish.FILTERED,
    "tool_calls": Finish.TOOLS,
    "function_call": Finish.TOOLS,
}
