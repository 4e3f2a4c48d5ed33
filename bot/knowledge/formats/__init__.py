"""Reads files of all formats into outlines of blocks, without knowing where they come from."""
