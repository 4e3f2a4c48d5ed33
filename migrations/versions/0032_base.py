"""where the steps begin: an empty database is made from the tables, a database of this schema goes on"""

from __future__ import annotations

revision = "0032"
down_revision = None
branch_labels = None
depends_on = None
CONTRACTS = "0032"  # no older code can come to this schema any more


def upgrade() -> None:
    raise NotImplementedError("steps make no empty database: `govorun run` does, or `govorun migrate` on a server")
