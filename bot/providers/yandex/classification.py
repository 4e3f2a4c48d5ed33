"""Labels of texts, by samples in the request or by a tuned classifier: `YandexClassifier`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bot.ai import Labelled
from bot.errors import ModelProtocolError, ModelUnavailable
from bot.http.framing import mapping, number
from bot.providers.account import Account
from bot.providers.yandex import names

EVERY = 1.0  # seconds between two requests: the folder's quota for both calls together
MODEL = "yandexgpt-lite"


class YandexClassifier:
    """A `LabelModel` over the native API of AI Studio. Requests queue for the quota of one a second."""

    def __init__(self, folder: str, account: Account, *, url: str) -> None:
        self._folder = folder
        self._account = account
        self._url = f"{url}/foundationModels/v1/"
        self._next = 0.0  # when the next request may go out, monotonic

    async def by_samples(
        self, text: str, labels: Sequence[str], *, task: str, samples: Sequence[tuple[str, str]] = (), within: float
    ) -> Labelled:
        """Return the confidence of each of `labels`. Raises `ModelUnavailable` if too many requests wait
        for the quota.
        """
        body = {
            "modelUri": names.uri(MODEL, self._folder, "cls"),
            "taskDescription": task,
            "labels": list(labels),
            "text": text,
            "samples": [{"text": sample, "label": label} for sample, label in samples],
        }
        found = await self._asked("fewShotTextClassification", body, within)
        if unknown := found.confidences.keys() - set(labels):
            raise ModelProtocolError(f"the classifier gave a label that was not asked for: {min(unknown)[:100]!r}")
        return found

    async def tuned(self, name: str, text: str, *, within: float) -> Labelled:
        """Return the confidence of each label of a tuned classifier. Raises `ModelUnavailable` if too many requests
        wait for the quota.
        """
        body = {"modelUri": names.uri(name, self._folder, "cls"), "text": text}
        return await self._asked("textClassification", body, within)

    async def _asked(self, method: str, body: Mapping[str, Any], within: float) -> Labelled:
        until = self._account.clock.monotonic() + within

        why = ["too many texts wait for the classifier"]

        async def once() -> Labelled:
            await self._turn(until, why[-1])
            return _labelled((await self._account.ask("POST", self._url + method, body, until=until)).json())

        return await self._account.retry.call(once, until=until, failed=lambda error, _: why.append(str(error)))

    async def _turn(self, until: float, why: str) -> None:
        """Wait for a second in which nothing else is sent. Raises `ModelUnavailable` if none begins before `until`."""
        now = self._account.clock.monotonic()
        wait = max(self._next - now, 0.0)
        if now + wait >= until:
            raise ModelUnavailable(why, retry_after=wait)  # so long that it is not tried again
        self._next = now + wait + EVERY
        if wait:
            await self._account.clock.sleep(wait)


def _labelled(value: Any) -> Labelled:
    rows = mapping(value).get("predictions")
    if not isinstance(rows, list) or not rows:
        raise ModelProtocolError("the classifier gave no predictions")
    found = {}
    for row in map(mapping, rows):
        label, confidence = row.get("label"), row.get("confidence", 0.0)  # protobuf leaves out a zero
        is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
        if not isinstance(label, str) or not is_number or not math.isfinite(confidence):
            raise ModelProtocolError("a prediction of the classifier is no label with its confidence")
        found[label] = min(max(float(confidence), 0.0), 1.0)
    return Labelled(found, number(value.get("inputTokens")) or 0)
