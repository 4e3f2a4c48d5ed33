"""The command /gaps for admins: questions that people asked and that the sources did not answer. Begin with
`GapReport.show`.

Such a question is called a gap; gaps that ask for one thing are shown together as a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.policy import Actor
from bot.access.rights import Rights
from bot.errors import BadInput, ConfigError
from bot.feature import ButtonHandler, Command, Handlers
from bot.features.knowledge.learned import LearnedEntries, taught
from bot.knowledge import rights as audiences
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Choice, Page, end_question, finish, finish_asking, finish_page, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.knowledge.gaps import Gap
from bot.storage.repositories.knowledge.learned import LearnedEntry
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import File, Incoming, Outgoing, Permission

if TYPE_CHECKING:
    from bot.knowledge.learning.clusters import Cluster

WEEKS = 14 * 86_400  # seconds: this week and the one before
MOST_SHOWN = 8  # clusters, and questions of one
LONGEST = 120  # characters of a question in a list
LONGEST_LABEL = 40


@dataclass(slots=True, kw_only=True)
class GapReport:
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

    def feature(self) -> Handlers:
        """/gaps and its buttons."""
        return Handlers(
            commands={"/gaps": Command(self.show, requires=Permission.MANAGE)},
            presses={
                "gap.list": ButtonHandler(self.press_list, Permission.MANAGE),
                "gap.open": ButtonHandler(self.press_open, Permission.MANAGE),
                "gap.file": ButtonHandler(self.press_file, Permission.MANAGE),
                "gap.answer": ButtonHandler(self.press_answer, Permission.MANAGE),
            },
            awaits={"gap.answer": self.receive_answer},
        )

    async def show(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Show the clusters of gaps of this week, the largest first. Raises `BadInput` if the libraries of the
        knowledge base are missing.
        """
        found = await self._clusters(incoming)
        await self._finish(incoming, reply, self._list(incoming.language, found))

    async def press_list(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Handle the button that leads from one gap back to the list of gaps."""
        await self.show(incoming, reply, "")

    async def press_open(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the questions of the cluster that holds a gap, or the list of clusters if that gap was
        closed meanwhile.
        """
        found, language = await self._clusters(incoming), incoming.language
        of_it = _cluster_of(found, action)
        await self._finish(incoming, reply, self._one(language, of_it) if of_it else self._list(language, found))

    async def press_file(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Send all clusters as a CSV file."""
        from bot.knowledge.learning.clusters import table

        data = table(await self._clusters(incoming)).encode("utf-8-sig")  # which Excel takes for UTF-8
        text, language = File(data, "document", "gaps.csv"), incoming.language
        answer = Outgoing(say(language, "gap.list"), plain=True, file=text, instead=say(language, "export.failed"))

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            finish_turn(tx, incoming, answer)

        await finish(self.store, reply, work)

    async def press_answer(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the admin to write the answer to the questions of a cluster."""
        found = await self._clusters(incoming)
        of_it = _cluster_of(found, action)
        if of_it is None:
            await self._finish(incoming, reply, self._list(incoming.language, found))
            return
        gap, text = of_it.central.id, say(incoming.language, "learned.ask", question=of_it.central.question)

        def ask(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            finish_asking(tx, incoming, "gap.answer", text, gap=gap, takes_questions=True)

        await finish(self.store, reply, ask)

    async def receive_answer(self, incoming: Incoming, reply: Reply, waiting: ButtonPress) -> bool:
        """Take the admin's message as the answer to a cluster, and show it as a proposal.

        Returns False if the message has no text or the gap was closed meanwhile: then it is an ordinary message.
        """
        of_it = _cluster_of(await self._clusters(incoming), waiting)
        if of_it is None or not incoming.text.strip():
            return False
        from bot.knowledge.learning.learned import propose

        question, answer = taught(incoming.text, of_it.central.question)
        near = await self.entries.near(incoming, question, answer)
        entry = LearnedEntry(
            bot=incoming.address.bot,
            question=question,
            answer=answer,
            author=incoming.user.id,
            audience=audiences.widest(gap.audience for gap in of_it.gaps),
        )

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            end_question(tx, incoming)
            proposal = propose(tx, entry, [gap.id for gap in of_it.gaps])
            finish_page(tx, incoming, self.entries.page(incoming.language, proposal, near), back=False)

        await finish(self.store, reply, work)
        return True

    async def _clusters(self, incoming: Incoming) -> list[Cluster]:
        try:
            check_libraries()
        except ConfigError:
            raise BadInput(say(incoming.language, "kb.missing")) from None
        from bot.knowledge.learning.clusters import clusters

        def read(tx: Tx) -> Sequence[Gap]:
            role = self.rights.ensure_admin(tx, incoming).role(Actor.of(incoming))
            hidden = audiences.above(role.word)
            return tx.gaps.list_open(incoming.address.bot, tx.clock.time() - WEEKS, hidden)

        gaps = await self.store.read(read)
        return await asyncio.to_thread(clusters, gaps, self.store.clock.time())

    async def _finish(self, incoming: Incoming, reply: Reply, page: Page) -> None:
        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            finish_page(tx, incoming, page, back=False)

        await finish(self.store, reply, work)

    def _list(self, language: str, found: Sequence[Cluster]) -> Page:
        if not found:
            return Page(say(language, "gap.none"))
        lines = [f"{_counted(one)} · {_short(one.central.question, LONGEST)}" for one in found[:MOST_SHOWN]]
        if (more := len(found) - MOST_SHOWN) > 0:
            lines.append(say(language, "kb.more", count=more))
        rows = [
            [Choice(_short(one.central.question, LONGEST_LABEL), "gap.open", {"gap": one.central.id})]
            for one in found[:MOST_SHOWN]
        ]
        rows.append([Choice(say(language, "gap.file"), "gap.file")])
        return Page("\n".join([say(language, "gap.title"), "", *lines]), rows)

    def _one(self, language: str, one: Cluster) -> Page:
        questions = list(dict.fromkeys([one.central.question, *(gap.question for gap in reversed(one.gaps))]))
        lines = [f"· {_short(question, LONGEST)}" for question in questions[:MOST_SHOWN]]
        text = say(language, "gap.one", now=one.now, before=one.before)
        rows = [
            [Choice(say(language, "gap.answer"), "gap.answer", {"gap": one.central.id})],
            [Choice(say(language, "kb.back"), "gap.list")],
        ]
        return Page("\n".join([text, "", *lines]), rows)


def _cluster_of(found: Sequence[Cluster], action: ButtonPress) -> Cluster | None:
    """The cluster that has the gap of a button, None if it is not open any more."""
    gap = int(action.payload["gap"])
    return next((one for one in found if any(member.id == gap for member in one.gaps)), None)


def _counted(one: Cluster) -> str:
    """How often a cluster was asked this week, with the difference to the week before: "5 (+3)"."""
    return f"{one.now} ({one.trend})" if one.trend else str(one.now)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
