"""Own data: `/export` hands everything over, `/forget` removes it everywhere and says what, retention ends it by time.

`/forget` asks with a button, ends what is being worked on for the person, deletes in one transaction, and leaves a job
that writes the database anew (`Store.scrub_deleted`): until then the words may stand in freed places of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.feature import ButtonHandler, Command, Feature
from bot.features.data_export import BIGGEST, filed, zips
from bot.jobs import operations
from bot.outbox import Choice, delivery_key, finish, finish_turn, finish_with, finish_with_notice
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.operations import Operation
from bot.storage.repositories.personal_data import SCRUB
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import File, Incoming, Job, Outgoing

Listed = tuple[int, str, str, int]  # id, name, mime, bytes
KIND = "export"
ENDING = 130.0  # seconds that work which is under way gets to end: as long as an answer may take
LOOK = 0.1
SENTENCES = {
    "conversations": "forget.conversations",
    "messages": "forget.messages",
    "files": "forget.files",
    "documents": "forget.documents",
    "facts": "forget.facts",
    "feedback": "forget.feedback",
    "orders": "forget.orders",
    "reminders": "forget.reminders",
    "usage": "forget.usage",
}


@dataclass(slots=True, kw_only=True)
class Privacy:
    """`leave` ends the answers that are being written in a chat, `works_for` says whether something is under way for a
    user, `withdraw` tells a service that an order is not wanted any more.
    """

    store: Store
    transport: Transport
    wake_jobs: Callable[[], None]
    leave: Callable[[int, int], None]
    works_for: Callable[[int], bool]
    withdraw: Callable[[Operation], Awaitable[None]]

    def feature(self) -> Feature:
        return Feature(
            commands={"/export": Command(self.export), "/forget": Command(self.ask)},
            presses={"forget": ButtonHandler(self.forget)},
            jobs={KIND: self.hand_over, SCRUB: self.scrub},
        )

    # --- /export ------------------------------------------------------------------------------------------------------

    async def export(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
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
        """The job: put everything together and send it, in as many files as the messenger needs."""
        user, language, where = int(job.payload["user"]), str(job.payload["language"]), job.address
        reply = self.transport.reply(where, job.key)
        await reply.busy("document")
        bot = where.bot
        rows, files = await self.store.read(
            lambda tx: (tx.personal_data.export_rows(bot, user), tx.personal_data.list_files(bot, user))
        )
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
        if not incoming.private:
            await finish_with_notice(self.store, incoming, reply, "own.private")
            return
        yes = Choice(say(incoming.language, "forget.yes"), "forget")
        await finish_with(self.store, incoming, reply, say(incoming.language, "forget.ask"), choices=[yes])

    async def forget(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Pressed again, it finds nothing more to remove."""
        language, bot, user = incoming.language, incoming.address.bot, incoming.user.id
        await self._end_work(bot, user)

        def work(tx: Tx) -> list[Operation]:
            running = tx.operations.list_open(incoming.address, user)
            for operation in running:
                operations.release(tx, operation)
            gone = tx.personal_data.delete_person(bot, user)
            lines = [say(language, key, count=gone[name]) for name, key in SENTENCES.items() if gone[name]]
            told = "\n".join(lines) or say(language, "forget.nothing")
            finish_turn(tx, incoming, say(language, "forget.done", lines=told))
            # After the sentence is delivered: its row is the last that is about this chat.
            tx.jobs.add_job(Job(SCRUB, incoming.id, incoming.address, {}, due=self.store.clock.time()))
            return list(running)

        running = await finish(self.store, reply, work)
        self.wake_jobs()
        for operation in running:
            await self.withdraw(operation)

    async def _end_work(self, bot: int, user: int) -> None:
        """What is being written to the person ends; in a group it may come to its end, since it is no chat of two."""
        end = self.store.clock.monotonic() + ENDING
        while self.works_for(user) and self.store.clock.monotonic() < end:
            self.leave(bot, user)
            await self.store.clock.sleep(LOOK)

    async def scrub(self, job: Job) -> None:
        """The job: nothing of what was deleted is left in the files. It is tried again until the disk allows it."""
        await self.store.scrub_deleted()
        await self.store.write(lambda tx: tx.jobs.delete_done(job))


def grouped(files: Sequence[Listed]) -> list[list[Listed]]:
    """The files by the ZIP that they are in; there is one at least."""
    groups: list[list[Listed]] = [[]]
    for file in files:
        if groups[-1] and sum(size for *_, size in groups[-1]) + file[3] > BIGGEST:
            groups.append([])
        groups[-1].append(file)
    return groups
