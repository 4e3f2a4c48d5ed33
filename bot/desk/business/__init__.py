"""The bot in chats of people's accounts (business connections of Telegram): drafts for the owner, or answers."""
