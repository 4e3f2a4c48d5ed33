"""How the sandbox's Telegram checks text: entities, the three parse modes and rich messages."""
