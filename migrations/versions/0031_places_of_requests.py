"""requests of batch runs in the order of the file

Without it each page of a million requests would be found by sorting all of them.
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_batch_requests_place", "batch_requests", ["run", "place"])


def downgrade() -> None:
    op.drop_index("ix_batch_requests_place", table_name="batch_requests")
