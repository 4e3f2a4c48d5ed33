"""IAM tokens for a service account's JWT, an OAuth token or a virtual machine. Begin with `Iam`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.sandbox.ai_studio.core import Core, Part, stamp
from bot.sandbox.ai_studio.wire import Call, Json, Problem, Reply, get, route
from bot.sandbox.guard import loads

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"


class Iam(Part):
    """Issues IAM tokens.

    `public_keys` maps key ids to RSA keys; a JWT with such a key id must have a valid signature of that key. Of a JWT
    with another key id only the header and the claims are checked. `metadata_tokens` False is a virtual machine
    without a service account.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.public_keys: dict[str, RSAKey] = {}
        self.metadata_tokens = True

    @route("POST /iam/v1/tokens", "tokens", public=True)
    async def token(self, call: Call) -> Reply:
        """Handle `POST /iam/v1/tokens`: issue an IAM token for a JWT or an OAuth token. Raises `Problem` 16."""
        jwt, oauth = call.body.get("jwt"), get(call.body, "yandexPassportOauthToken")
        if isinstance(jwt, str) and jwt:
            self._check_jwt(jwt)
        elif not (isinstance(oauth, str) and re.match(r"y[0-3]_.", oauth)):
            raise Problem(16, "The token is invalid")
        token, until = self._access.issue()
        return {"iamToken": token, "expiresAt": stamp(until, milliseconds=True)}

    @route("GET /computeMetadata/v1/instance/service-accounts/default/token", "metadata", public=True)
    async def metadata(self, call: Call) -> Reply:
        """Play the metadata service of a virtual machine: issue an IAM token of its service account."""
        if call.request.headers.get("metadata-flavor") != "Google":
            raise Problem(7, "Missing Metadata-Flavor header")
        if not self.metadata_tokens:
            raise Problem(5, "no service account is attached")
        token, until = self._access.issue()
        left = int(until - self._clock.time())
        return {"access_token": token, "expires_in": left, "token_type": "Bearer"}

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
