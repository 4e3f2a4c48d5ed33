"""No secret in a tracked file: `secret_scan.py` looks, `secret_scan.py --accept` takes what is there for made up.

detect-secrets looks for keys by their shape, ours too (`YandexKey`). What was accepted stands in `.secrets.txt`, a line
each: the file, what it looks like, its hash.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import get_plugins, transient_settings

ROOT = Path(__file__).parents[1]
ACCEPTED = ROOT / ".secrets.txt"
SHAPES = (
    "AWSKeyDetector", "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SlackDetector", "StripeDetector", "TelegramBotTokenDetector",
)  # fmt: skip
QUOTE = r"""[\'\"]"""  # as the detectors write it


class YandexKey(RegexBasedDetector):
    secret_type = "Yandex Cloud key"
    denylist = (
        re.compile(r"\bAQVN[A-Za-z0-9_-]{30,}"),
        re.compile(r"\bt1\.[A-Za-z0-9_=-]{30,}\.[A-Za-z0-9_=-]{30,}"),
        re.compile(r"\by[0-3]_[A-Za-z0-9_-]{50,}"),
    )


def tracked() -> list[str]:
    """What git keeps and what it would: a secret is found before it is committed."""
    names = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    return subprocess.run(names, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def scan(files: list[str]) -> list[str]:
    """What looks like a secret, a line each."""
    own = {"name": YandexKey.__name__, "path": f"file://{Path(__file__).resolve()}"}
    with transient_settings({"plugins_used": [*({"name": name} for name in SHAPES), own]}):
        found, shapes = SecretsCollection(str(ROOT)), list(_shapes())
        for name in files:
            if (ROOT / name).is_file() and _may_have_any(shapes, ROOT / name):
                found.scan_file(name)
    return sorted({f"{name}: {secret.type}: {secret.secret_hash}" for name, secret in found})


def _shapes() -> Iterator[re.Pattern[str]]:
    """What the detectors look for, also without quotes: detect-secrets puts values of YAML and INI files into them."""
    for plugin in get_plugins():
        assert isinstance(plugin, RegexBasedDetector)
        for shape in plugin.denylist:
            yield re.compile(shape.pattern.replace(QUOTE, f"{QUOTE}?"), shape.flags)


def _may_have_any(shapes: list[re.Pattern[str]], file: Path) -> bool:
    """Whether a look at the whole file is promising: one at each line by itself takes ten times as long."""
    text = file.read_bytes().decode(errors="replace")
    return any(shape.search(text) for shape in shapes)


def main() -> None:
    found = scan(tracked())
    if "--accept" in sys.argv:
        ACCEPTED.write_text("\n".join([*found, ""]))
        return
    known = set(ACCEPTED.read_text().splitlines())
    if new := [line for line in found if line not in known]:
        sys.exit("\n".join(["looks like a secret (made up? then python scripts/secret_scan.py --accept):", *new]))


if __name__ == "__main__":
    main()
