"""What a check says: `Finding`, and `cleaner`, through which every word of it goes before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from bot.config.settings import Settings
from bot.telemetry.logging import TOKEN, WRITTEN_OUT, YANDEX

PATIENCE = 15.0  # seconds for one question


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a leg found. `advice` is what to do next, empty where all is well."""

    leg: str
    verdict: Verdict
    text: str
    advice: str = ""


def ok(leg: str, text: str) -> Finding:
    return Finding(leg, Verdict.OK, text)


def warn(leg: str, text: str, advice: str) -> Finding:
    return Finding(leg, Verdict.WARN, text, advice)


def fail(leg: str, text: str, advice: str = "") -> Finding:
    return Finding(leg, Verdict.FAIL, text, advice)


def secret(value: SecretStr) -> str:
    return value.get_secret_value()


def cleaner(settings: Settings) -> Callable[[str], str]:
    """Servers, proxies and libraries repeat what they were given: nothing is shown before it went through this."""
    known = [secret for secret in settings.secrets() if len(secret) > 3]
    secrets = sorted({form for secret in known for form in (secret, quote(secret, safe=""))}, key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        text = YANDEX.sub("***", TOKEN.sub("***", " ".join(text.split())))
        return text.translate(WRITTEN_OUT)

    return clean


def place(url: str) -> str:
    """Host and port of an address: what stands before and behind may be secret."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    return parts.netloc.rpartition("@")[2] or "?"
