"""How alembic reaches the database: the URL comes from the caller, or from DATABASE_URL and `.env`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from bot.settings import load
from bot.storage.tables import Base
from bot.storage.thread import prepare_sqlite, synchronous


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


def main() -> None:
    engine = create_engine(synchronous(context.config.attributes.get("url") or load().database_url), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine, writer=True)
    with engine.connect() as connection:
        run(connection)
        connection.commit()
    engine.dispose()


main()
