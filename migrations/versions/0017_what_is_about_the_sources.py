"""what is about the sources: gates that were fitted on the operator's own questions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kb_gates",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "model", name="pk_kb_gates"),
    )


def downgrade() -> None:
    op.drop_table("kb_gates")
