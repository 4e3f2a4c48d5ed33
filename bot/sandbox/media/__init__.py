"""Pictures and sound that the sandbox makes."""
