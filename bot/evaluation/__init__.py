"""Cases that are asked again before a change: what they are (`cases`), where they come from (`collecting`), how they
are answered without a chat (`replay`), what is looked at in an answer (`checks`), and what has changed (`report`).

Nothing of it is imported before somebody uses it.
"""
