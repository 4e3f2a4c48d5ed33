"""Servers that speak OpenAI's API. Begin with `model.py`; `compatible_servers.py` reads the rows of MODELS."""
