"""Servers that speak OpenAI's API. Begin with `wire.py`; `compatible_servers.py` makes models of the rows of MODELS."""
