"""promises of the support desk: priority, tags and summary of a case, and how long its customer waits"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NUMBERS = ("priority", "told")
TIMES = ("asked", "answered", "touched", "spent")


def upgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        for name in NUMBERS:
            cases.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        cases.add_column(sa.Column("tags", sa.String(length=200), nullable=False, server_default=""))
        cases.add_column(sa.Column("summary", sa.Text(), nullable=False, server_default=""))
        for name in TIMES:
            cases.add_column(sa.Column(name, sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        for name in (*NUMBERS, "tags", "summary", *TIMES):
            cases.drop_column(name)
