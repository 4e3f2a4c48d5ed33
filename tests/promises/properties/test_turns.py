"""A command and a press are done once, and what they say is what they have changed, wherever the process was killed.

See P2 in docs/promises.md.

Each is done twice: undisturbed, and killed after every commit of the turn that leaves it open, then begun again by the
next process. In the end the database and the chat must hold the same. Every command, button and awaited message of the
bot has a row in `COMMANDS`, `PRESSES` or `AWAITED`; one that is added without a row fails here.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from bot import App, Button, Incoming, Outgoing, Reply
from bot.ai import Answered, Findings, Finished, ImageRequest, Request
from bot.extension import Extension
from bot.handlers import joined
from bot.jobs.worker import LONGEST_WAIT
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.telegram.server_facade import text_of
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.repositories.mapping import dump_parts
from bot.storage.store import Tx
from bot.storage.tables.history import Fact, SavedTemplate
from bot.storage.tables.knowledge import ADDED, Gap, KnowledgeSource, LearnedEntry
from bot.storage.tables.people import Invitation
from bot.storage.tables.work import Operation
from bot.types import Address, Text, ToolCall
from tests.promises.properties.world import ANNA, World

HERE = (ANNA, 0)
BUG = "Something went wrong (code"
# What is another time, another random number, or another count of tries in each course.
VOLATILE = {
    "id",
    "at",
    "due",
    "expires",
    "attempts",
    "marker",
    "first_seen",
    "key",
    "hash",
    "code",
    "seed",
    "message_ids",
    "once",
    "chosen",
    "added",
    "tried",
    "since",
    "synced",
    "review",
    "fetched",
    "changed",
}
# With it tokens of a page, which are told by the ratio that a process has learned and forgets when it ends.
RANDOM = re.compile(r"(q\.)?[A-Za-z0-9_-]{16,}|\d{15,}|seed\D{1,6}\d+|\ba\d+(?=w\d)|\b\d+(?= tokens)")


class Painter:
    takes_seed = True

    async def submit(self, _drawing: ImageRequest) -> str:
        return "operation"

    async def poll(self, _operation: str) -> Finished:
        return Finished(b"a picture")


class Searcher:
    async def search(self, query: str) -> Findings:
        return Findings(f"found {query}")

    async def pages(self, _query: str) -> tuple[()]:
        return ()


class Voice:
    longest = 100
    pace = 0.0

    async def speak(self, _text: str, _language: str) -> bytes:
        return b"a voice"


class Later:
    async def submit(self, _request: Request) -> str:
        return "operation"

    async def poll(self, _operation: str) -> Answered:
        return Answered("answered later")

    async def cancel(self, _operation: str) -> bool:
        return True


class Studio(YandexStudio):
    """The services that need no network."""

    def image_models(self) -> Mapping[str, Any]:
        return {"yandex-art": Painter()}

    def search(self) -> Any:
        return Searcher()

    def speaker(self) -> Any:
        return Voice()


TOPICS = """
[topic.goods]
title = "Goods"
examples = ["one thing", "another thing", "many things"]
words = ["q1"]
[topic.rest]
title = "The rest"
[routing]
other = "rest"
classifier = "off"
"""


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


def own() -> Extension:
    """What a programmer adds: a command that asks, and a button for once."""
    app = App()

    @app.command("order")
    async def order(incoming: Incoming, reply: Reply) -> Outgoing:
        size = await reply.ask("Which size?", Size)
        return Outgoing(f"{size.value} {incoming.rest}", buttons=[[Button("Buy", "buy", item="tea")]])

    @app.press("buy", once=True)
    async def buy(incoming: Incoming, reply: Reply, item: str) -> str:
        return f"bought {item}"

    return app.extension


class Whole(World):
    """A bot with all its commands, whose owner is Anna."""

    studio = Studio
    async_models = staticmethod(lambda _name: Later())
    added = own()

    def __init__(self, folder: Path, template: Path) -> None:
        folder.mkdir()
        (folder / "routing.toml").write_text(TOPICS)
        routing = folder / "routing.toml"
        super().__init__(folder, template, owners=(ANNA,), tools=("search", "time"), routing=routing, embeddings="off")
        self.places |= {"q1": HERE, "q2": HERE}


ASKED_AGAIN = ("usage", "reservations")
PAYING = {"/search", "press price.search", "press image.improve"}
Prepare = Callable[[Tx, Address], object]


@dataclass(frozen=True)
class Press:
    """A button with this `payload`, or a message that the bot has asked for, after `prepare` has made what it needs.

    `otherwise`: what is said where a kill came in between, since nobody can know better then.
    """

    payload: Mapping[str, Any] = field(default_factory=dict)
    prepare: Prepare = lambda _tx, _where: None
    said: str = "q2 please"
    otherwise: str = ""


@dataclass
class Course:
    """One command or press in a world of its own. `lost` are the commits after which the turn was open."""

    world: Whole
    cut: int = 0  # kill after so many commits
    commits: int = 0
    lost: list[int] = field(default_factory=list)
    key: str = ""

    def write(self, work: Prepare) -> None:
        connection = self.world.disk.threads[0].connection
        with connection.begin():
            work(Tx(connection, self.world.clock), Address("telegram", self.bot, ANNA))
        connection.commit()

    @property
    def bot(self) -> int:
        return int(self.world.telegram.token.partition(":")[0])

    def run(self, act: Callable[[Course], None]) -> None:
        self.world.disk.written = self._written
        act(self)
        while not self.world.peaceful():
            self.world.wait(0.5)
            if self.world.disk.threads[0].pulled:
                self.world.kill()
                self.world.start()
        self.world.wait(LONGEST_WAIT + 5.0)  # for jobs
        self.world.settle()

    def _written(self, connection: sqlite3.Connection) -> bool:
        self.commits += 1
        (is_open,) = connection.execute("SELECT count(*) FROM updates WHERE state IN ('new', 'begun')").fetchone()
        if is_open:
            self.lost.append(self.commits)
        return self.commits == self.cut

    # --- what is there in the end -------------------------------------------------------------------------------------

    def kept(self) -> dict[str, Counter[str]]:
        """Every row of the database, without what is another in each course."""
        connection = sqlite3.connect(self.world.disk.path)
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {
            name: Counter(_row(row) for row in connection.execute(f"SELECT * FROM {name}"))
            for name in sorted(names)
            if not name.startswith(("sqlite_", "alembic"))
        }
        connection.close()
        return tables

    def told(self) -> list[str]:
        rows = []
        for message in self.world.messages(HERE):
            keyboard = message.get("reply_markup", {}).get("inline_keyboard", [])
            rows.append(f"{RANDOM.sub('*', text_of(message))} {[[one['text'] for one in line] for line in keyboard]}")
        return rows


def _row(row: sqlite3.Row) -> str:
    return RANDOM.sub("*", json.dumps({name: str(row[name]) for name in sorted(set(row.keys()) - VOLATILE)}))


# --- what is done -----------------------------------------------------------------------------------------------------


def asks_zone(tx: Tx, where: Address) -> None:
    tx.buttons.await_answer(
        where, ANNA, "reminder.zone", text="tomorrow 9:00 tea", turn="1", before=["tomorrow 8:00 toast"]
    )


def asks_name(tx: Tx, where: Address) -> None:
    tx.buttons.await_answer(where, ANNA, "chats.rename", asked="1", id=1)


SIZE = {"call": {"command": "order", "text": "/order now"}, "answers": [], "key": "Which size?", "takes": "choice"}


def asks_size(tx: Tx, where: Address) -> None:
    tx.buttons.await_answer(where, ANNA, "own.ask", asked="1", **SIZE)


def drawn(tx: Tx, where: Address) -> None:
    tx.operations.add_operation(
        "image", "1", where, ANNA,
        {"prompt": "a cat q2", "seed": 7, "width": 1, "height": 1, "language": "en", "reply_to": 0},
    )  # fmt: skip
    tx.change_all(Operation, {"state": "done"}, id=1)


def kept(tx: Tx, where: Address) -> None:
    tx.blobs.store_file(where, ANNA, "image/jpeg", b"a picture")


def deferred(tx: Tx, where: Address) -> None:
    request = {
        "model": "one", "language": "en", "conversation": 1, "turn": "1", "question": "q1", "parent": None,
        "reply_to": 0, "messages": [["user", dump_parts((Text("q1"),))]], "temperature": 0.3, "max_tokens": 9,
    }  # fmt: skip
    tx.operations.add_operation("later", "1", where, ANNA, request)


def acts(state: str) -> Prepare:
    def prepare(tx: Tx, where: Address) -> None:
        call = dump_parts((ToolCall("c", "web_search", {"query": "cats"}),))
        request = {"question": 1, "language": "en", "steps": [], "call": call, "results": "[]"}
        tx.operations.add_operation("action", "1", where, ANNA, request)
        if state != "asked":
            tx.change_all(Operation, {"state": state}, id=1)

    return prepare


def summarised(tx: Tx, _where: Address) -> None:
    tx.memory.add_summary(1, "what was said", 2, "model")
    tx.add(Fact(conversation_id=1, user=ANNA, text="a fact", at=tx.clock.time()))


def templated(tx: Tx, where: Address) -> None:
    tx.add(SavedTemplate(bot=where.bot, user=ANNA, name="Goose", text="q2 please about {whom}", at=0.0))


def with_document(tx: Tx, _where: Address) -> None:
    tx.documents.store_document(1, "1", ANNA, "a.pdf", 1, [(1, "", "some words")])


def applied(tx: Tx, where: Address) -> None:
    tx.members.store_request(where.bot, 777, "Vera")
    for action in ("join.allow", "join.refuse"):
        tx.buttons.add_button(where, "1", ANNA, "a button", action, subject=777)


def invited(tx: Tx, where: Address) -> None:
    tx.members.add_invitation(
        Invitation(
            bot=where.bot, code="hash", role="user", uses=1, expires=2_000_000_000.0, by=ANNA, at=tx.clock.time()
        )
    )


def has_source(tx: Tx, where: Address) -> None:
    tx.sources.add_source(where.bot, KnowledgeSource(name="docs", kind="folder", address="/nowhere"))


def has_gap(tx: Tx, where: Address) -> None:
    message = 1 if tx.messages.find_message(1) is not None else None
    gap = Gap(
        address=where,
        user=ANNA,
        message_id=message,
        question="q1 please",
        reason="refused",
        audience="owners",
        language="en",
    )
    tx.add_missing(gap)


def proposed(tx: Tx, where: Address) -> None:
    tx.add(LearnedEntry(bot=where.bot, question="q1?", answer="blue", author=ANNA, audience="owners"))


def taught(tx: Tx, where: Address) -> None:
    proposed(tx, where)
    tx.change_all(LearnedEntry, {"state": ADDED}, id=1)


STALE = {"quotes": [1], "passage": 2, "old": "It is blue.", "new": "It is green."}


def quoted(tx: Tx, where: Address) -> None:
    """The answer 2 quotes a sentence that another one has replaced."""
    source = tx.sources.add_source(
        where.bot, KnowledgeSource(name="docs", kind="folder", address="/nowhere", audience=("everyone",))
    )
    for text in ("It is blue.", "It is green."):
        passage = NewPassage(place="", text=text, sentences=pack_sentences(((0, len(text)),)), sha=text.encode())
        tx.knowledge.store_article(source, Article(key="a", title="A", version=text, changed=0.0), [passage])
    if tx.messages.find_message(2) is not None:
        tx.knowledge.store_quotes(2, [(1, 0, 11)])
        tx.quotes.mark([1], "asked")


COMMANDS = {
    "/help": "", "/new": "", "/stop": "", "/whisper": "", "/image": "a cat", "/img": "a cat", "/model": "",
    "/reasoning": "", "/settings": "", "/chats": "", "/context": "", "/prompt": "", "/pin": "the sky is green",
    "/summary": "",
    "/template": "", "/templates": "A poem", "/шаблон": "", "/шаблоны": "",
    "/persona": "", "/write": "post", "/later": "q2 please", "/jobs": "", "/voice": "", "/search": "cats",
    "/remind": "tomorrow 9:00 tea", "/timezone": "Europe/Moscow", "/usage": "", "/allowance": "", "/export": "",
    "/whoami": "", "/broadcast": "", "/forget": "", "/start": "", "/members": "", "/invite": "", "/audit": "",
    "/kb": "", "/gaps": "", "/topic": "", "/language": "", "/order": "now",
}  # fmt: skip
TEMPLATE = {"template": 1}
VIEW = {"page": 0, "words": "", "archived": False, "id": 1, "pinned": True, "archived_now": True}
FACT = {"conversation": 1, "fact": 1}
SUBJECT = {"subject": 777, "name": "Vera", "language": "en"}
DRAWING = {"prompt": "a cat", "seed": 7, "width": 1, "height": 1}
PRESSES = {
    "retry": Press({"question": 1}),
    "resume": Press({"answer": 2}),
    "version": Press({"answer": 2}),
    "attached.again": Press({"parts": [{"kind": "sticker", "ref": "f", "name": "q2"}], "text": "", "quotes": 0,
                             "agreed": True}),
    "picture.ask": Press({"question": 1, "model": "two"}), "picture.always": Press({"question": 1, "model": "two"}),
    "image.again": Press({"turn": "1"}, drawn),
    "image.ratio": Press({"turn": "1", "width": 16, "height": 9}, drawn),
    "image.change": Press({"turn": "1"}, drawn),
    "image.improve": Press({"turn": "1"}, drawn),
    "image.file": Press({"blob": 1}, kept),
    "price.draw": Press(DRAWING),
    "price.search": Press({"query": "cats"}),
    "price.answer": Press({"question": 1}),
    "price.cheaper": Press({"question": 1, "model": "two"}),
    "price.drop": Press({"question": 1}),
    "settings": Press({"section": "memory"}), "settings.language": Press(), "settings.model": Press(),
    "settings.streaming": Press(), "settings.notices": Press(),
    "language.set": Press({"language": "ru"}), "model.set": Press({"model": "two"}),
    "streaming.set": Press({"streaming": "off"}), "notices.set": Press({"notices": ""}),
    "reasoning.set": Press({"reasoning": "off"}), "temperature.set": Press({"temperature": "free"}),
    "answers.set": Press({"answers": "all"}),
    "model.everywhere": Press(), "model.mine": Press({"model": "two"}),
    "chats.open": Press(VIEW), "chats.move": Press(VIEW),
    "chats.page": Press(VIEW), "chats.pin": Press(VIEW), "chats.archive": Press(VIEW),
    "chats.rename": Press(VIEW), "chats.undo": Press({"id": 1, "title": "A name", "by": "user", "shown": "A name"}),
    "ask.cancel": Press({"asked": "1"}, asks_name),
    "fact.unpin": Press(FACT, summarised), "summary.edit": Press(FACT, summarised),
    "document.remove": Press({"conversation": 1, "document": 1}, with_document),
    "summary.undo": Press(FACT, summarised), "summary.redo": Press(FACT, summarised),
    "persona.set": Press({"persona": "teacher"}), "persona.ask": Press({"question": "q2 please"}),
    "template.list": Press({}, templated), "template.show": Press(TEMPLATE, templated),
    "template.use": Press(TEMPLATE, templated), "template.new": Press(),
    "template.rename": Press(TEMPLATE, templated), "template.name": Press({**TEMPLATE, "name": "Before"}, templated),
    "template.delete": Press(TEMPLATE, templated), "template.restore": Press({"name": "Goose", "text": "q2 {whom}"}),
    "write.start": Press({"template": "post"}),
    "write.skip": Press({"template": "post", "field": "tone"}), "write.cancel": Press({"template": "post"}),
    "later": Press({"turn": "1"}), "later.again": Press({"turn": "1"}, deferred),
    "jobs.cancel": Press({"kind": "later", "key": "1"}, deferred),
    "act.yes": Press({"turn": "1"}, acts("asked"), otherwise="may or may not have been done"),
    "act.no": Press({"turn": "1"}, acts("asked")),
    "reminder.zone": Press({"zone": "Europe/Moscow", "text": "tomorrow 9:00 tea", "before": ["8:00 toast"]}, asks_zone),
    "reminder.time": Press({"at": 2_000_000_000.0, "repeat": "", "text": "tea"}),
    "feedback": Press({"turn": "1", "sign": "👍"}),
    "allowance.of": Press({"whom": 777, "wish": "200"}), "allowance.change": Press({"whom": 777}),
    "forget": Press(), "forget.ask": Press(), "forget.cancel": Press(), "export": Press(),
    "voice.set": Press({"voice": True}), "zone.set": Press({"zone": "Europe/Moscow"}),
    "join.allow": Press(SUBJECT, applied), "join.refuse": Press(SUBJECT, applied),
    "members.show": Press({"whom": "777"}), "members.page": Press({"page": "0"}),
    "members.set": Press({"whom": "777", "role": "operator"}), "group.withdraw": Press({"chat": "-100777"}),
    "invite.revoke": Press({"id": 1}, invited), "audit.page": Press({"before": 9}), "audit.export": Press({}, invited),
    "broadcast.send": Press({"key": "1", "text": "News"}), "broadcast.cancel": Press(),
    "broadcast.stop": Press({"key": "1"}),
    "queue.now": Press(), "queue.drop": Press(),
    "topic.pick": Press({"question": 1, "topic": "rest"}), "topic.wrong": Press({"question": 1}),
    "topic.correct": Press({"question": 1, "topic": "rest"}),
    "kb.open": Press({"source": 1}, has_source), "kb.readers": Press({"source": 1}, has_source),
    "kb.sync": Press({"source": 1}, has_source), "kb.pause": Press({"source": 1}, has_source),
    "kb.resume": Press({"source": 1}, has_source), "kb.remove": Press({"source": 1}, has_source),
    "kb.removed": Press({"source": 1}, has_source), "kb.drop": Press({"source": 1}, has_source),
    "kb.leave": Press({"source": 1}, has_source), "kb.later": Press(),
    "kb.read": Press({"source": 1, "group": "members", "on": True}, has_source),
    "gap.answer": Press({"gap": 1}, has_gap),
    "stale.tell": Press(STALE, quoted), "stale.leave": Press(STALE, quoted),
    "learned.add": Press({"id": 1}, proposed), "learned.drop": Press({"id": 1}, proposed),
    "learned.readers": Press({"id": 1, "group": "everyone"}, proposed), "learned.edit": Press({"id": 1}, proposed),
    "learned.keep": Press({"id": 1}, taught), "learned.remove": Press({"id": 1}, taught),
    "gap.tell": Press({"question": 1}, has_gap), "gap.list": Press(),
    "gap.open": Press({"gap": 1}, has_gap), "gap.file": Press({}, has_gap),
    "kb.search": Press({"question": "How long is it repaired for free?", "everyone": True}, has_source),
    "kb.buy": Press({"agreed": 1_000, "panel": True}), "kb.source": Press({"answer": 2}),
    "own.press": Press({"press": "buy", "arguments": {"item": "tea"}}),
    "own.answer": Press({"asked": "1", "value": "large", "shown": "Large"}, asks_size),
    "kb.alone": Press({"question": "How long is it repaired for free?", "turn": "1"}),
}  # fmt: skip
AWAITED = {
    "image.change": Press({"turn": "1"}, drawn, "with a hat"),
    "chats.rename": Press({"id": 1, "asked": "1"}, said="A name"),
    "summary.edit": Press({"conversation": 1}, summarised, "another summary"),
    "template.new": Press({"name": "", "asked": "1"}, said="q2 please"),
    "template.rename": Press({**TEMPLATE, "asked": "1"}, templated, "Drake"),
    "template.fill": Press({**TEMPLATE, "values": {}, "asked": "1"}, templated, "a goose"),
    "write": Press({"template": "post", "values": {}}, said="q2 please"),
    "reminder.zone": Press({"text": "tomorrow 9:00 tea", "turn": "1"}, said="Moscow"),
    "reminder.text": Press({"phrase": "in 5 hours", "at": 2_000_000_000.0, "turn": "1"}, said="tea"),
    "allowance.change": Press({"whom": 777}, said="200 a day"),
    "broadcast": Press(said="News"),
    "gap.answer": Press({"gap": 1, "asked": "1"}, has_gap, "It is blue."),
    "learned.edit": Press({"id": 1, "asked": "1"}, taught, "It is green."),
    "own.ask": Press({**SIZE, "asked": "1"}, said="large"),
}
# The ways of a press that a row of `PRESSES` does not go.
WAYS = {
    "act.yes, which a process was doing when it died": ("act.yes", Press({"turn": "1"}, acts("submitting"))),
    "act.yes of what was decided": ("act.yes", Press({"turn": "1"}, acts("done"))),
    "picture.ask of a question that is gone": ("picture.ask", Press({"question": 99, "model": "two"})),
    "price.answer of a question that is gone": ("price.answer", Press({"question": 99})),
    "topic.pick of a question that is gone": ("topic.pick", Press({"question": 99, "topic": "goods"})),
    "topic.correct of a topic that is gone": ("topic.correct", Press({"question": 1, "topic": "gone"})),
    "reminder.zone without a reminder": ("reminder.zone", Press({"zone": "Europe/Moscow", "text": ""}, asks_zone)),
}


def say(text: str) -> Callable[[Course], None]:
    def act(course: Course) -> None:
        course.world.telegram.say(ANNA, text)

    return act


def press(action: str, what: Press) -> Callable[[Course], None]:
    def act(course: Course) -> None:
        message = course.world.messages(HERE)[-1]["message_id"]

        def made(tx: Tx, where: Address) -> None:
            what.prepare(tx, where)
            course.key = tx.buttons.add_button(where, "1", ANNA, "a button", action, **what.payload).data

        course.write(made)
        course.commits, course.lost = 0, []
        course.world.telegram.press(ANNA, message, course.key)

    return act


def answer(action: str, what: Press) -> Callable[[Course], None]:
    def act(course: Course) -> None:
        def made(tx: Tx, where: Address) -> None:
            what.prepare(tx, where)
            tx.buttons.await_answer(where, ANNA, action, **what.payload)

        course.write(made)
        course.commits, course.lost = 0, []
        course.world.telegram.say(ANNA, what.said)

    return act


ACTS = {
    **{word: (say(f"{word} {rest}".strip()), "") for word, rest in COMMANDS.items()},
    **{f"press {action}": (press(action, what), what.otherwise) for action, what in PRESSES.items()},
    **{f"answer to {action}": (answer(action, what), "") for action, what in AWAITED.items()},
    **{name: (press(action, what), "") for name, (action, what) in WAYS.items()},
}


def begun(folder: Path, template: Path, cut: int) -> Course:
    world = Whole(folder, template)
    world.start()
    world.wait(0.5)
    world.telegram.say(ANNA, "q1 please")
    world.settle()
    world.wait(2.0)
    return Course(world, cut)


@pytest.mark.turns(3)
@pytest.mark.parametrize("name", ACTS)
def test_what_is_killed_and_begun_again_is_done_once_and_said_as_it_was_done(
    name: str, tmp_path: Path, template: Path
) -> None:
    act, otherwise = ACTS[name]
    whole = begun(tmp_path / "whole", template, 0)
    try:
        whole.run(act)
        told, kept, points = whole.told(), whole.kept(), whole.lost
        assert not any(BUG in text for text in told), told
    finally:
        whole.world.close()
    for point in points[1:]:  # after the first the update is only in the inbox
        killed = begun(tmp_path / f"killed{point}", template, point)
        try:
            killed.run(act)
            if otherwise and any(otherwise in text for text in killed.told()):
                continue
            assert killed.told() == told, f"killed after commit {point}"
            there = killed.kept()
            for table in ASKED_AGAIN if name in PAYING else ():  # the model is asked, and paid, once more
                del there[table]
                kept.pop(table, None)
            assert there == kept, f"killed after commit {point}"
        finally:
            killed.world.close()


def test_every_command_button_and_awaited_message_has_a_row(tmp_path: Path, template: Path) -> None:
    course = begun(tmp_path / "bot", template, 0)
    try:
        assert course.world.app is not None
        help_ = course.world.app.inbound.help
        known = joined([help_.feature(), *help_.features])
        assert set(known.commands) == set(COMMANDS)
        assert set(known.presses) == set(PRESSES)
        assert set(known.awaits) == set(AWAITED)
    finally:
        course.world.close()
