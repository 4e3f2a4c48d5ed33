"""Queries and changes, one subject a file. Begin with `store.Tx`, which lists them. None of them commits."""
