"""Write the digest of each image behind its tag in `deploy/`: a tag can be moved to another image, a digest can't.

    python scripts/pin_images.py            look up today's digests, and write them
    python scripts/pin_images.py --check    name the images that have none (exit status 1)

It asks the registries through `docker buildx imagetools`, which needs no running engine. Run it again to renew them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FILES = ("deploy/Dockerfile", "deploy/compose.yaml")
# Name and tag, then the digest, if there is one. The bot's own image is made here, and has none.
IMAGE = re.compile(r"^(# syntax=|ARG BASE=| +image: )([a-z0-9./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?$", re.MULTILINE)


def main(root: Path, *, check: bool) -> None:
    if check:
        bare = [f"{file}: {found[2]}" for file in FILES for found in images(root / file) if not found[3]]
        sys.exit("\n".join(["without a digest:", *bare]) if bare else 0)
    digests = {name: digest(name) for name in sorted({found[2] for file in FILES for found in images(root / file)})}
    for file in FILES:
        path = root / file
        path.write_text(IMAGE.sub(lambda found: f"{found[1]}{found[2]}@{digests[found[2]]}", path.read_text()))
    print("\n".join(f"{name}@{digest}" for name, digest in digests.items()))


def images(path: Path) -> list[re.Match[str]]:
    return list(IMAGE.finditer(path.read_text()))


def digest(name: str) -> str:
    """Of all platforms together, as the registry has it now. Ends the program where it can't be learned."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"docker with buildx is needed: {error}")
    found = done.stdout.strip()
    if done.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        sys.exit(f"{name}: no digest: {done.stderr.strip() or found}")
    return found


if __name__ == "__main__":
    main(Path(__file__).parents[1], check="--check" in sys.argv)
