"""The commands /export and /forget: a person gets a copy of their data, or deletes it.

Begin with `Privacy.export` and `Privacy.ask`. /forget asks first, stops the answers that are being written for the
person, and deletes everything in one transaction. A job then rewrites the database (`Store.scrub_deleted`): until that
has happened, the deleted text may remain in free pages of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.extension import OwnData
from bot.feature import After, Feature, Turn, command, job, press, section
from bot.features.data_export import BIGGEST, Rows, filed, zips
from bot.jobs import operations
from bot.outbox import Answer, Choice, Page, delivery_key
from bot.ports import Reply, Transport
from bot.storage.repositories.personal_data import SCRUB
from bot.storage.store import Store, Tx
from bot.storage.tables.work import OPEN_OPERATIONS, Operation
from bot.texts.catalog import say
from bot.types import File, Job, Outgoing

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
class Privacy(Feature):
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

    @section("data", offered=lambda _self, turn: turn.private)
    def show(self, _tx: Tx, turn: Turn) -> Page:
        """What a person can do with their data."""
        text = f"{turn.say('settings.data')}\n\n{turn.say('settings.data.about')}"
        export = Choice(turn.say("export.button"), "export")
        return Page(text, [[export], [Choice(turn.say("forget.button"), "forget.ask", dangerous=True)]])

    # --- /export ------------------------------------------------------------------------------------------------------

    @command("/export")
    @press("export")
    def export(self, tx: Tx, turn: Turn) -> Answer | None:
        """Add the job that sends the person a copy of their data. Works in private chats only."""
        if not turn.private:
            return Answer(turn.say("own.private"), is_notice=True)
        payload = {"user": turn.user.id, "language": turn.language}
        tx.jobs.add_job(Job(KIND, turn.id, turn.address, payload, due=tx.clock.time()))
        return None

    @job(KIND)
    async def hand_over(self, due: Job) -> None:
        """Send the data of the person as one or more ZIP files, each small enough for Telegram."""
        user, language, where = int(due.payload["user"]), str(due.payload["language"]), due.address
        reply = self.transport.reply(where, due.key)
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
            await self._put(due, number, len(groups), packed, language)
        await self.store.write(lambda tx: tx.jobs.delete_done(due))
        await reply.finish()

    async def _named(self, bot: int, user: int, group: Sequence[Listed]) -> list[tuple[str, bytes]]:
        ids = [id_ for id_, *_ in group]
        data = await self.store.read(lambda tx: [tx.personal_data.read_file(bot, user, id_) for id_ in ids])
        names = [filed(id_, name, mime) for id_, name, mime, _ in group]
        return list(zip(names, data, strict=True))

    async def _put(self, due: Job, number: int, count: int, packed: bytes, language: str) -> None:
        part = f"-{number + 1}" if count > 1 else ""
        file = File(packed, "document", f"govorun-export{part}.zip")
        caption = say(language, "export.file") if number == 0 else ""
        out = Outgoing(caption, plain=True, file=file, instead=say(language, "export.failed"))
        await self.store.write(lambda tx: tx.outbox.add_answer(delivery_key(due.key, number), due.address, out))
        await self.transport.reply(due.address, due.key).finish()

    # --- /forget ------------------------------------------------------------------------------------------------------

    @command("/forget")
    @press("forget.ask")
    def ask(self, _tx: Tx, turn: Turn) -> Answer:
        """Ask whether to delete everything. Works in private chats only."""
        if not turn.private:
            return Answer(turn.say("own.private"), is_notice=True)
        rows = [Choice(turn.say("forget.yes"), "forget", dangerous=True), Choice(turn.say("cancel"), "forget.cancel")]
        return Answer(turn.say("forget.ask"), choices=rows, over=True)

    @press("forget.cancel")
    def cancel(self, _tx: Tx, turn: Turn) -> Answer:
        """Delete nothing, and say so in the message that asked."""
        return Answer(turn.say("forget.cancelled"), over=True)

    @press("forget")
    async def forget(self, turn: Turn, _reply: Reply) -> Callable[[Tx], After]:
        """Delete the data of the person and list what was deleted. A second press finds nothing to delete."""
        await self._end_work(turn.address.bot, turn.user.id)
        return lambda tx: self._forget(tx, turn)

    def _forget(self, tx: Tx, turn: Turn) -> After:
        bot, user = turn.address.bot, turn.user.id
        asked = tx.outbox.find_shown(turn.address, turn.message_id)
        running = tx.all(OPEN_OPERATIONS, bot=turn.address.bot, chat=turn.address.chat, user=user)
        for operation in running:
            operations.release(tx, operation)
        self.more.forget(tx, user)
        deleted = tx.personal_data.delete_person(bot, user)
        lines = [turn.say(f"forget.{name}", count=deleted[name]) for name in COUNTED if deleted[name]]
        if datasets := tx.dataset_people.list_names(bot, user):
            lines.append(turn.say("forget.datasets", names=", ".join(datasets)))
        if asked is not None:  # its row is deleted, but the message with the button is still there
            tx.outbox.claim_messages(turn.id, turn.address, asked.ids)
        # The job runs after the sentence was sent: the row of the sentence is the last one about this chat.
        tx.jobs.add_job(Job(SCRUB, turn.id, turn.address, {}, due=tx.clock.time()))
        done = turn.say("forget.done", lines="\n".join(lines) or turn.say("forget.nothing"))
        return After(Answer(done), lambda: self._withdraw(running))

    async def _withdraw(self, running: Sequence[Operation]) -> None:
        for operation in running:
            await self.withdraw(operation)

    async def _end_work(self, bot: int, user: int) -> None:
        """Stop the answers in the private chat of the person, and wait for those in groups to end."""
        end = self.store.clock.monotonic() + STOP_SECONDS
        while self.works_for(user) and self.store.clock.monotonic() < end:
            self.leave(bot, user)
            await self.store.clock.sleep(CHECK_SECONDS)

    @job(SCRUB)
    async def scrub(self, due: Job) -> None:
        """Remove the deleted data from the files of the database. It is repeated until the disk allows it."""
        await self.store.scrub_deleted()
        await self.store.write(lambda tx: tx.jobs.delete_done(due))


def grouped(files: Sequence[Listed]) -> list[list[Listed]]:
    """Divide the files into groups of at most `BIGGEST` bytes, one group for each ZIP; at least one group."""
    groups: list[list[Listed]] = [[]]
    for file in files:
        if groups[-1] and sum(size for *_, size in groups[-1]) + file[3] > BIGGEST:
            groups.append([])
        groups[-1].append(file)
    return groups
