"""A stand-in for a library that is not installed. Begin with `standing_in`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def standing_in(name: str, code: str, folder: Path) -> Iterator[Path]:
    """Inside, `import name` runs `code`, whose file it yields. Afterwards nothing takes the library for installed.

    Whatever may import it must have ended before: a fixture that uses this stands before `stage` in the arguments of a
    test.
    """
    path = folder / f"{name}.py"
    path.write_text(code, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        sys.modules.pop(name, None)
        try:
            yield path
        finally:
            sys.modules.pop(name, None)
