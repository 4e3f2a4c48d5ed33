"""seats of operators in their own private chats"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("desk_seats") as seats:
        seats.add_column(sa.Column("flat", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("desk_seats") as seats:
        seats.drop_column("flat")
