"""A hook of MkDocs: links of docs/ to files that stand outside of it lead to the repository."""

from __future__ import annotations

import re
from typing import Any

OUTSIDE = re.compile(r"\]\(\.\./([\w./-]+)(#[\w-]+)?\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """Return the page with the links that it has on the site."""
    return OUTSIDE.sub(lambda found: f"]({config.repo_url}/blob/main/{found[1]}{found[2] or ''})", markdown)
