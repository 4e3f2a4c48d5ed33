"""Two bots in one database: what one of them is asked about a person, and told to forget, is never the other's (P21).

Every table is filled for two bots, two people and two kinds of chat, each row with a word that says whose it is.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Boolean, Column, LargeBinary, String, Table, func, select, update
from typer.testing import CliRunner

from bot import cli
from bot.clock import SystemClock
from bot.errors import ConfigError
from bot.storage.engines.prepared import inserter
from bot.storage.repositories.prompts import read_versions
from bot.storage.store import Store, Tx
from bot.storage.tables import METADATA
from bot.storage.tables.history import Judgement, StoredMessage
from bot.storage.tables.work import Operation
from bot.types import Address

BOT, OTHER = 42, 43
ANNA, BORIS = 1001, 1002
GROUP = -5
PRIVACY = Path(__file__).parents[3] / "docs" / "privacy.md"

# What `/export` calls the rows of a table. A new table comes here or below, and into docs/privacy.md.
EXPORTED = {
    "users": "user", "chats": "chat", "topics": "topics", "members": "member",
    "allowances": "allowance", "conversations": "conversations",
    "messages": "messages", "summaries": "summaries", "facts": "facts", "documents": "documents",
    "passages": "passages", "feedback": "feedback", "usage": "usage", "operations": "operations", "jobs": "reminders",
    "blobs": "files", "templates": "templates", "topic_choices": "topic_choices",
    "topic_samples": "topic_samples", "desk_cases": "cases", "evaluation_cases": "evaluation_cases",
    "evaluation_results": "evaluation_results", "router_states": "router_states",
}  # fmt: skip
# What it does not hand over: words that are in it already, what is open for a moment, and what is the operator's.
NOT_EXPORTED = {
    "deliveries", "placed", "updates", "buttons", "awaited", "spending", "reservations", "invites", "applications",
    "audit",
    "persona_versions", "kb_sources", "kb_articles", "kb_passages", "kb_vectors", "kb_generation", "kb_gates",
    "kb_quotes", "kb_gaps", "kb_learned", "desk_groups", "desk_seats", "desk_relays", "desk_events",
    "desk_operators", "desk_drafts", "desk_automatic", "desk_accounts", "desk_account_chats", "batch_runs",
    "batch_requests", "batch_vendor_runs", "program_keys", "evaluation_runs", "model_states", "dataset_people",
    "tunings",
}  # fmt: skip
# What `/forget` leaves: numbers without a name, what admins have decided, and the operator's own texts.
KEPT = {
    "usage", "spending", "reservations", "members", "allowances", "invites", "audit", "persona_versions",
    "kb_sources", "kb_articles", "kb_passages", "kb_vectors", "kb_generation", "kb_gates",
    "kb_learned", "desk_groups", "desk_automatic", "batch_runs", "batch_requests",
    "batch_vendor_runs", "program_keys", "evaluation_runs", "model_states", "dataset_people", "tunings",
}  # fmt: skip

JSON = {
    "parts": '[{"is": "text", "text": "%s"}]',
    "outgoing": '{"text": "%s"}',
    "prompt": '[{"text": "%s"}]',
    "payload": '{"text": "%s"}',
    "request": '{"prompt": "%s"}',
    "details": '{"about": "%s"}',
    "message_ids": "[]",
    "sources": "[]",
    "data": '{"text": "%s"}',
}
WORDS = {"transport": "telegram", "connection": "", "state": "dead", "reason": "", "role": "user", "scope": "user"}


class Whose(NamedTuple):
    bot: int
    user: int
    chat: int

    @property
    def word(self) -> str:
        return f"word-{self.bot}-{self.user}-{abs(self.chat)}-"


ALL = [Whose(bot, user, chat) for bot in (BOT, OTHER) for user in (ANNA, BORIS) for chat in (user, GROUP)]
HERS = [whose.word for whose in ALL if whose[:2] == (BOT, ANNA)]
NOT_HERS = [whose.word for whose in ALL if whose.word not in HERS]
NUMBERS = itertools.count(1)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as store:
        await store.write(fill)
        yield store


def fill(tx: Tx) -> None:
    for whose in ALL:
        known: dict[str, Any] = {}
        for table in METADATA.sorted_tables:
            if table.name in ("chats", "topics") and whose.chat == GROUP:
                continue  # a group is nobody's
            row = {column.name: value(table, column, whose, known) for column in table.columns if not numbered(column)}
            tx.connection.execute(inserter(tx.connection.dialect.name)(table).on_conflict_do_nothing(), row)
            if "id" in table.columns and "id" not in row:
                known[f"{table.name}.id"] = tx.connection.scalar(select(func.max(table.c.id)))


def numbered(column: Column[Any]) -> bool:
    """Whether the database numbers it by itself."""
    return column.name == "id" and len(column.table.primary_key.columns) == 1


def value(table: Table, column: Column[Any], whose: Whose, known: dict[str, Any]) -> Any:
    for key in column.foreign_keys:
        return known[key.target_fullname]
    places = {"bot": whose.bot, "user": whose.user, "chat": whose.chat, "actor": whose.user, "subject": whose.user}
    places |= {"id": whose.chat if table.name == "chats" else whose.user, "by": whose.user}
    if column.name == "raw":
        return json.dumps({"from": {"id": whose.user}, "text": whose.word})
    if column.name == "kind":
        return "reminder" if table.name == "jobs" else "tokens"
    if isinstance(column.type, String):
        if column.name in ("chat", "subject"):
            return str(places[column.name])
        given = JSON.get(column.name, WORDS.get(column.name))
        short = column.type.length is not None and column.type.length < len(whose.word)
        return given.replace("%s", whose.word) if given is not None else "" if short else whose.word
    if isinstance(column.type, LargeBinary):
        return whose.word.encode()
    if column.name in places:
        return places[column.name]
    if column.name == "update_id":
        return next(NUMBERS)
    if column.nullable and column.name in ("head", "parent"):
        return None
    return False if isinstance(column.type, Boolean) else 1


def rows(tx: Tx, word: str = "") -> dict[str, list[tuple[Any, ...]]]:
    """Every row that holds the word, by table."""
    found = {}
    for table in METADATA.sorted_tables:
        everything = [tuple(row) for row in tx.connection.execute(select(table).order_by(*table.primary_key.columns))]
        found[table.name] = [row for row in everything if word in repr(row)]
    return found


def of_others(tx: Tx) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    return {word: rows(tx, word) for word in NOT_HERS}


def of_the_other_bot(tx: Tx) -> dict[str, list[tuple[Any, ...]]]:
    return rows(tx, f"word-{OTHER}-")


def words_in(found: object) -> set[str]:
    return {whose.word for whose in ALL if whose.word in repr(found)}


# --- every table has its place ----------------------------------------------------------------------------------------


def test_every_table_is_exported_or_said_not_to_be() -> None:
    tables = set(METADATA.tables)
    assert set(EXPORTED) | NOT_EXPORTED == tables, "a new table: say what /export and /forget do with it"
    assert not set(EXPORTED) & NOT_EXPORTED
    assert tables >= KEPT
    told = PRIVACY.read_text()
    assert [name for name in sorted(tables) if f"`{name}`" not in told] == []


def test_every_table_belongs_to_a_bot_by_itself_or_through_another() -> None:
    for table in METADATA.sorted_tables:
        if table.name in ("kb_vectors", "kb_generation"):  # of a text, whoever has it; a number
            continue
        over = [key.column.table for key in table.foreign_keys]
        assert "bot" in table.columns or any("bot" in other.columns or other.foreign_keys for other in over), table.name


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_an_export_has_every_table_of_the_person_and_nothing_of_another_bot_or_person(store: Store) -> None:
    found = await store.read(lambda tx: tx.personal_data.export_rows(BOT, ANNA))
    files = await store.read(lambda tx: tx.personal_data.list_files(BOT, ANNA))
    data = await store.read(lambda tx: [tx.personal_data.read_file(BOT, ANNA, id_) for id_, *_ in files])
    assert {name for name, rows in {**found, "files": files}.items() if rows} == set(EXPORTED.values())
    assert words_in([found, files, data]) == set(HERS)
    assert words_in(data) == set(HERS)


async def test_a_file_of_another_bot_or_person_is_not_handed_out_by_its_number(store: Store) -> None:
    everything = await store.read(lambda tx: rows(tx)["blobs"])
    data = await store.read(lambda tx: [tx.personal_data.read_file(BOT, ANNA, row[0]) for row in everything])
    assert words_in(data) == set(HERS)


LOOKS: dict[str, Callable[[Tx], object]] = {
    "usage of everybody": lambda tx: tx.ledger.cost_by_model(BOT, 0),
    "audit": lambda tx: tx.audit.list_newest(BOT, 100),
    "members": lambda tx: tx.members.read_names(BOT, [ANNA, BORIS]),
    "a name": lambda tx: [
        tx.members.find_by_name(BOT, f"word-{OTHER}-{ANNA}-{ANNA}-"),
        tx.members.read_names(BOT, [ANNA]),
    ],
    "reminders": lambda tx: tx.jobs.list_of_chat(Address("telegram", BOT, ANNA), "reminder"),
    "orders": lambda tx: [tx.one(Operation, bot=BOT, turn=whose.word) for whose in ALL],
    "conversations": lambda tx: [
        tx.conversations.list_conversations(Address("telegram", BOT, chat)) for chat in (ANNA, GROUP)
    ],
    "dead updates": lambda tx: [tx.inbox.find_by_once(BOT, whose.word) for whose in ALL],
}


async def test_no_answer_has_a_word_of_another_bot(store: Store) -> None:
    for name, look in LOOKS.items():
        found = words_in(await store.read(look))
        assert not [word for word in found if word.startswith(f"word-{OTHER}-")], name


async def test_what_one_has_spent_is_counted_for_one_bot(store: Store) -> None:
    own = await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0, ANNA))
    assert words_in(own) == set(HERS)
    days = await store.read(lambda tx: tx.ledger.cost_by_day(BOT, 0, ANNA))
    assert [line.requests for line in days.values()] == [2]
    assert sum(line.requests for line in await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0))) == 4


async def test_opinions_are_printed_of_the_bots_of_the_settings_or_of_the_one_that_is_named(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    def printed(*arguments: str, **environment: str) -> list[dict[str, Any]]:
        known = {"DATABASE_URL": database_url, "BOT_TOKEN": "", "BOTS": "", **environment}
        done = CliRunner().invoke(cli.app, ["feedback", *arguments], env=known, catch_exceptions=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    kept = printed(BOT_TOKEN=f"{BOT}:{'a' * 35}")
    assert [row["bot"] for row in kept] == [BOT] * 4
    assert not [word for word in words_in(kept) if word.startswith(f"word-{OTHER}-")]
    assert [row["bot"] for row in printed("--bot", str(OTHER))] == [OTHER] * 4
    for bot in (BOT, OTHER):
        (tmp_path / f"{bot}.env").write_text(f"BOT_TOKEN={bot}:{'a' * 35}\n")
    assert {row["bot"] for row in printed(BOTS=str(tmp_path))} == {BOT, OTHER}
    with pytest.raises(ConfigError, match="BOT_TOKEN is missing"):
        printed()


async def test_answers_and_judgements_are_counted_for_the_version_of_the_persona_and_the_bot(
    store: Store, database_url: str
) -> None:
    label = f"{HERS[0]}@"  # rows of this test have the version ""
    await store.write(lambda tx: tx.connection.execute(update(StoredMessage.table).values(persona=label)))
    found = {one.label: (one.bot, one.answers, one.good, one.bad) for one in read_versions(database_url, {BOT})}
    assert found == {f"{whose.word}@": (BOT, 0, 0, 0) for whose in ALL if whose.bot == BOT} | {label: (BOT, 4, 4, 0)}


# --- what is changed --------------------------------------------------------------------------------------------------


async def test_to_be_forgotten_by_a_bot_leaves_what_others_said_and_what_another_bot_knows(store: Store) -> None:
    before = await store.read(of_others)
    await store.write(lambda tx: tx.personal_data.delete_person(BOT, ANNA))
    assert await store.read(of_others) == before
    left = await store.read(lambda tx: [rows(tx, word) for word in HERS])
    assert {name for found in left for name, kept in found.items() if kept} <= KEPT
    assert (await store.read(lambda tx: tx.personal_data.export_rows(BOT, ANNA)))["usage"] == []


@pytest.mark.parametrize("private", [True, False])
async def test_what_is_too_old_for_one_bot_is_kept_by_another(store: Store, private: bool) -> None:
    before = await store.read(of_the_other_bot)
    while await store.write(lambda tx: tx.personal_data.delete_expired(BOT, 2.0, private=private)):
        pass
    assert await store.read(of_the_other_bot) == before
    gone = next(whose for whose in ALL if whose.bot == BOT and (whose.chat > 0) is private)
    assert (await store.read(lambda tx: rows(tx, gone.word)))["messages"] == []


async def test_a_group_that_moves_moves_for_one_bot(store: Store) -> None:
    before = await store.read(of_the_other_bot)
    await store.write(lambda tx: tx.chats.change_id(BOT, GROUP, -1005))
    assert await store.read(of_the_other_bot) == before


async def test_a_judgement_is_taken_back_from_the_answer_of_one_bot(store: Store) -> None:
    everything = await store.read(lambda tx: rows(tx)["messages"])

    def work(tx: Tx) -> None:
        for row in everything:
            tx.remove(Judgement, bot=BOT, message_id=row[0], user=ANNA)

    before = await store.read(of_others)
    await store.write(work)
    assert await store.read(of_others) == before
    assert await store.read(lambda tx: tx.personal_data.export_rows(BOT, ANNA)["feedback"]) == []
