"""Composition of what a setting, or the code of a programmer, switches on."""
