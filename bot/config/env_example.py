"""The text of `.env.example`, made of the settings: what `govorun init` writes into `.env`."""

from __future__ import annotations

from pydantic_core import PydanticUndefined

from bot.config.settings import Settings

REQUIRED = 3
HEAD = "# Copy to .env and fill in the first three lines; everything else has a default.\n"


def example() -> str:
    """Return the file: the required settings without values, all others as comments with their defaults."""
    lines = []
    for number, (name, field) in enumerate(Settings.model_fields.items()):
        if number < REQUIRED:
            lines.append(f"{name.upper()}=")
            continue
        if number == REQUIRED:
            described = list(Settings.model_fields.items())[:REQUIRED]
            lines += ["", HEAD.strip(), *(f"# {key.upper()}: {info.description}" for key, info in described)]
        default = field.default if field.default is not PydanticUndefined else ""
        lines += ["", f"# {field.description}", f"# {name.upper()}={shown(default)}"]
    return "\n".join(lines) + "\n"


def shown(default: object) -> str:
    """Return a default as it would stand in the file; "" for none."""
    if default in (None, (), [], {}) or hasattr(default, "get_secret_value"):
        return ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)
