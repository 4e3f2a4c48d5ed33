"""YandexART draws: `YandexArt.submit` buys a picture, `YandexArt.poll` asks for it until it is there."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from bot.ai import Failed, Finished, ImageRequest, Pending
from bot.errors import BadInput
from bot.providers.account import Account
from bot.providers.yandex import operations

LONGEST_PROMPT = 500  # characters, over all texts


class YandexArt:
    """An `ImageModel`. `url` accepts requests; `operations` returns the pictures, which are kept for 12 hours."""

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
        return value if isinstance(value, Pending | Failed) else _jpeg(value.get("image"))


def _order(uri: str, drawing: ImageRequest) -> dict[str, Any]:
    prompt = drawing.prompt.strip()
    if not prompt:
        raise BadInput("Say what to draw.")
    if len(prompt) > LONGEST_PROMPT:
        raise BadInput(
            f"The description of a picture may have {LONGEST_PROMPT} characters, this one has {len(prompt)}."
        )
    return {
        "modelUri": uri,
        "generationOptions": {
            "mimeType": "image/jpeg",
            "seed": str(drawing.seed % (1 << 63)),
            "aspectRatio": {"widthRatio": str(drawing.width), "heightRatio": str(drawing.height)},
        },
        "messages": [{"text": prompt, "weight": "1"}],
    }


def _jpeg(image: Any) -> Finished | Failed:
    if not isinstance(image, str) or not image:
        return Failed("the operation ended without a picture")
    try:
        data = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return Failed("the picture is not in base64")
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return Failed("the picture is not a whole JPEG")
    return Finished(data)
