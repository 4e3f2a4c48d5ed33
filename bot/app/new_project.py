"""`govorun new`: the folder of a bot with tests, a Dockerfile and CI, made of the files in `project_template/`; and
`govorun init`: its file of settings.

In the templates `dot-` stands for the dot that a name begins with, and `$name` in a file for the name of the bot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from bot.errors import BadInput

TEMPLATE = Path(__file__).with_name("project_template")
ENDING = ".template"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def new(
    name: Annotated[Path, typer.Argument(help="The folder to make; its last part is the name of the bot.")],
) -> None:
    """Make a bot of your own: a folder with its code, tests, a Dockerfile and CI."""
    from bot import __version__

    make(name, __version__)
    typer.echo(
        f"{name} is made: main.py is the bot, tests/test_bot.py its tests.\n\n"
        f"  cd {name}\n  govorun sandbox --reload    tries it in the browser, with no account\n"
        f"  pytest                      runs its tests (pip install -r requirements-dev.txt)\n"
        f"  govorun init                writes .env, for Telegram"
    )


def init(
    ask: Annotated[bool, typer.Option("--ask", help="Ask for token, key and folder, which are not shown.")] = False,
) -> None:
    """Write .env, the file of settings: three to fill in, all others as comments with their defaults."""
    from bot.config.env_example import example
    from bot.config.settings import WHERE

    text, file = example(), Path(".env")
    if file.exists():
        raise BadInput(".env is there already; nothing was changed")
    for name, where in WHERE.items() if ask else ():
        value: str = typer.prompt(f"{name.upper()} ({where})", hide_input=True, default="", show_default=False)
        text = text.replace(f"{name.upper()}=\n", f"{name.upper()}={value.strip()}\n", 1)
    file.touch(0o600)
    file.write_text(text, "utf-8")
    typer.echo(
        "Filled in: govorun doctor checks the settings."
        if ask
        else ".env is written. Fill in its first three lines; govorun doctor says where to get what is missing."
    )


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
