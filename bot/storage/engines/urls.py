"""Addresses of databases: which database one names, and how it is shown without its password."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url


def is_sqlite(url: str) -> bool:
    """Return whether a URL names a SQLite database."""
    return make_url(url).get_backend_name() == "sqlite"


def shown(url: str) -> str:
    """Return the URL of a database without its password and options."""
    place = make_url(url)
    return place.set(query={}).render_as_string(hide_password=True)


def synchronous(url: str) -> URL:
    """Return the URL of a database for SQLAlchemy's ordinary engine."""
    place = make_url(url)
    name = place.get_backend_name()
    return place.set(drivername="postgresql+psycopg" if name == "postgresql" else name)
