"""Write what is made of the code for programmers: the types of `App(...)` (`bot/app/app_settings.py`), and the pages
docs/settings.md and docs/reference.md. `--check` only says whether all are current.
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

import bot
from bot.config.env_example import shown
from bot.config.settings import Settings

ROOT = Path(__file__).parents[1]
TYPES = ROOT / "bot" / "app" / "app_settings.py"
PAGE = ROOT / "docs" / "settings.md"
REFERENCE = ROOT / "docs" / "reference.md"
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
REFERENCE_HEAD = """# Reference

`from govorun import ...` has these names and no others. `govorun.aiogram` has those of aiogram that a router needs, and
`govorun.testing` the [fixtures' types](framework.md#tests). Each name is described below the table.

| name | |
|---|---|
"""


def types() -> str:
    fields = {name: field.annotation for name, field in Settings.model_fields.items() if name not in OTHERWISE}
    return TYPES_HEAD + "".join(f"    {name}: {written(kind)}\n" for name, kind in fields.items())


def page() -> str:
    return PAGE_HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = shown(field.get_default(call_default_factory=True)) or "none"
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


def reference() -> str:
    """The page of all public names: first a line for each, then their docstrings, which MkDocs puts in."""
    listed = [name for names in GROUPS.values() for name in names]
    if wrong := set(listed) ^ set(bot.__all__):
        sys.exit(f"scripts/app_settings.py: GROUPS and bot.__all__ differ in {', '.join(sorted(wrong))}")
    rows = [f"| **{title}** | |\n{''.join(map(_row, names))}" for title, names in GROUPS.items()]
    full = [f"## {title}\n\n" + "".join(f"::: bot.{name}\n\n" for name in names) for title, names in GROUPS.items()]
    return REFERENCE_HEAD + "".join(rows) + "\n" + "".join(full)


def _row(name: str) -> str:
    text = getattr(bot, name).__doc__ if name not in ALIASES else ALIASES[name]
    sentence = " ".join(str(text).split()).partition(". ")[0].rstrip(".")
    return f"| `{name}` | {sentence} |\n"


GROUPS = {
    "The bot": ("App", "Handler", "Running", "command"),
    "Messages": (
        "Address", "Answer", "Attachment", "Button", "ShownButton", "File", "Image", "Incoming", "Kind", "Message",
        "Next", "Outgoing", "Reply", "User", "say",
    ),
    "Questions and forms": ("Ask", "Contact", "Location", "Photo"),
    "By itself": ("HttpRequest", "JobRun", "SendState", "Sent"),
    "Tools, and around the model": ("Preparation", "Review", "Source", "Tool", "ToolCall", "ToolContext", "ToolOutput"),
    "Models": ("Chunk", "Finish", "Model", "Profile", "Request", "Usage", "ask"),
    "Other messengers": ("Door", "OwnTransport", "shown"),
    "The support desk": ("Customer", "Decision", "Question"),
    "Errors": (
        "BadInput", "BotError", "ConfigError", "ContextOverflow", "HookFailed", "LimitReached", "ModelDenied",
        "ModelError", "ModelProtocolError", "ModelRefused", "ModelUnavailable", "NotAllowed", "OutcomeUnknown",
        "StorageUnavailable", "StreamCut", "UnknownUser", "UserError",
    ),
}  # fmt: skip
ALIASES = {
    "Answer": "What a command, a button or a job returns: a text in Markdown, an `Outgoing`, or None for no answer",
    "Handler": "What handles a message: an `async (incoming, reply)`",
    "Next": "What a middleware calls to go on: an `async (incoming, reply) -> Answer`",
}


def main() -> None:
    for path, text in ((TYPES, types()), (PAGE, page()), (REFERENCE, reference())):
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is not current: python -m scripts.app_settings")


if __name__ == "__main__":
    main()
