"""Queries and changes of rows, one subject a file. `store.Tx` lists them: begin there. None of their
methods commits.
"""
