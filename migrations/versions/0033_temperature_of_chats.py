"""how free the answers of a chat, or of a topic of it, are"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chats", sa.Column("temperature", sa.String(length=8), server_default="", nullable=False))
    op.add_column("topics", sa.Column("temperature", sa.String(length=8), nullable=True))


def downgrade() -> None:
    op.drop_column("topics", "temperature")
    op.drop_column("chats", "temperature")
