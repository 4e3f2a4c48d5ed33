"""The sentences in English: of chats (`chat`), of rights, limits and personal data (`people`), and of the
knowledge base (`knowledge`), of the support desk (`desk`, `business`)."""

from bot.texts.en import business, chat, desk, evaluation, knowledge, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS | knowledge.TEXTS | desk.TEXTS | business.TEXTS | evaluation.TEXTS
