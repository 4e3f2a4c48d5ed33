"""SpeechKit: `YandexSpeechToText` recognises voice notes, `YandexTextToSpeech` reads texts aloud.

Short notes go to recognition v1 (at most 1 MB and 30 s, answered at once), longer ones to v3, which is an operation.
Texts are spoken by synthesis v1.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bot.ai import Answered, Failed, Pending
from bot.errors import ModelProtocolError, ModelRefused, OutcomeUnknown
from bot.providers.account import Account

SHORT_BYTES, SHORT_SECONDS = 1 << 20, 29  # the service counts parts of a second too
LONGEST_BODY = 14_000  # bytes of a form: every Russian letter takes six of them
LONGEST_TEXT = 2_000
HEARING, SUBMITTING, POLLING, SPEAKING = 30.0, 120.0, 30.0, 60.0
OPERATION = re.compile(r"[A-Za-z0-9_-]{1,64}")
CONTAINERS = {"audio/ogg": "OGG_OPUS", "audio/mpeg": "MP3", "audio/wav": "WAV"}
LANGUAGES = {"ru": "ru-RU", "en": "en-US", "tr": "tr-TR"}


class YandexSpeechToText:
    """A `SpeechToText`. `url` recognises speech; `operations` tells whether a long recording is done."""

    def __init__(self, account: Account, *, url: str, operations: str) -> None:
        self._account = account
        self._url = url
        self._operations = f"{operations}/operations/"

    def short(self, size: int, seconds: int) -> bool:
        """Return whether a recording of this size (bytes) and length (seconds) may be recognised at once."""
        return size <= SHORT_BYTES and seconds <= SHORT_SECONDS

    async def hear(self, sound: bytes, language: str) -> str:
        """Return the words of a short recording. The request is repeated only where it was certainly not accepted: each
        is paid.
        """
        wish = urlencode({"lang": _language(language), "topic": "general", "format": "oggopus"})
        url, until = f"{self._url}/speech/v1/stt:recognize?{wish}", self._account.clock.monotonic() + HEARING

        async def ask() -> str:
            answer = await self._account.post_bytes(url, sound, "audio/ogg", until=until, repeatable=False)
            return _text(answer.json(), "result")

        return await self._account.retry.call(ask, until=until)

    async def submit(self, sound: bytes, mime: str, language: str) -> str:
        """Order the recognition of a long recording; return the operation id. Raises `OutcomeUnknown` and
        `ModelError`s.
        """
        body = {
            "content": base64.b64encode(sound).decode(),
            "recognitionModel": {
                "model": "general",
                "audioFormat": {"containerAudio": {"containerAudioType": CONTAINERS[mime]}},
                "textNormalization": {"textNormalization": "TEXT_NORMALIZATION_ENABLED", "literatureText": True},
                "languageRestriction": {"restrictionType": "WHITELIST", "languageCode": [_language(language)]},
            },
        }
        url, until = f"{self._url}/stt/v3/recognizeFileAsync", self._account.clock.monotonic() + SUBMITTING

        async def order() -> str:
            found = (await self._account.post(url, body, until=until, repeatable=False)).json()
            id_ = found.get("id") if isinstance(found, Mapping) else None
            if not isinstance(id_, str) or not OPERATION.fullmatch(id_):
                raise OutcomeUnknown("a recording was taken, but its operation has no id")
            return id_

        return await self._account.retry.call(order, until=until)

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Return the words, or `Pending`, or `Failed`. Raises `ModelUnavailable` or `ModelDenied` where that is
        unknown.
        """
        until = self._account.clock.monotonic() + POLLING
        answer = await self._account.get(self._operations + operation, until=until)
        if answer.status == 404:
            return Failed("the service does not know the operation")
        state = answer.json()
        if not isinstance(state, Mapping):
            raise ModelProtocolError("an operation is not an object")
        error = state.get("error")
        if isinstance(error, Mapping) and error.get("code"):
            return Failed(str(error.get("message") or "")[:200])
        if state.get("done") is not True:
            return Pending()
        result = await self._account.get(f"{self._url}/stt/v3/getRecognition?operationId={operation}", until=until)
        if result.status == 404:
            return Failed("the words of a recording are gone")
        return Answered(_recognition(result.body))


class YandexTextToSpeech:
    """A `TextToSpeech` model. `voice` "" is the default of the service."""

    longest = LONGEST_TEXT

    def __init__(self, account: Account, *, url: str, voice: str = "") -> None:
        self._account = account
        self._url = f"{url}/speech/v1/tts:synthesize"
        self._voice = {"voice": voice} if voice else {}

    async def speak(self, text: str, language: str) -> bytes:
        """Return `text` as OggOpus. Raises `ModelRefused` where it is too long, and `ModelError`s."""
        form = urlencode({"text": text, "lang": _language(language), "format": "oggopus", **self._voice}).encode()
        if len(form) > LONGEST_BODY:
            raise ModelRefused("the text is too long to be spoken")
        until = self._account.clock.monotonic() + SPEAKING
        kind = "application/x-www-form-urlencoded"

        async def say() -> bytes:
            return (await self._account.post_bytes(self._url, form, kind, until=until, repeatable=False)).body

        sound = await self._account.retry.call(say, until=until)
        if not sound.startswith(b"OggS"):
            raise ModelProtocolError("what was spoken is not an Ogg file")
        return sound


def _language(language: str) -> str:
    return LANGUAGES.get(language[:2].lower(), "ru-RU")


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise ModelProtocolError(f"there is no {name} in what was recognised")
    return found.replace("\0", "").strip()


def _recognition(body: bytes) -> str:
    """Return the refined words of each utterance, or the raw ones where none were refined."""
    refined, raw = [], []
    for line in body.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        result = value.get("result") if isinstance(value, dict) else None
        if isinstance(result, dict):
            refined += _alternative(result.get("finalRefinement"), "normalizedText")
            raw += _alternative({"final": result.get("final")}, "final")
    return " ".join(refined or raw)


def _alternative(value: Any, name: str) -> list[str]:
    inner = value.get(name) if isinstance(value, dict) else None
    found = inner.get("alternatives") if isinstance(inner, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    text = first.get("text") if isinstance(first, dict) else None
    return [text.replace("\0", "").strip()] if isinstance(text, str) and text.strip() else []
