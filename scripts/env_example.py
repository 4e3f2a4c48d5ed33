"""Write `.env.example` from the settings; `--check` only says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.config.env_example import example

FILE = Path(__file__).parents[1] / ".env.example"


def main() -> None:
    if "--check" not in sys.argv:
        FILE.write_text(example())
    elif not FILE.exists() or FILE.read_text() != example():
        sys.exit(".env.example is not current: python scripts/env_example.py")


if __name__ == "__main__":
    main()
