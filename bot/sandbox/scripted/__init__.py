"""The model of the sandbox that needs no weights: it answers from a script."""
