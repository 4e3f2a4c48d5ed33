"""The sentences in Russian: `chat` (conversations), `people` (rights, limits, personal data), `knowledge` (the
knowledge base), `desk` and `business` (the support desk, and chats of connected accounts).
"""

from bot.texts.ru import business, chat, desk, evaluation, knowledge, people

TEXTS: dict[str, str] = chat.TEXTS | people.TEXTS | knowledge.TEXTS | desk.TEXTS | business.TEXTS | evaluation.TEXTS
