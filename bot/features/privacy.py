"""The commands /export and /forget: a person gets a copy of their data, or deletes it.

Begin with `Privacy.feature`. /forget asks first, stops the answers that are being written for the person, and deletes
everything in one transaction. A job then rewrites the database (`Store.scrub_deleted`): until that has happened, the
deleted text may remain in free pages of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.extension import OwnData
from bot.feature import ButtonHandler, Command, Handlers, Section
from bot.features.data_export import BIGGEST, Rows, filed, zips
from bot.jobs import operations
from bot.outbox import Choice, Page, delivery_key, finish, finish_turn, finish_with_notice
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.operations import Operation
from bot.storage.repositories.personal_data import SCRUB
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import File, Incoming, Job, Outgoing

Listed = tuple[int, str, str, int]  # id, name, MIME type, size in bytes
QuoteReader = Callable[[Tx, int, Mapping[str, Rows]], Rows]  # reads quotes of a person, whose rows are given
KIND = "export"
STOP_SECONDS = 130.0  # for answers under way to end: the longest time of an answer
CHECK_SECONDS = 0.1
# What is counted when it is deleted; the sentences about it have the keys "forget.<name>".
COUNTED = (
    "conversations",
    "messages",
    "files",
    "documents",
    "facts",
    "feedback",
    "orders",
    "reminders",
    "templates",
    "usage",
)


def no_quotes(_tx: Tx, _user: int, _rows: Mapping[str, Rows]) -> Rows:
    """No answer quotes a source."""
    return ()


@dataclass(frozen=True, slots=True)
class MorePersonalData:
    """Data of a person beside the bot's tables: the `quotes` of the answers, and the tables of a programmer (`own`)."""

    quotes: QuoteReader = no_quotes
    own: OwnData = field(default_factory=OwnData)

    def export(self, tx: Tx, user: int, rows: Mapping[str, Rows]) -> dict[str, Rows]:
        """Return all of it by name; `rows` are those of the bot's tables."""
        own = {
            f"app.{name}": [dict(row) for row in read(tx.connection, user)] for name, read in self.own.exports.items()
        }
        return {"quotes": self.quotes(tx, user, rows), **own}

    def forget(self, tx: Tx, user: int) -> None:
        """Delete all of it that is not deleted with the bot's rows."""
        for forget in self.own.forgets:
            forget(tx.connection, user)


