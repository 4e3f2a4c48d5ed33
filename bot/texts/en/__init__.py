"""The sentences in English: of chats (`chat`), and of rights, limits and personal data (`people`)."""

from bot.texts.en import chat, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS
