"""duty of the operators of a support desk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desk_operators",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("is_on", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("assigned", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "user"),
    )


def downgrade() -> None:
    op.drop_table("desk_operators")
