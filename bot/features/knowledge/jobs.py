"""The jobs of the knowledge base: read a source, buy embeddings. Begin with `request_sync` and `KnowledgeJobs`.

The row of the job is the lock of a source: it is read once at a time, on all machines. A job that was killed runs
again, and finds what was stored unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.billing.budget import duration
from bot.billing.pricing import shown
from bot.errors import ConfigError, LimitReached, ModelProtocolError
from bot.feature import Feature, job
from bot.jobs.learning import request_look
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.embedding import TURN, Estimate
from bot.knowledge.sources.source import SourceFailed, failure, failure_text, stored_failure, trouble_text
from bot.knowledge.sync import Report
from bot.outbox import Choice
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource
from bot.texts.catalog import say
from bot.texts.numbers import separated
from bot.types import Address, Incoming, Job, Outgoing

log = logging.getLogger(__name__)

SYNC, EMBED = "kb.sync", "kb.embed"
SHOWN_TROUBLES = 5


def request_sync(
    tx: Tx, bot: int, source: int, *, after: float = 0.0, asked: Incoming | None = None, **payload: Any
) -> None:
    """Add the job that reads a source in `after` seconds, or bring an existing job forward to that time.

    The sender of `asked` is told the result. In the `payload`, `agreed` lets the job delete articles that are no longer
    at the source, and `file` names the file that it deletes because its source was removed.
    """
    due, key = tx.clock.time() + after, str(source)
    tell = {asked.id: asdict(asked.address)} if asked is not None else {}
    job = tx.jobs.find_job(bot, SYNC, key)
    if job is None:
        tx.jobs.add_job(Job(SYNC, key, _nowhere(bot), {**payload, "tell": tell}, due=due))
        return
    tx.jobs.store_payload(job, {**job.payload, **payload, "tell": {**job.payload.get("tell", {}), **tell}})
    if due < job.due:
        tx.jobs.reschedule(job, due)


def request_embedding(tx: Tx, bot: int, agreed: int, asked: Incoming | None = None) -> bool:
    """Add the job that buys the missing embeddings, for at most `agreed` millionths of the currency.

    The sender of `asked` is told the result. Returns False if there already is such a job for at least this amount.
    """
    if (job := tx.jobs.find_job(bot, EMBED, EMBED)) is not None and (agreed <= job.payload["agreed"]):
        return False
    if job is not None:  # the free ones were being made
        tx.jobs.delete_done(job)
    tell = {asked.id: asdict(asked.address)} if asked is not None else {}
    now = tx.clock.time()
    tx.jobs.add_job(Job(EMBED, EMBED, _nowhere(bot), {"agreed": agreed, "since": now, "tell": tell}, due=now))
    return True


def is_read_now(tx: Tx, bot: int, source: int) -> bool:
    """Whether the job that reads a source is running, or is due."""
    job = tx.jobs.find_job(bot, SYNC, str(source))
    return job is not None and job.due <= tx.clock.time()


def price_choices(language: str, cost: int, *, panel: bool = False) -> list[Choice]:
    """Return the buttons that buy embeddings or do not, below a message with their price.

    With `panel` the message is the panel of /kb, which shows the sources again after a press.
    """
    return [
        Choice(say(language, "kb.buy"), "kb.buy", {"agreed": cost, "panel": panel}),
        Choice(say(language, "kb.later"), "kb.later"),
    ]


def held_choices(language: str, source: int) -> list[Choice]:
    """Return the buttons that delete or keep articles that are no longer at their source, below the question about
    them.
    """
    return [
        Choice(say(language, "kb.drop"), "kb.drop", {"source": source}, dangerous=True),
        Choice(say(language, "kb.leave"), "kb.leave", {"source": source}),
    ]


def priced(language: str, wanted: Estimate, currency: str) -> str:
    """Return a sentence that says how many passages have no embedding yet, and what embeddings for them cost."""
    price = shown(language, wanted.cost, currency)
    if wanted.seconds:
        price += say(language, "kb.price.time", time=duration(language, wanted.seconds))
    key = "kb.price.again" if wanted.again else "kb.price"
    tokens, passages = (separated(count, language) for count in (wanted.tokens, wanted.passages))
    return say(language, key, passages=passages, tokens=tokens, price=price)


@dataclass(frozen=True, slots=True)
class _Result:
    """How a sync ended: with a report, or failed (`failed` says why). `kind` is "", "held" or "failed"."""

    report: Report
    failed: str = ""
    wanted: Estimate = field(default_factory=Estimate)

    @property
    def kind(self) -> str:
        return "failed" if self.failed else "held" if self.report.held else ""


@dataclass(slots=True, kw_only=True)
class KnowledgeJobs(Feature):
    """Reads sources and buys embeddings, and tells the result to those who asked for it.

    `deliver` sends the messages that a job has stored.
    """

    base: KnowledgeBase
    rights: Rights
    currency: str
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    # --- read a source ------------------------------------------------------------------------------------------------

    @job(SYNC)
    async def sync(self, job: Job) -> None:
        """Read a source: store the changes, tell the result; it is due again at the next time of the source."""
        source = await self.store.read(lambda tx: tx.one(SOURCES, id=int(job.key)))
        if source is None:
            await self._forget(job)
            return
        if source.state == "paused" and not job.payload.get("tell"):
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        agreed = bool(job.payload.get("agreed"))
        try:
            result = _Result(await self.base.sync(source, agreed=agreed), wanted=await self.base.estimate())
        except SourceFailed as error:
            result = _Result(Report(), failed=stored_failure(error))
        except ConfigError:
            result = _Result(Report(), failed=stored_failure(failure("libraries")))
        except OSError as error:
            reason = f"{error.filename or self.base.cache}: {error.strerror or error}"
            result = _Result(Report(), failed=stored_failure(failure("files", reason=reason)))
        chats = await self.store.write(lambda tx: self._end_sync(tx, job, source, result, agreed=agreed))
        self.deliver(job.key, chats)
        self.wake_jobs()

    async def _forget(self, job: Job) -> None:
        """End the job of a source that was removed, with the file that was sent for it."""
        if file := job.payload.get("file"):
            with suppress(OSError):
                await asyncio.to_thread(Path(file).unlink)

        def end(tx: Tx) -> None:
            tx.jobs.delete_done(job)
            request_look(tx, job.address.bot)

        await self.store.write(end)
        self.wake_jobs()

    def _end_sync(self, tx: Tx, job: Job, source: KnowledgeSource, result: _Result, *, agreed: bool) -> list[Address]:
        """Store what is told, and when the source is read next. Returns the chats that are told."""
        row, now_source = tx.jobs.find_job(job.address.bot, SYNC, job.key), tx.one(SOURCES, id=source.id)
        if row is None or now_source is None:  # removed meanwhile: its next run ends it
            return []
        if row.payload.get("agreed") and not agreed:  # agreed to meanwhile: it stays due
            return []
        told = self._tell_askers(tx, row, source, result)
        if result.kind and result.kind != row.payload.get("told", "") and not told:
            told = self._tell_owners(tx, row, source, result)
        if now_source.every and now_source.state != "paused":
            tx.jobs.store_payload(row, {"told": result.kind})
            tx.jobs.reschedule(row, tx.clock.time() + now_source.every)
        else:
            tx.jobs.delete_done(row)
        if result.wanted.passages and not result.wanted.cost:
            request_embedding(tx, job.address.bot, 0)
        return told

    def _tell_askers(self, tx: Tx, row: Job, source: KnowledgeSource, result: _Result) -> list[Address]:
        chats = []
        for turn, address in row.payload.get("tell", {}).items():
            where = Address(**address)
            language = tx.chats.read_language(where.bot, where.chat)
            send(tx, f"{turn}.kb", where, *self._told(language, source, result))
            if result.wanted.cost:
                price = priced(language, result.wanted, self.currency)
                send(tx, f"{turn}.kb.price", where, price, price_choices(language, result.wanted.cost))
            chats.append(where)
        return chats

    def _tell_owners(self, tx: Tx, row: Job, source: KnowledgeSource, result: _Result) -> list[Address]:
        """Tell each owner that a scheduled sync asks or has failed."""
        bot, chats = row.address.bot, []
        for owner in sorted(self.rights.with_role(tx, bot, Role.OWNER)):
            where, language = Address(row.address.transport, bot, owner), tx.chats.read_language(bot, owner)
            key = f"kb-{row.key}-{int(tx.clock.time())}.o{owner}"
            send(tx, key, where, *self._told(language, source, result))
            chats.append(where)
        return chats

    def _told(self, language: str, source: KnowledgeSource, result: _Result) -> tuple[str, list[Choice]]:
        """What is said about a sync, and the buttons below it."""
        report, name = result.report, source.name
        if result.failed:
            return say(language, "kb.failed", name=name, reason=failure_text(language, result.failed)), []
        told = say(
            language,
            "kb.report",
            name=name,
            new=report.new,
            unchanged=report.unchanged,
            gone=report.gone,
            added=report.added,
            ended=report.ended,
        )
        lines = [told]
        if report.equal:
            lines.append(say(language, "kb.equal", count=report.equal))
        shown = report.troubles[:SHOWN_TROUBLES]
        lines += [f"· {trouble.key[:100]}: {trouble_text(language, trouble.reason)}" for trouble in shown]
        if (more := len(report.troubles) - SHOWN_TROUBLES) > 0:
            lines.append(say(language, "kb.more", count=more))
        if not report.held:
            return "\n".join(lines), []
        lines.append(say(language, "kb.held", passages=report.held))
        return "\n".join(lines), held_choices(language, source.id)

    # --- buy embeddings -----------------------------------------------------------------------------------------------

    @job(EMBED)
    async def embed(self, job: Job) -> None:
        """Buy the missing embeddings, for what was agreed to, less what was spent before a crash.

        If the service returns something that is no embedding, the text is not sent again, because the service may
        charge for it again.
        """
        bot, agreed, since = job.address.bot, int(job.payload["agreed"]), float(job.payload["since"])
        spent = await self.store.read(lambda tx: tx.ledger.cost_of_turn(bot, TURN, since))
        failure, refusal = "", ""
        language = await self.store.read(lambda tx: _language(tx, job))
        try:
            await self.base.embed(max(agreed - spent, 0), language=language)
        except LimitReached as error:
            refusal = str(error)
        except ModelProtocolError as error:
            failure = str(error)
            log.warning("no embeddings are made: %s", failure)
        wanted = await self.base.estimate()

        def end(tx: Tx) -> list[Address]:
            row, chats = tx.jobs.find_job(bot, EMBED, EMBED), []
            if row is None or row.payload != job.payload:  # more was agreed to meanwhile: that job is due
                return []
            paid = tx.ledger.cost_of_turn(bot, TURN, since)
            for turn, address in row.payload["tell"].items():
                where = Address(**address)
                language = tx.chats.read_language(bot, where.chat)
                text, choices = say(language, "kb.embedded", price=shown(language, paid, self.currency)), []
                text = f"{text}\n{refusal}" if paid else refusal or text
                if failure:
                    text = say(language, "kb.embedding_failed", reason=failure)
                elif wanted.passages:
                    rest = "" if refusal else say(language, "kb.rest")
                    text = "\n".join(filter(None, (text, rest, priced(language, wanted, self.currency))))
                    choices = price_choices(language, wanted.cost)
                send(tx, f"{turn}.kb.embedded", where, text, choices)
                chats.append(where)
            tx.jobs.delete_done(row)
            request_look(tx, bot)
            return chats

        self.deliver(job.key, await self.store.write(end))
        self.wake_jobs()


def send(tx: Tx, key: str, where: Address, text: str, choices: Sequence[Choice]) -> None:
    """Store a message for a person's private chat, with buttons in one row."""
    buttons = tuple(
        tx.buttons.add_button(where, key, where.chat, one.label, one.action, **one.payload) for one in choices
    )
    tx.outbox.add_answer(key, where, Outgoing(text, plain=True, buttons=(buttons,) if buttons else ()))


def _language(tx: Tx, job: Job) -> str:
    """The language of the first chat that is told the result of a job."""
    where = next((Address(**address) for address in job.payload["tell"].values()), None)
    return tx.chats.read_language(where.bot, where.chat) if where is not None else "en"


def _nowhere(bot: int) -> Address:
    """The address of work that belongs to no chat."""
    return Address("telegram", bot, 0)
