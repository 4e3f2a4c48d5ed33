"""The longer commands of `govorun`: `kb` (what it does stands in `knowledge`), `topics` and `desk`."""
