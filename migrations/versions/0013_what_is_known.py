"""what is known: sources, their articles, the passages that are searched, and the embeddings of these"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "kb_sources",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), server_default="{}", nullable=False),
        sa.Column("audience", sa.Text(), server_default="[]", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("every", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("added", sa.Float(), nullable=False),
        sa.Column("tried", sa.Float(), nullable=True),
        sa.Column("synced", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kb_sources"),
        sa.UniqueConstraint("bot", "name", name="uq_kb_sources_bot_name"),
    )
    op.create_table(
        "kb_articles",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("key", sa.String(length=1000), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.String(length=8), server_default="", nullable=False),
        sa.Column("audience", sa.String(length=64), server_default="", nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("validators", sa.Text(), server_default="{}", nullable=False),
        sa.Column("fetched", sa.Float(), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["kb_sources.id"], name="fk_kb_articles_source_id_kb_sources", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_kb_articles"),
        sa.UniqueConstraint("source_id", "key", name="uq_kb_articles_source_id_key"),
    )
    op.create_table(
        "kb_passages",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("article_id", ID, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("page", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("anchor", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sentences", sa.LargeBinary(), nullable=False),
        sa.Column("sha", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["kb_sources.id"], name="fk_kb_passages_source_id_kb_sources", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["kb_articles.id"], name="fk_kb_passages_article_id_kb_articles", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_kb_passages"),
    )
    op.create_index("ix_kb_passages_article", "kb_passages", ["article_id", "ordinal"])
    op.create_index("ix_kb_passages_source", "kb_passages", ["source_id"])
    op.create_index("ix_kb_passages_added", "kb_passages", ["added", "id"])
    op.create_index("ix_kb_passages_ended", "kb_passages", ["ended"])
    op.create_index("ix_kb_passages_sha", "kb_passages", ["sha"])
    op.create_table(
        "kb_vectors",
        sa.Column("sha", sa.LargeBinary(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha", "model", name="pk_kb_vectors"),
    )
    op.create_index("ix_kb_vectors_added", "kb_vectors", ["model", "added"])
    op.create_table(
        "kb_quotes",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("passage_id", ID, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="fk_kb_quotes_message_id_messages", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["passage_id"], ["kb_passages.id"], name="fk_kb_quotes_passage_id_kb_passages", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_kb_quotes"),
    )
    op.create_index("ix_kb_quotes_message", "kb_quotes", ["message_id"])
    op.create_index("ix_kb_quotes_passage", "kb_quotes", ["passage_id"])
    op.create_table(
        "kb_generation",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kb_generation"),
    )


def downgrade() -> None:
    for table in ("kb_generation", "kb_quotes", "kb_vectors", "kb_passages", "kb_articles", "kb_sources"):
        op.drop_table(table)
