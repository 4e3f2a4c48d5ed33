"""The methods of the Bot API that the sandbox's Telegram offers; each module ends with its table `METHODS`."""
