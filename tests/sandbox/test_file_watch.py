"""`govorun sandbox --reload`: which changes start the bot again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.sandbox.bot_process import look, on_changes

PATIENCE = 30.0  # seconds: a loaded machine is slow


def test_code_and_prompts_are_watched_and_environments_are_not(tmp_path: Path) -> None:
    for name in ("shop.py", "prompts/parrot.toml", ".venv/lib/x.py", "venv/x.py", "shop.db", "tests/x.py", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert {Path(path).name for path in look(tmp_path)} == {"shop.py", "parrot.toml"}


async def test_each_change_is_told_once(tmp_path: Path) -> None:
    changes: asyncio.Queue[None] = asyncio.Queue()
    (tmp_path / "shop.py").write_text("one")

    async def changed() -> None:
        changes.put_nowait(None)

    watch = asyncio.create_task(on_changes(tmp_path, changed))
    await asyncio.sleep(0)
    for text in ("two", "three"):
        (tmp_path / "shop.py").write_text(text)
        await asyncio.wait_for(changes.get(), PATIENCE)
    assert changes.empty()
    watch.cancel()
