"""Gates that were fitted on the operator's own questions. A gate decides whether passages are relevant to a question;
see `knowledge/search/gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from bot.storage.engines.prepared import insert_or_update
from bot.storage.repositories.knowledge.passages import Knowledge
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.knowledge import StoredGate

STORE = insert_or_update(StoredGate.table, ("bot", "model"), ("gate", "at"))


class Gates(Repository):
    """The fitted gates of a bot: one for each embedding model, and one ("") for a search by words alone."""

    def list_gates(self, bot: int) -> Mapping[str, str]:
        """Return the gates of a bot as JSON, by their models."""
        return dict(
            self.connection.execute(select(StoredGate.model, StoredGate.gate).where(StoredGate.bot == bot)).all()
        )

    def store_gate(self, bot: int, model: str, gate: str) -> None:
        """Store the gate for an embedding model in place of its earlier one; "" for `gate` deletes it. All processes
        use it from their next search on.
        """
        if gate:
            row = {"bot": bot, "model": model, "gate": gate, "at": self.clock.time()}
            self.execute(STORE, row)
        else:
            self.connection.execute(delete(StoredGate.table).where(StoredGate.bot == bot, StoredGate.model == model))
        Knowledge(self.connection, self.clock, self.queue).count_up()
