"""Install the Debian packages that the tests need beside PyPI: `make packages`, which `make test` runs first.

It runs before the environment is there, so it imports nothing but the standard library.

The packages are printed before anything is installed, and only root installs them: this never asks for more rights.
Without root, a missing package is an error in CI; elsewhere the tests that need it are skipped, and a line says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Need(NamedTuple):
    """Any one of `programs` will do; otherwise `packages` bring one, or `skipped` says what is not tested."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    skipped: str


NEEDS = (
    Need(CHROMIUM, ("chromium", "fonts-noto-color-emoji"), "the sandbox's chat page"),
    Need(("cc", "gcc"), ("gcc", "libc6-dev"), "power cuts and failing disks (tests/promises/disk)"),
    Need(("systemd-analyze",), ("systemd",), "the systemd unit in deploy/"),
)


def missing() -> list[Need]:
    return [need for need in NEEDS if not any(shutil.which(name) for name in need.programs)]


def main() -> None:
    needs = missing()
    if not needs:
        return
    packages = [name for need in needs for name in need.packages]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if shutil.which("apt-get") and os.geteuid() == 0:
        print(f"--- Installing Debian packages on this machine: {' '.join(install)}", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    elif os.environ.get("CI"):
        sys.exit(f"--- Missing, and only root can install it: {' '.join(install)}")
    else:
        for need in needs:
            print(f"--- NOT TESTED: {need.skipped}. As root: apt-get install {' '.join(need.packages)}", flush=True)


if __name__ == "__main__":
    main()
