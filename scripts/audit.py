"""Is anything we depend on known to be unsafe? Begin with `main`.

Without a network the lock file is held to its rules: everything from the package index, exactly pinned, every file with
its hash. Then pip-audit asks the index for advisories. Where the index has none to tell (no network, a mirror), that
part is skipped, loudly; with AUDIT=required it is an error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
INDEX = "https://pypi.org/simple"


def main() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = [package for package in packages if package["source"] != {"editable": "."}]
    if wrong := sorted(package["name"] for package in locked if not is_pinned(package)):
        sys.exit(f"not from {INDEX} with a hash for every file: {', '.join(wrong)}")
    found = advisories(locked)
    if not found or all("skip_reason" in row for row in found):
        unreachable(found[0]["skip_reason"] if found else "no answer")
    elif unsafe := [line for row in found for line in described(row)]:
        sys.exit("\n".join(["known to be unsafe:", *unsafe]))
    else:
        print(f"{len(found)} packages: no advisory")


def is_pinned(package: dict[str, Any]) -> bool:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashed = bool(files) and all(file.get("hash", "").startswith("sha256:") for file in files)
    return bool(package["source"] == {"registry": INDEX} and package.get("version") and hashed)


def advisories(locked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What pip-audit says of each package; nothing when it could ask nobody."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("".join(map(requirement, locked)))
        requirements.flush()
        command = [str(Path(sys.executable).parent / "pip-audit"), "--disable-pip", "--require-hashes"]
        command += ["--format", "json", "--progress-spinner", "off", "--requirement", requirements.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(done.stderr.strip().rpartition("\n")[2], file=sys.stderr)
        return []
    return rows


def requirement(package: dict[str, Any]) -> str:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return f"{package['name']}=={package['version']} {' '.join('--hash=' + file['hash'] for file in files)}\n"


def described(row: dict[str, Any]) -> list[str]:
    named = f"{row['name']} {row.get('version', '')}"
    return [f"  {named}: {one['id']}, repaired in {one['fix_versions'] or 'none'}" for one in row.get("vulns", [])]


def unreachable(reason: str) -> None:
    message = f"NO ADVISORIES: the package index could not be asked ({reason})"
    if os.environ.get("AUDIT") == "required":
        sys.exit(message)
    print(f"{message}; the rules of the lock file hold")


if __name__ == "__main__":
    main()
