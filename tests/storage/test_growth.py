"""A turn costs the same in a chat with two messages and in one with twenty thousand, in steps of SQLite's machine.

See F91 in docs/promises.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.seed import seed
from bot.ai import Usage
from bot.clock import SystemClock
from bot.storage.store import Store, Tx
from bot.types import Address, Outgoing, Text

BOT, CHAT = 42, 1001
HERE = Address("telegram", BOT, CHAT)
GRANULE = 10  # steps between two counts
OLD = 20_000  # messages
WINDOW = 1_000  # counts that a look at the last few hundred rows may take: one through all of them takes 5,000


def turn(tx: Tx) -> None:
    """What one turn leaves behind."""
    conversation = tx.messages.current_conversation(HERE)
    for role, text in (("user", "question"), ("assistant", "answer")):
        tx.messages.add_message(conversation, HERE, "1", role, (Text(text),))  # type: ignore[arg-type]
    tx.outbox.add_answer("1", HERE, Outgoing("answer"))
    delivery = tx.outbox.next_unsent(HERE)
    assert delivery is not None
    tx.outbox.record_progress(delivery.id, [7], done=1, sent=True)
    tx.ledger.add_line(HERE, CHAT, "1", "yandexgpt", Usage(10, 10))


def steps(tx: Tx, question: Callable[[Tx], Any]) -> int:
    """How many times ten instructions of SQLite a question takes."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    raw: Any = tx.connection.connection.driver_connection
    raw.set_progress_handler(count, GRANULE)
    try:
        question(tx)
    finally:
        raw.set_progress_handler(None, 0)
    return counted[0]


QUESTIONS: dict[str, Callable[[Tx], Any]] = {
    "the next delivery": lambda tx: tx.outbox.next_unsent(HERE),
    "what waits in the chat": lambda tx: tx.outbox.list_waiting_addresses(BOT, HERE.chat_key),
    "all that is left": lambda tx: tx.outbox.list_unfinished(BOT),
    "what is left in the chat": lambda tx: tx.outbox.list_unfinished(BOT, HERE.chat_key),
    "where an answer is placed": lambda tx: tx.outbox.claimed_message("1", HERE),
    "what a message shows": lambda tx: tx.outbox.find_shown(HERE, 7),
    "what another's message shows": lambda tx: tx.outbox.find_shown(HERE, 8),
    "the newest version": lambda tx: tx.outbox.find_version(HERE, "1"),
    "the answer as it was sent": lambda tx: tx.outbox.find_as_sent(HERE, "1", "answer"),
    "the ids of our messages": lambda tx: tx.outbox.list_message_ids(HERE, CHAT, CHAT),
    "the ids of all messages": lambda tx: (
        tx.outbox.list_message_ids(HERE, 0, 1 << 60),
        tx.inbox.list_message_ids(BOT),
    ),
    "an answer in line": lambda tx: tx.outbox.add_answer("1", HERE, Outgoing("x"), marker=1),
    "the latest of the history": lambda tx: tx.messages.list_newest(tx.messages.current_conversation(HERE), 40),
    "the conversation": lambda tx: tx.messages.find_current_conversation(HERE),
    "whether a turn is known": lambda tx: tx.messages.find_of_turn(HERE, "1", "user"),
    "the choices of the chat": lambda tx: tx.chats.read_choices(HERE),
    "the updates that are open": lambda tx: tx.inbox.list_open(BOT),
}


@pytest.fixture
async def young_and_old(tmp_path: Path, template: Path) -> list[str]:
    """Two databases with the same chat, one of them with a long past."""
    urls = []
    for name in ("young", "old"):
        path = tmp_path / f"{name}.db"
        shutil.copy(template, path)
        urls.append(f"sqlite+aiosqlite:///{path}")
        async with Store.open(urls[-1], SystemClock()) as store:
            await store.write(turn)
    await seed(urls[1], CHAT, OLD)
    return urls


async def test_no_question_of_a_turn_walks_through_the_past_of_the_chat(young_and_old: list[str]) -> None:
    found: list[dict[str, int]] = []
    for url in young_and_old:
        async with Store.open(url, SystemClock()) as store:
            found.append(await store.read(lambda tx: {name: steps(tx, ask) for name, ask in QUESTIONS.items()}))
    young, old = found
    assert {name: (young[name], old[name]) for name in QUESTIONS if old[name] > young[name] + WINDOW} == {}


async def test_the_past_is_there(young_and_old: list[str]) -> None:
    async with Store.open(young_and_old[1], SystemClock()) as store:
        history = await store.read(lambda tx: tx.messages.list_newest(tx.messages.current_conversation(HERE), OLD + 10))
        usage = await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0))
    assert len(history) == OLD + 2
    assert sum(line.requests for line in usage) == OLD // 2 + 1
