"""what was chosen in a topic: model, persona, reasoning, and whether the bot answers every message there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "topics",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=True),
        sa.Column("persona", sa.String(length=64), nullable=True),
        sa.Column("reasoning", sa.String(length=8), nullable=True),
        sa.Column("answers", sa.String(length=8), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("bot", "chat", "thread", name=op.f("pk_topics")),
    )


def downgrade() -> None:
    op.drop_table("topics")
