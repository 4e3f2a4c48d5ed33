"""Weights of local models: downloads and checks them. Begin with `fetch`.

Known models come from the Hugging Face Hub at a pinned commit, or from the mirror of it that LOCAL_MODEL_SOURCE names,
and must have the SHA-256 of the original.
"""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ConfigError, ModelUnavailable

Progress = Callable[[int, int, str], None]
"""Told (bytes done, bytes in all or 0, stage). It may raise to give up; what is done is kept."""

BLOCK = 2**20
MAGIC = b"GGUF"
HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that can be fetched by name: a file of a repository at a commit, its size (bytes) and its SHA-256."""

    title: str
    repository: str
    revision: str
    file: str
    size: int
    sha256: str


def fetch(
    name: str,
    directory: Path,
    progress: Progress,
    *,
    source: str = "huggingface",
    models: Mapping[str, Weights] | None = None,
) -> Path:
    """Return the GGUF file of a known model (of `models`, else `MODELS`) or of a URL, downloading it where it is not
    there yet.

    `source` is where known models come from, as in LOCAL_MODEL_SOURCE. Blocks; run it in a thread. A download that was
    interrupted is continued. Raises `ConfigError` for an unknown model, `ModelUnavailable` for a download that fails
    now.
    """
    known = MODELS if models is None else models
    if name in known:
        return _known(known[name], directory / f"{name}.gguf", progress, source)
    if name.startswith(("http://", "https://")):
        return _from_url(name, directory, progress)
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(f"{name!r} is neither a file nor a URL nor one of {', '.join(known)}")
    return _checked(path)


def _known(weights: Weights, target: Path, progress: Progress, source: str) -> Path:
    if target.is_file() and target.stat().st_size == weights.size:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)

    def tell(done: int) -> None:
        progress(min(done, weights.size), weights.size, "downloading")

    found = _from_hub(weights, target.parent, HUB if source == "huggingface" else source, tell)
    progress(weights.size, weights.size, "checking")
    with found.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != weights.sha256:
        found.unlink()
        raise ModelUnavailable(f"{target.name} is damaged: SHA-256 {sha256[:16]}…, not {weights.sha256[:16]}…")
    return found.replace(target)


def _from_hub(weights: Weights, directory: Path, endpoint: str, tell: Callable[[int], None]) -> Path:
    """Download the file of a model from the hub or a mirror of it. Finished parts are kept below `directory`/.cache."""
    # It is read when the library is imported. With it the library asks huggingface.co for more, also behind a mirror.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from httpx2 import HTTPError
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils.tqdm import tqdm
    except ImportError:
        raise ConfigError("the extra `local` is not installed; pip install 'govorun[local]' does it") from None

    class Bar(tqdm):
        """Tells how far the download is, and draws nothing."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]  # of tqdm

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            tell(int(self.n))

    try:
        found = hf_hub_download(
            weights.repository,
            weights.file,
            revision=weights.revision,
            local_dir=directory,
            endpoint=endpoint,
            token=False,
            tqdm_class=Bar,
        )
    except (HTTPError, OSError) as error:
        if isinstance(error, InterruptedError):  # the caller's `progress` gave up
            raise
        host = urllib.parse.urlsplit(endpoint).hostname
        raise ModelUnavailable(
            f"{host} did not give the file ({type(error).__name__}); LOCAL_MODEL_SOURCE can name a mirror, and "
            "`govorun models fetch` takes a file or a URL"
        ) from error
    return Path(found)


def _from_url(url: str, directory: Path, progress: Progress) -> Path:
    """Download a file, continuing an interrupted download."""
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
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http and https only, see `fetch`
        if answer.status != 206:
            have = 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                progress(file.tell(), total, "downloading")
            if total and file.tell() < total:
                raise OSError("the connection ended early")


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
        title="Qwen2.5-Coder 0.5B",
        repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="ebb2015119c907b064c512bf053e945850b5875f",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
    "qwen-1.5b": Weights(
        title="Qwen2.5-Coder 1.5B",
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
}
