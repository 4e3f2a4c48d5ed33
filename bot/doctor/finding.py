"""The result of a check (`Finding`), and `cleaner`, which removes secrets from every text before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.config.settings import Settings
from bot.telemetry.logging import Redaction

PATIENCE = 15.0  # seconds that one request of a check may take


class Verdict(StrEnum):
    """How serious a finding is. With a FAIL `govorun doctor` exits with an error."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Spending(StrEnum):
    """What an examination may spend: nothing; a few tokens and one call of each service; also the price of a picture.

    An examination that may spend nothing can be made while the bot is running: it does not open the database or start
    MCP servers either.
    """

    NOTHING = "nothing"
    LITTLE = "little"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `leg` names what was checked; `advice` is what to do next, "" if all is well."""

    leg: str
    verdict: Verdict
    text: str
    advice: str = ""


def ok(leg: str, text: str) -> Finding:
    """A finding without a problem."""
    return Finding(leg, Verdict.OK, text)


def warn(leg: str, text: str, advice: str) -> Finding:
    """A finding with which the bot still works."""
    return Finding(leg, Verdict.WARN, text, advice)


def fail(leg: str, text: str, advice: str = "") -> Finding:
    """A finding with which the bot, or a part of it, does not work."""
    return Finding(leg, Verdict.FAIL, text, advice)


def secret(value: SecretStr) -> str:
    """The value of a secret setting."""
    return value.get_secret_value()


def cleaner(settings: Settings) -> Callable[[str], str]:
    """Return a function that masks all secrets of the settings in a text: servers, proxies and libraries repeat them in
    errors.
    """
    redaction = Redaction(settings.secrets())
    return lambda text: redaction.clean(" ".join(text.split()))


def host_and_port(url: str) -> str:
    """Host and port of a URL; the parts before and after may be secret."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    return parts.netloc.rpartition("@")[2] or "?"
