"""How alembic reaches the database: the URL comes from the caller, or from DATABASE_URL and `.env`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from bot.config.settings import load
from bot.storage.engines import job_notify
from bot.storage.engines.dialects import connector
from bot.storage.maintenance import migrations
from bot.storage.tables import METADATA

# Whoever wants a table after us waits behind us: better give up soon, and try again (`schema.climb`).
SHORT_WAIT = "SET LOCAL lock_timeout = '1s'"


def run(connection: Connection) -> None:
    # Steps are whole or not at all: both databases can undo DDL, SQLite when we begin the transaction, not the driver.
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
        include_name=_is_ours,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(SHORT_WAIT)
        context.run_migrations()
        _write_oldest(connection)


def _write_oldest(connection: Connection) -> None:
    """Each step only adds, or says in `CONTRACTS` which revision is the oldest whose code works after it."""
    if (state := migrations.state(connection)) is None:
        return  # a database without tables, which `alembic check` and the like may open
    steps = context.script.iterate_revisions(state.revision, "base")
    oldest = max(getattr(step.module, "CONTRACTS", "") for step in steps)
    if oldest != state.oldest:
        migrations.write_oldest(connection, oldest)


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out the tables that alembic does not compare: see `bot/storage/engines/job_notify.py`."""
    return kind != "table" or not (name or "").startswith(job_notify.BESIDE)


def main() -> None:
    engine = connector(context.config.attributes.get("url") or load().database_url, writer=True)
    with engine.connect() as connection:
        run(connection)
        connection.commit()
    engine.dispose()


main()
