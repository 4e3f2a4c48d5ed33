"""Renders a model's Markdown for Telegram: one tree, three ways to send it (rich blocks, text with entities, plain
text).

Begin with `parse` in `parsing`; the tree is in `document`. Pure functions: no network, no aiogram, no state but a cache
of parsed text. `draft` cuts a growing answer where it can be shown; `rich`, `pieces` and `plain` make the messages.
"""

from bot.telegram.render.blocks import needs_rich, rich
from bot.telegram.render.document import Document
from bot.telegram.render.entities import Piece, pieces
from bot.telegram.render.parsing import parse
from bot.telegram.render.plain import plain
from bot.telegram.render.streaming import draft, tail
from bot.telegram.render.thought import below

__all__ = ["Document", "Piece", "below", "draft", "needs_rich", "parse", "pieces", "plain", "rich", "tail"]
