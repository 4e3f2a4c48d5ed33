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
from bot.feature import NOT_MINE, Again, Feature, Instead, Turn, awaited, job, press
from bot.features.knowledge.jobs import request_embedding, send
from bot.jobs.learning import REVIEW
from bot.knowledge import rights as audiences
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Ask, Choice, Page
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import ADDED, DROPPED, DUE_REVIEWS, EVERYONE, PROPOSED, REVIEWS, LearnedEntry
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Permission

AT_ONCE = 3  # entries whose reviews are asked for in a week
WEEK = 7 * 86_400.0  # seconds
AGAIN = 4 * WEEK  # until a review that nobody answered is asked for again
LONGEST = 3_000  # characters of an answer
SHOWN = 200  # characters of a sentence that is near
READERS = (EVERYONE, *audiences.NAMES.values())


@dataclass(slots=True, kw_only=True)
class LearnedEntries(Feature):
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
            Choice(tick + _named(language, group), "learned.readers", {**payload, "group": group})
            for group in dict.fromkeys((*READERS, entry.audience))
            for tick in ("✓ " if group == entry.audience else "",)
        ]
        acts = [
            Choice(say(language, "learned.add"), "learned.add", payload),
            Choice(say(language, "learned.edit"), "learned.edit", payload),
            Choice(say(language, "learned.drop"), "learned.drop", payload),
        ]
        rows = [acts, *(readers[first : first + 3] for first in range(0, len(readers), 3))]
        return Page("\n\n".join(lines), rows, back=False)

    @press("learned.readers", requires=Permission.MANAGE)
    async def choose_readers(self, turn: Turn, _reply: Reply, id: int, group: str) -> Callable[[Tx], Page]:
        """Choose who may read the answer of a proposal."""
        entry = await self._read(turn, id)
        near = await self.near(turn, entry.question, entry.answer) if entry else ()

        def choose(tx: Tx) -> Page:
            if (entry := self._find(tx, turn, id, PROPOSED)) is None:
                return _gone(turn)
            tx.change_all(LearnedEntry, {"audience": group}, id=id)
            return self.page(turn.language, replace(entry, audience=group), near)

        return choose

    @press("learned.add", requires=Permission.MANAGE)
    def add(self, tx: Tx, turn: Turn, id: int) -> Page:
        """Make a proposal an entry of the knowledge base."""
        if (entry := self._find(tx, turn, id, PROPOSED)) is None:
            return _gone(turn)
        self._learn(tx, turn, entry)
        return Page(turn.say("learned.added", question=entry.question), back=False)

    @press("learned.drop", requires=Permission.MANAGE)
    def drop(self, tx: Tx, turn: Turn, id: int) -> Page:
        """Drop a proposal."""
        if self._find(tx, turn, id, PROPOSED) is None:
            return _gone(turn)
        tx.change_all(LearnedEntry, {"state": DROPPED}, id=id)
        return Page(turn.say("learned.dropped"), back=False)

    @press("learned.edit", requires=Permission.MANAGE)
    def edit(self, tx: Tx, turn: Turn, id: int) -> Ask | Page:
        """Ask the admin to write another answer for a proposal or for an entry that was taught."""
        if (entry := self._find(tx, turn, id, PROPOSED, ADDED)) is None:
            return _gone(turn)
        text = turn.say("learned.ask", question=entry.question)
        return Ask("learned.edit", text, id=id, takes_questions=True)

    @awaited("learned.edit")
    async def receive_answer(self, turn: Turn, _reply: Reply, id: int) -> Callable[[Tx], Page] | Instead:
        """Take the admin's message as the new answer of a proposal, or of an entry, which has the new answer at once.

        A message without text is an ordinary one, and so is one about an entry that was removed meanwhile.
        """
        entry = await self._read(turn, id)
        if entry is None or not turn.text.strip():
            return NOT_MINE
        question, answer = taught(turn.text, entry.question)
        changed = replace(entry, question=question, answer=answer)
        near = await self.near(turn, question, answer)

        def change(tx: Tx) -> Page:
            if self._find(tx, turn, id, ADDED) is not None:
                self._learn(tx, turn, changed)
                return Page(turn.say("learned.added", question=question), back=False)
            tx.change_all(LearnedEntry, {"question": question, "answer": answer}, id=id)
            return self.page(turn.language, changed, near)

        return change

    def _learn(self, tx: Tx, turn: Turn, entry: LearnedEntry) -> None:
        from bot.knowledge.learning.learned import learn

        learn(tx, self.base, entry)
        request_embedding(tx, entry.bot, 0)  # where that is free; else /kb shows the price
        tx.audit.add_entry(entry.bot, turn.user.id, "kb_learned", f"#{entry.id}", readers=entry.audience)

    # --- reviews ------------------------------------------------------------------------------------------------------

    @job(REVIEW)
    def review(self, tx: Tx, due: Job) -> Again | None:
        """Ask whether old entries are still true: the author, or all owners if the author is no admin any more.

        It is due again when the next entries are, but not before a week has passed.
        """
        bot, now = due.address.bot, tx.clock.time()
        admins, owners = self.rights.with_role(tx, bot), self.rights.with_role(tx, bot, Role.OWNER)
        for entry in tx.all(DUE_REVIEWS, limit=AT_ONCE, bot=bot, now=now):
            tx.change(entry, review=now + AGAIN)
            for person in sorted([entry.author] if entry.author in admins else owners):
                where, language = Address(due.address.transport, bot, person), tx.chats.read_language(bot, person)
                text = say(language, "learned.review", question=entry.question, answer=entry.answer)
                choices = [
                    Choice(say(language, f"learned.{act}"), f"learned.{act}", {"id": entry.id})
                    for act in ("keep", "edit", "remove")
                ]
                send(tx, f"learned-{entry.id}-{int(entry.review)}.o{person}", where, text, choices)
        following = tx.one(REVIEWS, bot=bot)
        return None if following is None else Again(max(following.review, now + WEEK))

    @press("learned.keep", requires=Permission.MANAGE)
    def keep(self, tx: Tx, turn: Turn, id: int) -> Page:
        """Note that an entry is still true."""
        from bot.knowledge.learning.learned import VALID

        if (entry := self._find(tx, turn, id, ADDED)) is None:
            return _gone(turn)
        tx.change(entry, review=tx.clock.time() + VALID)
        return Page(turn.say("learned.kept", question=entry.question), back=False)

    @press("learned.remove", requires=Permission.MANAGE)
    def remove(self, tx: Tx, turn: Turn, id: int) -> Page:
        """Take an entry out of the knowledge base."""
        from bot.knowledge.learning.learned import withdraw

        if (entry := self._find(tx, turn, id, ADDED)) is None:
            return _gone(turn)
        withdraw(tx, entry)
        tx.audit.add_entry(entry.bot, turn.user.id, "kb_unlearned", f"#{id}")
        return Page(turn.say("learned.removed", question=entry.question), back=False)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _read(self, turn: Turn, id: int) -> LearnedEntry | None:
        return await self.store.read(lambda tx: tx.one(LearnedEntry, bot=turn.address.bot, id=id))

    def _find(self, tx: Tx, turn: Turn, id: int, *states: str) -> LearnedEntry | None:
        """The entry of a button if it is in one of these states. Raises what `ensure_admin` raises."""
        self.rights.ensure_admin(tx, turn)
        entry = tx.one(LearnedEntry, bot=turn.address.bot, id=id)
        return entry if entry is not None and entry.state in states else None


def _gone(turn: Turn) -> Page:
    return Page(turn.say("learned.gone"), back=False)


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
