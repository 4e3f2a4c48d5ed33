"""Reads files of office programs and e-books into outlines; a file a format."""
