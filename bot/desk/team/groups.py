"""/desk: an administrator connects a group, in which operators then see customers, each in a topic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from bot.desk.desk import Desk, Places
from bot.feature import ButtonHandler, Command, Feature
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.desk.cases import HELD, SNOOZED, WAITING
from bot.storage.repositories.desk.seats import ERASE
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, Permission

SPANS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskGroups:
    """Connects groups. `missing_rights` returns the names of what the bot lacks to work in a chat (`desk.right.*`).

    `groups` are the connected ones, in which every message is for the bot: the transport reads this set. `send`
    delivers to places in the background, `delete_topic` deletes a topic with all its messages.
    """

    store: Store
    desk: Desk
    groups: set[int]
    missing_rights: Callable[[int], Awaitable[Sequence[str]]]
    delete_topic: Callable[[Address], Awaitable[None]]
    send: Callable[[str, Places], None]

    def feature(self) -> Feature:
        """Return the feature: the command /desk, and the button that connects a group of operators."""
        return Feature(
            commands={"/desk": Command(self.show, Permission.CONNECT)},
            presses={"desk.use": ButtonHandler(self.press_use, Permission.CONNECT)},
            jobs={ERASE: self.erase},
        )

    async def load(self) -> None:
        """Read, at the start and after a change by another process, which groups are connected and who is served."""
        bot, served = self.desk.bot, self.desk.served

        def read(tx: Tx) -> tuple[set[int], set[str]]:
            held = tx.cases.list_owned(bot, WAITING, HELD, SNOOZED)
            return {chat for chat, _ in tx.seats.list_groups(bot)}, {case.address.key for case in held}

        groups, keys = await self.store.ask_until_answered(read)
        self.groups.clear()
        self.groups.update(groups)
        served.clear()
        served.update(keys)

    async def show(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """/desk: the state of a connected group, or what is missing to connect it."""
        if incoming.private:
            await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, _say(incoming, "private")))
            return
        if incoming.address.chat in self.groups:
            await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, self._state(tx, incoming)))
            return
        missing = await self.missing_rights(incoming.address.chat)
        if missing:
            await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, _lacks(incoming, missing)))
            return
        teams, language = self.desk.table.teams, incoming.language
        choices = [
            Choice(
                _say(incoming, "use") if len(teams) == 1 else self.desk.table.title(team, language),
                "desk.use", {"team": team},
            )
            for team in teams
        ]  # fmt: skip
        text = _say(incoming, "ask") + ("" if len(teams) == 1 else f" {_say(incoming, 'whose')}")
        await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, text, choices=choices))

    async def press_use(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Connect the group, unless a right was taken away meanwhile."""
        chat = incoming.address.chat
        missing = await self.missing_rights(chat)

        def work(tx: Tx) -> None:
            if missing:
                finish_turn(tx, incoming, _lacks(incoming, missing), over=True)
                return
            tx.seats.connect_group(self.desk.bot, chat, str(action.payload["team"]), incoming.user.id)
            tx.buttons.expire_button(action.key)
            tx.queue.notify_processes(f"roll:{self.desk.bot}")
            finish_turn(tx, incoming, _say(incoming, "connected"), over=True)

        await self.store.write(work)
        await self.load()
        await reply.finish()

    async def erase(self, job: Job) -> None:
        """The job: delete the topic of a customer whose data were deleted, and tell the operators that it was so."""
        place = replace(job.address, thread=0)
        await self.delete_topic(job.address)

        def work(tx: Tx) -> None:
            language = self.desk.language(tx, place.chat)
            told = Outgoing(say(language, "desk.erased"), plain=True, keeps_place=True)
            tx.outbox.add_answer(f"desk.erased.{job.address.thread}.{place.chat}", place, told)
            tx.jobs.delete_done(job)

        await self.store.write(work)
        self.send("", [place])

    def _state(self, tx: Tx, incoming: Incoming) -> str:
        waiting, held, snoozed = (len(tx.cases.list_owned(self.desk.bot, owner)) for owner in (WAITING, HELD, SNOOZED))
        state = say(incoming.language, "desk.group.state", waiting=waiting, held=held, snoozed=snoozed)
        figures = [self._figures(tx, incoming.language, name, days) for name, days in SPANS.items()]
        return "\n".join([state, *figures])

    def _figures(self, tx: Tx, language: str, span: str, days: int) -> str:
        """What has happened in the last days, as one line."""
        found = tx.cases.read_figures(self.desk.bot, tx.clock.time() - days * 86_400)
        stars = (
            say(language, "desk.figures.stars", stars=f"{found.stars:.1f}", count=found.rated) if found.rated else ""
        )
        line = say(
            language, "desk.figures", span=say(language, f"desk.span.{span}"), opened=found.opened, alone=found.alone,
            called=found.called, closed=found.closed,
        )  # fmt: skip
        return line + stars


def _say(incoming: Incoming, key: str) -> str:
    return say(incoming.language, f"desk.group.{key}")


def _lacks(incoming: Incoming, missing: Sequence[str]) -> str:
    names = [say(incoming.language, f"desk.right.{name}") for name in missing]
    return say(incoming.language, "desk.group.missing", rights="; ".join(names))
