"""The library that stands between a process and its disk, compiled once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled `disk.c`. Without a C compiler its tests are skipped, in CI they fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        if os.environ.get("CI"):
            pytest.fail("a C compiler is missing: install Debian's packages gcc and libc6-dev")
        pytest.skip("NO C COMPILER: power cuts and failing disks are not tested (apt-get install gcc libc6-dev)")
    made = tmp_path_factory.mktemp("shim") / "disk.so"
    source = Path(__file__).with_name("disk.c")
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return made
