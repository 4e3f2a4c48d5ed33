"""support desk: cases, the operators' groups and topics, relayed messages, what happened to a case"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _address() -> list[sa.Column[Any]]:
    return [
        sa.Column("transport", sa.String(length=16), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("connection", sa.String(length=128), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.BigInteger(), nullable=False),
        sa.Column("only", sa.BigInteger(), server_default="0", nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "desk_cases",
        *_address(),
        sa.Column("id", ID, nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=8), nullable=False),
        sa.Column("holder", sa.BigInteger(), nullable=False),
        sa.Column("last_holder", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("opened", sa.Float(), nullable=False),
        sa.Column("waiting_since", sa.Float(), nullable=False),
        sa.Column("snoozed_until", sa.Float(), nullable=False),
        sa.Column("closed", sa.Float(), nullable=False),
        sa.Column("rating", sa.Integer(), server_default="0", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("open", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_desk_cases"),
        sa.UniqueConstraint(
            "bot", "connection", "chat", "thread", "only", "open",
            name="uq_desk_cases_bot_connection_chat_thread_only_open",
        ),
    )  # fmt: skip
    op.create_index("ix_desk_cases_owner", "desk_cases", ["bot", "owner"])
    op.create_index("ix_desk_cases_chat", "desk_cases", ["bot", "chat", "id"])
    op.create_table(
        "desk_groups",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "chat", name="pk_desk_groups"),
    )
    op.create_table(
        "desk_seats",
        *_address(),
        sa.Column("id", ID, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_desk_seats"),
        sa.UniqueConstraint("bot", "place", "topic", name="uq_desk_seats_bot_place_topic"),
        sa.UniqueConstraint(
            "bot", "connection", "chat", "thread", "only", "place",
            name="uq_desk_seats_bot_connection_chat_thread_only_place",
        ),
    )  # fmt: skip
    op.create_table(
        "desk_relays",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("delivery", sa.String(length=80), nullable=False),
        sa.Column("part", sa.Integer(), server_default="0", nullable=False),
        sa.Column("author", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["desk_cases.id"], name="fk_desk_relays_case_id_desk_cases", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_desk_relays"),
        sa.UniqueConstraint("bot", "chat", "message", name="uq_desk_relays_bot_chat_message"),
    )
    op.create_index("ix_desk_relays_delivery", "desk_relays", ["bot", "delivery"])
    op.create_index("ix_desk_relays_case", "desk_relays", ["case_id"])
    op.create_table(
        "desk_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("who", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["desk_cases.id"], name="fk_desk_events_case_id_desk_cases", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_desk_events"),
    )
    op.create_index("ix_desk_events_case", "desk_events", ["case_id"])
    op.create_index("ix_desk_events_at", "desk_events", ["bot", "at"])


def downgrade() -> None:
    for name in ("desk_events", "desk_relays", "desk_seats", "desk_groups", "desk_cases"):
        op.drop_table(name)
