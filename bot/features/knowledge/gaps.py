"""The command /gaps for admins: questions that people asked and that the sources did not answer. Begin with
`GapReport.show`.

Such a question is called a gap; gaps that ask for one thing are shown together as a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.policy import Actor
from bot.access.rights import Rights
from bot.errors import BadInput, ConfigError
from bot.feature import NOT_MINE, Feature, Instead, Turn, awaited, command, press
from bot.features.knowledge.learned import LearnedEntries, taught
from bot.knowledge import rights as audiences
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Answer, Ask, Choice, Outcome, Page
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import Gap, LearnedEntry
from bot.texts.catalog import say
from bot.types import File, Outgoing, Permission

if TYPE_CHECKING:
    from bot.knowledge.learning.clusters import Cluster

WEEKS = 14 * 86_400  # seconds: this week and the one before
MOST_SHOWN = 8  # clusters, and questions of one
LONGEST = 120  # characters of a question in a list
LONGEST_LABEL = 40


@dataclass(slots=True, kw_only=True)
class GapReport(Feature):
    """Shows admins the gaps of the last week, except those of people whose role is higher than the admin's.

    When an admin writes the answer to a gap, it becomes a proposal for the knowledge base, which `entries` shows.
    """

    base: KnowledgeBase
    rights: Rights
    entries: LearnedEntries

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    @command("/gaps", requires=Permission.MANAGE)
    @press("gap.list", requires=Permission.MANAGE)
    async def show(self, turn: Turn, _reply: Reply) -> Callable[[Tx], Outcome]:
        """Show the clusters of gaps of this week, the largest first. Raises `BadInput` if the libraries of the
        knowledge base are missing.
        """
        return self._for_admin(turn, self._list(turn.language, await self._clusters(turn)))

    @press("gap.open", requires=Permission.MANAGE)
    async def open(self, turn: Turn, _reply: Reply, gap: int) -> Callable[[Tx], Outcome]:
        """Show the questions of the cluster that holds a gap, or the list of clusters if that gap was closed
        meanwhile.
        """
        found = await self._clusters(turn)
        of_it = _cluster_of(found, gap)
        return self._for_admin(turn, self._one(turn.language, of_it) if of_it else self._list(turn.language, found))

    @press("gap.file", requires=Permission.MANAGE)
    async def send_file(self, turn: Turn, _reply: Reply) -> Callable[[Tx], Outcome]:
        """Send all clusters as a CSV file."""
        from bot.knowledge.learning.clusters import table

        data = table(await self._clusters(turn)).encode("utf-8-sig")  # which Excel takes for UTF-8
        file = File(data, "document", "gaps.csv")
        answer = Outgoing(turn.say("gap.list"), plain=True, file=file, instead=turn.say("export.failed"))
        return self._for_admin(turn, Answer(answer))

    @press("gap.answer", requires=Permission.MANAGE)
    async def ask_answer(self, turn: Turn, _reply: Reply, gap: int) -> Callable[[Tx], Outcome]:
        """Ask the admin to write the answer to the questions of a cluster."""
        found = await self._clusters(turn)
        of_it = _cluster_of(found, gap)
        if of_it is None:
            return self._for_admin(turn, self._list(turn.language, found))
        text = turn.say("learned.ask", question=of_it.central.question)
        return self._for_admin(turn, Ask("gap.answer", text, gap=of_it.central.id, takes_questions=True))

    @awaited("gap.answer")
    async def receive_answer(self, turn: Turn, _reply: Reply, gap: int) -> Callable[[Tx], Outcome] | Instead:
        """Take the admin's message as the answer to a cluster, and show it as a proposal.

        A message without text is an ordinary one, and so is one about a gap that was closed meanwhile.
        """
        of_it = _cluster_of(await self._clusters(turn), gap)
        if of_it is None or not turn.text.strip():
            return NOT_MINE
        from bot.knowledge.learning.learned import propose

        question, answer = taught(turn.text, of_it.central.question)
        near = await self.entries.near(turn, question, answer)
        audience = audiences.widest(gap.audience for gap in of_it.gaps)
        entry = LearnedEntry(
            bot=turn.address.bot, question=question, answer=answer, author=turn.user.id, audience=audience
        )

        def show_proposal(tx: Tx) -> Page:
            self.rights.ensure_admin(tx, turn)
            return self.entries.page(turn.language, propose(tx, entry, [gap.id for gap in of_it.gaps]), near)

        return show_proposal

    async def _clusters(self, turn: Turn) -> list[Cluster]:
        try:
            check_libraries()
        except ConfigError:
            raise BadInput(turn.say("kb.missing")) from None
        from bot.knowledge.learning.clusters import clusters

        def read(tx: Tx) -> Sequence[Gap]:
            role = self.rights.ensure_admin(tx, turn).role(Actor.of(turn))
            return tx.gaps.list_open(turn.address.bot, tx.clock.time() - WEEKS, audiences.above(role.word))

        gaps = await self.store.read(read)
        return await asyncio.to_thread(clusters, gaps, self.store.clock.time())

    def _for_admin(self, turn: Turn, outcome: Outcome) -> Callable[[Tx], Outcome]:
        """Return `outcome` as what the last transaction ends with, if the person still is an admin then."""

        def end(tx: Tx) -> Outcome:
            self.rights.ensure_admin(tx, turn)
            return outcome

        return end

    def _list(self, language: str, found: Sequence[Cluster]) -> Page:
        if not found:
            return Page(say(language, "gap.none"), back=False)
        lines = [f"{_counted(one)} · {_short(one.central.question, LONGEST)}" for one in found[:MOST_SHOWN]]
        if (more := len(found) - MOST_SHOWN) > 0:
            lines.append(say(language, "kb.more", count=more))
        rows = [
            [Choice(_short(one.central.question, LONGEST_LABEL), "gap.open", {"gap": one.central.id})]
            for one in found[:MOST_SHOWN]
        ]
        rows.append([Choice(say(language, "gap.file"), "gap.file")])
        return Page("\n".join([say(language, "gap.title"), "", *lines]), rows, back=False)

    def _one(self, language: str, one: Cluster) -> Page:
        questions = list(dict.fromkeys([one.central.question, *(gap.question for gap in reversed(one.gaps))]))
        lines = [f"· {_short(question, LONGEST)}" for question in questions[:MOST_SHOWN]]
        text = say(language, "gap.one", now=one.now, before=one.before)
        rows = [
            [Choice(say(language, "gap.answer"), "gap.answer", {"gap": one.central.id})],
            [Choice(say(language, "kb.back"), "gap.list")],
        ]
        return Page("\n".join([text, "", *lines]), rows, back=False)


def _cluster_of(found: Sequence[Cluster], gap: int) -> Cluster | None:
    """The cluster that has a gap, None if it is not open any more."""
    return next((one for one in found if any(member.id == gap for member in one.gaps)), None)


def _counted(one: Cluster) -> str:
    """How often a cluster was asked this week, with the difference to the week before: "5 (+3)"."""
    return f"{one.now} ({one.trend})" if one.trend else str(one.now)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
