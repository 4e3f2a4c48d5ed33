"""budgets: what was spent on a day and what is held back; buttons are bound to the answer they stand under"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spending",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.String(length=4), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "day", "kind", "scope", "subject", name=op.f("pk_spending")),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
    )
    op.create_index("ix_reservations_day", "reservations", ["bot", "day", "kind"], unique=False)
    op.create_index("ix_usage_day", "usage", ["bot", "at"], unique=False)
    # Buttons of before belong to no answer: they have expired.
    op.add_column("buttons", sa.Column("delivery", sa.String(length=80), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("buttons", schema=None) as batch_op:
        batch_op.drop_column("delivery")
    op.drop_index("ix_usage_day", table_name="usage")
    op.drop_index("ix_reservations_day", table_name="reservations")
    op.drop_table("reservations")
    op.drop_table("spending")
