"""What the knowledge base learns from cases of the desk. Begin with `CaseLessons.note_unanswered`.

The newest question of a customer who has called a person is a gap (`/gaps`). When a case is closed in which the sources
had no good answer, the operators' answer is proposed to the owners, who add it, edit it or drop it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Role
from bot.desk.cards import OPERATORS
from bot.desk.desk import Desk
from bot.features.knowledge.learned import LONGEST, LearnedEntries
from bot.handlers import Handlers
from bot.knowledge import rights
from bot.knowledge.learning.gaps import note_person
from bot.outbox import Page
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import Case
from bot.storage.tables.knowledge import DISLIKED, GAPS, REFUSED, Gap, LearnedEntry
from bot.types import Address, Incoming, Job, Outgoing, User

UNANSWERED = "desk.unanswered"  # the job that notes the question of a customer who has called a person
LESSON = "desk.lesson"  # the job that proposes what operators have answered
MOST = 60  # messages of a conversation that are looked through
PROPOSED = (REFUSED, DISLIKED)  # the gaps that an operator's answer closes


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLessons:
    """Learns from the cases of a desk; `entries` shows what is proposed."""

    desk: Desk
    entries: LearnedEntries
    access: Access

    @property
    def store(self) -> Store:
        """The database."""
        return self.entries.store

    def feature(self) -> Handlers:
        """The jobs that follow when a person is called, and when a case is closed."""
        return Handlers(jobs={UNANSWERED: self.note_unanswered, LESSON: self.propose_answers})

    async def note_unanswered(self, job: Job) -> None:
        """The job: note the newest question of the conversation, for which a person was called."""
        has_sources = bool(await self.entries.base.sources())

        def work(tx: Tx) -> None:
            tx.jobs.delete_done(job)
            case = self._case(tx, job)
            said = _conversation(tx, case.address) if case is not None and has_sources else ()
            question = next((one for one in reversed(said) if _is_question(one)), None)
            if case is not None and question is not None:
                incoming = _from_customer(case)
                role = self.access.role(Actor.of(incoming)).word
                groups = rights.groups_of(role, case.user, case.address, private=True)
                note_person(tx, incoming, question, groups)

        await self.store.write(work)

    async def propose_answers(self, job: Job) -> None:
        """The job: propose the operators' answers to questions of a closed case that the sources did not answer."""

        def find(tx: Tx) -> Sequence[tuple[Gap, str]]:
            case = self._case(tx, job)
            said = _conversation(tx, case.address) if case is not None and case.last_holder else ()
            gaps = {gap.message_id: gap for gap in tx.all(GAPS, message_id=[one.id for one in said], learned_id=None)}
            return [
                (gaps[question], answer)
                for question, answer in _answered(said)
                if question in gaps and gaps[question].reason in PROPOSED
            ]

        for gap, answer in await self.store.read(find):
            await self._propose(job, gap, answer)
        await self.store.write(lambda tx: tx.jobs.delete_done(job))

    async def _propose(self, job: Job, gap: Gap, answer: str) -> None:
        from bot.knowledge.learning.learned import propose

        bot, owners = gap.address.bot, await self.store.read(self._owners)
        pages = list[tuple[Address, str, Sequence[str]]]()
        for owner, language in owners.items():
            where = Address(job.address.transport, bot, owner)
            asking = Incoming(job.key, where, User(owner, language=language), private=True)
            pages.append((where, language, await self.entries.near(asking, gap.question, answer)))

        def work(tx: Tx) -> Collection[Address]:
            if not tx.all(GAPS, message_id=[gap.message_id or 0], learned_id=None):
                return ()  # proposed before this process died, or by somebody else
            entry = LearnedEntry(bot=bot, question=gap.question, answer=answer, author=0, audience=gap.audience)
            proposal = propose(tx, entry, [gap.id])
            for where, language, near in pages:
                _send(tx, f"lesson-{proposal.id}.o{where.chat}", where, self.entries.page(language, proposal, near))
            return [where for where, *_ in pages]

        self.entries.deliver(job.key, list(await self.store.write(work)))

    def _owners(self, tx: Tx) -> dict[int, str]:
        bot = self.desk.bot
        found = sorted(self.entries.rights.with_role(tx, bot, Role.OWNER))
        return {owner: tx.chats.read_language(bot, owner) for owner in found}

    def _case(self, tx: Tx, job: Job) -> Case | None:
        return tx.one(Case, bot=self.desk.bot, id=int(job.payload["case"]))


def _from_customer(case: Case) -> Incoming:
    return Incoming("", case.address, User(case.user, case.name, case.language), private=True)


def _conversation(tx: Tx, where: Address) -> Sequence[Remembered]:
    """The newest messages of the current conversation, oldest first."""
    current = tx.messages.find_current_conversation(where)
    return tx.messages.list_newest(current, MOST) if current is not None else ()


def _is_question(one: Remembered) -> bool:
    return one.message.role == "user" and bool(one.words) and not one.words.startswith("/")


def _answered(said: Sequence[Remembered]) -> Sequence[tuple[int, str]]:
    """The questions, by id, each with what operators wrote between it and the next message of the customer that follows
    an operator's. Messages of the customer in a row are one question, named by those that have an id.
    """
    found, asked, answers = list[tuple[int, str]](), list[int](), list[str]()
    for one in (*said, None):
        is_operators = one is not None and one.turn.endswith(OPERATORS) and one.message.role == "assistant"
        if one is not None and is_operators:
            answers.append(one.words)
            continue
        if answers:
            text = "\n".join(answers)[:LONGEST]
            found += [(question, text) for question in asked]
            asked, answers = [], []
        if one is not None and one.message.role == "user":
            asked.append(one.id)
    return found


def _send(tx: Tx, key: str, where: Address, page: Page) -> None:
    buttons = tuple(
        tuple(tx.buttons.add_button(where, key, where.chat, one.label, one.action, **one.payload) for one in row)
        for row in page.rows
    )
    tx.outbox.add_answer(key, where, Outgoing(page.text, plain=True, buttons=buttons))
