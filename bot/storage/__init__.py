"""The database. Begin with `store.Store`: `write` and `read` take a function of a transaction (`store.Tx`).

`repositories/` is what can be asked, one subject a file; `engines/` are SQLite and PostgreSQL, `tables/` the tables,
`cluster/` what several processes share, `maintenance/` migrations, backups and the move to PostgreSQL.
"""
