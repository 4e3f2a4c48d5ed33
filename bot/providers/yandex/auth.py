"""Keys and tokens of Yandex Cloud as request headers. Begin at `credentials`, which chooses among them.

API keys are sent as they are. IAM tokens expire within hours: tokens that the bot can get itself are renewed every
hour, by one request however many callers wait for it, and once more when the service refuses one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from bot.clock import Clock
from bot.config.settings import Settings
from bot.errors import ConfigError, ModelDenied, ModelProtocolError, ModelUnavailable
from bot.http.client import Answer, Http
from bot.providers.account import Credentials, FixedKey

if TYPE_CHECKING:
    from bot.providers.yandex.service_account import ServiceAccountKey

log = logging.getLogger(__name__)

HOUR = 3600.0
MARGIN = 300.0  # seconds before its end that a token is not used any more
PATIENCE = 60.0  # seconds between tries to renew a token that is still good
TIMEOUT = 10.0
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


@dataclass(frozen=True, slots=True)
class Token:
    """An IAM token, and the seconds for which it is valid (`lifetime`)."""

    secret: SecretStr
    lifetime: float


Source = Callable[[], Awaitable[Token]]


class Renewed:
    """Credentials by a token of `source`, renewed each hour or before it expires.

    The old token is used while renewing fails.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._lock = asyncio.Lock()
        self._secret = ""
        self._fresh_until = 0.0
        self._good_until = 0.0

    async def headers(self) -> dict[str, str]:
        """Return the header with a valid token. Raises `ModelDenied` and `ModelUnavailable` if there is none."""
        async with self._lock:
            if not self._secret or self._clock.monotonic() >= self._fresh_until:
                await self._refresh()
            return self._current()

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Get a new token after a 401, if the refused one is still the newest. Returns whether there is another."""
        async with self._lock:
            if self._current()["authorization"] == refused.get("authorization"):
                await self._take()
            return self._current()["authorization"] != refused.get("authorization")

    def _current(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._secret}"}

    async def _refresh(self) -> None:
        try:
            await self._take()
        except ModelUnavailable as error:
            now = self._clock.monotonic()
            if not self._secret or now >= self._good_until:
                raise
            self._fresh_until = min(now + PATIENCE, self._good_until)
            log.warning("The IAM token was not renewed, the old one is still used: %s", error)

    async def _take(self) -> None:
        token = await self._source()
        now = self._clock.monotonic()
        self._secret = token.secret.get_secret_value()
        self._good_until = now + token.lifetime
        self._fresh_until = now + max(min(HOUR, token.lifetime - MARGIN), PATIENCE)


class Exchange:
    """Gets IAM tokens from the IAM service, in exchange for an OAuth token or a signed JWT that `proof` returns."""

    def __init__(
        self, *, url: str, http: Http, clock: Clock, proof: Callable[[], Mapping[str, str]], name: str
    ) -> None:
        self._url = f"{url}/iam/v1/tokens"
        self._http = http
        self._clock = clock
        self._proof = proof
        self._name = name

    async def __call__(self) -> Token:
        answer = await self._http.ask("POST", self._url, dict(self._proof()), total=TIMEOUT)
        value = _accepted(answer, f"The IAM service did not accept {self._name}")
        return Token(_secret(value.get("iamToken")), self._lifetime(value.get("expiresAt")))

    def _lifetime(self, expires: Any) -> float:
        """Return the lifetime of a token: an hour if the answer does not tell it, or if our clock is so wrong
        that it seems expired.
        """
        try:
            seconds = datetime.fromisoformat(str(expires)).timestamp() - self._clock.time()
        except (ValueError, OverflowError):
            return HOUR
        return seconds if seconds > 0 else HOUR


class Metadata:
    """Gets IAM tokens from the metadata service of the virtual machine that the bot runs on."""

    def __init__(self, address: str, http: Http) -> None:
        self._url = f"http://{address}{METADATA_PATH}"
        self._http = http

    async def __call__(self) -> Token:
        answer = await self._http.ask("GET", self._url, headers={"metadata-flavor": "Google"}, total=TIMEOUT)
        value = _accepted(answer, "The metadata service gave no token: is a service account linked to this machine?")
        seconds = value.get("expires_in")
        return Token(_secret(value.get("access_token")), float(seconds) if isinstance(seconds, int | float) else HOUR)


def credentials(settings: Settings, http: Http, clock: Clock) -> Credentials:
    """Return the first credentials that are set: YC_API_KEY, YC_IAM_TOKEN, YC_OAUTH_TOKEN, key file, metadata service.

    Raises `ConfigError` if none is set, and for a key file that can't be used.
    """
    if key := settings.yc_api_key.get_secret_value():
        return FixedKey("Api-Key", key)
    if token := settings.yc_iam_token.get_secret_value():
        return FixedKey("Bearer", token)
    proof: Callable[[], Mapping[str, str]] | None = None
    if oauth := settings.yc_oauth_token.get_secret_value():
        name, proof = "YC_OAUTH_TOKEN", lambda: {"yandexPassportOauthToken": oauth}
    elif settings.yc_service_account_key_file:
        key_file = read_key(settings.yc_service_account_key_file)
        name, proof = "the key of YC_SERVICE_ACCOUNT_KEY_FILE", lambda: {"jwt": key_file.jwt(int(clock.time()))}
    if proof is not None:
        return Renewed(Exchange(url=settings.yc_iam_url, http=http, clock=clock, proof=proof, name=name), clock)
    if settings.yc_metadata:
        return Renewed(Metadata(settings.yc_metadata_addr, http), clock)
    raise ConfigError(
        "YC_API_KEY is missing (or YC_IAM_TOKEN, YC_OAUTH_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE, YC_METADATA)"
    )


def read_key(path: Path) -> ServiceAccountKey:
    """Read an authorized key of a service account. Raises `ConfigError` that says what is wrong with it."""
    name = f"YC_SERVICE_ACCOUNT_KEY_FILE ({path})"
    try:  # here, because it loads a library of 8 MB that no other credential needs
        from bot.providers.yandex.service_account import ServiceAccountKey
    except ImportError:
        extra = "the extra `service-account` is not installed; pip install 'govorun[service-account]' does it"
        raise ConfigError(f"{name}: {extra}") from None
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: is not JSON; `yc iam key create --output key.json` makes such a file") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: must be a JSON object with id, service_account_id and private_key")
    fields = ("id", "service_account_id", "private_key")
    if missing := [field for field in fields if not isinstance(value.get(field), str) or not value[field]]:
        raise ConfigError(f"{name}: has no {', '.join(missing)}; an authorized key is needed, not an API key")
    try:
        return ServiceAccountKey(value["id"], value["service_account_id"], value["private_key"])
    except ValueError as error:
        raise ConfigError(f"{name}: private_key {error}") from None


def _secret(value: Any) -> SecretStr:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise ModelProtocolError("there is no token in the answer of the token service")
    return SecretStr(value)


def _accepted(answer: Answer, otherwise: str) -> Mapping[str, Any]:
    # The words of such an answer are not passed on: they may repeat what we sent.
    if answer.status in {408, 429} or answer.status >= 500:
        raise ModelUnavailable(f"the token service answers {answer.status}")
    if answer.status != 200:
        raise ModelDenied(f"{otherwise} ({answer.status})")
    value = answer.json()
    return value if isinstance(value, dict) else {}
