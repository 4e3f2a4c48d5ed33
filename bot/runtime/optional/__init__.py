"""Composes features that a setting switches on. Their modules are imported only if that setting is on."""
