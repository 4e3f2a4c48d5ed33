"""What can be asked of the database, one subject a file; `store.Tx` lists them. None commits."""
