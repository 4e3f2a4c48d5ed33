"""whose chat it is: the open updates of one chat, and on PostgreSQL a queue that processes share"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage.engines import job_notify

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
CONTRACTS = "0007"  # code that does not know the queue would put updates where nobody looks for them


def upgrade() -> None:
    op.add_column("updates", sa.Column("chat", sa.String(length=160), server_default="", nullable=False))
    job_notify.create(op.get_bind())


def downgrade() -> None:
    job_notify.drop(op.get_bind())
    with op.batch_alter_table("updates", schema=None) as batch_op:
        batch_op.drop_column("chat")
