"""SpeechKit: recognition of short notes (v1) and long ones (v3), and synthesis (v1 and v3). Begin with `Speech`.

A voice note made by the sandbox (`media.note`) carries its words and is recognised as them; any other note as a
sentence about its length.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from bot.media import audio
from bot.sandbox import media
from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.wire import BadRequest, Call, Json, Problem, Reply, encode, from_base64, route
from bot.sandbox.scripted_model import phrase

SHORT_BYTES, SHORT_SECONDS = 1 << 20, 30.0
MAX_TEXT, MAX_BODY = 5_000, 15 << 10
CHUNK = 4_096  # bytes of audio in a line of v3
EMPTY = "type.googleapis.com/google.protobuf.Empty"
LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}|auto")
CONTAINERS = {"OGG_OPUS": b"OggS", "MP3": b"", "WAV": b"RIFF"}


class Speech(Part):
    """The routes of SpeechKit. `heard` are the lengths (seconds) of recognised notes, `spoken` the texts read aloud;
    each is paid.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.heard: list[float] = []
        self.spoken: list[str] = []
        self._results: dict[str, str] = {}

    @route("POST /speech/v1/stt:recognize", "recognize", raw=True)
    async def recognize(self, call: Call) -> Reply:
        """Return the words of a short voice note. `call.body` has the parameters of the URL."""
        data = await call.request.read()
        _language(call.body.get("lang", "ru-RU"))
        if call.body.get("format", "oggopus") != "oggopus" or not data.startswith(b"OggS"):
            raise BadRequest("audio format is not oggopus")
        if len(data) > SHORT_BYTES:
            raise BadRequest("audio should be less than 1 MB")
        if (length := audio.seconds(data)) > SHORT_SECONDS:
            raise BadRequest("audio duration should be less than 30s")
        self.heard.append(length)
        return {"result": _heard(data, length, call.body.get("lang", "ru-RU"))}

    @route("POST /stt/v3/recognizeFileAsync", "recognizeFileAsync")
    async def submit(self, call: Call) -> Reply:
        """Begin the operation that recognises a long voice note."""
        model = call.body.get("recognitionModel")
        if not isinstance(model, dict) or model.get("model", "general") != "general":
            raise BadRequest("recognitionModel.model: general is expected")
        container = _at(model, "audioFormat", "containerAudio", "containerAudioType")
        if container not in CONTAINERS:
            raise BadRequest("audioFormat: OGG_OPUS, MP3 or WAV is expected")
        languages = _at(model, "languageRestriction", "languageCode") or ["ru-RU"]
        for language in languages:
            _language(language)
        data = from_base64(call.body.get("content", ""), "content")
        if not data or not data.startswith(CONTAINERS[container]):
            raise BadRequest("content is not what audioFormat says")
        length = audio.seconds(data)
        self.heard.append(length)
        operation = self._operations.open("text", "async recognition", {"@type": EMPTY})
        self._results[operation["id"]] = _heard(data, length, languages[0])
        return operation

    @route("GET /stt/v3/getRecognition", "getRecognition", shape="stream")
    async def result(self, call: Call) -> Reply:
        """Return the lines of a recognition, a raw and a refined one for each sentence."""
        id_ = str(call.body.get("operationId", ""))
        operation = self._operations.all.get(id_)
        if id_ not in self._results or operation is None or not operation.finished:
            raise Problem(5, f"operation {id_} not found")
        lines = []
        for index, sentence in enumerate(re.findall(r"[^.!?]+[.!?]*\s*", self._results[id_])):
            text = {"alternatives": [{"words": [], "text": sentence.strip(), "confidence": 1}], "channelTag": "0"}
            told = {"sessionUuid": {"uuid": id_, "userRequestId": ""}, "channelTag": "0"}
            lines.append({"result": {"final": text, **told}})
            refined = {"finalIndex": str(index), "normalizedText": text}
            lines.append({"result": {"finalRefinement": refined, **told}})
        body = b"\n".join(encode(line) for line in lines)
        return web.Response(body=body, content_type="application/json", headers=call.headers)

    @route("POST /speech/v1/tts:synthesize", "synthesize", raw=True)
    async def synthesize(self, call: Call) -> Reply:
        """Speech synthesis v1: return a voice note that says the text."""
        raw = await call.request.read()
        form = {name: values[0] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}
        _language(form.get("lang", "ru-RU"))
        text = _check_text(form.get("text", ""), "one of 'text' or 'ssml' is expected", len(raw))
        if form.get("format", "oggopus") != "oggopus":
            raise Problem(12, "the sandbox speaks oggopus only")
        return web.Response(body=self._say(call, text), content_type="audio/ogg", headers=call.headers)

    @route("POST /tts/v3/utteranceSynthesis", "utteranceSynthesis", shape="stream")
    async def utterance(self, call: Call) -> Reply:
        """Speech synthesis v3: return a voice note that says the text, in lines of JSON."""
        text = _check_text(call.body.get("text"), "text must not be empty")
        container = _at(call.body, "outputAudioSpec", "containerAudio", "containerAudioType")
        if container != "OGG_OPUS":
            raise Problem(12, "the sandbox speaks outputAudioSpec.containerAudio.containerAudioType OGG_OPUS only")
        note = self._say(call, text)
        pieces = [note[start : start + CHUNK] for start in range(0, len(note), CHUNK)]
        lines = [encode({"result": {"audioChunk": {"data": base64.b64encode(piece).decode()}}}) for piece in pieces]
        return web.Response(body=b"\n".join(lines) + b"\n", content_type="application/json", headers=call.headers)

    def _say(self, call: Call, text: str) -> bytes:
        self.spoken.append(text)
        call.seen.note = text[:100]
        return media.note(text)


def _check_text(text: Any, empty: str, size: int = 0) -> str:
    """A text to be spoken, in a body of so many bytes. Raises `Problem` 3 for one that is empty or too long."""
    if not isinstance(text, str) or not text.strip():
        raise BadRequest(empty)
    if len(text) > MAX_TEXT or size > MAX_BODY:
        raise BadRequest(f"text length exceeds {MAX_TEXT} symbols")
    return text


def _heard(data: bytes, length: float, language: str) -> str:
    said = media.words(data)
    return phrase("ru" if language.startswith("ru") else "en", "voice", seconds=round(length)) if said is None else said


def _language(value: Any) -> None:
    if not isinstance(value, str) or not LANGUAGE.fullmatch(value):
        raise BadRequest(f"unsupported language: {value}")


def _at(value: Json, *names: str) -> Any:
    found: Any = value
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found
