"""The commands of `govorun` with subcommands: `kb` (its work is in `knowledge`), `batch` (in `batch_runs`), `topics`
and `desk`.
"""
