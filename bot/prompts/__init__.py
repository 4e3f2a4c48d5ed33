"""Texts for models: those of the code (`catalog.py`), and personas and templates in TOML files (`library.py`)."""
