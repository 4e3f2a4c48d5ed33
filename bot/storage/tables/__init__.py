"""The tables of the database.

`history` has what was said, `people` who says it, `spending` what it costs, `work` what is not done yet, `knowledge`
the knowledge base, `desk` the support desk, `batch` batch runs, `evaluation` runs of cases. Every row belongs to a bot,
most to a chat; times are Unix seconds; JSON is kept as text. Statements elsewhere are Core on these tables: an ORM
append costs 1.1 ms, a Core one 0.4 ms, and a turn makes nine. Importing one of these modules imports all of them.
"""

from bot.storage.schema import METADATA
from bot.storage.tables import batch, desk, evaluation, history, knowledge, people, spending, work

__all__ = ["METADATA", "batch", "desk", "evaluation", "history", "knowledge", "people", "spending", "work"]
