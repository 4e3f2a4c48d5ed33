"""The authorized key of a service account, and the signed JWT that proves it."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"  # also when the request goes through another address
LIFETIME = 3600


class ServiceAccountKey:
    """Raises `ValueError` for a key that is no RSA key in PEM. Its message continues "private_key ..."."""

    def __init__(self, id: str, account: str, pem: str) -> None:
        self._id = id
        self._account = account
        self._key = _rsa(pem)

    def __repr__(self) -> str:
        return f"ServiceAccountKey({self._id!r}, {self._account!r})"

    def jwt(self, now: int) -> str:
        """A JWT signed with PS256, good for an hour from `now` (Unix time)."""
        header = {"typ": "JWT", "alg": "PS256", "kid": self._id}
        claims = {"iss": self._account, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        signed = f"{_segment(header)}.{_segment(claims)}"
        digest = hashes.SHA256()
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return f"{signed}.{_base64(self._key.sign(signed.encode(), pss, digest))}"


def _rsa(pem: str) -> rsa.RSAPrivateKey:
    begin = pem.find("-----BEGIN")  # the vendor writes a line of warning above it
    if begin < 0:
        raise ValueError("has no -----BEGIN PRIVATE KEY----- line")
    try:
        key = serialization.load_pem_private_key(pem[begin:].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is damaged or encrypted") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("is not an RSA key")
    return key


def _segment(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
