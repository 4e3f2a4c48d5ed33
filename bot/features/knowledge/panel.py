"""/kb: the knowledge base for admins, one message that changes in place. Begin with `KnowledgePanel.panel`.

`/kb add ADDRESS` adds a source, and so does a document whose caption is `/kb add`. Reading and buying are jobs
(`features/knowledge/jobs.py`); a press only asks for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.access.policy import Access, Actor, Decision
from bot.access.rights import Rights
from bot.errors import BadInput, ConfigError, Refused, TooLarge, TransportError
from bot.feature import ButtonHandler, Command, Handlers
from bot.features.knowledge.jobs import (
    EMBED,
    SYNC,
    held_choices,
    is_read_now,
    price_choices,
    priced,
    request_embedding,
    request_sync,
)  # fmt: skip
from bot.features.knowledge.search_page import SearchPage
from bot.jobs.learning import request_look
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.knowledge.embedding import Estimate
from bot.knowledge.rights import NAMES
from bot.knowledge.sources.source import failure_text
from bot.knowledge.sync import ASKS
from bot.outbox import Choice, Page, finish, finish_page, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.repositories.knowledge.sources import EVERYONE, LEARNED, KnowledgeSource
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Attachment, Incoming, Permission

DAY = 86_400
ELSEWHERE = re.compile(r"(?:https?://|vector-store:)\S+", re.IGNORECASE)  # not on the disk of the server
MOST_GROUPS = 10  # that are offered as an audience
MOST_SOURCES = 40  # with a button each
SPANS = ((DAY, "days"), (3_600, "hours"), (60, "minutes"))
MEGABYTE = 1 << 20
SHOWN_KINDS = {LEARNED: "learned", VECTOR_STORE: "store"}  # sources whose address alone would say too little


@dataclass(slots=True, kw_only=True)
class KnowledgePanel:
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

    def feature(self) -> Handlers:
        """/kb and its buttons."""
        return Handlers(
            commands={"/kb": Command(self.panel, requires=Permission.MANAGE)},
            presses={
                "kb.open": ButtonHandler(self.press_open, Permission.MANAGE),
                "kb.readers": ButtonHandler(self.press_readers, Permission.MANAGE),
                "kb.remove": ButtonHandler(self.press_remove, Permission.MANAGE),
                "kb.sync": ButtonHandler(self.press_sync, Permission.MANAGE, has_toast=True),
                "kb.pause": ButtonHandler(self.press_pause, Permission.MANAGE, has_toast=True),
                "kb.resume": ButtonHandler(self.press_resume, Permission.MANAGE, has_toast=True),
                "kb.read": ButtonHandler(self.press_read, Permission.MANAGE, has_toast=True),
                "kb.removed": ButtonHandler(self.press_removed, Permission.MANAGE, has_toast=True),
                "kb.buy": ButtonHandler(self.press_buy, Permission.MANAGE, has_toast=True),
                "kb.later": ButtonHandler(self.press_later, Permission.MANAGE, has_toast=True),
                "kb.drop": ButtonHandler(self.press_drop, Permission.MANAGE, has_toast=True),
                "kb.leave": ButtonHandler(self.press_leave, Permission.MANAGE, has_toast=True),
            },
        )

    # --- pages --------------------------------------------------------------------------------------------------------

    async def panel(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """`/kb` opens the panel; `/kb add ADDRESS`, or `/kb add` below a document, adds a source; `/kb search QUESTION`
        shows what that finds. Raises `BadInput`.
        """
        word, _, address = rest.partition(" ")
        if not word:
            await self._open(incoming, reply, 0)
        elif word.lower() == "search":
            await self.search.show(incoming, reply, address.strip())
        elif word.lower() != "add":
            raise BadInput(say(incoming.language, "kb.usage"))
        else:
            await self._add(incoming, reply, address.strip())

    async def press_open(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the source that the button names, or the list of all sources (number 0)."""
        await self._open(incoming, reply, int(action.payload.get("source", 0)))

    async def _open(self, incoming: Incoming, reply: Reply, source: int) -> None:
        wanted = Estimate() if source else await self._estimate()

        def work(tx: Tx) -> None:
            found = tx.sources.read_source(source) if source else None
            page = self._source(tx, incoming, found) if found else self._list(tx, incoming, wanted)
            finish_page(tx, incoming, page, back=False)

        await finish(self.store, reply, work)

    async def _estimate(self) -> Estimate:
        try:
            check_libraries()
        except ConfigError:
            return Estimate()
        return await self.base.estimate()

    def _list(self, tx: Tx, incoming: Incoming, wanted: Estimate) -> Page:
        bot, language = incoming.address.bot, incoming.language
        sources, sizes = tx.sources.list_sources(bot), tx.sources.sizes(bot)
        lines = [self._line(tx, language, one, sizes) for one in sources] or [say(language, "kb.none")]
        rows = [[Choice(one.name, "kb.open", {"source": one.id})] for one in sources[:MOST_SOURCES]]
        if tx.jobs.find_job(bot, EMBED, EMBED) is not None:
            lines.append(say(language, "kb.buying", passages=wanted.passages))
        elif wanted.cost:
            lines.append(priced(language, wanted, self.currency))
            rows.append([price_choices(language, wanted.cost, panel=True)[0]])
        if stale := tx.quotes.count_answers(bot):
            lines.append(say(language, "stale.count", count=stale))
        return Page("\n\n".join([say(language, "kb.title"), *lines, say(language, "kb.usage")]), rows)

    def _line(self, tx: Tx, language: str, source: KnowledgeSource, sizes: Mapping[int, tuple[int, int]]) -> str:
        """What the list says about a source: its size, its age, its state and its error."""
        articles, passages = sizes.get(source.id, (0, 0))
        key = "kb.line" if source.audience else "kb.line.nobody"
        line = say(
            language, key, name=source.name, articles=articles, passages=passages,
            age=self._age(tx, language, source),
        )  # fmt: skip
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
        lines = [
            self._line(tx, language, source, tx.sources.sizes(incoming.address.bot)),
            say(language, f"kb.kind.{self._kind(source)}", address=source.address),
            say(language, "kb.who", who=", ".join(self._group(tx, language, one) for one in source.audience))
            if source.audience else say(language, "kb.who.nobody"),
        ]  # fmt: skip
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
        return Page("\n".join(lines), rows)

    async def press_readers(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show who may read a source, with a button for each group of people."""
        await self._change(incoming, reply, action, lambda _tx, _source: "", self._readers)

    def _readers(self, tx: Tx, incoming: Incoming, source: KnowledgeSource) -> Page:
        bot, language = incoming.address.bot, incoming.language
        chats = [f"chat:{chat}" for chat in sorted(tx.members.list_allowed_groups(bot))][:MOST_GROUPS]
        groups = dict.fromkeys((EVERYONE, *NAMES.values(), *chats, *source.audience))
        rows = [
            [
                Choice(
                    ("✓ " if group in source.audience else "") + self._group(tx, language, group)[:40],
                    "kb.read", {"source": source.id, "group": group, "on": group not in source.audience},
                )
            ]
            for group in groups
        ]  # fmt: skip
        text = say(language, "kb.readers.about", name=source.name)
        if not source.audience:
            text += "\n\n" + say(language, "kb.who.nobody")
        return Page(text, [*rows, [Choice(say(language, "kb.back"), "kb.open", {"source": source.id})]])

    def _group(self, tx: Tx, language: str, group: str) -> str:
        """What a group of people is called."""
        if ":" not in group:
            return say(language, f"kb.group.{group}")
        kind, _, id_ = group.partition(":")
        name = tx.members.read_names(self.base.bot, [int(id_)]).get(int(id_)) or id_
        return say(language, f"kb.group.{kind}", name=name)

    async def press_remove(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask whether a source is to be removed."""

        def page(_tx: Tx, incoming: Incoming, source: KnowledgeSource) -> Page:
            language, payload = incoming.language, {"source": source.id}
            yes = Choice(say(language, "kb.remove"), "kb.removed", payload, dangerous=True)
            return Page(
                say(language, "kb.remove.ask", name=source.name),
                [[yes, Choice(say(language, "cancel"), "kb.open", payload)]],
            )

        await self._change(incoming, reply, action, lambda _tx, _source: "", page)

    # --- acts ---------------------------------------------------------------------------------------------------------

    async def _change(
        self,
        incoming: Incoming,
        reply: Reply,
        action: ButtonPress,
        act: Callable[[Tx, KnowledgeSource], str],
        page: Callable[[Tx, Incoming, KnowledgeSource], Page] | None = None,
    ) -> None:
        """Do something with the source of a button, and show a page of it, or the list if it is not there any more.

        `act` returns the toast, "" for none.
        """
        wanted = await self._estimate()

        def work(tx: Tx) -> str:
            self.rights.ensure_admin(tx, incoming)
            source = tx.sources.read_source(int(action.payload["source"]))
            toast = act(tx, source) if source is not None else say(incoming.language, "kb.gone")
            now = tx.sources.read_source(source.id) if source is not None else None
            shown = (page or self._source)(tx, incoming, now) if now else self._list(tx, incoming, wanted)
            finish_page(tx, incoming, shown, back=False)
            return toast

        toast = await finish(self.store, reply, work)
        self.wake_jobs()
        if toast:
            await reply.acknowledge(toast)

    def _log(self, tx: Tx, incoming: Incoming, act: str, source: str, **details: str) -> None:
        tx.audit.add_entry(incoming.address.bot, incoming.user.id, act, source, **details)

    async def press_sync(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Read a source now."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            request_sync(tx, incoming.address.bot, source.id, asked=incoming)
            self._log(tx, incoming, "kb_sync", source.name)
            return say(incoming.language, "kb.sync.done")

        await self._change(incoming, reply, action, act)

    async def press_pause(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Pause a source: it is not read any more until an admin resumes it, and what was read stays."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            tx.sources.change_source(source.id, state="paused")
            job = tx.jobs.find_job(incoming.address.bot, SYNC, str(source.id))
            if job is not None and job.due > tx.clock.time():
                tx.jobs.delete_done(job)
            self._log(tx, incoming, "kb_pause", source.name)
            return say(incoming.language, "kb.pause.done")

        await self._change(incoming, reply, action, act)

    async def press_resume(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Go on with a source that was paused: read it now."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            tx.sources.change_source(source.id, state="active")
            request_sync(tx, incoming.address.bot, source.id, asked=incoming)
            self._log(tx, incoming, "kb_resume", source.name)
            return say(incoming.language, "kb.sync.done")

        await self._change(incoming, reply, action, act)

    async def press_read(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Allow a group of people to read a source, or, if they could, forbid it."""
        group, on = str(action.payload["group"]), bool(action.payload["on"])

        def act(tx: Tx, source: KnowledgeSource) -> str:
            rest = tuple(one for one in source.audience if one != group)
            audience = (*rest, group) if on else rest
            tx.sources.change_source(source.id, audience=audience)
            request_look(tx, incoming.address.bot, readers=True)
            self._log(tx, incoming, "kb_readers", source.name, readers=", ".join(audience) or "nobody")
            return say(incoming.language, "kb.read.done" if audience else "kb.who.nobody")

        await self._change(incoming, reply, action, act, self._readers)

    async def press_removed(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Remove a source, with the file that was sent for it."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            bot = incoming.address.bot
            tx.sources.remove_source(source.id)
            request_sync(tx, bot, source.id, file=source.address if self._is_own(source) else "")
            self._log(tx, incoming, "kb_remove", source.name)
            return say(incoming.language, "kb.removed", name=source.name)

        await self._change(incoming, reply, action, act)

    async def press_drop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Delete the articles that are no longer at a source: the source is read again, and the result told."""

        def act(tx: Tx, source: KnowledgeSource) -> str:
            request_sync(tx, incoming.address.bot, source.id, asked=incoming, agreed=True)
            self._log(tx, incoming, "kb_drop", source.name)
            return say(incoming.language, "kb.sync.done")

        await self._change(incoming, reply, action, act)

    async def press_leave(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Keep the articles that are no longer at a source: the answer "no" to the bot's question whether to delete so
        many.
        """

        def act(tx: Tx, source: KnowledgeSource) -> str:
            self._log(tx, incoming, "kb_leave", source.name)
            return say(incoming.language, "kb.leave.done")

        await self._change(incoming, reply, action, act)

    async def press_buy(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Add the job that buys the missing embeddings for at most the amount that the button named."""
        agreed, wanted = int(action.payload["agreed"]), await self._estimate()

        def work(tx: Tx) -> str:
            self.rights.ensure_admin(tx, incoming)
            tx.buttons.expire_button(action.key)
            is_new = request_embedding(tx, incoming.address.bot, agreed, incoming)
            toast = say(incoming.language, "kb.buy.begun" if is_new else "kb.buy.already")
            if is_new:
                self._log(tx, incoming, "kb_buy", "", agreed=f"{agreed / 1_000_000:.2f} {self.currency}")
            if action.payload.get("panel"):
                finish_page(tx, incoming, self._list(tx, incoming, wanted), back=False)
            else:
                finish_turn(tx, incoming, toast, over=True)
            return toast

        toast = await finish(self.store, reply, work)
        self.wake_jobs()
        await reply.acknowledge(toast)

    async def press_later(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Buy no embeddings now. Until they are bought, new passages are found by their words only."""
        text = say(incoming.language, "kb.later.done")
        await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, text, over=True))
        await reply.acknowledge(text)

    # --- a new source -------------------------------------------------------------------------------------------------

    async def _add(self, incoming: Incoming, reply: Reply, address: str) -> None:
        """Add a source, ask who may read it, and have it read. Raises `BadInput`."""
        language = incoming.language
        files = [one for one in incoming.parts if isinstance(one, Attachment) and one.kind == "document"]
        every = DAY if address else 0
        try:
            check_libraries()
            if not address and files:
                address = str(await self._keep(incoming, reply, files[0]))
            elif not address:
                raise BadInput(say(language, "kb.usage"))
            elif not ELSEWHERE.fullmatch(address) and not self._is_owner(incoming):
                raise BadInput(say(language, "kb.owners"))
            try:
                wish = await self.base.checked(KnowledgeSource("", "", address, every=every))
            except BadInput:
                raise BadInput(say(language, "kb.unknown", address=address)) from None
        except ConfigError:
            raise BadInput(say(language, "kb.missing")) from None

        def work(tx: Tx) -> None:
            bot = incoming.address.bot
            self.rights.ensure_admin(tx, incoming)
            known = [one for one in tx.sources.list_sources(bot) if one.address == wish.address]
            if known:
                finish_page(tx, incoming, self._source(tx, incoming, known[0]), back=False)
                return
            source = self.base.store_new(tx, wish)
            request_sync(tx, bot, source.id, asked=incoming)
            self._log(tx, incoming, "kb_add", source.name)
            page = self._readers(tx, incoming, source)
            added = say(language, "kb.added", name=source.name)
            finish_page(tx, incoming, Page(f"{added}\n\n{page.text}", page.rows), back=False)

        await finish(self.store, reply, work)
        self.wake_jobs()

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
