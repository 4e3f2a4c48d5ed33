"""`govorun new`: the folder of a bot with tests, a Dockerfile and CI, made of the files in `project_template/`.

There `dot-` stands for the dot that a name begins with, and `$name` in a file for the name of the bot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from bot.errors import BadInput

TEMPLATE = Path(__file__).with_name("project_template")
ENDING = ".template"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def make(folder: Path, version: str) -> None:
    """Write the files of a new bot, which needs this version of Govorun. Raises `BadInput` if the folder's name can't
    be that of a bot, or if something is in the folder.
    """
    if not NAME.fullmatch(folder.name):
        raise BadInput(f"{folder.name!r} can't be a name: letters of a-z, digits, - and _ are expected")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is there already; nothing was changed")
    for path, text in files(folder.name, version):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


def files(name: str, version: str) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each file."""
    for path in sorted(TEMPLATE.rglob(f"*{ENDING}")):
        parts = [part.replace("dot-", ".", 1) for part in path.relative_to(TEMPLATE).parts]
        text = Template(path.read_text("utf-8")).safe_substitute(name=name, version=version)
        yield Path(*parts).with_suffix(""), text
