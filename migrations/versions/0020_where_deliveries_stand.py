"""where deliveries stand: the deliveries in a message, and the versions of a delivery, without reading a chat's newest

A version of before that works beside this one leaves `placed` and `of` as they are: what it sends meanwhile is found by
its key only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OF = '"of": "'  # as `Outgoing` is stored as JSON, where quotes of texts are escaped
PLACE = """
    INSERT INTO placed (bot, connection, chat, "only", message, delivery)
    SELECT DISTINCT bot, connection, chat, "only", CAST(one.value AS BIGINT), deliveries.id FROM deliveries, {ids}
"""


def upgrade() -> None:
    op.create_table(
        "placed",
        sa.Column("bot", sa.BigInteger(), nullable=False),
        sa.Column("connection", sa.String(length=128), nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("only", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("delivery", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.id"], ondelete="CASCADE", name="fk_placed_delivery_deliveries"
        ),
        sa.PrimaryKeyConstraint("bot", "connection", "chat", "only", "message", "delivery", name="pk_placed"),
        sqlite_with_rowid=False,
    )
    op.add_column("deliveries", sa.Column("of", sa.String(length=80), nullable=False, server_default=""))
    connection = op.get_bind()
    is_file = connection.dialect.name == "sqlite"
    known = "CASE WHEN message_ids LIKE '[%' THEN message_ids ELSE '[]' END"
    ids = f"json_each({known}) AS one" if is_file else f"json_array_elements_text(({known})::json) AS one(value)"
    connection.execute(sa.text(PLACE.format(ids=ids)))
    place = "instr" if is_file else "strpos"
    rest = f"substr(outgoing, {place}(outgoing, :of) + {len(OF)})"
    fill = f"""UPDATE deliveries SET "of" = substr({rest}, 1, {place}({rest}, '"') - 1)
        WHERE {place}(outgoing, :of) > 0"""
    connection.execute(sa.text(fill), {"of": OF})
    op.create_index("ix_placed_delivery", "placed", ["delivery"])
    op.create_index("ix_deliveries_of", "deliveries", ["bot", "of"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_of", "deliveries")
    op.drop_column("deliveries", "of")
    op.drop_table("placed")
