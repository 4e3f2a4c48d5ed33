"""answers for one: what only one member of a group sees, and whether notices are so"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ADDRESSED = ("conversations", "deliveries", "operations", "jobs")


def upgrade() -> None:
    for table in ADDRESSED:
        op.add_column(table, sa.Column("only", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("chats", sa.Column("notices", sa.String(length=8), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.drop_column("notices")
    # What only one person was to see must not come to stand before everybody's eyes.
    op.execute("DELETE FROM messages WHERE conversation_id IN (SELECT id FROM conversations WHERE only <> 0)")
    for table in ADDRESSED:
        op.execute(f"DELETE FROM {table} WHERE only <> 0")
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("only")
