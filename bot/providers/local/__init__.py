"""A language model on this machine: its weights (`weights.py`) and the server that runs it (`server.py`)."""
