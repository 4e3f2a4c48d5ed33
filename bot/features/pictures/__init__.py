"""Pictures: the command /image, which model draws, and richer descriptions."""
