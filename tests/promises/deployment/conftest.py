"""What the tests of `deploy/` share: where it is, and the programs that know its formats better than we do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


class Program:
    """A program by its name, out of the environment's own folder or the path. Missing ones fail in CI."""

    def __init__(self, name: str) -> None:
        folder = str(Path(sys.executable).parent)
        found = shutil.which(name, path=folder) or shutil.which(name)
        if found is None:
            if os.environ.get("CI"):
                pytest.fail(f"{name} is missing: make test brings it")
            pytest.skip(f"NO {name.upper()}: this part of deploy/ is not checked (make test brings it)")
        self.path = found

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.path, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120,
            env={**os.environ, **environment},
        )  # fmt: skip

    def accepts(self, *arguments: str, **environment: str) -> str:
        """Run it, fail with what it says where it ends in anything but 0, and give what it printed."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def helm() -> Program:
    return Program("helm")


@pytest.fixture(scope="session")
def promtool() -> Program:
    return Program("promtool")
