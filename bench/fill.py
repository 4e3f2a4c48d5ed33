"""An old database: `fill` multiplies the only turn of the only chat, in SQL, over many chats and turns.

Nothing but ids is made up, so this knows little of the schema. The messages of a chat lie apart, as they do where many
talk at the same time. PostgreSQL only.
"""

from __future__ import annotations

import psycopg

from bot.storage.tables import METADATA

PEOPLE = {"chats": {"id": "{first} + g"}, "users": {"id": "{first} + g"}}
TALKS = {
    "conversations": {
        "id": "{conversation} + g",
        "chat": "{first} + g",
        "head": "{message} + (({turns} - 1) * {chats} + g) * 2 + 1",
    }
}
TURNS = {
    "messages": {
        "id": "{message} + (t * {chats} + g) * 2 + one.r",
        "conversation_id": "{conversation} + g",
        "chat": "{first} + g",
        "turn": "'f' || g || '.' || t",
        "place": "t * 2 + 1",
        "parent": "CASE WHEN one.r = 1 THEN {message} + (t * {chats} + g) * 2"
        " WHEN t > 0 THEN {message} + ((t - 1) * {chats} + g) * 2 + 1 END",
        "user": "CASE WHEN one.user = 0 THEN 0 ELSE {first} + g END",
    },
    "deliveries": {"chat": "{first} + g", "key": "'f' || g || '.' || t", "message_ids": "'[' || t * 2 + 2 || ']'"},
    "usage": {"chat": "{first} + g", "user": "{first} + g", "turn": "'f' || g || '.' || t"},
    "updates": {"update_id": "-1 - (t * {chats} + g)", "once": "'f' || g || '.' || t", "chat": "'/' || {first} + g"},
}
ONE = '(SELECT *, row_number() OVER (ORDER BY {key}) - 1 AS r FROM "{table}" ORDER BY {key} LIMIT {rows}) AS one'
SERIES = "generate_series(0, {turns} - 1) AS t, generate_series(0, {chats} - 1) AS g"


def fill(url: str, first: int, chats: int, messages: int) -> None:
    """`messages` in all, for `chats` people with ids from `first` on. Raises `ValueError` where nobody has talked."""
    turns = max(messages // chats // 2, 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # what is copied has what it refers to
        found = connection.execute("SELECT max(id), (SELECT max(id) FROM messages) FROM conversations").fetchone()
        if found is None or not found[1]:
            raise ValueError("somebody has to talk before the database is filled")
        words = {"first": first, "chats": chats, "conversation": found[0] + 1, "message": found[1] + 1}
        for tables, count in ((PEOPLE, 1), (TALKS, 1), (TURNS, turns)):
            for table, changes in tables.items():
                filled = {name: value.format(**words, turns=turns) for name, value in changes.items()}
                series = SERIES.format(turns=count, chats=chats)
                connection.execute(_multiplied(table, filled, series).encode())
        for table in ("conversations", "messages"):
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}".encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _multiplied(name: str, changes: dict[str, str], series: str) -> str:
    table = METADATA.tables[name]
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    numbered = len(table.primary_key) == 1  # by the database, unless it is said how
    copied = [
        column.name for column in table.columns if not (numbered and column.primary_key) or column.name in changes
    ]
    columns = ", ".join(f'"{column}"' for column in copied)
    values = ", ".join(changes.get(column, f'one."{column}"') for column in copied)
    one = ONE.format(key=key, table=name, rows=2 if name == "messages" else 1)
    return f'INSERT INTO "{name}" ({columns}) SELECT {values} FROM {series}, {one} ORDER BY t, g, one.r'
