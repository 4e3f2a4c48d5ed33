"""Images are known by their digests as soon as somebody who reaches the registries has run scripts/pin_images.py.

See T5 in docs/promises.md.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import yaml

from scripts import pin_images
from tests.promises.deployment.conftest import ROOT

DOCKER = """#!/bin/sh
echo "$@" >> '{log}'
case "$*" in *postgres*) test -e '{away}' && echo 'no such host' >&2 && exit 1;; esac
printf 'sha256:%064d\\n' 7
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files, and a docker that knows every image."""
    for file in pin_images.FILES:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(bare((ROOT / file).read_text()))
    program = tmp_path / "docker"
    program.write_text(DOCKER.format(log=tmp_path / "asked", away=tmp_path / "away"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path


def bare(text: str) -> str:
    return re.sub(r"@sha256:[0-9a-f]{64}", "", text)


def sums(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in pin_images.FILES]


def test_every_image_of_others_is_found() -> None:
    """An image in a form that the script does not know would never get a digest."""
    services = yaml.safe_load(bare((ROOT / "deploy/compose.yaml").read_text()))["services"]
    images = {service["image"] for service in services.values() if not service["image"].startswith("govorun:")}
    found = {found[2] for file in pin_images.FILES for found in pin_images.images(ROOT / file)}
    froms = re.findall(r"^FROM (\S+)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert set(froms) == {"${BASE}"}
    assert {name.partition(":")[0] for name in found} == {"docker/dockerfile", "python", "postgres", "caddy"}
    assert images <= found


def test_digests_are_written_behind_the_tags_and_renewed(copy: Path) -> None:
    with pytest.raises(SystemExit, match=r"compose\.yaml: postgres:17-alpine"):
        pin_images.main(copy, check=True)
    pin_images.main(copy, check=False)
    pinned = sums(copy)
    assert f"ARG BASE=python:3.13-slim@sha256:{7:064}\n" in (copy / "deploy/Dockerfile").read_text()
    with pytest.raises(SystemExit) as ended:
        pin_images.main(copy, check=True)
    assert ended.value.code == 0
    pin_images.main(copy, check=False)
    assert sums(copy) == pinned
    asked = (copy / "asked").read_text().splitlines()
    assert "buildx imagetools inspect --format {{.Manifest.Digest}} python:3.13-slim" in asked


def test_where_one_digest_is_not_to_be_had_nothing_is_written(copy: Path) -> None:
    (copy / "away").touch()
    before = sums(copy)
    with pytest.raises(SystemExit, match="postgres:17-alpine: no digest: no such host"):
        pin_images.main(copy, check=False)
    assert sums(copy) == before


def test_without_docker_it_says_what_it_needs(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "docker").unlink()
    monkeypatch.setenv("PATH", str(copy))
    assert shutil.which("docker") is None
    with pytest.raises(SystemExit, match="docker with buildx is needed"):
        pin_images.main(copy, check=False)
