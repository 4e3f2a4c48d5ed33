"""the id under which the service remembers an answer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("response", sa.Text()))


def downgrade() -> None:
    op.drop_column("messages", "response")
