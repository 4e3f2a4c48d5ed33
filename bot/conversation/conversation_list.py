"""/chats lists, finds, switches, renames, pins and archives the conversations of a chat; a model gives them titles.

A topic of the messenger is a conversation, and is renamed there, too. Chats without topics have only this list. The
messenger does not tell that a topic was deleted: outside of the topics their conversations are listed and can go on.
Begin with `ConversationList.chats`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.conversation.helper_model import HelperModel
from bot.feature import Feature, Turn, awaited, command, job, press
from bot.outbox import Answer, Ask, Choice
from bot.ports import Reply, Transport
from bot.prompts.catalog import instruct
from bot.storage.repositories.conversations import LONGEST_TITLE, Listed
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Button, Incoming, Job, Outgoing

KIND = "title"
PAGE = 6  # conversations that are shown at once
LONGEST_NAME = 60  # characters of a title by a model
READ = 2_000  # characters of a conversation that the model reads to give it a title
Where = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class ConversationList(Feature):
    """/chats and its buttons. Without a `helper_model` a conversation is called by the beginning of its question."""

    store: Store
    transport: Transport
    helper_model: HelperModel | None

    @command("/chats")
    def chats(self, tx: Tx, turn: Turn) -> Outgoing:
        """List the conversations of this chat, or those that contain the words after the command."""
        return _view(tx, turn, {"page": 0, "words": turn.rest[:100], "archived": False})

    @press("chats.open", "chats.move", "chats.page", "chats.pin", "chats.archive")
    def change(self, tx: Tx, turn: Turn) -> Answer:
        """Open, pin or archive a conversation, or turn the page; then show the list again in the same message.

        A conversation of a topic is not opened here before the user has confirmed that it is to be moved.
        """
        action, what = turn.pressed.name, turn.pressed.payload
        view = {name: what[name] for name in VIEW}
        if action == "chats.open" and (elsewhere := _find_elsewhere(tx, turn.address, what)):
            return Answer(_ask_to_move(tx, turn, view, elsewhere), over=True)
        CHANGES.get(action, _nothing)(tx, turn.address, what)
        return Answer(_view(tx, turn, view), over=True)

    @press("chats.rename")
    def ask_title(self, _tx: Tx, turn: Turn, id: int) -> Ask:
        """Ask the user for the new title of a conversation."""
        return Ask("chats.rename", turn.say("chats.rename.ask"), id=id)

    @awaited("chats.rename")
    async def rename(self, turn: Turn, _reply: Reply, id: int) -> Callable[[Tx], Answer]:
        """Store the new title, which is the text of the message, and offer to take it back.

        A topic is renamed first, as that may be repeated.
        """
        title = " ".join(turn.text.split())[:LONGEST_TITLE]
        if turn.address.thread:
            await self.transport.rename(turn.address, title)

        def store_title(tx: Tx) -> Answer:
            before = tx.conversations.find_conversation(turn.address, id)
            tx.conversations.set_title(id, title, "user")
            undo = [] if before is None else [_undo(turn, before)]
            return Answer(turn.say("chats.renamed", title=title), choices=undo, is_notice=True)

        return store_title

    @press("chats.undo")
    async def rename_back(
        self, turn: Turn, _reply: Reply, id: int, title: str, by: str, shown: str
    ) -> Callable[[Tx], Answer]:
        """Give a conversation, and its topic, the title that it had before it was renamed."""
        if turn.address.thread:
            await self.transport.rename(turn.address, shown)

        def store_title(tx: Tx) -> Answer:
            tx.conversations.set_title(id, title, by)
            return Answer(turn.say("chats.renamed", title=shown), over=True)

        return store_title

    @job(KIND)
    async def name(self, job: Job) -> None:
        """Have a model give the conversation `job.key` a title, once; then rename its topic."""
        conversation = int(job.key)

        def find(tx: Tx) -> tuple[Listed | None, str]:
            said = tx.messages.list_newest(conversation, 4)
            return tx.conversations.find_conversation(job.address, conversation), "\n\n".join(row.text for row in said)[
                :READ
            ]

        def named(tx: Tx, answer: str) -> None:
            if title := _tidy(answer):
                tx.conversations.set_title(conversation, title, "model")

        found, said = await self.store.read(find)
        if found is not None and said and not found.named_by and self.helper_model is not None:
            await self.helper_model.ask(job, instruct(job.payload["language"], "title"), said, 30, named)
            found, _ = await self.store.read(find)
        if found is not None and found.named_by == "model" and job.address.thread:
            await self.transport.rename(job.address, found.title)
        await self.store.write(lambda tx: tx.jobs.delete_done(job))


def request_title(tx: Tx, conversation: int, incoming: Incoming, language: str) -> None:
    """Add the job that gives a conversation a title."""
    payload = {"user": incoming.user.id, "language": language, "turn": incoming.id}
    tx.jobs.add_job(Job(KIND, str(conversation), incoming.address, payload, due=tx.clock.time()))


def _tidy(answer: str) -> str:
    """The title in a model's answer: one line, without quotes, Markdown and the full stop."""
    line = next((line.strip() for line in answer.splitlines() if line.strip()), "")
    bare = re.sub(r"^[\s\"'«“*#_`-]+", "", line)
    # Without the look behind, each mark of a long row of them would be tried as the first.
    return re.sub(r"(?<![\s\"'»”*#_`.-])[\s\"'»”*#_`.-]+$", "", bare)[:LONGEST_NAME]


