"""The audit log: every act that changes something for others stands in it, and /audit shows and exports all of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.access.audit_log import PAGE
from bot.cli import app as cli
from bot.handlers import Handlers, joined
from bot.sandbox.telegram.server_facade import BOT, buttons_of
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Permission
from tests.promises.properties.test_turns import AWAITED, COMMANDS, PRESSES, Press, Whole
from tests.promises.properties.world import ANNA, TEAM
from tests.support.stage import BORIS, Stage
from tests.support.telegram_side import said, soon

# What belongs to more people than the one who acts: the rights of others, and the settings of a group.
SHARED = (
    "SELECT user, role, expires FROM members",
    "SELECT id, uses, expires FROM invites",
    "SELECT subject, state FROM applications",
    "SELECT user, day, month FROM allowances",
    "SELECT name, audience, state FROM kb_sources",
    "SELECT question, answer, audience FROM kb_learned WHERE state = 'added'",
    f"SELECT * FROM chats WHERE id != {ANNA}",
)
ADMINS = (Permission.MANAGE, Permission.ADMINISTER)
ANSWER = "SELECT key, message_ids FROM deliveries WHERE chat = {chat} AND message_ids != '[]' ORDER BY id DESC LIMIT 1"
LOG = "SELECT count(*) FROM audit"
IN_GROUPS = {
    "language.set",
    "model.set",
    "streaming.set",
    "reasoning.set",
    "persona.set",
    "voice.set",
    "picture.always",
}
IN_PRIVATE = {"join.allow", "members.set", "invite.revoke", "allowance.of", "/invite", "answer allowance.change"}
IN_PRIVATE |= {"kb.pause", "kb.read", "kb.removed", "learned.add", "learned.remove", "answer learned.edit"}


class Walk(Whole):
    """The bot of `test_turns.py` with a group, where Anna does one thing after the other."""

    def look(self, *queries: str) -> list[list[tuple[object, ...]]]:
        """The rows of each query."""
        with closing(sqlite3.connect(self.disk.path)) as connection:
            return [connection.execute(query).fetchall() for query in queries]

    @property
    def known(self) -> Handlers:
        assert self.app is not None
        help_ = self.app.inbound.help
        return joined([help_.feature(), *help_.features])

    def prepare(self, chat: int, action: str, what: Press, below: str) -> str:
        """Make what a button below an answer needs, or an awaited message if `below` is "". Returns its key."""
        connection, where = self.disk.threads[0].connection, Address("telegram", BOT, chat)
        with connection.begin():
            connection.exec_driver_sql("UPDATE chats SET model = ''")
            for table in (
                "invites",
                "applications",
                "members",
                "allowances",
                "operations",
                "summaries",
                "facts",
                "kb_sources",
                "kb_gaps",
                "kb_learned",
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")
            tx = Tx(connection, self.clock)
            what.prepare(tx, where)
            if below:
                key = tx.buttons.add_button(where, below, ANNA, "a button", action, **what.payload).data
            else:
                tx.buttons.await_answer(where, ANNA, action, **what.payload)
        connection.commit()
        return key if below else ""

    def changes(self, act: Callable[[], object]) -> tuple[bool, bool]:
        """Whether something for others was changed, and whether the log has grown."""
        before = self.look(*SHARED, LOG)
        act()
        self.settle()
        after = self.look(*SHARED, LOG)
        return after[:-1] != before[:-1], after[-1] != before[-1]

    def walk(self, chat: int) -> Iterator[tuple[str, bool, bool]]:
        """Give every command, press every button, answer everything that is asked; with what `changes` says of it.

        Buttons of admins are for private chats, all others are pressed in the group.
        """
        at = "@govorun_sandbox_bot" if chat == TEAM else ""
        self.places["q1"] = self.places["q2"] = (chat, 0)
        self.telegram.say(chat, f"{at} q1 please", ANNA)
        self.settle()
        for word, rest in COMMANDS.items():
            yield word, *self.changes(partial(self.telegram.say, chat, f"{word}{at} {rest}".strip(), ANNA))
        for action, what in PRESSES.items():
            if (self.known.presses[action].requires in ADMINS) is (chat == TEAM):
                continue
            (((answer, ids),),) = self.look(ANSWER.format(chat=chat))
            key, message = self.prepare(chat, action, what, str(answer)), json.loads(str(ids))[0]
            yield action, *self.changes(partial(self.telegram.press, chat, message, key, ANNA))
        for action, what in AWAITED.items():
            self.prepare(chat, action, what, "")
            yield f"answer {action}", *self.changes(partial(self.telegram.say, chat, what.said, ANNA))


def test_whatever_changes_something_for_others_stands_in_the_log(tmp_path: Path, template: Path) -> None:
    world = Walk(tmp_path / "bot", template)
    try:
        world.start()
        world.wait(0.5)
        acts = [*world.walk(TEAM), *world.walk(ANNA)]
    finally:
        world.close()
    assert [name for name, changed, written in acts if changed and not written] == []
    assert {name for name, changed, _ in acts if changed} >= IN_GROUPS | IN_PRIVATE  # the walk does change things


async def test_the_log_is_read_page_by_page_to_its_first_entry(stage: Stage) -> None:
    app = await stage.start(access="closed", owners=(ANNA,))
    bot = app.telegram.api.id

    def fill(tx: Tx) -> None:
        for number in range(2 * PAGE + 1):
            tx.audit.add_entry(bot, ANNA, "revoked", f"L{number}")

    await app.store.write(fill)
    pages = [await stage.ask("/audit")]
    for label in ("audit.older", "audit.older", "audit.newest"):
        before = stage.telegram.texts(ANNA)[-1]
        await stage.press(say("en", label))
        pages.append(await soon(stage, lambda before=before: _other(stage, before)))  # type: ignore[misc]
    assert len(stage.telegram.texts(ANNA)) == 1  # in one message
    shown = [[line.rpartition(" ")[2] for line in page.splitlines()] for page in pages]
    assert shown[0] + shown[1] + shown[2] == [f"L{number}" for number in reversed(range(2 * PAGE + 1))]
    assert shown[3] == shown[0]


def _other(stage: Stage, before: str) -> str | None:
    return text if (text := stage.telegram.texts(ANNA)[-1]) != before else None


async def test_owners_get_the_whole_log_as_a_file_and_the_operator_on_the_command_line(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = await stage.start(access="closed", owners=(ANNA,))
    bot = app.telegram.api.id
    await app.joining.directory.write(lambda tx: tx.members.store_member(bot, BORIS, "admin", ANNA, None))
    await app.store.write(lambda tx: tx.audit.add_entry(bot, ANNA, "role", BORIS, role="admin"))
    await stage.ask("/audit", BORIS)
    assert buttons_of(stage.telegram.transcript(BORIS)[-1]) == []  # an admin who is no owner gets no file
    await stage.ask("/audit")
    await stage.press(say("en", "audit.export"))
    message = await soon(stage, lambda: next((one for one in said(stage) if "document" in one), None))
    row = json.loads(stage.telegram.state.files[message["document"]["file_id"]].data)
    assert row == {
        "at": row["at"], "bot": bot, "actor": ANNA, "name": "Anna", "action": "role", "subject": str(BORIS),
        "details": {"role": "admin"},
    }  # fmt: skip
    for name, value in {"DATABASE_URL": stage.settings.database_url, "BOT_TOKEN": stage.telegram.token}.items():
        monkeypatch.setenv(name, value)
    assert json.loads(CliRunner().invoke(cli, ["audit"]).output) == row
