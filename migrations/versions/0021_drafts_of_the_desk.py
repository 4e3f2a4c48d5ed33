"""drafts of the support desk and what became of them, and translation between customers and operators"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        cases.add_column(sa.Column("drafts", sa.String(length=8), nullable=False, server_default=""))
        cases.add_column(sa.Column("translate", sa.String(length=16), nullable=False, server_default=""))
    with op.batch_alter_table("desk_relays") as relays:
        relays.add_column(sa.Column("for_team", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "desk_drafts",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("question", ID, nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("quotes", sa.Text(), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("sent", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["desk_cases.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("bot", "key"),
    )
    op.create_index("ix_desk_drafts_case", "desk_drafts", ["case_id"])
    op.create_index("ix_desk_drafts_label", "desk_drafts", ["bot", "label", "id"])
    op.create_table(
        "desk_automatic",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("bot", "label"),
    )


def downgrade() -> None:
    op.drop_table("desk_automatic")
    op.drop_table("desk_drafts")
    with op.batch_alter_table("desk_relays") as relays:
        relays.drop_column("for_team")
    with op.batch_alter_table("desk_cases") as cases:
        cases.drop_column("translate")
        cases.drop_column("drafts")
