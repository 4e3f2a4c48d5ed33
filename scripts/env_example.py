"""Write `.env.example` from the settings; `--check` only says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from bot.config.settings import Settings

FILE = Path(__file__).parents[1] / ".env.example"
REQUIRED = 3
HEAD = "# Copy to .env and fill in the first three lines; everything else has a default.\n"


def example() -> str:
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
    if default is None or hasattr(default, "get_secret_value") or default == () or default == []:
        return ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)


def main() -> None:
    text = example()
    if "--check" in sys.argv:
        if not FILE.exists() or FILE.read_text() != text:
            sys.exit(".env.example is not current: python scripts/env_example.py")
        return
    FILE.write_text(text)


if __name__ == "__main__":
    main()
