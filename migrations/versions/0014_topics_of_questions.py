"""topics of questions: which one was chosen for each, and the examples that operators corrected"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "topic_choices",
        sa.Column("question_id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("topic", sa.String(length=48), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("rivals", sa.String(length=100), server_default="", nullable=False),
        sa.Column("flags", sa.Text(), server_default="", nullable=False),
        sa.Column("holds", sa.String(length=48), server_default="", nullable=False),
        sa.Column("rival", sa.String(length=48), server_default="", nullable=False),
        sa.Column("wins", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["messages.id"], name="fk_topic_choices_question_id_messages", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("question_id", name="pk_topic_choices"),
    )
    op.create_index("ix_topic_choices_conversation", "topic_choices", ["conversation_id", "question_id"])
    op.create_table(
        "topic_samples",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.String(length=48), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topic_samples"),
        sa.UniqueConstraint("bot", "mark", name="uq_topic_samples_bot_mark"),
    )


def downgrade() -> None:
    for table in ("topic_samples", "topic_choices"):
        op.drop_table(table)
