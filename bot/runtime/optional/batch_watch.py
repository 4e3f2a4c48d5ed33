"""The running bot and batch runs: it goes on with those of AI Studio, and tells once how each has ended.

Begin with `BatchWatch.run`. What works on a run (`bot.batch.vendor_work`) is imported only where there is one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config.settings import Settings
from bot.errors import BotError
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import ENDED, NEWEST_RUN, BatchRun, VendorStep
from bot.texts.catalog import say
from bot.types import Address, Outgoing

log = logging.getLogger(__name__)

PAUSE = 300.0  # seconds between two looks: a run takes hours
TOLD_MODES = ("async", "batch")  # who asks at once sees the end


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchWatch:
    """Looks after the batch runs of one bot.

    `admins` are the ids of the people who are told, and `deliver` sends what was stored for them, of a turn.
    """

    store: Store
    bot: int
    settings: Settings
    http: Http
    studio: YandexStudio
    admins: Callable[[], Sequence[int]]
    deliver: Callable[[str, Sequence[Address]], None]

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except BotError as error:
                log.warning("batch runs can't be looked after now: %s", error)
            await self.store.clock.sleep(PAUSE)

    async def look(self) -> None:
        """Do with each run what is due, and tell which have ended."""
        runs, is_untidy = await self.store.read(
            lambda tx: (tx.all(NEWEST_RUN, bot=self.bot, state="running"), bool(tx.vendor_runs.list_untidy(self.bot)))
        )
        ours = [run for run in runs if run.mode == "batch"]
        for run in ours:
            await self._go_on(run)
        if is_untidy and not ours:
            await self._clean_up()
        if not await self.store.read(lambda tx: tx.all(BatchRun, bot=self.bot, state=ENDED, told=False)):
            return  # nothing to write
        for place in await self.store.write(self._tell):
            self.deliver("", [place])

    async def _go_on(self, run: BatchRun) -> None:
        from bot.batch import vendor_work
        from bot.providers.yandex.grpc import is_installed

        step = await self.store.read(lambda tx: tx.one(VendorStep, run=run.id))
        if is_installed() and step is not None and step.due <= self.store.clock.time():
            await vendor_work.work_on(
                run, store=self.store, settings=self.settings, http=self.http, studio=self.studio, is_patient=False
            )

    async def _clean_up(self) -> None:
        """Remove what runs that are over have left at the service; a run that goes on does so by itself."""
        from bot.batch import vendor_work
        from bot.providers.yandex.grpc import is_installed

        if is_installed():
            await vendor_work.clean_up(self.bot, store=self.store, settings=self.settings, http=self.http)

    def _tell(self, tx: Tx) -> Sequence[Address]:
        places: list[Address] = []
        for run in tx.all(BatchRun, bot=self.bot, state=ENDED, told=False):
            tx.change(run, told=True)
            if run.mode in TOLD_MODES:
                places += [self._tell_one(tx, run, admin) for admin in self.admins()]
        return places

    def _tell_one(self, tx: Tx, run: BatchRun, admin: int) -> Address:
        where, language = Address("telegram", self.bot, admin), tx.chats.read_language(self.bot, admin)
        counts = tx.batches.count_states(run.id)
        text = say(
            language,
            f"batch.{run.state}",
            id=run.id,
            name=Path(run.source).name,
            model=run.model,
            answered=counts.get("answered", 0),
            requests=run.requests,
            reason=run.reason,
        )
        tx.outbox.add_answer(f"batch-{run.id}-{int(run.ended)}.a{admin}", where, Outgoing(text, plain=True))
        return where
