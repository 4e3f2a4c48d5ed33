"""/desk: an administrator connects a group, in which operators then see customers, each in a topic."""

from __future__ import annotations

import asyncio
import csv
import io
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from bot.billing.budget import duration
from bot.billing.usage_chart import Day, draw
from bot.desk.assistance.purse import Purse
from bot.desk.desk import Desk, Places
from bot.desk.team.duty import on_duty
from bot.handlers import ButtonHandler, Command, Handlers
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.desk import ERASE, Figures
from bot.storage.rows import Query
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CASES_BY_WAIT, DROPPED, EDITED, GROUPS, HELD, SENT, SNOOZED, WAITING, Case, Group
from bot.texts.catalog import say
from bot.types import Address, File, Incoming, Job, Outgoing, Permission

SPANS = {"day": 1, "week": 7, "month": 30}
ALSO = {"today": "day", "сегодня": "day", "день": "day", "неделя": "week", "месяц": "month"}
CHARTED = ("week", "month")
DAY = 86_400
BUSY = 11.0  # messages a minute, from which on some wait for more than 14 s (simulated, 16 of 20 are used)
MOST = 8  # reasons, and operators, in the details of a span


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskGroups:
    """Connects groups. `missing_rights` returns the names of what the bot lacks to work in a chat (`desk.right.*`).

    `groups` are the connected ones, in which every message is for the bot: the transport reads this set. `send`
    delivers to places in the background, the `purse` pays for models, `delete_topic` deletes a topic with all its
    messages, or these messages.
    """

    store: Store
    desk: Desk
    groups: set[int]
    missing_rights: Callable[[int], Awaitable[Sequence[str]]]
    delete_topic: Callable[[Address, Sequence[int]], Awaitable[None]]
    purse: Purse
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """Return the feature: the command /desk, and the button that connects a group of operators."""
        return Handlers(
            commands={"/desk": Command(self.show, Permission.CONNECT)},
            presses={"desk.use": ButtonHandler(self.press_use, Permission.CONNECT)},
            jobs={ERASE: self.erase},
        )

    async def load(self) -> None:
        """Read, at the start and after a change by another process, which groups are connected and who is served."""
        bot, served = self.desk.bot, self.desk.served

        def read(tx: Tx) -> tuple[set[int], set[str]]:
            held = tx.all(CASES_BY_WAIT, bot=bot, owner=(WAITING, HELD, SNOOZED))
            return {group.chat for group in tx.all(GROUPS, bot=bot)}, {case.address.key for case in held}

        groups, keys = await self.store.ask_until_answered(read)
        self.groups.clear()
        self.groups.update(groups)
        served.clear()
        served.update(keys)

    async def show(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """/desk: the state of a connected group, or what is missing to connect it. /desk day, week or month: more of
        that time, with a chart; /desk csv: its cases as a table.
        """
        if incoming.private:
            await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, _say(incoming, "private")))
            return
        if incoming.address.chat in self.groups:
            wanted = ALSO.get(word := rest.strip().lower(), word)
            chart = await self._chart(incoming, wanted) if wanted in CHARTED else None
            await finish(
                self.store, reply, lambda tx: finish_turn(tx, incoming, self._told(tx, incoming, wanted, chart))
            )
            return
        missing = await self.missing_rights(incoming.address.chat)
        if missing:
            await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, _lacks(incoming, missing)))
            return
        teams, language = self.desk.table.teams, incoming.language
        choices = [
            Choice(
                _say(incoming, "use") if len(teams) == 1 else self.desk.table.title(team, language),
                "desk.use",
                {"team": team},
            )
            for team in teams
        ]
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
            tx.put(
                Group(
                    bot=self.desk.bot,
                    chat=chat,
                    team=str(action.payload["team"]),
                    by=incoming.user.id,
                    at=tx.clock.time(),
                )
            )
            tx.buttons.expire_button(action.key)
            tx.queue.notify_processes(f"roll:{self.desk.bot}")
            finish_turn(tx, incoming, _say(incoming, "connected"), over=True)

        await self.store.write(work)
        await self.load()
        await reply.finish()

    async def erase(self, job: Job) -> None:
        """The job: delete the topic of a customer whose data were deleted, and tell the operators that it was so."""
        place = replace(job.address, thread=0)
        await self.delete_topic(job.address, [int(one) for one in job.payload.get("messages", ())])

        def work(tx: Tx) -> None:
            language = self.desk.language(tx, place.chat)
            told = Outgoing(say(language, "desk.erased"), plain=True, keeps_place=True)
            tx.outbox.add_answer(f"desk.erased.{job.address.thread}.{place.chat}", place, told)
            tx.jobs.delete_done(job)

        await self.store.write(work)
        self.send("", [place])

    def _state(self, tx: Tx, incoming: Incoming) -> str:
        waiting, held, snoozed = (
            len(tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=owner)) for owner in (WAITING, HELD, SNOOZED)
        )
        state = say(incoming.language, "desk.group.state", waiting=waiting, held=held, snoozed=snoozed)
        duty = on_duty(self.desk, tx, incoming.language)
        load = load_of(tx, self.desk, incoming.address.chat, incoming.language)
        spent = self.purse.told(tx, self.desk.bot, incoming.language)
        figures = [self._figures(tx, incoming.language, name, days) for name, days in SPANS.items()]
        return "\n".join([state, *filter(None, [duty, load]), *figures, *filter(None, [spent])])

    async def _chart(self, incoming: Incoming, span: str) -> File:
        """A picture with a bar for each day: how many cases were opened."""
        today, count = int(self.store.clock.time() // DAY), SPANS[span]
        opened = await self.store.read(lambda tx: tx.cases.count_opened(self.desk.bot, (today - count + 1) * DAY))
        days = [
            Day(date(1970, 1, 1) + timedelta(days=day), opened.get(day, 0))
            for day in range(today - count + 1, today + 1)
        ]
        return File(await asyncio.to_thread(draw, days, incoming.language), "photo", "desk.png")

    def _told(self, tx: Tx, incoming: Incoming, wanted: str, chart: File | None) -> str | Outgoing:
        if wanted == "csv":
            since = tx.clock.time() - SPANS["month"] * 86_400
            table = table_of(tx.all(Query(Case, Case.opened >= since, order=[Case.id]), bot=self.desk.bot))
            return Outgoing(_say(incoming, "csv"), plain=True, file=File(table, "document", "desk.csv"))
        if wanted in SPANS:
            details = self._details(tx, incoming.language, wanted)
            return Outgoing(details, plain=True, file=chart) if chart is not None else details
        return self._state(tx, incoming)

    def _details(self, tx: Tx, language: str, span: str) -> str:
        """The figures of a span, with its reasons and operators."""
        found = tx.cases.read_figures(self.desk.bot, tx.clock.time() - SPANS[span] * 86_400)
        lines = [self._line(found, language, span)]
        reasons = [f"{say(language, f'desk.reason.{key}')}: {count}" for key, count in found.reasons.items() if key]
        names = tx.members.read_names(self.desk.bot, found.operators)
        people = [f"{names.get(id_) or id_}: {count}" for id_, count in found.operators.items()]
        lines += ["", _say_key(language, "reasons"), *reasons[:MOST]] if reasons else []
        lines += ["", _say_key(language, "operators"), *people[:MOST]] if people else []
        drafts = tx.drafts.count_states(self.desk.bot, tx.clock.time() - SPANS[span] * 86_400)
        if drafts:
            sent, edited, dropped = (drafts.get(state, 0) for state in (SENT, EDITED, DROPPED))
            lines += ["", say(language, "desk.figures.drafts", sent=sent, edited=edited, dropped=dropped)]
        return "\n".join(lines)

    def _figures(self, tx: Tx, language: str, span: str, days: int) -> str:
        """What has happened in the last days, as one line."""
        return self._line(tx.cases.read_figures(self.desk.bot, tx.clock.time() - days * 86_400), language, span)

    def _line(self, found: Figures, language: str, span: str) -> str:
        line = say(
            language,
            "desk.figures",
            span=say(language, f"desk.span.{span}"),
            opened=found.opened,
            alone=found.alone,
            called=found.called,
            closed=found.closed,
        )
        if found.waits:
            waits = sorted(found.waits)
            line += say(
                language,
                "desk.figures.waits",
                half=duration(language, waits[(len(waits) - 1) // 2]),
                most=duration(language, waits[math.ceil(len(waits) * 0.9) - 1]),
            )
        if found.late:
            line += say(language, "desk.figures.late", count=found.late)
        if found.rated:
            line += say(language, "desk.figures.stars", stars=f"{found.stars:.1f}", count=found.rated)
        return line


def load_of(tx: Tx, desk: Desk, chat: int, language: str) -> str:
    """How many of the 20 messages a minute a group has needed, and what to do if that is too much; "" in private."""
    if chat > 0:
        return ""
    load = tx.seats.busiest(desk.bot, chat, tx.clock.time() - DAY)
    told = say(language, "desk.load", load=f"{load:.1f}")
    return f"{told} {say(language, 'desk.load.high')}" if load >= BUSY else told


def table_of(cases: Sequence[Case]) -> bytes:
    """Cases as CSV in UTF-8, for a spreadsheet: without names and words of customers; times in UTC."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(("number", "opened", "closed", "owner", "reason", "team", "priority", "tags", "operator", "stars"))
    for case in cases:
        closed = datetime.fromtimestamp(case.closed, UTC).isoformat(" ", "seconds") if case.closed else ""
        opened = datetime.fromtimestamp(case.opened, UTC).isoformat(" ", "seconds")
        rows.writerow(
            (
                case.number or "",
                opened,
                closed,
                case.owner,
                case.reason,
                case.team,
                case.priority,
                case.tags,
                case.last_holder or "",
                case.rating or "",
            )
        )
    return written.getvalue().encode("utf-8-sig")


def _say(incoming: Incoming, key: str) -> str:
    return say(incoming.language, f"desk.group.{key}")


def _say_key(language: str, key: str) -> str:
    return say(language, f"desk.figures.{key}")


def _lacks(incoming: Incoming, missing: Sequence[str]) -> str:
    names = [say(incoming.language, f"desk.right.{name}") for name in missing]
    return say(incoming.language, "desk.group.missing", rights="; ".join(names))
