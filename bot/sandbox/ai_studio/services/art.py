"""Pictures, by operations (YandexART, `Art.submit`) and by the Images API (`Art.generate`): what they accept and
refuse, and the picture.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from bot.sandbox import painter
from bot.sandbox.ai_studio.core import PICTURE, Core, Part
from bot.sandbox.ai_studio.validation import ART_MODELS, any_model, check_text
from bot.sandbox.ai_studio.wire import BadRequest, Call, Json, Problem, Reply, get, integer, mapping, route

MAX_PROMPT = 500
SIZE = re.compile(r"([1-9]\d{2,3})x([1-9]\d{2,3})")
REFUSAL = "it is not possible to generate an image from this request because it may violate the terms of use"
REFUSED = re.compile(r"violen|murder|\bgore\b|насили|убийств|кровав", re.IGNORECASE)

Outcome = Literal["never", "refused", "failed", "no_image", "not_base64"] | bytes


class Art(Part):
    """The routes for pictures. `bought` counts accepted requests, which would cost money; `outcomes` are the next
    results. With `is_stuck` no operation ends, as those of models that are being switched off; `seconds` is how long
    the Images API draws.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.bought = 0
        self.outcomes: deque[Outcome] = deque()
        self.is_stuck = False
        self.seconds = 0.0

    @route("POST /foundationModels/v1/imageGenerationAsync", "imageGenerationAsync")
    async def submit(self, call: Call) -> Reply:
        """Begin to draw a picture. Raises `Problem` 3 for a refused prompt."""
        any_model(self._access, call.get("modelUri"), "art", _names(operations=True))
        prompt = _prompt(call.body.get("messages"))
        seed, width, height = _options(call.get("generationOptions") or {})
        if REFUSED.search(prompt):
            raise BadRequest(REFUSAL)
        self._quotas.take("imageGenerationAsync")
        self.bought += 1
        call.seen.note = f"{prompt[:80]} ({width}:{height}, seed {seed})"
        return self._open(prompt, seed, width, height)

    @route("POST /v1/images/generations", "images/generations")
    async def generate(self, call: Call) -> Reply:
        """Draw a picture and return it. Raises `Problem` 3 for a refused one."""
        any_model(self._access, call.body.get("model"), "art", _names(operations=False))
        prompt, size = _described(call.body)
        self._quotas.take("imageGenerationAsync")
        self.bought += 1
        call.seen.note = f"{prompt[:80]} ({size[0]})"
        await self._clock.sleep(self.seconds)
        rows = await self._rows(prompt, int(size[1]), int(size[2]))
        return {"created": int(self._clock.time()), "data": rows}

    async def _rows(self, prompt: str, width: int, height: int) -> list[Json]:
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome == "never":
            await asyncio.Event().wait()
        if error := ERRORS.get(outcome):
            raise Problem(error["code"], error["message"])
        if outcome in WRONG:
            return [{"b64_json": image} for image in [WRONG[outcome].get("image")] if image]
        seed = secrets.randbelow(2**63)
        drawn = outcome or await asyncio.to_thread(painter.draw, prompt, seed, width, height)
        return [{"b64_json": base64.b64encode(drawn).decode()}] if isinstance(drawn, bytes) else []

    def _open(self, prompt: str, seed: int, width: int, height: int) -> Json:
        outcome = self.outcomes.popleft() if self.outcomes else None

        async def draw() -> Mapping[str, object]:
            jpeg = await asyncio.to_thread(painter.draw, prompt, seed or secrets.randbelow(2**63), width, height)
            return _response(base64.b64encode(jpeg).decode())

        given = _response(base64.b64encode(outcome).decode()) if isinstance(outcome, bytes) else WRONG.get(outcome)
        never, error = outcome == "never" or self.is_stuck, ERRORS.get(outcome)
        return self._operations.open("art", "", given or draw, error=error, never=never)


def _names(*, operations: bool) -> list[str]:
    return [name for name, one in ART_MODELS.items() if one.operations == operations]


def _described(body: Json) -> tuple[str, re.Match[str]]:
    """The prompt and the size of a request to the Images API."""
    prompt = body.get("prompt")
    check_text(prompt)
    if len(str(prompt)) > MAX_PROMPT:
        raise BadRequest(f"Prompt positive size {len(str(prompt))} exceeds limit {MAX_PROMPT}")
    if body.get("response_format") not in (None, "b64_json"):
        raise BadRequest("response_format must be b64_json")
    if body.get("n") not in (None, 1):
        raise BadRequest("n must be 1")
    if not (size := SIZE.fullmatch(str(body.get("size") or "1024x1024"))):
        raise BadRequest(f"invalid size {body.get('size')!r}, expected WIDTHxHEIGHT")
    if REFUSED.search(str(prompt)):
        raise BadRequest(REFUSAL)
    return str(prompt), size


def _response(image: str) -> Json:
    return {"@type": PICTURE, "image": image, "modelVersion": ""}


def _prompt(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise BadRequest("empty messages list")
    texts = []
    for message in messages:
        text = mapping(message).get("text")
        check_text(text)
        try:
            weight = float(message.get("weight") or 1)
        except (TypeError, ValueError):
            raise BadRequest("invalid value for double field weight") from None
        if weight < 0:
            raise BadRequest("negative weights are not supported")
        texts.append(str(text))
    prompt = " ".join(texts)
    if sum(map(len, texts)) > MAX_PROMPT:
        raise BadRequest(f"Prompt positive size {sum(map(len, texts))} exceeds limit {MAX_PROMPT}")
    return prompt


def _options(options: Any) -> tuple[int, int, int]:
    if not isinstance(options, Mapping):
        raise BadRequest("generationOptions must be an object")
    mime = get(options, "mimeType") or "image/jpeg"
    if mime != "image/jpeg":
        raise BadRequest(f"mime type {mime!r} is not supported, use image/jpeg")
    seed = integer(options.get("seed") or 0, "seed")
    if not 0 <= seed < 2**63:
        raise BadRequest("seed must be from 0 to 9223372036854775807")
    ratio = get(options, "aspectRatio") or {}
    width = integer(get(ratio, "widthRatio") or 0, "widthRatio")
    height = integer(get(ratio, "heightRatio") or 0, "heightRatio")
    if width < 0 or height < 0:
        raise BadRequest("aspect ratio must be positive")
    return seed, width or 1, height or 1


ERRORS: dict[Any, Json] = {
    "refused": {"code": 3, "message": REFUSAL, "details": []},
    "failed": {"code": 13, "message": "internal error", "details": []},
}
WRONG: dict[Any, Json] = {
    "not_base64": _response("&&& this is no base64 &&&"),
    "no_image": {"@type": PICTURE, "modelVersion": ""},
}
