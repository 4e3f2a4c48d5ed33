"""Which schema this code needs, and how a database gets there (the steps are in `migrations/`)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bot.errors import ConfigError

VERSION = "alembic_version"
OURS = ("updates", "deliveries", "conversations")  # no other program has all of these
HEAD = "0001"  # known here so that a start does not load alembic (0.3 s) to find that there is nothing to do


def scripts() -> Path:
    inside = Path(__file__).parents[1] / "migrations"
    return inside if inside.is_dir() else inside.parents[1] / "migrations"


async def current(url: str) -> str | None:
    """The revision of a database; None for an empty one. Raises `ConfigError` for one that is not ours."""
    _look_for_folder(url)
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            tables = set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))
            if tables - {VERSION} and not tables >= {VERSION, *OURS}:
                raise ConfigError(f"DATABASE_URL: {_shown(url)} holds tables of another program; choose another file")
            if VERSION not in tables:
                return None
            revision: str | None = await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return revision
    except sa.exc.DBAPIError as error:
        raise ConfigError(f"DATABASE_URL: {_shown(url)} can't be opened: {error.orig}") from None
    finally:
        await engine.dispose()


async def upgrade(url: str) -> None:
    """Bring the database to `HEAD`. A newer schema is refused with a sentence and left alone."""
    revision = await current(url)
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise ConfigError(
            f"DATABASE_URL: {_shown(url)} was written by a newer version of Govorun ({revision} > {HEAD})"
        )
    await asyncio.to_thread(_alembic, url)


def _look_for_folder(url: str) -> None:
    """SQLite only says "unable to open", and its driver leaves a thread behind."""
    place = make_url(url)
    path = Path(place.database or "")
    if place.get_backend_name() == "sqlite" and not path.parent.is_dir() and not str(path).startswith("file:"):
        raise ConfigError(f"DATABASE_URL: {_shown(url)} can't be opened: there is no folder {path.parent}")


def configuration(url: str) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["url"] = url
    return config


def _alembic(url: str) -> None:
    from alembic import command

    command.upgrade(configuration(url), "head")


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
