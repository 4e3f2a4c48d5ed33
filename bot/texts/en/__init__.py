"""The sentences in English: of chats (`chat`), of rights, limits and personal data (`people`), and of the
knowledge base (`knowledge`)."""

from bot.texts.en import chat, knowledge, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS | knowledge.TEXTS
