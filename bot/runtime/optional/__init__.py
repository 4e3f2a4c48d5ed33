"""Composes what a setting, or the code of a programmer, switches on. Its modules are imported only then."""
