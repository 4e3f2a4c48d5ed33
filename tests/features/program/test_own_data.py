"""Tables of a programmer in the bot's database: created, changed, exported, forgotten, copied (`App.metadata`).

See P20, P21 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from typer.testing import CliRunner

from bot import App, cli
from bot.clock import SystemClock
from bot.errors import ConfigError
from bot.extension import Extension
from bot.runtime.optional import own_tables
from bot.storage.maintenance import backup_command, migrations
from bot.storage.store import Store
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows


def shop() -> tuple[App, sa.Table[Any]]:
    app = App()
    orders = sa.Table(
        "shop_orders", app.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user", sa.BigInteger, index=True),
        sa.Column("what", sa.String(40)),
        sa.Column("at", sa.DateTime),
    )  # fmt: skip

    @app.exports
    def shop_orders(connection: Connection, user: int) -> Iterable[Mapping[str, Any]]:
        found = connection.execute(sa.select(orders).where(orders.c.user == user))
        return [dict(row) for row in found.mappings()]

    @app.forgets
    def forget(connection: Connection, user: int) -> None:
        connection.execute(sa.delete(orders).where(orders.c.user == user))

    return app, orders


@pytest.fixture
def bot_app() -> App:
    return shop()[0]


async def order(stage: Stage, user: int, what: str) -> None:
    assert stage.app is not None
    row = {"user": user, "what": what, "at": datetime(2026, 11, 24, 9)}  # noqa: DTZ001  SQLite stores no zone
    await stage.app.running.store.write(lambda connection: connection.execute(sa.insert(table(stage)), row))


def table(stage: Stage) -> sa.Table[Any]:
    assert stage.extension is not None
    metadata = stage.extension.program.data.metadata
    assert metadata is not None
    return metadata.tables["shop_orders"]


async def test_tables_are_there_at_the_first_start_and_keep_their_rows(stage: Stage) -> None:
    await stage.start()
    await order(stage, ANNA, "tea")
    await stage.crash()
    app = await stage.start()
    found = await app.running.store.read(lambda connection: connection.execute(sa.select(table(stage).c.what)).all())
    assert [tuple(row) for row in found] == [("tea",)]


async def test_what_fails_in_a_transaction_stores_nothing(stage: Stage) -> None:
    app = await stage.start()

    def work(connection: Connection) -> None:
        connection.execute(sa.insert(table(stage)), {"user": ANNA, "what": "half"})
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await app.running.store.write(work)
    assert rows(stage, "SELECT * FROM shop_orders") == []


async def test_export_and_forget_know_the_rows_of_a_person(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hi")
    await order(stage, ANNA, "tea")
    await order(stage, BORIS, "coffee")
    stage.telegram.say(ANNA, "/export")
    sent = await stage.until(lambda: documents(stage) or None)
    with zipfile.ZipFile(io.BytesIO(sent[0])) as archive:
        everything = json.loads(archive.read("everything.json"))
    assert [(row["what"], row["at"]) for row in everything["app.shop_orders"]] == [("tea", "2026-11-24 09:00:00")]
    await stage.ask("/forget")
    await stage.press("Remove everything")
    await stage.until(lambda: rows(stage, "SELECT what FROM shop_orders") == [("coffee",)] or None)


def documents(stage: Stage) -> list[bytes]:
    found = [message["document"]["file_id"] for message in stage.telegram.transcript(ANNA) if "document" in message]
    return [stage.telegram.state.files[id_].data for id_ in found]


async def test_an_error_in_forgets_deletes_nothing(stage: Stage) -> None:
    def broken(connection: Connection, user: int) -> None:
        raise RuntimeError("no such order")

    assert stage.extension is not None
    stage.extension.program.data.forgets.append(broken)
    await stage.start()
    await stage.ask("hi")
    await order(stage, ANNA, "tea")
    await stage.ask("/forget")
    await stage.press("Remove everything")
    assert "(code " in (await stage.until(lambda: stage.telegram.texts(ANNA)[2:]))[0]
    assert rows(stage, "SELECT what FROM shop_orders") == [("tea",)]
    assert rows(stage, "SELECT count(*) FROM messages")[0][0] > 0


async def test_a_backup_has_the_tables_and_a_verification_minds_nothing(stage: Stage, tmp_path: Path) -> None:
    await stage.start()
    await order(stage, ANNA, "tea")
    await stage.stop()
    copy = backup_command.save(stage.settings.database_url, tmp_path / "copy.db")
    assert all(fine for fine, _ in backup_command.verify(stage.settings.database_url, copy))
    engine = sa.create_engine(f"sqlite:///{copy}")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT what FROM shop_orders")) == "tea"
    engine.dispose()


# --- changes, on both databases ---------------------------------------------------------------------------------------


async def test_columns_and_migrations_come_once_and_in_order(database_url: str) -> None:
    first, orders = shop()
    async with Store.open(database_url, SystemClock()) as store:
        await prepare(store, first)
        await prepare(store, first)
        await store.write(lambda tx: tx.connection.execute(sa.insert(orders), {"user": 1, "what": "tea"}))
        second, changed = shop()
        changed.append_column(sa.Column("count", sa.Integer, server_default="1"))
        changed.append_column(sa.Column("note", sa.String(10), index=True))
        called: list[str] = []

        @second.migration
        def tea_is_green(connection: Connection) -> None:
            called.append("green")
            connection.execute(sa.text("UPDATE shop_orders SET what = 'green ' || what"))

        await prepare(store, second)
        await prepare(store, second)
        question = sa.select(changed.c["what", "count", "note"])
        found = await store.read(lambda tx: tx.connection.execute(question).one())
        assert (tuple(found), called) == (("green tea", 1, None), ["green"])
        changed.append_column(sa.Column("must", sa.Integer, nullable=False))
        with pytest.raises(ConfigError, match=r"shop_orders.must can't be added to rows that are there"):
            await prepare(store, second)


async def test_a_migration_that_fails_stops_the_start_and_changes_nothing(database_url: str) -> None:
    app, _ = shop()
    async with Store.open(database_url, SystemClock()) as store:
        await prepare(store, app)

        @app.migration
        def wrong(connection: Connection) -> None:
            connection.execute(sa.text("UPDATE nothing SET x = 1"))

        for _again in range(2):
            with pytest.raises(ConfigError, match=r"App.migration wrong: .*nothing"):
                await prepare(store, app)


async def prepare(store: Store, app: App) -> None:
    data = app.extension.program.data
    assert data.metadata is not None
    await own_tables.prepare(store, data.metadata, data.migrations)


def test_govorun_migrate_knows_the_tables_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    code = "import sqlalchemy as sa\nfrom bot import App\napp = App()\n"
    code += 'sa.Table("shop_orders", app.metadata, sa.Column("id", sa.Integer, primary_key=True))\n'
    (tmp_path / "shop.py").write_text(code)
    asyncio.run(migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path}/bot.db"))
    result = CliRunner().invoke(cli.app, ["migrate", "--app", "shop.py"])
    assert (result.exit_code, "has schema" in result.output) == (0, True), result.output
    assert result.output.endswith("Your tables: shop_orders was created.\n")
    with closing(sqlite3.connect(tmp_path / "bot.db")) as database:
        assert database.execute("SELECT count(*) FROM shop_orders").fetchone() == (0,)


async def test_a_name_of_ours_stops_the_start(stage: Stage) -> None:
    app = App()
    sa.Table("messages", app.metadata, sa.Column("id", sa.Integer, primary_key=True))
    stage.extension = Extension(program=app.extension.program)
    with pytest.raises(ConfigError, match="Govorun has a table messages itself"):
        await stage.start()


def test_mistakes_are_told_at_decoration() -> None:
    app = App()

    async def late(connection: Connection, user: int) -> None: ...
    def alone(connection: Connection) -> None: ...

    with pytest.raises(ConfigError, match=r"late is async: it must be an ordinary function"):
        app.forgets(late)
    with pytest.raises(ConfigError, match=r"App.exports: def \(connection, user\) is expected"):
        app.exports(alone)  # type: ignore[type-var]
    app.migration(alone)
    with pytest.raises(ConfigError, match="a migration 'alone' already"):
        app.migration(alone)
