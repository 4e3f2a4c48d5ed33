"""What the worlds of these tests are made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.crash.world import Nursery


@pytest.fixture
def nursery(template: Path, tmp_path: Path) -> Nursery:
    return Nursery(template, tmp_path)
