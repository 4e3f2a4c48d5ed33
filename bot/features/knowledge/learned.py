"""What people teach the bot, in Telegram: proposals with [Add] [Edit] [Not this], and the reviews of entries.

Begin with `LearnedEntries.page`. Whatever proposes an entry calls `learning.learned.propose` and shows that page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.access.policy import Actor, Role
from bot.access.rights import Rights
from bot.billing.metering import BillTo
from bot.errors import BadInput, ConfigError
from bot.feature import ButtonHandler, Handlers
from bot.features.knowledge.jobs import request_embedding, send
from bot.jobs.learning import REVIEW
from bot.knowledge import rights as audiences
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Choice, Page, end_question, finish, finish_asking, finish_page
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.knowledge.learned import ADDED, DROPPED, PROPOSED, LearnedEntry
from bot.storage.repositories.knowledge.sources import EVERYONE
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Permission

AT_ONCE = 3  # entries whose reviews are asked for in a week
WEEK = 7 * 86_400.0  # seconds
AGAIN = 4 * WEEK  # until a review that nobody answered is asked for again
LONGEST = 3_000  # characters of an answer
SHOWN = 200  # characters of a sentence that is near
READERS = (EVERYONE, *audiences.NAMES.values())


@dataclass(slots=True, kw_only=True)
class LearnedEntries:
    """Shows proposals to admins, adds the accepted ones to the knowledge base, and asks about old entries. `deliver`
    sends the messages that a job has stored.
    """

    base: KnowledgeBase
    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    def feature(self) -> Handlers:
        """The buttons below proposals and reviews, and the job of reviews."""
        return Handlers(
            presses={
                "learned.add": ButtonHandler(self.press_add, Permission.MANAGE),
                "learned.readers": ButtonHandler(self.press_readers, Permission.MANAGE),
                "learned.drop": ButtonHandler(self.press_drop, Permission.MANAGE),
                "learned.edit": ButtonHandler(self.press_edit, Permission.MANAGE),
                "learned.keep": ButtonHandler(self.press_keep, Permission.MANAGE),
                "learned.remove": ButtonHandler(self.press_remove, Permission.MANAGE),
            },
            awaits={"learned.edit": self.receive_answer},
            jobs={REVIEW: self.review},
        )

    # --- a proposal ---------------------------------------------------------------------------------------------------

    async def near(self, incoming: Incoming, question: str, answer: str) -> Sequence[str]:
        """Return what the sources say about a proposed answer: a line for each of the nearest passages that the sender
        may read.

        Raises `BadInput` if the libraries of the knowledge base are missing.
        """
        language = incoming.language
        try:
            check_libraries()
        except ConfigError:
            raise BadInput(say(language, "kb.missing")) from None
        from bot.knowledge.learning.compare import NEAR, compare

        role = self.rights.access.role(Actor.of(incoming)).word
        groups = audiences.groups_of(role, incoming.user.id, incoming.address, private=incoming.private)
        found = await self.base.search(f"{question}\n{answer}", groups, BillTo.of(incoming, language))
        return [
            f"· {one.title}"
            if one.verdict == NEAR
            else say(language, f"learned.near.{one.verdict}", title=one.title, sentence=one.sentence[:SHOWN])
            for one in compare(answer, (hit.passage for hit in found.hits))
        ]

    def page(self, language: str, entry: LearnedEntry, near: Sequence[str]) -> Page:
        """Return the page of a proposal: its question and answer, the lines of `near`, and the buttons that decide
        about it.
        """
        lines = [
            say(language, "learned.title"),
            f"{entry.question}\n{entry.answer}",
            say(language, "kb.who", who=_named(language, entry.audience)),
            *([say(language, "kb.nearest"), *near] if near else [say(language, "learned.alone")]),
        ]
        payload = {"id": entry.id}
        readers = [
            Choice(
                ("✓ " if group == entry.audience else "") + _named(language, group), "learned.readers",
                {**payload, "group": group},
            )
            for group in dict.fromkeys((*READERS, entry.audience))
        ]  # fmt: skip
        acts = [
            Choice(say(language, "learned.add"), "learned.add", payload),
            Choice(say(language, "learned.edit"), "learned.edit", payload),
            Choice(say(language, "learned.drop"), "learned.drop", payload),
        ]
        return Page("\n\n".join(lines), [acts, *(readers[first : first + 3] for first in range(0, len(readers), 3))])

    async def press_readers(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Handle the buttons that choose who may read the answer of a proposal."""
        group = str(action.payload["group"])
        entry = await self._read(incoming, action)
        near = await self.near(incoming, entry.question, entry.answer) if entry else ()

        def change(tx: Tx, entry: LearnedEntry) -> Page:
            tx.learned.change_entry(entry.id, audience=group)
            return self.page(incoming.language, replace(entry, audience=group), near)

        await self._decide(incoming, reply, action, PROPOSED, change)

    async def press_add(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Make a proposal an entry of the knowledge base."""

        def add(tx: Tx, entry: LearnedEntry) -> Page:
            self._learn(tx, incoming, entry)
            return Page(say(incoming.language, "learned.added", question=entry.question))

        await self._decide(incoming, reply, action, PROPOSED, add)

    async def press_drop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Drop a proposal."""

        def drop(tx: Tx, entry: LearnedEntry) -> Page:
            tx.learned.change_entry(entry.id, state=DROPPED)
            return Page(say(incoming.language, "learned.dropped"))

        await self._decide(incoming, reply, action, PROPOSED, drop)

    async def press_edit(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the admin to write another answer for a proposal or for an entry that was taught."""

        def ask(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            entry = tx.learned.read_entry(incoming.address.bot, int(action.payload["id"]))
            if entry is None or entry.state not in (PROPOSED, ADDED):
                finish_page(tx, incoming, Page(say(incoming.language, "learned.gone")), back=False)
                return
            text = say(incoming.language, "learned.ask", question=entry.question)
            finish_asking(tx, incoming, "learned.edit", text, id=entry.id, takes_questions=True)

        await finish(self.store, reply, ask)

    async def receive_answer(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take the admin's message as the new answer of a proposal, or of an entry, which has the new answer at once.

        Returns False if the message has no text or the entry was removed meanwhile: then it is an ordinary message.
        """
        entry = await self._read(incoming, waiting)
        if entry is None or not incoming.text.strip():
            return False
        question, answer = taught(incoming.text, entry.question)
        changed = replace(entry, question=question, answer=answer)
        near = await self.near(incoming, question, answer)

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            end_question(tx, incoming)
            now = tx.learned.read_entry(entry.bot, entry.id)
            if now is not None and now.state == ADDED:
                self._learn(tx, incoming, changed)
                page = Page(say(incoming.language, "learned.added", question=question))
            else:
                tx.learned.change_entry(entry.id, question=question, answer=answer)
                page = self.page(incoming.language, changed, near)
            finish_page(tx, incoming, page, back=False)

        await finish(self.store, reply, work)
        self.wake_jobs()
        return True

    def _learn(self, tx: Tx, incoming: Incoming, entry: LearnedEntry) -> None:
        from bot.knowledge.learning.learned import learn

        learn(tx, self.base, entry)
        request_embedding(tx, entry.bot, 0)  # where that is free; else /kb shows the price
        tx.audit.add_entry(entry.bot, incoming.user.id, "kb_learned", f"#{entry.id}", readers=entry.audience)

    # --- reviews ------------------------------------------------------------------------------------------------------

    async def review(self, job: Job) -> None:
        """The job that asks whether old entries are still true; it asks the author, or all owners if the author is no
        admin any more.

        It is due again when the next entries are, but not before a week has passed.
        """
        bot = job.address.bot

        def work(tx: Tx) -> list[Address]:
            now, chats = tx.clock.time(), []
            admins, owners = self.rights.with_role(tx, bot), self.rights.with_role(tx, bot, Role.OWNER)
            for entry in tx.learned.list_due(bot, now, AT_ONCE):
                tx.learned.change_entry(entry.id, review=now + AGAIN)
                for person in sorted([entry.author] if entry.author in admins else owners):
                    where, language = Address(job.address.transport, bot, person), tx.chats.read_language(bot, person)
                    text = say(language, "learned.review", question=entry.question, answer=entry.answer)
                    choices = [
                        Choice(say(language, f"learned.{act}"), f"learned.{act}", {"id": entry.id})
                        for act in ("keep", "edit", "remove")
                    ]
                    send(tx, f"learned-{entry.id}-{int(entry.review)}.o{person}", where, text, choices)
                    chats.append(where)
            following = tx.learned.next_review(bot)
            if following is None:
                tx.jobs.delete_done(job)
            else:
                tx.jobs.reschedule(job, max(following, now + WEEK))
            return chats

        self.deliver(job.key, await self.store.write(work))

    async def press_keep(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Note that an entry is still true."""
        from bot.knowledge.learning.learned import VALID

        def keep(tx: Tx, entry: LearnedEntry) -> Page:
            tx.learned.change_entry(entry.id, review=tx.clock.time() + VALID)
            return Page(say(incoming.language, "learned.kept", question=entry.question))

        await self._decide(incoming, reply, action, ADDED, keep)

    async def press_remove(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Take an entry out of the knowledge base."""
        from bot.knowledge.learning.learned import withdraw

        def remove(tx: Tx, entry: LearnedEntry) -> Page:
            withdraw(tx, entry)
            tx.audit.add_entry(entry.bot, incoming.user.id, "kb_unlearned", f"#{entry.id}")
            return Page(say(incoming.language, "learned.removed", question=entry.question))

        await self._decide(incoming, reply, action, ADDED, remove)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _read(self, incoming: Incoming, action: ButtonPress) -> LearnedEntry | None:
        bot, id_ = incoming.address.bot, int(action.payload["id"])
        return await self.store.read(lambda tx: tx.learned.read_entry(bot, id_))

    async def _decide(
        self,
        incoming: Incoming,
        reply: Reply,
        action: ButtonPress,
        state: str,
        decide: Callable[[Tx, LearnedEntry], Page],
    ) -> None:
        """Change the entry of a button if it is in this state, and show what became of it in the button's message."""

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            entry = tx.learned.read_entry(incoming.address.bot, int(action.payload["id"]))
            known = entry is not None and entry.state == state
            page = decide(tx, entry) if entry is not None and known else Page(say(incoming.language, "learned.gone"))
            finish_page(tx, incoming, page, back=False)

        await finish(self.store, reply, work)
        self.wake_jobs()


def taught(text: str, question: str) -> tuple[str, str]:
    """Split a message into a question and its answer.

    If the first line is a question and text follows, that line is the question and replaces `question`, and the text is
    the answer. Otherwise the whole message is the answer to `question`.
    """
    first, _, rest = text.strip().partition("\n")
    if first.rstrip().endswith("?") and rest.strip():
        return first.strip(), rest.strip()[:LONGEST]
    return question, text.strip()[:LONGEST]


def _named(language: str, group: str) -> str:
    kind, _, name = group.partition(":")
    return say(language, f"kb.group.{kind}", name=name)
