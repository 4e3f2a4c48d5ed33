"""What the scripted model says, in English and Russian: the files `en.toml` and `ru.toml`. Begin with `phrase`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


def phrase(language: str, name: str, **values: object) -> str:
    """The text with this name in a language ("en" or "ru"), with `values` in place of the words in braces."""
    text = _texts(language)[name]
    return text.format(**values) if values else text


@cache
def _texts(language: str) -> dict[str, str]:
    """The texts of a language. The essay has each paragraph on one line, though it has short lines in the file."""
    texts = tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))
    paragraphs = texts["essay"].strip().split("\n\n")
    return {**texts, "essay": "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)}
