"""`govorun kb` while the bot runs with SQLite: it reads, writes and books as beside PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.cli import kb
from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.runtime.opening import open_workspace
from bot.storage.engines.sqlite_files import alone
from bot.storage.maintenance import migrations
from bot.storage.store import Store
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource
from tests.knowledge.test_index import BOT, add_source, store_article


async def test_the_command_works_beside_the_bot_and_each_sees_what_the_other_writes(
    tmp_path: Path, template: Path
) -> None:
    url = f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}"
    settings = Settings(_env_file=None, database_url=url, embeddings="off", knowledge_cache=tmp_path)
    said: list[str] = []
    with alone(url):
        async with Store.open(url, SystemClock()) as bot:
            await store_article(bot, await add_source(bot, "shop"), "returns", "Возврат 14 дней.")
            await bot.write(lambda tx: tx.change_all(KnowledgeSource, {"audience": ("everyone",)}, id=1))
            async with open_workspace(settings, BOT, said.append, lambda _: True) as work:
                await kb.list_sources(work)
                assert " 1 article        1 passage " in said[0]
                await kb.search_sources(work, "возврат")
                assert said[-1].startswith("1 passage,")
                await store_article(bot, 1, "more", "Возврат денег за 3 дня.")
                await kb.search_sources(work, "возврат")
                assert said[-1].startswith("2 passages")
                (tmp_path / "parking.md").write_text("# Parking\n\nGuests park in the yard.")
                await kb.add_source(work, str(tmp_path / "parking.md"), "parking")
                await kb.set_readers(work, "parking", "everyone")
                found = await bot.read(lambda tx: tx.all(SOURCES, bot=BOT))
                assert [one.name for one in found] == ["parking", "shop"]


async def test_a_schema_that_the_running_bot_has_not_made_yet_is_named(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}"
    monkeypatch.setattr(migrations, "HEAD", "9999")
    with pytest.raises(ConfigError, match="does not have the schema of this version"):
        async with Store.open(url, SystemClock(), writes=False):
            pass