# --- the list ---------------------------------------------------------------------------------------------------------

VIEW = ("page", "words", "archived")


def _view(tx: Tx, incoming: Incoming, view: Where) -> Outgoing:
    language = incoming.language
    found = tx.conversations.list_conversations(incoming.address, view["words"], archived=view["archived"])
    pages = max(-(-len(found) // PAGE), 1)
    view = {**view, "page": view["page"] % pages}
    shown = found[view["page"] * PAGE :][:PAGE]
    current = tx.conversations.find_current(incoming.address)
    draw = _Drawing(tx, incoming, language, view)
    rows = [draw.line(one, is_current=current is not None and one.id == current.id) for one in shown]
    rows += draw.foot(current if any(current and one.id == current.id for one in found) else None, pages)
    return Outgoing(_heading(language, view, current, len(found)), plain=True, buttons=tuple(rows))


def _find_elsewhere(tx: Tx, where: Address, what: Where) -> Listed | None:
    """The conversation of a button, if it belongs to a topic other than this place."""
    found = tx.conversations.find_conversation(where, what["id"])
    return found if found is not None and found.thread != where.thread else None


def _ask_to_move(tx: Tx, incoming: Incoming, view: Where, one: Listed) -> Outgoing:
    rows = _Drawing(tx, incoming, incoming.language, view).move(one)
    return Outgoing(say(incoming.language, "chats.topic", title=one.title), plain=True, buttons=rows)


def _heading(language: str, view: Where, current: Listed | None, count: int) -> str:
    if view["words"]:
        return say(language, "chats.found", count=count, words=view["words"])
    if view["archived"]:
        return say(language, "chats.archived", count=count)
    title = current.title if current and current.title else say(language, "chats.unnamed")
    return say(language, "chats.list", title=title, count=count)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The buttons of one page of the list."""

    tx: Tx
    incoming: Incoming
    language: str
    view: Where

    def line(self, one: Listed, *, is_current: bool) -> tuple[Button, ...]:
        is_elsewhere = one.thread != self.incoming.address.thread
        sign = "● " if is_current else "📌 " if one.is_pinned else "# " if is_elsewhere else ""
        return (self._button(sign + one.title, "chats.open", {"id": one.id}),)

    def move(self, one: Listed) -> tuple[tuple[Button, ...], ...]:
        """The buttons below the question whether a conversation of a topic is to go on here."""
        back = self._button(say(self.language, "chats.back"), "chats.page", {"page": 0, "words": "", "archived": False})
        return (self._button(say(self.language, "chats.move"), "chats.move", {"id": one.id}),), (back,)

    def foot(self, current: Listed | None, pages: int) -> Sequence[tuple[Button, ...]]:
        rows = []
        if pages > 1:
            page = self.view["page"]
            turn = [("‹", page - 1), (f"{page + 1}/{pages}", page), ("›", page + 1)]
            rows.append(tuple(self._button(label, "chats.page", {"page": to}) for label, to in turn))
        if current is not None:
            pin = "chats.unpin" if current.is_pinned else "chats.pin"
            rows.append((self._said(pin, "chats.pin", current), self._said("chats.rename", "chats.rename", current)))
            rows.append((self._said("chats.archive", "chats.archive", current),))
        key = "chats.back" if self.view["archived"] or self.view["words"] else "chats.archive.open"
        other = {"page": 0, "words": "", "archived": key == "chats.archive.open"}
        rows.append((self._button(say(self.language, key), "chats.page", other),))
        return rows

    def _said(self, key: str, action: str, one: Listed) -> Button:
        what = {"id": one.id, "pinned": not one.is_pinned, "archived_now": not one.is_archived}
        return self._button(say(self.language, key), action, what)

    def _button(self, label: str, action: str, what: Where) -> Button:
        where, user = self.incoming.address, self.incoming.user.id
        return self.tx.buttons.add_button(where, self.incoming.id, user, label, action, **{**self.view, **what})


def _undo(incoming: Incoming, before: Listed) -> Choice:
    """The button that takes a new title back. A title that nobody gave is the beginning of the first question."""
    title = before.title if before.named_by else ""
    payload = {"id": before.id, "title": title, "by": before.named_by, "shown": before.title}
    return Choice(say(incoming.language, "ask.undo"), "chats.undo", payload)


# --- what the buttons change ------------------------------------------------------------------------------------------


def _nothing(_tx: Tx, _where: Address, _what: Where) -> None: ...


def _open(tx: Tx, where: Address, what: Where) -> None:
    if tx.conversations.find_conversation(where, what["id"]) is not None:
        tx.conversations.make_current(where, what["id"])


def _pin(tx: Tx, where: Address, what: Where) -> None:
    if tx.conversations.find_conversation(where, what["id"]) is not None:
        tx.conversations.set_pinned(what["id"], pinned=what["pinned"])


def _archive(tx: Tx, where: Address, what: Where) -> None:
    """Archive a conversation or take it back; after the current one is archived a new conversation begins."""
    current = tx.conversations.find_current(where)
    if tx.conversations.find_conversation(where, what["id"]) is not None:
        tx.conversations.set_archived(what["id"], archived=what["archived_now"])
        if current is not None and current.id == what["id"]:
            tx.messages.begin_conversation(where)


CHANGES = {"chats.open": _open, "chats.move": _open, "chats.pin": _pin, "chats.archive": _archive}
