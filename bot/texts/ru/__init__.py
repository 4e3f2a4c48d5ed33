"""The sentences in Russian: of chats (`chat`), and of rights, limits and personal data (`people`)."""

from bot.texts.ru import chat, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS
