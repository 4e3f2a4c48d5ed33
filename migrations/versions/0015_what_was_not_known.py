"""what was not known: questions without an answer, what people answered to them, quotes that no longer stand"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "kb_learned",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("review", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kb_learned"),
    )
    op.create_index("ix_kb_learned_review", "kb_learned", ["bot", "state", "review"])
    op.create_table(
        "kb_gaps",
        sa.Column("transport", sa.String(length=16), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("connection", sa.String(length=128), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.BigInteger(), nullable=False),
        sa.Column("only", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("learned_id", ID, nullable=True),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("topic", sa.String(length=64), server_default="", nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tell", sa.String(length=8), server_default="", nullable=False),
        sa.Column("checked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="fk_kb_gaps_message_id_messages", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["learned_id"], ["kb_learned.id"], name="fk_kb_gaps_learned_id_kb_learned", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_kb_gaps"),
        sa.UniqueConstraint("message_id", name="uq_kb_gaps_message_id"),
    )
    op.create_index("ix_kb_gaps_at", "kb_gaps", ["bot", "at"])
    op.create_index("ix_kb_gaps_tell", "kb_gaps", ["bot", "tell"])
    op.create_index("ix_kb_gaps_learned_id", "kb_gaps", ["learned_id"])
    op.add_column("kb_quotes", sa.Column("stale", sa.String(length=8), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("kb_quotes", schema=None) as batch_op:
        batch_op.drop_column("stale")
    op.drop_table("kb_gaps")
    op.drop_table("kb_learned")
