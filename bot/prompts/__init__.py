"""Personas and templates: their TOML format (`schema.py`), the reader (`library.py`), and the shipped files."""
