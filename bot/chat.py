"""One turn of a conversation: question saved, history read, model asked, answer streamed, saved and delivered.

Begin with `Chat.answer`; `_write` is the loop around the model.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from bot import edits, prompt, turns
from bot.clock import Clock
from bot.documents import NOTHING, Documents, Found
from bot.documents import budget as budget_of_documents
from bot.errors import ContextOverflow, LimitReached, ModelError, ModelRefused, StreamCut
from bot.limits import TOKENS, Budget
from bot.outbox import put
from bot.routing import Offer, Routing
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Message, Outgoing, Reply, Request, Text
from bot.written import CUT, Written

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds after the deadline in which a model may say itself that it is over
LATE = 3600.0  # seconds after which an answer begs pardon
CUT_TRIES = 3  # how often an answer that breaks off is begun anew in the same place


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer. `history` is the number of messages that are looked at, before the budget cuts further."""

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000
    deadline: float = 120.0
    history: int = 60


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first transaction of a turn found. `turn` is the one whose question is answered (an earlier one when it
    is tried again). `held` is what is held back from the budgets for the answer. `awaited`: this message answers a
    question of the bot instead.
    """

    turn: str
    conversation: int
    history: Sequence[Message]
    choices: Choices
    language: str
    held: int = 0
    awaited: Action | None = None
    has_documents: bool = False
    found: Found = NOTHING


@dataclass(slots=True)
class Running:
    """An answer that is being written, and how to end that. `turn` is the one that it answers, `asked` its words."""

    address: Address
    turn: str
    asked: str
    scope: asyncio.Timeout
    outdated: bool = False

    def end(self) -> None:
        if not self.scope.expired():  # somebody else has just ended it
            self.scope.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True)
class Chat:
    store: Store
    routing: Routing
    clock: Clock
    options: Options = field(default_factory=Options)
    budget: Budget = field(default_factory=Budget)
    documents: Documents | None = None
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))
    _running: dict[str, Running] = field(default_factory=dict)

    async def begin(self, incoming: Incoming) -> Begun:
        """Transaction 1: save the question, read what is needed to answer it.

        Raises `LimitReached`: then nothing is saved.
        """

        def work(tx: Tx) -> Begun:
            tx.updates.begin(incoming.ids)
            tx.chats.seen(incoming.address, incoming.user, private=incoming.private)
            choices = tx.chats.choices(incoming.address)
            language = choices.language or incoming.user.language
            awaited = tx.buttons.awaited(incoming.address, incoming.user.id)
            if awaited is not None:
                return Begun("", 0, (), choices, language, awaited=awaited)
            conversation = tx.messages.conversation(incoming.address)
            said = (Text(incoming.text), *(part for part in incoming.parts if not isinstance(part, Attachment)))
            tx.messages.add(conversation, incoming.address, incoming.id, "user", said, user=incoming.user.id)
            history = [row.message for row in tx.messages.last(conversation, self.options.history)]
            return self._held(tx, incoming, Begun(incoming.id, conversation, history, choices, language))

        return await self.store.write(work)

    async def again(self, incoming: Incoming, turn: str) -> Begun | None:
        """The same for the question of an earlier turn, whose answer failed or broke off and is forgotten.

        None: the conversation has gone on since.
        """

        def work(tx: Tx) -> Begun | None:
            tx.updates.begin(incoming.ids)
            choices = tx.chats.choices(incoming.address)
            conversation = tx.messages.conversation(incoming.address)
            rows = list(tx.messages.last(conversation, self.options.history))
            if rows and rows[-1].turn == turn and rows[-1].ending == CUT:
                tx.messages.forget(incoming.address, turn, "assistant")
                rows.pop()
            if not rows or rows[-1].turn != turn or rows[-1].message.role != "user":
                return None
            history = [row.message for row in rows]
            language = choices.language or incoming.user.language
            return self._held(tx, incoming, Begun(turn, conversation, history, choices, language))

        return await self.store.write(work)

    def _held(self, tx: Tx, incoming: Incoming, begun: Begun) -> Begun:
        """Hold back what the answer can cost; nothing is reckoned where nothing is limited."""
        has_documents = tx.documents.any(begun.conversation)
        begun = replace(begun, history=tx.blobs.shown(begun.history), has_documents=has_documents)
        if not self.budget.tokens:
            return begun
        offer = self.routing.pick(begun.choices.model)
        most = prompt.most(self._request(begun, offer), self._ratio(offer))
        if begun.has_documents:  # what they say of the question is looked up later
            most += self._ratio(offer).tokens(budget_of_documents(offer.model.profile.window))
        return replace(begun, held=self.budget.reserve(tx, incoming, TOKENS, most, begun.language))

    async def revise(self, incoming: Incoming) -> Begun | None:
        """The same for a question that was edited. None: there is nothing to answer (see `edits`)."""

        def work(tx: Tx) -> Begun | None:
            tx.updates.begin(incoming.ids)
            choices = tx.chats.choices(incoming.address)
            language = choices.language or incoming.user.language
            conversation = edits.apply(tx, incoming, language)
            if conversation is None:
                return None
            history = [row.message for row in tx.messages.last(conversation, self.options.history)]
            return self._held(tx, incoming, Begun(incoming.of, conversation, history, choices, language))

        return await self.store.write(work)

    async def answer(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        reply.begin(begun.choices.streaming)
        turn = turns.current.get()
        written = await self._write(incoming, reply, begun)
        turn.model = written.offer.name
        turn.ended(written.ending(), written.usages, written.text)
        if written.error is not None:
            turn.failed(written.error)
        # What the model was paid for is not asked for again because the disk is full just now.
        await self.store.patiently(lambda: self.store.write(lambda tx: self._save(tx, incoming, begun, written)))
        await reply.finish()

    async def _informed(self, reply: Reply, begun: Begun) -> Begun:
        """The same with what the documents of the conversation say of the question."""
        if self.documents is None or not begun.has_documents:
            return begun
        reply.show(say(begun.language, "document.searching"))
        window, question = self.routing.pick(begun.choices.model).model.profile.window, begun.history[-1].text
        return replace(begun, found=await self.documents.about(begun.conversation, question, window))

    def stop(self, key: str, turn: str = "") -> bool:
        """Stop the answer that is being written at an address; what was written stays.

        With `turn` only the answer of that turn. False: there is nothing to stop.
        """
        found = [run for id_, run in self._running.items() if run.address.key == key and turn in ("", id_)]
        for run in found:
            run.end()
        return bool(found)

    def leave(self, bot: int, chat: int) -> None:
        """Stop every answer that is being written in a chat, in all its topics."""
        for run in self._running.values():
            if (run.address.bot, run.address.chat) == (bot, chat):
                run.end()

    def outdate(self, edit: Incoming) -> None:
        """A question was edited while its answer is being written: that ends, and is marked as outdated."""
        for run in self._running.values():
            if (run.address, run.turn) == (edit.address, edit.of) and run.asked != edit.text:
                run.outdated = True
                run.end()

    async def _write(self, incoming: Incoming, reply: Reply, begun: Begun) -> Written:
        wanted = self.routing.pick(begun.choices.model)
        written = Written(wanted, self.routing.ready(wanted), [begun.held] if begun.held else [])
        try:
            # A deadline that is set only when somebody presses Stop: it ends the wait wherever the stream is.
            async with asyncio.timeout(None) as scope:
                run = self._running[incoming.id] = Running(incoming.address, begun.turn, begun.history[-1].text, scope)
                await self._insist(incoming, reply, await self._informed(reply, begun), written)
        except TimeoutError:
            written.stopped, written.outdated = True, run.outdated
        finally:
            del self._running[incoming.id]
        return written

    async def _insist(self, incoming: Incoming, reply: Reply, begun: Begun, written: Written) -> None:
        """Ask until there is a whole answer: shorter when the prompt was too long, anew when the stream broke."""
        shrink, cuts, longest = 1.0, 0, ""
        end = asyncio.get_running_loop().time() + self.options.deadline
        while True:
            try:
                return await self._stream(reply, begun, written, shrink, end)
            except ContextOverflow as error:
                if shrink < 1:
                    written.error = error
                    return None
                shrink = 0.8 * (error.limit / error.given if error.given else 0.75)
            except ModelRefused as error:
                written.text, written.error = longest, error
                return None
            except ModelError as error:
                longest = max(longest, written.text, key=len)
                again = cuts + 1 < CUT_TRIES and self._may_help(written, error, end)
                if not again or not await self._may_repeat(incoming, begun, written):
                    written.text, written.error = longest, error
                    return None
                cuts += 1
                reply.replace("")

    def _may_help(self, written: Written, error: ModelError, end: float) -> bool:
        """Whether to ask once more: the same model after a cut, another one where this one is left alone now."""
        if asyncio.get_running_loop().time() >= end:
            return False
        if isinstance(error, StreamCut):
            return True
        other = self.routing.ready(written.wanted)
        if written.text or not written.offer.rests or other is written.offer:
            return False
        written.offer = other
        return True

    async def _may_repeat(self, incoming: Incoming, begun: Begun, written: Written) -> bool:
        """What broke off was paid: asking again is paid again, and has to fit into the budgets too."""
        if not begun.held:
            return True
        try:
            again = await self.store.write(lambda tx: self._held(tx, incoming, begun))
        except LimitReached:
            return False
        written.held.append(again.held)
        return True

    async def _stream(self, reply: Reply, begun: Begun, written: Written, shrink: float, end: float) -> None:
        offer = written.offer
        ratio, request = self._ratio(offer), self._request(begun, offer, shrink)
        written.begin()
        try:
            async with asyncio.timeout_at(end + GRACE) as late:
                await self._follow(reply, offer, request, written)
        except TimeoutError:
            if not late.expired():
                raise
            raise StreamCut("the answer took too long") from None
        finally:
            written.bill(request, ratio)
        if written.usage:
            ratio.learn(prompt.size(request), written.usage)

    def _ratio(self, offer: Offer) -> prompt.Ratio:
        return self._ratios[offer.name]

    def _request(self, begun: Begun, offer: Offer, shrink: float = 1.0) -> Request:
        return prompt.build(
            self.options.system or say(begun.language, "system"),
            prompt.informed(begun.history, begun.found.text),
            offer.model.profile,
            self._ratio(offer),
            max_tokens=self.options.max_tokens,
            temperature=self.options.temperature,
            shrink=shrink,
        )

    async def _follow(self, reply: Reply, offer: Offer, request: Request, written: Written) -> None:
        turn = turns.current.get()
        turn.requests += 1
        async with aclosing(offer.model.stream(request)) as chunks:
            async for chunk in chunks:
                turn.wrote(self.clock.monotonic())
                written.add(chunk)
                if chunk.replaces:
                    reply.replace(written.text)
                elif chunk.text:
                    reply.append(chunk.text)

    def _save(self, tx: Tx, incoming: Incoming, begun: Begun, written: Written) -> None:
        """Transaction 2: history, ledger, outbox, inbox."""
        for model, usage in written.usages:
            tx.usage.add(incoming.address, incoming.user.id, incoming.id, model, usage)
        for number, held in enumerate(written.held):
            tx.spending.settle(held, 0 if number else written.cost)
        if written.outdated and not written.text.strip() and not tx.deliveries.placed(incoming.id, incoming.address):
            put(tx, incoming)  # nobody has seen anything of it
            return
        outgoing = self._outgoing(incoming, begun.language, written)
        if written.error is not None and not isinstance(written.error, ModelRefused | ContextOverflow):
            where, user, label = incoming.address, incoming.user.id, say(begun.language, "retry")
            retry = tx.buttons.add(where, incoming.id, user, label, "retry", turn=begun.turn)
            outgoing = replace(outgoing, buttons=((retry,),))
        if written.text.strip() and not outgoing.plain and not written.outdated:
            ending = written.ending()
            said = (Text(written.text),)
            tx.messages.add(begun.conversation, incoming.address, begun.turn, "assistant", said, ending=ending)
        put(tx, incoming, outgoing)

    def _outgoing(self, incoming: Incoming, language: str, written: Written) -> Outgoing:
        quoted = incoming.quotes or (0 if incoming.private else incoming.message_id)
        text = written.words()
        if text:
            note = "; ".join(filter(None, (written.note(language), self._late(incoming, language))))
            return Outgoing(text, note=note, reply_to=quoted)
        return Outgoing(say(language, written.apology()), plain=True, reply_to=quoted)

    def _late(self, incoming: Incoming, language: str) -> str:
        """What is said below an answer to a message that had to wait for a bot that was away."""
        waited = self.clock.time() - incoming.at.timestamp() if incoming.at else 0.0
        return say(language, "late.note") if waited > LATE else ""
