"""Composition of what a setting switches on: its modules are imported only then."""
