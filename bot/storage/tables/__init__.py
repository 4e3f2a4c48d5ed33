"""The tables: what was said (`history`), who speaks (`people`), what it costs (`spending`), what is open (`work`),
what is known (`knowledge`), whom people take care of (`desk`), what is asked of a model by the thousand (`batch`),
what is asked again before a change (`evaluation`).

Every row belongs to a bot and a chat; times are Unix seconds; JSON is kept as text. Statements elsewhere are Core on
these tables: an ORM append costs 1.1 ms, a Core one 0.4 ms, and a turn makes nine. Whoever has one part has all.
"""

from bot.storage.tables import batch, desk, evaluation, history, knowledge, people, spending, work
from bot.storage.tables.base import METADATA

__all__ = ["METADATA", "batch", "desk", "evaluation", "history", "knowledge", "people", "spending", "work"]
