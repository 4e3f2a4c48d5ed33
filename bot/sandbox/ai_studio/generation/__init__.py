"""How the sandbox's AI Studio generates text: the answers, the tool calls and the three APIs that carry them."""
