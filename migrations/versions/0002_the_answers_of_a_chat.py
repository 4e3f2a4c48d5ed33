"""the answers of a chat: a search for our own messages was a walk over all of them (9 ms at 100,000 rows)"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_deliveries_chat", "deliveries", ["bot", "chat", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_deliveries_chat", table_name="deliveries")
