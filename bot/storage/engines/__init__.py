"""SQLite and PostgreSQL behind `Store`: connections, transactions, errors. Begin with `base.Engine`."""
