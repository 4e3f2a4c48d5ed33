"""accounts of people in whose chats the bot answers (business connections), and those chats"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desk_accounts",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("may_reply", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "id"),
    )
    op.create_table(
        "desk_account_chats",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Float(), nullable=False),
        sa.Column("owned", sa.Float(), nullable=False),
        sa.Column("noticed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "account", "user"),
    )


def downgrade() -> None:
    op.drop_table("desk_account_chats")
    op.drop_table("desk_accounts")
