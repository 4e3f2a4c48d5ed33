"""SpeechKit: `YandexSpeechToText` recognises voice notes, `YandexTextToSpeech` reads texts aloud.

Short notes go to recognition v1 (at most 1 MB and 30 s, answered at once), longer ones to v3, which is an operation.
Texts are spoken by synthesis v1.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from bot.ai import Answered, Failed, Pending
from bot.errors import ModelProtocolError, ModelRefused
from bot.http.framing import mapping, objects, parse_json
from bot.providers.account import Account
from bot.providers.yandex import operations

SHORT_BYTES, SHORT_SECONDS = 1 << 20, 29  # the service counts parts of a second too
LONGEST_BODY = 14_000  # bytes of a form: every Russian letter takes six of them
LONGEST_TEXT = 2_000
HEARING, SUBMITTING, SPEAKING = 30.0, 120.0, 60.0
CONTAINERS = {"audio/ogg": "OGG_OPUS", "audio/mpeg": "MP3", "audio/wav": "WAV"}
LANGUAGES = {"ru": "ru-RU", "en": "en-US", "tr": "tr-TR"}


class YandexSpeechToText:
    """A `SpeechToText`. `url` recognises speech; `operations` tells whether a long recording is done."""

    def __init__(self, account: Account, *, url: str, operations: str) -> None:
        self._account = account
        self._url = url
        self._operations = f"{operations}/operations"

    def short(self, size: int, seconds: int) -> bool:
        """Return whether a recording of this size (bytes) and length (seconds) may be recognised at once."""
        return size <= SHORT_BYTES and seconds <= SHORT_SECONDS

    async def hear(self, sound: bytes, language: str) -> str:
        """Return the words of a short recording. The request is repeated only if it was certainly not accepted: each
        is paid.
        """
        wish = urlencode({"lang": _language(language), "topic": "general", "format": "oggopus"})
        url = f"{self._url}/speech/v1/stt:recognize?{wish}"
        answer = await self._account.post(url, sound, kind="audio/ogg", within=HEARING, repeatable=False)
        found = mapping(answer.json()).get("result")
        if not isinstance(found, str):
            raise ModelProtocolError("there is no result in what was recognised")
        return found.replace("\0", "").strip()

    async def submit(self, sound: bytes, mime: str, language: str) -> str:
        """Submit a long recording to be recognised; return the id of the operation. Raises `OutcomeUnknown` and
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
        url = f"{self._url}/stt/v3/recognizeFileAsync"
        return await operations.order(self._account, url, body, within=SUBMITTING)

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Return the words, `Pending` or `Failed`. Raises `ModelUnavailable`, or `ModelDenied` for a refused key."""
        value = await operations.outcome(self._account, self._operations, operation)
        if isinstance(value, Pending | Failed):
            return value
        until = self._account.clock.monotonic() + operations.POLLING
        url = f"{self._url}/stt/v3/getRecognition?operationId={operation}"
        result = await self._account.ask("GET", url, until=until)
        return Failed("the words of a recording are gone") if result.status == 404 else Answered(_words(result.body))


class YandexTextToSpeech:
    """A `TextToSpeech` model. `voice` "" is the default of the service."""

    longest = LONGEST_TEXT

    def __init__(self, account: Account, *, url: str, voice: str = "") -> None:
        self._account = account
        self._url = f"{url}/speech/v1/tts:synthesize"
        self._voice = {"voice": voice} if voice else {}

    async def speak(self, text: str, language: str) -> bytes:
        """Return `text` as OggOpus. Raises `ModelRefused` if it is too long, and `ModelError`s."""
        form = urlencode({"text": text, "lang": _language(language), "format": "oggopus", **self._voice}).encode()
        if len(form) > LONGEST_BODY:
            raise ModelRefused("the text is too long to be spoken")
        kind = "application/x-www-form-urlencoded"
        answer = await self._account.post(self._url, form, kind=kind, within=SPEAKING, repeatable=False)
        if not answer.body.startswith(b"OggS"):
            raise ModelProtocolError("what was spoken is not an Ogg file")
        return answer.body


def _language(language: str) -> str:
    return LANGUAGES.get(language[:2].lower(), "ru-RU")


def _words(body: bytes) -> str:
    """Return the refined words of each utterance, or the raw ones if none were refined."""
    refined, raw = [], []
    for line in body.splitlines():
        try:
            result = mapping(mapping(parse_json(line)).get("result"))
        except ModelProtocolError:
            continue
        refined += _first(mapping(result.get("finalRefinement")).get("normalizedText"))
        raw += _first(result.get("final"))
    return " ".join(refined or raw)


def _first(value: Any) -> list[str]:
    """Return the words of the first alternative, none if it has none."""
    text = next((one.get("text") for one in objects(mapping(value).get("alternatives"))), None)
    return [text.replace("\0", "").strip()] if isinstance(text, str) and text.strip() else []
