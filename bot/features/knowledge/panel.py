"""/kb: the knowledge base for admins, one message that changes in place. Begin with `KnowledgePanel.panel`.

`/kb add ADDRESS` adds a source, and so does a document whose caption is `/kb add`. Reading and buying are jobs
(`features/knowledge/jobs.py`); a press only asks for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bot.access.policy import Access, Actor, Decision
from bot.access.rights import Rights
from bot.errors import BadInput, ConfigError, Refused, TooLarge, TransportError
from bot.feature import Feature, Turn, command, press
from bot.features.knowledge.jobs import (
    EMBED,
    SYNC,
    held_choices,
    is_read_now,
    price_choices,
    priced,
    request_embedding,
    request_sync,
)
from bot.features.knowledge.search_page import SearchPage
from bot.jobs.learning import request_look
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.knowledge.embedding import Estimate
from bot.knowledge.rights import NAMES
from bot.knowledge.sources.source import failure_text
from bot.knowledge.sync import ASKS
from bot.outbox import Answer, Choice, Outcome, Page
from bot.ports import Reply
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import EVERYONE, LEARNED, SOURCES, KnowledgeSource
from bot.texts.catalog import say
from bot.types import Attachment, Incoming, Permission

DAY = 86_400
ELSEWHERE = re.compile(r"(?:https?://|vector-store:)\S+", re.IGNORECASE)  # not on the disk of the server
MOST_GROUPS = 10  # that are offered as an audience
MOST_SOURCES = 40  # with a button each
SPANS = ((DAY, "days"), (3_600, "hours"), (60, "minutes"))
MEGABYTE = 1 << 20
ACTS = {
    "kb.sync": "_sync",
    "kb.pause": "_pause",
    "kb.resume": "_resume",
    "kb.removed": "_remove",
    "kb.drop": "_drop",
    "kb.leave": "_leave",
}
SHOWN_KINDS = {LEARNED: "learned", VECTOR_STORE: "store"}  # sources whose address alone would say too little


@dataclass(slots=True, kw_only=True)
class KnowledgePanel(Feature):
    """Shows the sources of the knowledge base, and changes them. `wake_jobs` is called after a job was added; `search`
    shows what a question finds.
    """

    base: KnowledgeBase
    access: Access
    rights: Rights
    currency: str
    wake_jobs: Callable[[], None]
    search: SearchPage

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    # --- pages --------------------------------------------------------------------------------------------------------

    @command("/kb", requires=Permission.MANAGE)
    async def panel(self, turn: Turn, reply: Reply) -> Outcome | Callable[[Tx], Page]:
        """`/kb` opens the panel; `/kb add ADDRESS`, or `/kb add` below a document, adds a source; `/kb search QUESTION`
        shows what that finds. Raises `BadInput`.
        """
        word, _, address = turn.rest.partition(" ")
        if not word:
            return await self.open(turn, reply)
        if word.lower() == "search":
            return await self.search.show(turn, reply, address.strip())
        if word.lower() != "add":
            raise BadInput(turn.say("kb.usage"))
        return await self._add(turn, reply, address.strip())

    @press("kb.open", requires=Permission.MANAGE)
    async def open(self, turn: Turn, _reply: Reply, source: int = 0) -> Callable[[Tx], Page]:
        """Show the source of this number, or the list of all sources (0)."""
        wanted = Estimate() if source else await self._estimate()

        def show(tx: Tx) -> Page:
            found = tx.one(SOURCES, id=source) if source else None
            return self._source(tx, turn, found) if found else self._list(tx, turn, wanted)

        return show

    async def _estimate(self) -> Estimate:
        try:
            check_libraries()
        except ConfigError:
            return Estimate()
        return await self.base.estimate()

    def _list(self, tx: Tx, incoming: Incoming, wanted: Estimate) -> Page:
        bot, language = incoming.address.bot, incoming.language
        sources, sizes = tx.all(SOURCES, bot=bot), tx.sources.sizes(bot)
        lines = [self._line(tx, language, one, sizes) for one in sources] or [say(language, "kb.none")]
        rows = [[Choice(one.name, "kb.open", {"source": one.id})] for one in sources[:MOST_SOURCES]]
        if tx.jobs.find_job(bot, EMBED, EMBED) is not None:
            lines.append(say(language, "kb.buying", passages=wanted.passages))
        elif wanted.cost:
            lines.append(priced(language, wanted, self.currency))
            rows.append([price_choices(language, wanted.cost, panel=True)[0]])
        if stale := tx.quotes.count_answers(bot):
            lines.append(say(language, "stale.count", count=stale))
        return Page("\n\n".join([say(language, "kb.title"), *lines, say(language, "kb.usage")]), rows, back=False)

    def _line(self, tx: Tx, language: str, source: KnowledgeSource, sizes: Mapping[int, tuple[int, int]]) -> str:
        """What the list says about a source: its size, its age, its state and its error."""
        articles, passages = sizes.get(source.id, (0, 0))
        key = "kb.line" if source.audience else "kb.line.nobody"
        age = self._age(tx, language, source)
        line = say(language, key, name=source.name, articles=articles, passages=passages, age=age)
        if source.state in ("paused", ASKS):
            line += "\n" + say(language, f"kb.state.{source.state}")
        if source.error and source.state != ASKS:
            line += "\n" + say(language, "kb.error", reason=failure_text(language, source.error))
        return line

    def _age(self, tx: Tx, language: str, source: KnowledgeSource) -> str:
        if is_read_now(tx, self.base.bot, source.id):
            return say(language, "kb.age.now")
        if source.synced is None:
            return say(language, "kb.age.never")
        seconds = max(tx.clock.time() - source.synced, 60)
        size, unit = next(span for span in SPANS if seconds >= span[0])
        return say(language, f"kb.age.{unit}", count=int(seconds // size))

    def _source(self, tx: Tx, incoming: Incoming, source: KnowledgeSource) -> Page:
        language, payload = incoming.language, {"source": source.id}
        who = ", ".join(self._group(tx, language, one) for one in source.audience)
        lines = [
            self._line(tx, language, source, tx.sources.sizes(incoming.address.bot)),
            say(language, f"kb.kind.{self._kind(source)}", address=source.address),
            say(language, "kb.who", who=who) if who else say(language, "kb.who.nobody"),
        ]
        if source.every:
            size, unit = next(span for span in (*SPANS, (1, "seconds")) if source.every >= span[0])
            lines.append(say(language, f"kb.every.{unit}", count=source.every // size))
        going = "resume" if source.state == "paused" else "pause"
        rows = [
            [
                Choice(say(language, "kb.sync"), "kb.sync", payload),
                Choice(say(language, f"kb.{going}"), f"kb.{going}", payload),
            ],
            [Choice(say(language, "kb.readers"), "kb.readers", payload)],
            [Choice(say(language, "kb.remove"), "kb.remove", payload, dangerous=True)],
            [Choice(say(language, "kb.back"), "kb.open")],
        ]
        if source.kind == LEARNED:
            del rows[0]  # there is nothing to read again
        if source.state == ASKS:
            rows.insert(0, [held_choices(language, source.id)[0]])
        return Page("\n".join(lines), rows, back=False)

    @press("kb.readers", requires=Permission.MANAGE)
    async def show_readers(self, turn: Turn, _reply: Reply, source: int) -> Callable[[Tx], Page]:
        """Show who may read a source, with a button for each group of people."""
        return await self._change(turn, source, lambda _tx, _source: "", self._readers)

    def _readers(self, tx: Tx, incoming: Incoming, source: KnowledgeSource) -> Page:
        bot, language = incoming.address.bot, incoming.language
        chats = [f"chat:{chat}" for chat in sorted(tx.members.list_allowed_groups(bot))][:MOST_GROUPS]
        groups = dict.fromkeys((EVERYONE, *NAMES.values(), *chats, *source.audience))
        rows = []
        for group in groups:
            label = ("✓ " if group in source.audience else "") + self._group(tx, language, group)[:40]
            payload = {"source": source.id, "group": group, "on": group not in source.audience}
            rows.append([Choice(label, "kb.read", payload)])
        text = say(language, "kb.readers.about", name=source.name)
        if not source.audience:
            text += "\n\n" + say(language, "kb.who.nobody")
        return Page(text, [*rows, [Choice(say(language, "kb.back"), "kb.open", {"source": source.id})]], back=False)

    def _group(self, tx: Tx, language: str, group: str) -> str:
        """What a group of people is called."""
        if ":" not in group:
            return say(language, f"kb.group.{group}")
        kind, _, id_ = group.partition(":")
        name = tx.members.read_names(self.base.bot, [int(id_)]).get(int(id_)) or id_
        return say(language, f"kb.group.{kind}", name=name)

    @press("kb.remove", requires=Permission.MANAGE)
    async def ask_removal(self, turn: Turn, _reply: Reply, source: int) -> Callable[[Tx], Page]:
        """Ask whether a source is to be removed."""

        def ask(_tx: Tx, turn: Turn, source: KnowledgeSource) -> Page:
            payload = {"source": source.id}
            yes = Choice(turn.say("kb.remove"), "kb.removed", payload, dangerous=True)
            row = [yes, Choice(turn.say("cancel"), "kb.open", payload)]
            return Page(turn.say("kb.remove.ask", name=source.name), [row], back=False)

        return await self._change(turn, source, lambda _tx, _source: "", ask)

    # --- acts ---------------------------------------------------------------------------------------------------------

    async def _change(
        self,
        turn: Turn,
        number: int,
        act: Callable[[Tx, KnowledgeSource], str],
        page: Callable[[Tx, Turn, KnowledgeSource], Page] | None = None,
    ) -> Callable[[Tx], Page]:
        """Do something with a source, and show a page of it, or the list if it is not there any more.

        `act` returns the toast, "" for none.
        """
        wanted = await self._estimate()

        def change(tx: Tx) -> Page:
            self.rights.ensure_admin(tx, turn)
            source = tx.one(SOURCES, id=number)
            toast = act(tx, source) if source is not None else turn.say("kb.gone")
            now = tx.one(SOURCES, id=number) if source is not None else None
            shown = (page or self._source)(tx, turn, now) if now else self._list(tx, turn, wanted)
            return replace(shown, toast=toast)

        return change

    def _log(self, tx: Tx, turn: Turn, act: str, source: str, **details: str) -> None:
        tx.audit.add_entry(turn.address.bot, turn.user.id, act, source, **details)

    @press(*ACTS, requires=Permission.MANAGE, has_toast=True)
    async def act(self, turn: Turn, _reply: Reply, source: int) -> Callable[[Tx], Page]:
        """Read a source now, pause it, go on with it, remove it, or decide about its articles that are gone."""
        name = ACTS[turn.pressed.name]
        act: Callable[[Tx, Turn, KnowledgeSource], str] = getattr(self, name)

        def do(tx: Tx, found: KnowledgeSource) -> str:
            toast = act(tx, turn, found)
            self._log(tx, turn, f"kb{name}", found.name)
            return toast

        return await self._change(turn, source, do)

    def _sync(self, tx: Tx, turn: Turn, source: KnowledgeSource) -> str:
        request_sync(tx, turn.address.bot, source.id, asked=turn)
        return turn.say("kb.sync.done")

    def _pause(self, tx: Tx, turn: Turn, source: KnowledgeSource) -> str:
        """The source is not read any more until an admin resumes it, and what was read stays."""
        tx.change(source, state="paused")
        job = tx.jobs.find_job(turn.address.bot, SYNC, str(source.id))
        if job is not None and job.due > tx.clock.time():
            tx.jobs.delete_done(job)
        return turn.say("kb.pause.done")

    def _resume(self, tx: Tx, turn: Turn, source: KnowledgeSource) -> str:
        tx.change(source, state="active")
        return self._sync(tx, turn, source)

    def _remove(self, tx: Tx, turn: Turn, source: KnowledgeSource) -> str:
        """Remove the source, with the file that was sent for it."""
        tx.sources.remove_source(source.id)
        request_sync(tx, turn.address.bot, source.id, file=source.address if self._is_own(source) else "")
        return turn.say("kb.removed", name=source.name)

    def _drop(self, tx: Tx, turn: Turn, source: KnowledgeSource) -> str:
        """Delete the articles that are no longer at the source: it is read again, and the result told."""
        request_sync(tx, turn.address.bot, source.id, asked=turn, agreed=True)
        return turn.say("kb.sync.done")

    def _leave(self, _tx: Tx, turn: Turn, _source: KnowledgeSource) -> str:
        """Keep the articles that are no longer at the source."""
        return turn.say("kb.leave.done")

    @press("kb.read", requires=Permission.MANAGE, has_toast=True)
    async def change_readers(
        self, turn: Turn, _reply: Reply, source: int, group: str, on: bool
    ) -> Callable[[Tx], Page]:
        """Allow a group of people to read a source, or, if they could, forbid it."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            rest = tuple(one for one in source.audience if one != group)
            audience = (*rest, group) if on else rest
            tx.change(source, audience=audience)
            request_look(tx, turn.address.bot, readers=True)
            self._log(tx, turn, "kb_readers", source.name, readers=", ".join(audience) or "nobody")
            return turn.say("kb.read.done" if audience else "kb.who.nobody")

        return await self._change(turn, source, act, self._readers)

    @press("kb.buy", requires=Permission.MANAGE, once=True, has_toast=True)
    async def buy(self, turn: Turn, _reply: Reply, agreed: int, panel: bool = False) -> Callable[[Tx], Answer | Page]:
        """Add the job that buys the missing embeddings for at most the amount that the button named."""
        wanted = await self._estimate()

        def order(tx: Tx) -> Answer | Page:
            self.rights.ensure_admin(tx, turn)
            is_new = request_embedding(tx, turn.address.bot, agreed, turn)
            toast = turn.say("kb.buy.begun" if is_new else "kb.buy.already")
            if is_new:
                self._log(tx, turn, "kb_buy", "", agreed=f"{agreed / 1_000_000:.2f} {self.currency}")
            if panel:
                return replace(self._list(tx, turn, wanted), toast=toast)
            return Answer(toast, over=True, toast=toast)

        return order

    @press("kb.later", requires=Permission.MANAGE, has_toast=True)
    def buy_later(self, _tx: Tx, turn: Turn) -> Answer:
        """Buy no embeddings now. Until they are bought, new passages are found by their words only."""
        text = turn.say("kb.later.done")
        return Answer(text, over=True, toast=text)

    # --- a new source -------------------------------------------------------------------------------------------------

    async def _add(self, turn: Turn, reply: Reply, address: str) -> Callable[[Tx], Page]:
        """Add a source, ask who may read it, and have it read. Raises `BadInput`."""
        files = [one for one in turn.parts if isinstance(one, Attachment) and one.kind == "document"]
        every = DAY if address else 0
        try:
            check_libraries()
            if not address and files:
                address = str(await self._keep(turn, reply, files[0]))
            elif not address:
                raise BadInput(turn.say("kb.usage"))
            elif not ELSEWHERE.fullmatch(address) and not self._is_owner(turn):
                raise BadInput(turn.say("kb.owners"))
            try:
                wish = await self.base.checked(KnowledgeSource(name="", kind="", address=address, every=every))
            except BadInput:
                raise BadInput(turn.say("kb.unknown", address=address)) from None
        except ConfigError:
            raise BadInput(turn.say("kb.missing")) from None

        def add(tx: Tx) -> Page:
            bot = turn.address.bot
            self.rights.ensure_admin(tx, turn)
            known = [one for one in tx.all(SOURCES, bot=bot) if one.address == wish.address]
            if known:
                return self._source(tx, turn, known[0])
            source = self.base.store_new(tx, wish)
            request_sync(tx, bot, source.id, asked=turn)
            self._log(tx, turn, "kb_add", source.name)
            page = self._readers(tx, turn, source)
            return replace(page, text=f"{turn.say('kb.added', name=source.name)}\n\n{page.text}")

        return add

    async def _keep(self, incoming: Incoming, reply: Reply, file: Attachment) -> Path:
        """Store a document that was sent as a file of the cache. Raises `BadInput`."""
        from bot.knowledge.sources.reading import can_read

        language, name = incoming.language, safe_name(file.name)
        if not can_read(name):
            raise BadInput(say(language, "kb.format", name=name))
        try:
            data = await reply.fetch(file)
        except TooLarge as error:
            raise BadInput(say(language, "file.large", limit=error.limit // MEGABYTE)) from None
        except Refused:
            raise BadInput(say(language, "file.gone")) from None
        except TransportError:
            raise BadInput(say(language, "file.unavailable")) from None
        path = self._folder / hashlib.sha256(data).hexdigest()[:16] / name

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            reason = f"{path.parent}: {error.strerror or error}"
            raise BadInput(say(language, "kb.failure.files", reason=reason)) from None
        return path

    @property
    def _folder(self) -> Path:
        """Where the documents of this bot are kept that were sent."""
        return (self.base.cache / "files" / str(self.base.bot)).resolve()

    def _is_own(self, source: KnowledgeSource) -> bool:
        return Path(source.address).is_relative_to(self._folder)

    def _kind(self, source: KnowledgeSource) -> str:
        if source.kind in SHOWN_KINDS:
            return SHOWN_KINDS[source.kind]
        return "own" if self._is_own(source) else "other"

    def _is_owner(self, incoming: Incoming) -> bool:
        return self.access.authorize(Actor.of(incoming), Permission.ADMINISTER) is Decision.ALLOWED


def safe_name(name: str) -> str:
    """The name of a file without its folders and without all but letters, digits, spaces, "-", "_" and "."."""
    plain = re.sub(r"[^\w .-]+", "_", name.replace("\\", "/").rpartition("/")[2]).lstrip(". ")
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[:80]}.{ending[:10]}" if dot else plain[:80] or "document"
