"""The sentences in Russian: of chats (`chat`), of rights, limits and personal data (`people`), and of the
knowledge base (`knowledge`)."""

from bot.texts.ru import chat, knowledge, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS | knowledge.TEXTS
