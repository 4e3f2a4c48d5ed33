"""What the code of a program built on Govorun keeps: its idempotency keys, and the states of its routers' dialogues."""
