"""Migrations, backups, and the move from SQLite to PostgreSQL."""
