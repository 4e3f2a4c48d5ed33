"""What the check looks for in the lock file and in all files (T4, T5): that it is seen when it is there."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import audit, secret_scan

ROOT = Path(__file__).parents[3]
GOOD = {
    "name": "httpx", "version": "0.28.1", "source": {"registry": audit.INDEX},
    "sdist": {"hash": "sha256:aa"}, "wheels": [{"hash": "sha256:bb"}],
}  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEYS = {
    "an API key": "AQVN" + LETTERS,
    "an IAM token": f"t1.{LETTERS}.{LETTERS}",
    "an OAuth token": "y0_" + LETTERS,
    "a bot token": "1234567890:" + LETTERS[:35],
    "a private key": "-----BEGIN PRIVATE" + " KEY-----",
}


def test_the_lock_file_keeps_its_rules() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert [package["name"] for package in packages if not audit.is_pinned(package)] == ["govorun"]
    assert len(packages) > 50


def test_a_plain_install_is_at_most_55_packages() -> None:
    locked = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    found, left = set[str](), ["govorun"]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [wanted["name"] for wanted in locked[name].get("dependencies", ())]
    assert 30 < len(found) <= 55
    assert not found & {"cryptography", "greenlet", "huggingface-hub", "lxml"}


@pytest.mark.parametrize(
    "change",
    [
        {"source": {"git": "https://github.com/somebody/httpx"}},
        {"source": {"registry": "https://index.example/simple"}},
        {"wheels": [{"url": "https://files.example/httpx.whl"}]},
        {"sdist": {"hash": "md5:aa"}},
        {"wheels": [], "sdist": {}},
        {"version": ""},
    ],
)
def test_what_is_not_pinned_with_a_hash_is_seen(change: dict[str, Any]) -> None:
    assert audit.is_pinned(GOOD)
    assert not audit.is_pinned(GOOD | change)


def test_every_hash_goes_into_the_requirement() -> None:
    assert audit.requirement(GOOD) == "httpx==0.28.1 --hash=sha256:bb --hash=sha256:aa\n"


def test_an_advisory_names_the_package_and_the_version_that_is_repaired() -> None:
    row = {"name": "aiohttp", "version": "3.9.0", "vulns": [{"id": "CVE-2024-23334", "fix_versions": ["3.9.2"]}]}
    assert audit.described(row) == ["  aiohttp 3.9.0: CVE-2024-23334, repaired in ['3.9.2']"]
    assert audit.described({"name": "aiohttp", "vulns": []}) == []


def test_without_advisories_a_release_fails_and_any_other_check_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AUDIT", raising=False)
    audit.unreachable("no network")
    assert "NO ADVISORIES" in capsys.readouterr().out
    monkeypatch.setenv("AUDIT", "required")
    with pytest.raises(SystemExit, match="no network"):
        audit.unreachable("no network")


@pytest.mark.parametrize("what", KEYS)
@pytest.mark.parametrize("form", ["{}", 'KEY = "{}"', "BOT_TOKEN={}", "https://host/{}/getMe", '{{"key": "{}"}}'])
def test_a_key_in_a_file_is_seen(tmp_path: Path, what: str, form: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text(f"nothing here\n{form.format(KEYS[what])}\n")
    assert len(secret_scan.scan([str(path)])) == 1


def test_a_key_that_only_quotes_would_show_is_seen_in_settings_without_them(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(f"aws_secret_key: {hashlib.sha256(b'made up').hexdigest()[:40]}\n")
    assert len(secret_scan.scan([str(path)])) == 1


def test_harmless_text_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("gpt://b1gaaaabbbbccccdddde/yandexgpt/latest\nAQVN...\n123456:ABC-DEF\nsha256:" + "ab" * 32 + "\n")
    assert secret_scan.scan([str(path)]) == []


def test_what_was_accepted_is_still_there() -> None:
    accepted = secret_scan.ACCEPTED.read_text().splitlines()
    assert [line for line in accepted if not (ROOT / line.partition(":")[0]).is_file()] == []
