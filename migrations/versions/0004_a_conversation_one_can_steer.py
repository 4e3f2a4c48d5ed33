"""a conversation one can steer: branches, titles, facts, summaries, files, feedback, members and what they did"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "subject", name=op.f("pk_applications")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["bot", "at"], unique=False)
    op.create_table(
        "blobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("mime", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blobs")),
    )
    op.create_index("ix_blobs_chat", "blobs", ["bot", "chat", "id"], unique=False)
    op.create_index("ix_blobs_user", "blobs", ["bot", "user", "id"], unique=False)
    op.create_table(
        "invites",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("member_seconds", sa.Float(), nullable=True),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
        sa.UniqueConstraint("bot", "code", name=op.f("uq_invites_bot_code")),
    )
    op.create_table(
        "members",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "user", name=op.f("pk_members")),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("conversation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("turn", sa.String(length=64), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_documents_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index("ix_documents_conversation", "documents", ["conversation_id", "id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("conversation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_facts_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facts")),
    )
    op.create_index("ix_facts_conversation", "facts", ["conversation_id", "id"], unique=False)
    op.create_table(
        "summaries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("conversation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(length=8), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_summaries_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
        sa.UniqueConstraint("conversation_id", "version", name=op.f("uq_summaries_conversation_id_version")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("sign", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_feedback_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("message_id", "user", name=op.f("uq_feedback_message_id_user")),
    )
    op.create_table(
        "passages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("document_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_passages_document_id_documents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
    )
    op.create_index("ix_passages_document", "passages", ["document_id", "id"], unique=False)
    op.add_column("chats", sa.Column("persona", sa.String(length=64), server_default="", nullable=False))
    op.add_column("chats", sa.Column("reasoning", sa.String(length=8), server_default="", nullable=False))
    op.add_column("chats", sa.Column("mirrors", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("chats", sa.Column("is_allowed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("conversations", sa.Column("chosen", sa.Float(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("head", sa.BigInteger(), nullable=True))
    op.add_column("conversations", sa.Column("title", sa.String(length=128), server_default="", nullable=False))
    op.add_column("conversations", sa.Column("named_by", sa.String(length=8), server_default="", nullable=False))
    op.add_column("conversations", sa.Column("is_pinned", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("conversations", sa.Column("is_archived", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_conversations_address", table_name="conversations")
    columns = ["bot", "chat", "thread", "connection", "chosen", "id"]
    op.create_index("ix_conversations_address", "conversations", columns, unique=False)
    op.add_column("messages", sa.Column("parent", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("user", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("place", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("model", sa.String(length=200), server_default="", nullable=False))
    op.add_column("messages", sa.Column("sources", sa.Text(), server_default="[]", nullable=False))
    op.create_index("ix_messages_versions", "messages", ["conversation_id", "parent"], unique=False)
    op.create_index("ix_messages_place", "messages", ["bot", "chat", "place"], unique=False)
    op.add_column("usage", sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_usage_user", "usage", ["bot", "user", "at"], unique=False)
    op.add_column("users", sa.Column("model", sa.String(length=200), server_default="", nullable=False))
    op.add_column("users", sa.Column("timezone", sa.String(length=64), server_default="", nullable=False))

    # What was one line becomes a tree with one branch; the newest conversation of an address goes on.
    op.execute("UPDATE conversations SET chosen = at")
    op.execute(
        "UPDATE messages SET parent = "
        "(SELECT max(before.id) FROM messages AS before"
        " WHERE before.conversation_id = messages.conversation_id AND before.id < messages.id)"
    )
    op.execute(
        "UPDATE conversations SET head = (SELECT max(id) FROM messages WHERE conversation_id = conversations.id)"
    )
    op.execute("UPDATE messages SET \"user\" = chat WHERE chat > 0 AND role = 'user'")


def downgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("timezone")
        batch_op.drop_column("model")

    with op.batch_alter_table("usage", schema=None) as batch_op:
        batch_op.drop_index("ix_usage_user")
        batch_op.drop_column("cost")

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_versions")
        batch_op.drop_index("ix_messages_place")
        batch_op.drop_column("sources")
        batch_op.drop_column("model")
        batch_op.drop_column("place")
        batch_op.drop_column("user")
        batch_op.drop_column("parent")

    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index("ix_conversations_address")
        batch_op.create_index(
            batch_op.f("ix_conversations_address"), ["bot", "chat", "thread", "connection", "id"], unique=False
        )
        batch_op.drop_column("is_archived")
        batch_op.drop_column("is_pinned")
        batch_op.drop_column("named_by")
        batch_op.drop_column("title")
        batch_op.drop_column("head")
        batch_op.drop_column("chosen")

    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.drop_column("is_allowed")
        batch_op.drop_column("mirrors")
        batch_op.drop_column("reasoning")
        batch_op.drop_column("persona")

    with op.batch_alter_table("passages", schema=None) as batch_op:
        batch_op.drop_index("ix_passages_document")

    op.drop_table("passages")
    op.drop_table("feedback")
    op.drop_table("summaries")
    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.drop_index("ix_facts_conversation")

    op.drop_table("facts")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_conversation")

    op.drop_table("documents")
    op.drop_table("members")
    op.drop_table("invites")
    with op.batch_alter_table("blobs", schema=None) as batch_op:
        batch_op.drop_index("ix_blobs_user")
        batch_op.drop_index("ix_blobs_chat")

    op.drop_table("blobs")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_at")

    op.drop_table("audit")
    op.drop_table("applications")
