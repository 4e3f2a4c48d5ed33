"""Notes questions that the sources did not answer: `note_refused`, `note_person` for those that went to a person, and
`Dislikes` for answers that got a 👎.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bot.knowledge import rights
from bot.knowledge.answer.evidence import Evidence
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.knowledge import DISLIKED, PERSON, REFUSED, Gap
from bot.types import Incoming


def note_refused(tx: Tx, incoming: Incoming, question: Remembered, evidence: Evidence, topic: str = "") -> None:
    """Store a question of `incoming` to which the bot has just said that the sources do not have it.

    `topic` is its key in the routing file, "" for none.
    """
    tx.add_missing(
        Gap(
            address=incoming.address,
            user=incoming.user.id,
            message_id=question.id,
            question=without_names(question.words, incoming.user.name),
            reason=REFUSED,
            audience=rights.narrowest(evidence.groups),
            language=evidence.language,
            topic=topic,
            vector=evidence.vector,
            checked=evidence.generation,
            seen=evidence.mark,
            at=tx.clock.time(),
        )
    )


def without_names(text: str, *names: str) -> str:
    """A question without what tells who asked it: its digits become 0, names and addresses …."""
    from bot.llm.topics.samples import masked

    return " ".join(masked(text, names).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dislikes:
    """Notes questions whose answers from the sources are disliked. `role` names a sender's role."""

    role: Callable[[Incoming], str]

    def judge(self, tx: Tx, incoming: Incoming, answer: Remembered, value: int) -> bool:
        """Take a judgement of an answer (-1: disliked, else it is taken back). Returns whether it left a gap."""
        question = tx.messages.find_message(answer.parent) if answer.parent is not None else None
        if question is None or question.message.role != "user":
            return False
        if value >= 0:
            tx.remove(Gap, message_id=question.id, reason=DISLIKED)
            return False
        if not tx.knowledge.has_quotes(answer.id):
            return False
        where = incoming.address
        groups = rights.groups_of(self.role(incoming), incoming.user.id, where, private=incoming.private)
        _note(tx, incoming, question, groups, DISLIKED)
        return True


def note_person(tx: Tx, incoming: Incoming, question: Remembered, groups: Collection[str]) -> None:
    """Store the newest question of a customer who has called a person, and may read what is for these `groups`."""
    _note(tx, incoming, question, groups, PERSON)


def _note(tx: Tx, incoming: Incoming, question: Remembered, groups: Collection[str], reason: str) -> None:
    where = incoming.address
    names = tx.members.read_names(where.bot, [question.user]).values()
    tx.add_missing(
        Gap(
            address=where,
            user=question.user,
            message_id=question.id,
            question=without_names(question.words, incoming.user.name, *names),
            reason=reason,
            audience=rights.narrowest(groups),
            language=incoming.language or tx.chats.read_language(where.bot, question.user),
            checked=tx.knowledge.generation(),
            at=tx.clock.time(),
        )
    )
