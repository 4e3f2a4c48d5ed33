"""a programmer's lines on the card of a case"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        cases.add_column(sa.Column("lines", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        cases.drop_column("lines")