@dataclass(slots=True, kw_only=True)
class Privacy:
    """Exports and deletes the data of a person.

    `leave` stops the answers that are being written in a chat. `works_for` says whether an answer for a user is under
    way. `withdraw` cancels an operation at its service. `wake_jobs` is called after a job was added. `more` knows the
    data of a person beside the bot's tables.
    """

    store: Store
    transport: Transport
    wake_jobs: Callable[[], None]
    leave: Callable[[int, int], None]
    works_for: Callable[[int], bool]
    withdraw: Callable[[Operation], Awaitable[None]]
    more: MorePersonalData = MorePersonalData()

    def feature(self) -> Handlers:
        """The commands /export and /forget, and the jobs behind them."""
        return Handlers(
            commands={"/export": Command(self.export), "/forget": Command(self.ask)},
            presses={
                "forget": ButtonHandler(self.forget),
                "forget.ask": ButtonHandler(lambda incoming, reply, _action: self.ask(incoming, reply, "")),
                "forget.cancel": ButtonHandler(self.cancel),
                "export": ButtonHandler(lambda incoming, reply, _action: self.export(incoming, reply, "")),
            },
            jobs={KIND: self.hand_over, SCRUB: self.scrub},
            sections={"data": Section(page=_page, offered=lambda incoming: incoming.private)},
        )

    # --- /export ------------------------------------------------------------------------------------------------------

    async def export(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Add the job that sends the person a copy of their data. Works in private chats only."""
        if not incoming.private:
            await finish_with_notice(self.store, incoming, reply, "own.private")
            return
        payload = {"user": incoming.user.id, "language": incoming.language}

        def work(tx: Tx) -> None:
            tx.jobs.add_job(Job(KIND, incoming.id, incoming.address, payload, due=self.store.clock.time()))
            finish_turn(tx, incoming)

        await finish(self.store, reply, work)
        self.wake_jobs()

    async def hand_over(self, job: Job) -> None:
        """The job: send the data of the person as one or more ZIP files, each small enough for Telegram."""
        user, language, where = int(job.payload["user"]), str(job.payload["language"]), job.address
        reply = self.transport.reply(where, job.key)
        await reply.busy("document")
        bot = where.bot

        def read(tx: Tx) -> tuple[Mapping[str, Rows], Sequence[Listed]]:
            found = tx.personal_data.export_rows(bot, user)
            return {**found, **self.more.export(tx, user, found)}, tx.personal_data.list_files(bot, user)

        rows, files = await self.store.read(read)
        groups, at = grouped(files), self.store.clock.time()
        for number, group in enumerate(groups):
            named = await self._named(bot, user, group)
            packed = await asyncio.to_thread(zips, rows if number == 0 else {}, named, at, language)
            await self._put(job, number, len(groups), packed, language)
        await self.store.write(lambda tx: tx.jobs.delete_done(job))
        await reply.finish()

    async def _named(self, bot: int, user: int, group: Sequence[Listed]) -> list[tuple[str, bytes]]:
        ids = [id_ for id_, *_ in group]
        data = await self.store.read(lambda tx: [tx.personal_data.read_file(bot, user, id_) for id_ in ids])
        names = [filed(id_, name, mime) for id_, name, mime, _ in group]
        return list(zip(names, data, strict=True))

    async def _put(self, job: Job, number: int, count: int, packed: bytes, language: str) -> None:
        part = f"-{number + 1}" if count > 1 else ""
        file = File(packed, "document", f"govorun-export{part}.zip")
        caption = say(language, "export.file") if number == 0 else ""
        out = Outgoing(caption, plain=True, file=file, instead=say(language, "export.failed"))
        await self.store.write(lambda tx: tx.outbox.add_answer(delivery_key(job.key, number), job.address, out))
        await self.transport.reply(job.address, job.key).finish()

    # --- /forget ------------------------------------------------------------------------------------------------------

    async def ask(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Ask whether to delete everything. Works in private chats only."""
        if not incoming.private:
            await finish_with_notice(self.store, incoming, reply, "own.private")
            return
        language = incoming.language
        yes, no = say(language, "forget.yes"), say(language, "cancel")
        rows = [Choice(yes, "forget", dangerous=True), Choice(no, "forget.cancel")]

        def work(tx: Tx) -> None:
            finish_turn(tx, incoming, say(language, "forget.ask"), choices=rows, over=True)

        await finish(self.store, reply, work)

    async def cancel(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Delete nothing, and say so in the message that asked."""
        sentence = say(incoming.language, "forget.cancelled")
        await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, sentence, over=True))

    async def forget(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Delete the data of the person and list what was deleted. A second press finds nothing to delete."""
        language, bot, user = incoming.language, incoming.address.bot, incoming.user.id
        await self._end_work(bot, user)

        def work(tx: Tx) -> list[Operation]:
            asked = tx.outbox.find_shown(incoming.address, incoming.message_id)
            running = tx.operations.list_open(incoming.address, user)
            for operation in running:
                operations.release(tx, operation)
            self.more.forget(tx, user)
            deleted = tx.personal_data.delete_person(bot, user)
            lines = [say(language, f"forget.{name}", count=deleted[name]) for name in COUNTED if deleted[name]]
            if datasets := tx.dataset_people.list_names(bot, user):
                lines.append(say(language, "forget.datasets", names=", ".join(datasets)))
            summary = "\n".join(lines) or say(language, "forget.nothing")
            if asked is not None:  # its row is deleted, but the message with the button is still there
                tx.outbox.claim_messages(incoming.id, incoming.address, asked.ids)
            finish_turn(tx, incoming, say(language, "forget.done", lines=summary))
            # The job runs after the sentence was sent: the row of the sentence is the last one about this chat.
            tx.jobs.add_job(Job(SCRUB, incoming.id, incoming.address, {}, due=self.store.clock.time()))
            return list(running)

        running = await finish(self.store, reply, work)
        self.wake_jobs()
        for operation in running:
            await self.withdraw(operation)

    async def _end_work(self, bot: int, user: int) -> None:
        """Stop the answers in the private chat of the person, and wait for those in groups to end."""
        end = self.store.clock.monotonic() + STOP_SECONDS
        while self.works_for(user) and self.store.clock.monotonic() < end:
            self.leave(bot, user)
            await self.store.clock.sleep(CHECK_SECONDS)

    async def scrub(self, job: Job) -> None:
        """The job: remove the deleted data from the files of the database. It is repeated until the disk allows it."""
        await self.store.scrub_deleted()
        await self.store.write(lambda tx: tx.jobs.delete_done(job))


def _page(_tx: Tx, incoming: Incoming) -> Page:
    language = incoming.language
    text = f"{say(language, 'settings.data')}\n\n{say(language, 'settings.data.about')}"
    export = Choice(say(language, "export.button"), "export")
    return Page(text, [[export], [Choice(say(language, "forget.button"), "forget.ask", dangerous=True)]])


def grouped(files: Sequence[Listed]) -> list[list[Listed]]:
    """Divide the files into groups of at most `BIGGEST` bytes, one group for each ZIP; at least one group."""
    groups: list[list[Listed]] = [[]]
    for file in files:
        if groups[-1] and sum(size for *_, size in groups[-1]) + file[3] > BIGGEST:
            groups.append([])
        groups[-1].append(file)
    return groups
