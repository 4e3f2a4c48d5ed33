"""The authorized key of a Yandex Cloud service account, and the signed JWT that proves it (extra `service-account`)."""

from __future__ import annotations

from joserfc import jwt
from joserfc.errors import InvalidKeyTypeError
from joserfc.jwk import RSAKey

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"  # also when the request goes through another address
LIFETIME = 3600  # seconds


class ServiceAccountKey:
    """A key that signs JWTs. Raises `ValueError` for a key that is no private RSA key in PEM.

    The message of the error continues "private_key ...".
    """

    def __init__(self, id: str, account: str, pem: str) -> None:
        self._id = id
        self._account = account
        self._key = _private_key(pem)

    def __repr__(self) -> str:
        return f"ServiceAccountKey({self._id!r}, {self._account!r})"

    def jwt(self, now: int) -> str:
        """Return a JWT signed with PS256, valid for an hour from `now` (Unix time)."""
        header = {"typ": "JWT", "alg": "PS256", "kid": self._id}
        claims = {"iss": self._account, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        return jwt.encode(header, claims, self._key, algorithms=["PS256"])


def _private_key(pem: str) -> RSAKey:
    begin = pem.find("-----BEGIN")  # the vendor writes a line of warning above it
    if begin < 0:
        raise ValueError("has no -----BEGIN PRIVATE KEY----- line")
    try:
        key = RSAKey.import_key(pem[begin:])
    except InvalidKeyTypeError:
        raise ValueError("is not an RSA key") from None
    except (ValueError, TypeError):
        raise ValueError("is damaged or encrypted") from None
    if not key.is_private:
        raise ValueError("is a public key")
    return key
