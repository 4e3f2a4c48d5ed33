"""What a bot needs of aiogram for `App.include_router`, loaded in a fifth of the time that `import aiogram` takes, and
with a third of the memory. Whatever else you need, import it from aiogram after this module.

    from govorun.aiogram import Command, F, Message, Router
"""

from govorun import load

load()

import bot.telegram  # noqa: E402, F401, I001  before aiogram: then its models are built when they are first used
from aiogram import Bot, F, Router  # noqa: E402
from aiogram.filters import BaseFilter, Command, CommandObject, CommandStart, StateFilter  # noqa: E402
from aiogram.fsm.context import FSMContext  # noqa: E402
from aiogram.fsm.state import State, StatesGroup  # noqa: E402
from aiogram.fsm.storage.memory import MemoryStorage  # noqa: E402
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message  # noqa: E402

__all__ = [
    "BaseFilter",
    "Bot",
    "CallbackQuery",
    "Command",
    "CommandObject",
    "CommandStart",
    "F",
    "FSMContext",
    "InlineKeyboardButton",
    "InlineKeyboardMarkup",
    "MemoryStorage",
    "Message",
    "Router",
    "State",
    "StateFilter",
    "StatesGroup",
]
