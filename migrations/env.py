"""How alembic reaches the database: the URL comes from the caller, or from DATABASE_URL and `.env`."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bot.settings import load
from bot.storage.store import prepare_sqlite
from bot.storage.tables import Base


def run(connection: Connection) -> None:
    # Steps are whole or not at all: SQLite can undo DDL, when the transaction is begun by us and not by the driver.
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    url = context.config.attributes.get("url") or load().database_url
    engine = create_async_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine, writer=True)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main())
