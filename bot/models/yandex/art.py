"""YandexART draws: `YandexArt.submit` buys a picture, `YandexArt.poll` asks for it until it is there."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from bot.errors import BadInput, ModelProtocolError, OutcomeUnknown
from bot.http import Answer
from bot.models.yandex import wire
from bot.models.yandex.account import Account
from bot.types import Drawing, Failed, Finished, Pending

LONGEST_PROMPT = 500  # characters, over all texts
SUBMITTING = 30.0
POLLING = 30.0
OPERATION = re.compile(r"[A-Za-z0-9_-]{1,64}")
INVALID_ARGUMENT = 3


class YandexArt:
    """A `Painter`. `url` takes the orders, `operations` is asked for the results, which are kept for 12 hours."""

    def __init__(self, uri: str, account: Account, *, url: str, operations: str) -> None:
        self._uri = uri
        self._account = account
        self._url = f"{url}/foundationModels/v1/imageGenerationAsync"
        self._operations = f"{operations}/operations/"

    async def submit(self, drawing: Drawing) -> str:
        """Order a picture and return the operation id.

        Repeated only where the order can't have been accepted: every accepted one is paid for. Raises `BadInput` for a
        prompt that is empty or too long, `ModelRefused` for one that the service will not draw, `OutcomeUnknown`
        where nobody knows, and the other errors of models.
        """
        body = _order(self._uri, drawing)
        until = self._account.clock.monotonic() + SUBMITTING

        async def order() -> str:
            return _operation(await self._account.post(self._url, body, until=until, repeatable=False))

        return await self._account.retry.call(order, until=until)

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """Raises `ModelUnavailable` and `ModelDenied` where this says nothing about the picture itself."""
        if not OPERATION.fullmatch(operation):
            return Failed("this is no operation id")
        until = self._account.clock.monotonic() + POLLING
        answer = await self._account.get(self._operations + operation, until=until)
        if answer.status == 404:
            return Failed("the service does not know the operation, or its result has expired")
        value = answer.json()
        if not isinstance(value, Mapping):
            raise ModelProtocolError("an operation is not an object")
        return _outcome(value)


def _order(uri: str, drawing: Drawing) -> dict[str, Any]:
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


def _operation(answer: Answer) -> str:
    trace = answer.headers.get("x-server-trace-id", "")
    try:
        value = answer.json()
    except ModelProtocolError:
        value = None
    id = value.get("id") if isinstance(value, Mapping) else None
    if not isinstance(id, str) or not OPERATION.fullmatch(id):
        raise OutcomeUnknown("the order was taken, but its operation has no id", trace=trace)
    return id


def _outcome(value: Mapping[str, Any]) -> Pending | Finished | Failed:
    if value.get("done") is not True:
        return Pending()
    error = value.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(error, Mapping) and code:  # code 0 stands beside pictures too
        message = str(error.get("message") or "")
        refused = code == INVALID_ARGUMENT or bool(wire.REFUSED.search(message))
        return Failed(wire.printable(message) or f"code {code}", refused=refused)
    response = value.get("response")
    image = response.get("image") if isinstance(response, Mapping) else None
    return _jpeg(image)


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
