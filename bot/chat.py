"""One turn of a conversation: question saved, history read, model asked, answer streamed, saved and delivered.

Begin with `Chat.answer`; `_write` is the loop around the model.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from bot import branches, ending, prompt, turns
from bot.branches import Place
from bot.clock import Clock
from bot.craft import said
from bot.errors import ContextOverflow, LimitReached, ModelError, ModelRefused, StreamCut
from bot.library import Library
from bot.limits import TOKENS, Budget
from bot.routing import Offer, Routing
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.messages import Remembered
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Message, Part, Reply, Request, Text
from bot.written import REASONING, Begun, Written

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds after the deadline in which a model may say itself that it is over
CUT_TRIES = 3  # how often an answer that breaks off is begun anew in the same place


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer. `history` is the number of messages that are looked at, before the budget cuts further;
    `thoughts`: what a model thinks may be seen.
    """

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000
    deadline: float = 120.0
    history: int = 60
    thoughts: bool = False


@dataclass(slots=True)
class Running:
    """An answer that is being written, and how to end that."""

    address: Address
    question: Remembered
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
    library: Library = field(default_factory=Library)
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))
    _running: dict[str, Running] = field(default_factory=dict)

    async def begin(self, incoming: Incoming, parts: tuple[Part, ...] = (), *, last: bool = False) -> Begun:
        """Transaction 1: save the question (its text and other `parts`), read what is needed to answer it.

        `last`: what the bot had waited for is complete with it. Raises `LimitReached`: then nothing is saved.
        """

        def work(tx: Tx) -> Begun:
            tx.updates.begin(incoming.ids)
            tx.chats.seen(incoming.address, incoming.user, private=incoming.private)
            choices = tx.chats.choices(incoming.address, incoming.user.id)
            language = choices.language or incoming.user.language
            if last:
                tx.buttons.forget(incoming.address, incoming.user.id)
            awaited = tx.buttons.awaited(incoming.address, incoming.user.id)
            if awaited is not None:
                return Begun(None, (), choices, language, awaited=awaited)
            place = branches.follow(tx, incoming, (Text(incoming.text), *parts))
            return self._begun(tx, incoming, place, choices)

        return await self.store.write(work)

    async def again(self, incoming: Incoming, pressed: Action) -> Begun | None:
        """The same where a button asks for another answer, or for the rest of one. None: it is not known any more."""

        def work(tx: Tx) -> Begun | None:
            if pressed.name == branches.RESUME:
                place = branches.resume(tx, incoming, pressed.payload["answer"])
            else:
                place = branches.again(tx, incoming, pressed.payload["question"])
            return self._found(tx, incoming, place, pressed.key)

        return await self.store.write(work)

    async def revise(self, incoming: Incoming) -> Begun | None:
        """The same for a question that was edited. None: there is nothing to answer."""
        return await self.store.write(lambda tx: self._found(tx, incoming, branches.revise(tx, incoming)))

    def _found(self, tx: Tx, incoming: Incoming, place: Place | None, pressed: str = "") -> Begun | None:
        if place is None:
            return None
        tx.updates.begin(incoming.ids)
        choices = tx.chats.choices(incoming.address, incoming.user.id)
        return self._begun(tx, incoming, place, choices, pressed)

    def _begun(self, tx: Tx, incoming: Incoming, place: Place, choices: Choices, pressed: str = "") -> Begun:
        language = choices.language or incoming.user.language
        history = prompt.spoken(branches.history(tx, place, self.options.history))
        if place.resumed is not None:
            history = [*history, Message.of("user", say(language, "resume.prompt"))]
        persona = self.library.persona(choices.persona)
        offer, gone = self.routing.settle(choices.model, choices.own_model, persona.model)
        begun = Begun(
            place, history, replace(choices, model=offer.name), language,
            pressed=pressed, persona=persona, gone=tuple(name for name in gone if name != persona.model),
        )  # fmt: skip
        return self._held(tx, incoming, begun)

    def _held(self, tx: Tx, incoming: Incoming, begun: Begun) -> Begun:
        """Hold back what the answer can cost; nothing is reckoned where nothing is limited."""
        if not self.budget.tokens:
            return begun
        offer = self.routing.pick(begun.choices.model)
        most = prompt.most(self._request(begun, offer), self._ratio(offer))
        return replace(begun, held=self.budget.reserve(tx, incoming, TOKENS, most, begun.language))

    async def answer(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        place = begun.place
        assert place is not None  # noqa: S101  only a question is answered
        reply.begin(begun.choices.streaming, self._over(place))
        if begun.prefix:
            reply.replace(begun.prefix)
        turn = turns.current.get()
        written = await self._write(incoming, reply, begun, place)
        turn.model, turn.persona = written.offer.name, begun.persona.label
        turn.ended(written.ending(), written.usages, written.text)
        if written.error is not None:
            turn.failed(written.error)
        # What the model was paid for is not asked for again because the disk is full just now.
        await self.store.patiently(lambda: self.store.write(lambda tx: ending.save(tx, incoming, begun, written)))
        await reply.finish()

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
            asked = run.question
            is_it = asked.place == edit.message_id if asked.place else asked.turn == edit.of
            if run.address == edit.address and is_it and asked.text != edit.text:
                run.outdated = True
                run.end()

    async def _write(self, incoming: Incoming, reply: Reply, begun: Begun, place: Place) -> Written:
        wanted = self.routing.pick(begun.choices.model)
        written = Written(wanted, self.routing.ready(wanted), [begun.held] if begun.held else [])
        try:
            # A deadline that is set only when somebody presses Stop: it ends the wait wherever the stream is.
            async with asyncio.timeout(None) as scope:
                run = self._running[incoming.id] = Running(incoming.address, place.question, scope)
                await self._insist(incoming, reply, begun, written)
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
                reply.replace(begun.prefix)

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
                await self._follow(reply, offer, request, written, begun.prefix)
        except TimeoutError:
            if not late.expired():
                raise
            raise StreamCut("the answer took too long") from None
        finally:
            written.bill(request, ratio)
        if written.usage:
            ratio.learn(prompt.size(request), written.usage)

    @staticmethod
    def _over(place: Place) -> int:
        """The message that the answer is written over while it grows: the last where it goes on."""
        return (place.over[-1] if place.resumed else place.over[0]) if place.over else 0

    def _ratio(self, offer: Offer) -> prompt.Ratio:
        return self._ratios[offer.name]

    def _request(self, begun: Begun, offer: Offer, shrink: float = 1.0) -> Request:
        persona, options, profile = begun.persona, self.options, offer.model.profile
        request = prompt.build(
            said(persona.system, begun.language, "").strip() or options.system or say(begun.language, "system"),
            begun.shown,
            profile,
            self._ratio(offer),
            max_tokens=persona.max_tokens or options.max_tokens,
            temperature=options.temperature if persona.temperature is None else persona.temperature,
            shrink=shrink,
        )
        return replace(request, reasoning=REASONING.get(begun.choices.reasoning, "") if profile.reasoning else "")

    async def _follow(self, reply: Reply, offer: Offer, request: Request, written: Written, prefix: str) -> None:
        turn = turns.current.get()
        turn.requests += 1
        async with aclosing(offer.model.stream(request)) as chunks:
            async for chunk in chunks:
                turn.wrote(self.clock.monotonic())
                written.add(chunk if self.options.thoughts else replace(chunk, thought=""))
                if chunk.replaces:
                    reply.replace(prefix + written.text)
                elif chunk.text:
                    reply.append(chunk.text)
