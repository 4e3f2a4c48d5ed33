"""IAM tokens for a service account's JWT, an OAuth token or a virtual machine. Begin with `Iam`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.operations import stamp
from bot.sandbox.ai_studio.validation import Access
from bot.sandbox.ai_studio.wire import Call, Json, Problem, get, json_response
from bot.sandbox.guard import loads

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"


class Iam:
    """Issues IAM tokens.

    `public_keys` maps key ids to RSA keys; a JWT with such a key id must have a valid signature of that key. Of a JWT
    with another key id only the header and the claims are checked. `metadata_tokens` False is a virtual machine
    without a service account.
    """

    def __init__(self, clock: Clock, access: Access) -> None:
        self.public_keys: dict[str, RSAKey] = {}
        self.metadata_tokens = True
        self._clock = clock
        self._access = access

    async def token(self, call: Call) -> web.Response:
        """Handle `POST /iam/v1/tokens`: issue an IAM token for a JWT or an OAuth token. Raises `Problem` 16."""
        jwt, oauth = call.body.get("jwt"), get(call.body, "yandexPassportOauthToken")
        if isinstance(jwt, str) and jwt:
            self._check_jwt(jwt)
        elif not (isinstance(oauth, str) and re.match(r"y[0-3]_.", oauth)):
            raise Problem(16, "The token is invalid")
        token, until = self._access.issue()
        return json_response(call, {"iamToken": token, "expiresAt": stamp(until, milliseconds=True)})

    async def metadata(self, call: Call) -> web.Response:
        """Play the metadata service of a virtual machine: issue an IAM token of its service account."""
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
        # Imported here, because the sandbox also runs without the extra `service-account`.
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
