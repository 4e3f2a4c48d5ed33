"""Write what is made of the settings for programmers: the types of `App(...)` (`bot/app/app_settings.py`), and the page
docs/settings.md. `--check` only says whether both are current.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from pydantic import BaseModel, SecretStr

from bot.config.env_example import shown
from bot.config.settings import Settings

ROOT = Path(__file__).parents[1]
TYPES = ROOT / "bot" / "app" / "app_settings.py"
PAGE = ROOT / "docs" / "settings.md"
OTHERWISE = {"tools"}  # App(tools=...) are one's own; which of Govorun's models may use is said by TOOLS alone
WIDER = {SecretStr: "str", Decimal: "Decimal | float | str", Path: "Path | str"}

TYPES_HEAD = '''"""The types of the settings in `App(...)`: scripts/app_settings.py makes them of config/settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict


class AppSettings(TypedDict, total=False):
    """The settings that `App(...)` takes: those of `.env.example` in lower case. docs/settings.md describes them."""

'''
PAGE_HEAD = """# Settings

Each setting can be given to an `App` by its name in lower case (`App(temperature=0.8)`), in the environment, or in
`.env`. Code counts most, then the environment. `govorun init` writes a `.env` with the three that a bot needs and all
others as comments. Type checkers know the names and types of `App(...)`. `TOOLS` alone is only read from the
environment, as `App(tools=[...])` takes your own.

| setting | in code | default | |
|---|---|---|---|
"""


def types() -> str:
    fields = {name: field.annotation for name, field in Settings.model_fields.items() if name not in OTHERWISE}
    return TYPES_HEAD + "".join(f"    {name}: {written(kind)}\n" for name, kind in fields.items())


def page() -> str:
    return PAGE_HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = shown(field.get_default()) or "none"
        cells = (f"`{name.upper()}`", f"`{written(field.annotation)}`", f"`{default}`", field.description or "")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def written(kind: Any) -> str:
    """What code may give for a setting of this type: also what pydantic makes it of."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return written(arguments[0])
    if origin is typing.Literal:
        return f"Literal[{_listed(repr(value).replace(chr(39), chr(34)) for value in arguments)}]"
    if origin in (typing.Union, UnionType):
        return " | ".join(written(one) for one in arguments)
    if origin in (list, tuple):
        return f"Sequence[{written(arguments[0])}]"
    if origin is dict:
        return f"Mapping[{_listed(map(written, arguments))}]"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "Mapping[str, Any]"
    return "None" if kind is NoneType else WIDER.get(kind, getattr(kind, "__name__", str(kind)))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def main() -> None:
    for path, text in ((TYPES, types()), (PAGE, page())):
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is not current: python -m scripts.app_settings")


if __name__ == "__main__":
    main()
