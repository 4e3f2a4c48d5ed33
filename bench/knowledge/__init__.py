"""How well and how fast the knowledge base finds: `python -m bench.knowledge`."""
