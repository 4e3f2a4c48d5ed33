"""Folders of batch runs: what a killed process has left goes with the next one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from bot.batch.vendor.work_folder import PREFIX, work_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(place: Path, name: str, age: float) -> Path:
    """A folder with a dataset that nobody has locked."""
    folder = place / name
    folder.mkdir()
    (folder / "lines").write_text("what somebody has written")
    then = folder.stat().st_mtime - age
    os.utime(folder, (then, then))
    return folder


def test_a_folder_is_removed_at_the_end_and_after_an_error(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), work_folder() as folder:
        (folder / "lines").write_text("text")
        raise ZeroDivisionError
    assert [*place.iterdir()] == []


def test_what_a_killed_process_has_left_is_removed_by_the_next(place: Path) -> None:
    left(place, f"{PREFIX}killed", age=3_600)
    with work_folder() as folder:
        assert [*place.iterdir()] == [folder]


def test_folders_in_use_new_ones_and_foreign_ones_stay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with work_folder() as used:
        os.utime(used, (0, 0))
        staying = {used, left(place, f"{PREFIX}new", age=1), left(place, "another", age=3_600)}
        (place / f"{PREFIX}link").symlink_to(left(place, "elsewhere", age=3_600))
        with work_folder():
            pass
        assert staying <= {*place.iterdir()}
        assert (place / f"{PREFIX}link" / "lines").exists()
    theirs = left(place, f"{PREFIX}theirs", age=3_600)
    monkeypatch.setattr(os, "getuid", lambda: -1)
    with work_folder():
        assert theirs.exists()
