"""Pictures by both APIs of AI Studio: `YandexArt` orders operations and polls them, `ImagesApi` draws at once.

The Images API is the way that the service keeps since September 2026.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bot.ai import Failed, Finished, ImageRequest, Pending
from bot.errors import BadInput, ModelProtocolError, OutcomeUnknown
from bot.http.framing import mapping, objects
from bot.providers.account import Account
from bot.providers.yandex import operations

LONGEST_PROMPT = 500  # characters, over all texts
DRAWING = 120.0  # seconds; field reports say 3 to 20
SIZES: Mapping[tuple[int, int], str] = {
    (1, 1): "1024x1024",
    (16, 9): "1792x1024",
    (9, 16): "1024x1792",
    (4, 3): "1344x1024",
    (3, 4): "1024x1344",
}


class YandexArt:
    """An `ImageModel`. `url` accepts requests; `operations` returns the pictures, which are kept for 12 hours."""

    takes_seed = True

    def __init__(self, uri: str, account: Account, *, url: str, operations: str) -> None:
        self._uri = uri
        self._account = account
        self._url = f"{url}/foundationModels/v1/imageGenerationAsync"
        self._operations = f"{operations}/operations"

    async def submit(self, drawing: ImageRequest) -> str:
        """Submit a request for a picture and return the id of its operation.

        The request is repeated only if it can't have been accepted, because each accepted one is paid for. Raises
        `BadInput` for a prompt that is empty or too long, `ModelRefused` for one that the service will not draw,
        `OutcomeUnknown` if it may have been accepted, and other `ModelError`s.
        """
        return await operations.order(self._account, self._url, _order(self._uri, drawing))

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """Return the picture, `Pending` or `Failed`. Raises `ModelUnavailable`, or `ModelDenied` for a refused key."""
        value = await operations.outcome(self._account, self._operations, operation)
        return value if isinstance(value, Pending | Failed) else _read_jpeg(value.get("image"))


class ImagesApi:
    """An `ImageModel` that has drawn when `submit` returns; it takes no seed. The service logs every prompt."""

    takes_seed = False

    def __init__(self, uri: str, account: Account, *, url: str) -> None:
        self._uri = uri
        self._account = account
        self._url = f"{url}/images/generations"

    async def submit(self, drawing: ImageRequest) -> Finished | Failed:
        """Draw a picture, and return it. A ratio without a size of its own gives a square.

        The request is repeated only if it can't have been accepted, because each accepted one is paid for. Raises what
        `YandexArt.submit` raises.
        """
        size = SIZES.get((drawing.width, drawing.height), SIZES[1, 1])
        body = {"model": self._uri, "prompt": _checked_prompt(drawing), "size": size}
        answer = await self._account.post(self._url, body, within=DRAWING, repeatable=False)
        try:
            rows = objects(mapping(answer.json()).get("data") or [])
        except ModelProtocolError as error:
            raise OutcomeUnknown(f"the picture was ordered, but {error}") from None
        return _read_jpeg(next((row.get("b64_json") for row in rows), None))

    async def poll(self, operation: str) -> Failed:
        """Return `Failed`: there are no operations to ask for."""
        return Failed("the Images API has no operations")


def _checked_prompt(drawing: ImageRequest) -> str:
    """Return the prompt of a picture. Raises `BadInput` if it is empty or too long."""
    prompt = drawing.prompt.strip()
    if not prompt:
        raise BadInput("Say what to draw.")
    if len(prompt) > LONGEST_PROMPT:
        raise BadInput(
            f"The description of a picture may have {LONGEST_PROMPT} characters, this one has {len(prompt)}."
        )
    return prompt


def _order(uri: str, drawing: ImageRequest) -> dict[str, Any]:
    return {
        "modelUri": uri,
        "generationOptions": {
            "mimeType": "image/jpeg",
            "seed": str(drawing.seed % (1 << 63)),
            "aspectRatio": {"widthRatio": str(drawing.width), "heightRatio": str(drawing.height)},
        },
        "messages": [{"text": _checked_prompt(drawing), "weight": "1"}],
    }


def _read_jpeg(image: Any) -> Finished | Failed:
    """Return the picture in base64 that a service has sent; `Failed` for anything but a whole JPEG."""
    if not isinstance(image, str) or not image:
        return Failed("the service sent no picture")
    try:
        data = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return Failed("the picture is not in base64")
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return Failed("the picture is not a whole JPEG")
    return Finished(data)
