"""Keys and tokens: which is chosen, when it is renewed, what is said when it is wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pydantic import SecretStr

from bot.config.settings import Settings, load
from bot.errors import ConfigError, ModelDenied, ModelProtocolError, ModelUnavailable
from bot.http.client import Http
from bot.providers.account import Credentials
from bot.providers.yandex.auth import Renewed, Token, credentials, read_key
from tests.support.raw_server import RawServer, answer, closed_port, serve
from tests.support.virtual import VirtualClock

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def key_file(folder: Path, **changes: Any) -> Path:
    value = {
        "id": "ajekey",
        "service_account_id": "ajeaccount",
        "private_key": "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajekey>\n" + pem(KEY),
    }
    path = folder / "key.json"
    path.write_text(json.dumps({name: text for name, text in (value | changes).items() if text is not None}))
    return path


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


def iam(clock: VirtualClock, name: str, hours: float = 12) -> Any:
    expires = datetime.fromtimestamp(clock.time() + hours * 3600, UTC).isoformat().replace("+00:00", ".000000000Z")
    return answer(200, {"iamToken": f"t1.{name}", "expiresAt": expires})


async def sent(found: Credentials) -> str:
    return (await found.headers())["authorization"]


# --- the choice -------------------------------------------------------------------------------------------------------


async def test_the_first_of_the_known_settings_is_taken(http: Http, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "yc_api_key": "AQVN1",
        "yc_iam_token": "t1.x",
        "YC_OAUTH_TOKEN": "y0_x",
        "yc_service_account_key_file": key_file(tmp_path),
        "yc_metadata": True,
    }
    clock = VirtualClock()
    async with serve(iam(clock, "oauth"), iam(clock, "file"), answer(200, {"access_token": "t1.vm"})) as server:
        given |= {"yc_iam_url": server.url, "yc_metadata_addr": server.url.removeprefix("http://")}
        found = []
        for name in list(given)[:5]:
            found.append(await sent(credentials(settings(**given), http, clock)))
            del given[name]
        with pytest.raises(ConfigError, match="YC_API_KEY"):
            credentials(settings(**given), http, clock)
    assert found == ["Api-Key AQVN1", "Bearer t1.x", "Bearer t1.oauth", "Bearer t1.file", "Bearer t1.vm"]
    oauth, _, machine = server.seen
    assert oauth.json == {"yandexPassportOauthToken": "y0_x"}
    assert machine.headers["metadata-flavor"] == "Google"
    assert machine.path == "/computeMetadata/v1/instance/service-accounts/default/token"


async def test_spaces_and_quotes_around_a_key_are_dropped(http: Http) -> None:
    assert await sent(credentials(settings(yc_api_key=' "AQVN1"\n'), http, VirtualClock())) == "Api-Key AQVN1"


@pytest.mark.parametrize("key", ["AQVN ключ", "AQVN\r\nx: y"])
def test_a_key_that_no_header_can_carry_is_told_at_the_start(key: str) -> None:
    with pytest.raises(ConfigError, match="YC_API_KEY") as caught:
        load(yc_api_key=key)
    assert key not in str(caught.value)


async def test_a_key_that_is_refused_can_not_be_renewed(http: Http) -> None:
    found = credentials(settings(yc_api_key="AQVN1"), http, VirtualClock())
    assert not await found.renew(await found.headers())


# --- the signed key ---------------------------------------------------------------------------------------------------


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


async def test_the_key_file_is_exchanged_by_a_signed_jwt(http: Http, tmp_path: Path) -> None:
    clock = VirtualClock()
    async with serve(iam(clock, "file")) as server:
        given = settings(yc_service_account_key_file=key_file(tmp_path), yc_iam_url=server.url)
        await credentials(given, http, clock).headers()
    (seen,) = server.seen
    assert seen.path == "/iam/v1/tokens"
    assert "authorization" not in seen.headers
    head, claims, signature = seen.json["jwt"].split(".")
    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "PS256", "kid": "ajekey"}
    assert json.loads(decoded(claims)) == {
        "iss": "ajeaccount",
        "aud": "https://iam.api.cloud.yandex.net/iam/v1/tokens",
        "iat": int(clock.time()),
        "exp": int(clock.time()) + 3600,
    }
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
    KEY.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), pss, hashes.SHA256())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "has no id"),
        ({"service_account_id": "", "private_key": 5}, "has no service_account_id, private_key"),
        ({"private_key": "AQVN"}, "BEGIN"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "damaged"),
        ({"private_key": pem(OTHER_KEY)}, "not an RSA key"),
        ({"private_key": PUBLIC}, "a public key"),
    ],
)
def test_a_bad_key_file_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read_key(key_file(tmp_path, **changes))
    assert "YC_SERVICE_ACCOUNT_KEY_FILE" in str(caught.value)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize(("content", "words"), [(b"AQVN", "not JSON"), (b"[]", "object"), (b"\xff", "not JSON")])
def test_a_file_that_is_no_key_file_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_key(tmp_path / "x")
    with pytest.raises(ConfigError, match="can't be read"):
        read_key(tmp_path / "missing")


def test_a_key_file_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bot.providers.yandex.service_account", raising=False)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ConfigError, match=r"pip install 'govorun\[service-account\]'"):
        read_key(key_file(tmp_path))


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(read_key(key_file(tmp_path)))


# --- renewal ----------------------------------------------------------------------------------------------------------


def oauth(server: RawServer, http: Http, clock: VirtualClock) -> Credentials:
    return credentials(settings(YC_OAUTH_TOKEN="y0_secret", yc_iam_url=server.url), http, clock)


async def test_a_token_is_renewed_every_hour(http: Http) -> None:
    clock = VirtualClock()
    async with serve(iam(clock, "1"), iam(clock, "2")) as server:
        found = oauth(server, http, clock)
        assert await sent(found) == "Bearer t1.1"
        clock.now += 3599
        assert await sent(found) == "Bearer t1.1"
        clock.now += 2
        assert await sent(found) == "Bearer t1.2"
    assert len(server.seen) == 2


async def test_a_token_that_lives_shorter_is_renewed_before_its_end(http: Http) -> None:
    clock = VirtualClock()
    async with serve(iam(clock, "1", hours=0.5), iam(clock, "2")) as server:
        found = oauth(server, http, clock)
        await found.headers()
        clock.now += 1800 - 290
        assert await sent(found) == "Bearer t1.2"


async def test_a_wall_clock_that_is_years_ahead_does_no_harm(http: Http) -> None:
    clock = VirtualClock()
    early = iam(clock, "1")
    clock.start += 9 * 365 * 86400
    async with serve(early) as server:
        found = oauth(server, http, clock)
        await found.headers()
        clock.now += 3000
        await found.headers()
    assert len(server.seen) == 1


async def test_many_who_wait_share_one_renewal(http: Http) -> None:
    clock = VirtualClock()
    async with serve(iam(clock, "1"), iam(clock, "2"), iam(clock, "3")) as server:
        found = oauth(server, http, clock)
        assert set(await asyncio.gather(*(sent(found) for _ in range(9)))) == {"Bearer t1.1"}
        refused = await found.headers()
        assert all(await asyncio.gather(*(found.renew(refused) for _ in range(9))))
        assert await sent(found) == "Bearer t1.2"
    assert len(server.seen) == 2


async def test_while_the_token_service_is_down_the_old_token_is_used(http: Http) -> None:
    clock = VirtualClock()
    async with serve(iam(clock, "1", hours=2), answer(503, b""), answer(503, b""), iam(clock, "2")) as server:
        found = oauth(server, http, clock)
        await found.headers()
        clock.now += 3601
        assert [await sent(found), await sent(found)] == ["Bearer t1.1"] * 2
        assert len(server.seen) == 2
        clock.now += 3600
        with pytest.raises(ModelUnavailable):
            await found.headers()
        assert await sent(found) == "Bearer t1.2"


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_exchange_names_the_setting_and_shows_no_secret(http: Http, status: int) -> None:
    async with serve(answer(status, {"message": "token y0_secret is invalid"})) as server:
        with pytest.raises(ModelDenied, match="YC_OAUTH_TOKEN") as caught:
            await oauth(server, http, VirtualClock()).headers()
    assert "y0_secret" not in str(caught.value)


async def test_a_token_service_that_can_not_be_reached_is_unavailable(http: Http) -> None:
    given = settings(YC_OAUTH_TOKEN="y0_x", yc_iam_url=closed_port())
    with pytest.raises(ModelUnavailable):
        await credentials(given, http, VirtualClock()).headers()


@pytest.mark.parametrize("body", [{}, [], {"iamToken": 5}, {"iamToken": "a\r\nb"}])
async def test_an_answer_without_a_token_is_a_protocol_error(http: Http, body: Any) -> None:
    async with serve(answer(200, body)) as server:
        with pytest.raises(ModelProtocolError):
            await oauth(server, http, VirtualClock()).headers()


async def test_a_renewal_that_gives_the_same_token_is_no_reason_to_try_again() -> None:
    async def same() -> Token:
        return Token(SecretStr("t1.same"), 3600)

    found = Renewed(same, VirtualClock())
    assert not await found.renew(await found.headers())
