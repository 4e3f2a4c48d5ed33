"""The commands of `govorun` with subcommands: `kb` (its work is in `knowledge`), `topics`, `desk`, `eval`, and in the
package `batch` those for files.
"""
