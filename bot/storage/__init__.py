"""The database. Begin with `store.Store`: its methods `write` and `read` run a function of a transaction (`store.Tx`).

`repositories/` has the queries, one subject a file; `tables/` the tables; `engines/` SQLite and PostgreSQL; `cluster/`
what several processes share; `maintenance/` migrations, backups and the move to PostgreSQL.
"""
