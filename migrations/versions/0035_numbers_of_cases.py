"""the numbers of cases, which count those that people were called for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# What operators have written down stays true: until now they saw the id.
KEEP = """UPDATE desk_cases SET number = id
WHERE owner IN ('waiting', 'held', 'snoozed') OR last_holder <> 0 OR reason <> ''"""


def upgrade() -> None:
    op.add_column("desk_cases", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_desk_cases_number", "desk_cases", ["bot", "number"])
    op.execute(KEEP)


def downgrade() -> None:
    with op.batch_alter_table("desk_cases") as cases:
        cases.drop_index("ix_desk_cases_number")
        cases.drop_column("number")
