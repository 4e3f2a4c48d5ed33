"""The operators' side of the desk: their groups, what a message of theirs means, and their words."""
