"""The small services: embeddings, classification, IAM tokens and the metadata of a virtual machine.

Begin with `Small`. Embeddings are hashed words and letter triples, so that similar texts are near each other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.operations import stamp
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.validation import CLASSIFIERS, EMBEDDINGS, V2_EMBEDDINGS, Access, any_model, check_text
from bot.sandbox.ai_studio.wire import Call, Json, Problem, count_tokens, get, integer, json_response
from bot.sandbox.guard import loads

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
EMBEDDING_TOKENS = 2_048


class Small:
    """`public_keys` maps key ids to RSA keys: a JWT of such a key must be signed by it. Others are only looked at."""

    def __init__(self, clock: Clock, access: Access, quotas: Quotas) -> None:
        self.public_keys: dict[str, RSAKey] = {}
        self.metadata_tokens = True
        self._clock = clock
        self._access = access
        self._quotas = quotas

    async def embed(self, call: Call) -> web.Response:
        uri = any_model(self._access, get(call.body, "modelUri"), "emb", EMBEDDINGS | V2_EMBEDDINGS)
        text = call.body.get("text")
        size = dimension(uri.name, call.body.get("dim"))
        found = self.embedding(text, size, "textEmbedding")
        tokens = str(count_tokens(str(text)) + 2)
        return json_response(call, {"embedding": found, "numTokens": tokens, "modelVersion": "06.12.2023"})

    def embedding(self, text: Any, size: int, route: str) -> list[float]:
        check_text(text)
        count = count_tokens(text)
        if count > EMBEDDING_TOKENS:
            raise Problem(3, f"number of input tokens must be no more than {EMBEDDING_TOKENS}, got {count}")
        self._quotas.take(route)
        return vector(text, size)

    async def few_shot(self, call: Call) -> web.Response:
        any_model(self._access, get(call.body, "modelUri"), "cls", CLASSIFIERS)
        labels, samples = call.body.get("labels"), call.body.get("samples") or []
        if not isinstance(labels, list) or not 2 <= len(labels) <= 20 or not all(map(_word, labels)):
            raise Problem(3, "the number of labels must be from 2 to 20")
        if not isinstance(samples, list) or not all(isinstance(sample, Mapping) for sample in samples):
            raise Problem(3, "samples must be objects with text and label")
        check_text(call.body.get("text"))
        self._quotas.take("fewShotTextClassification")
        predictions = classify(call.body["text"], labels, samples)
        tokens = 40 + count_tokens(json.dumps(call.body, ensure_ascii=False))
        return json_response(
            call, {"predictions": predictions, "modelVersion": "23.10.2024", "inputTokens": str(tokens)}
        )

    async def classify(self, call: Call) -> web.Response:
        """A tuned classifier; the sandbox's one knows the classes "good" and "bad"."""
        uri = any_model(self._access, get(call.body, "modelUri"), "cls", CLASSIFIERS)
        if not uri.tuned:
            raise Problem(3, f"Failed to get model: {uri} is not a tuned classifier")
        check_text(call.body.get("text"))
        self._quotas.take("textClassification")
        tokens = str(count_tokens(call.body["text"]))
        predictions = classify(call.body["text"], ["good", "bad"], [])
        return json_response(call, {"predictions": predictions, "inputTokens": tokens})

    async def token(self, call: Call) -> web.Response:
        jwt, oauth = call.body.get("jwt"), get(call.body, "yandexPassportOauthToken")
        if isinstance(jwt, str) and jwt:
            self._check_jwt(jwt)
        elif not (isinstance(oauth, str) and re.match(r"y[0-3]_.", oauth)):
            raise Problem(16, "The token is invalid")
        token, until = self._access.issue()
        return json_response(call, {"iamToken": token, "expiresAt": stamp(until, milliseconds=True)})

    async def metadata(self, call: Call) -> web.Response:
        if call.request.headers.get("metadata-flavor") != "Google":
            raise Problem(7, "Missing Metadata-Flavor header")
        if not self.metadata_tokens:
            raise Problem(5, "no service account is attached")
        token, until = self._access.issue()
        left = int(until - self._clock.time())
        return json_response(call, {"access_token": token, "expires_in": left, "token_type": "Bearer"})

    def _check_jwt(self, jwt: str) -> None:
        if len(jwt) > 8_000:
            raise Problem(3, "jwt is longer than 8000 characters")
        # Here, because the sandbox also runs without the extra `service-account`.
        from joserfc import jws
        from joserfc.errors import JoseError

        try:
            found = jws.extract_compact(jwt.encode())
            header = found.headers()
            good = self._is_good(header, loads(found.payload or b""))
        except (JoseError, ValueError, KeyError, TypeError):
            raise Problem(3, "JWT is malformed") from None
        if not good:
            raise Problem(16, "JWT is invalid: PS256, kid, iss, aud, and exp at most an hour after iat are expected")
        key = self.public_keys.get(header["kid"])
        if key is not None and not jws.validate_compact(found, key, algorithms=["PS256"]):
            raise Problem(16, "JWT signature is invalid")

    def _is_good(self, header: Json, payload: Json) -> bool:
        issued, ends, now = payload["iat"], payload["exp"], self._clock.time()
        timely = issued - 60 <= now < ends and 0 < ends - issued <= 3_600
        named = bool(header["kid"]) and bool(payload["iss"]) and header["alg"] == "PS256"
        return timely and named and bool(payload["aud"] == AUDIENCE)


def dimension(name: str, asked: Any) -> int:
    """The length of a vector: 256 by default; the newer models can do 512 and 768 too."""
    if asked is None:
        return 256
    size = integer(asked, "dim")
    if size not in ((256, 512, 768) if name in V2_EMBEDDINGS else (256,)):
        raise Problem(3, f"dim {size} is not supported by {name}")
    return size


def vector(text: str, size: int = 256) -> list[float]:
    """A unit vector of the words and letter triples of a text: the same text, the same vector."""
    found = [0.0] * size
    for word in re.findall(r"\w+|[^\w\s]", text.lower().replace("ё", "е")) or [text]:
        _add(found, word, 1.0)
        for start in range(len(word) - 2):
            _add(found, "#" + word[start : start + 3], 0.5)
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


def _add(found: list[float], feature: str, weight: float) -> None:
    digest = crc32(feature.encode("utf-8", "replace"))
    found[(digest >> 1) % len(found)] += weight if digest & 1 else -weight
    found[(digest >> 11) % len(found)] += weight / 2 if digest & 2 else -weight / 2


def classify(text: str, labels: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Labels with confidences that sum to 1, in the order given: by likeness to each label and its samples."""
    here = vector(text)
    scores = []
    for label in labels:
        texts = [str(sample.get("text", "")) for sample in samples if sample.get("label") == label]
        scores.append(max(_likeness(here, other) for other in (texts or [label])))
    powers = [math.exp(12 * (score - max(scores))) for score in scores]
    return [{"label": label, "confidence": power / sum(powers)} for label, power in zip(labels, powers, strict=True)]


def _likeness(here: list[float], other: str) -> float:
    return sum(a * b for a, b in zip(here, vector(other), strict=True))


def _word(label: Any) -> bool:
    return isinstance(label, str) and bool(label)
