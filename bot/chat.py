"""One turn of a conversation: question saved, history read, model asked, answer streamed, saved and delivered.

Begin with `Chat.answer`; `_write` is the loop around the model.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from bot import acts, branches, chats, context, ending, money, prompt, turns
from bot.branches import Place
from bot.clock import Clock
from bot.craft import Persona
from bot.documents import Documents
from bot.documents import most as most_of_documents
from bot.errors import ContextOverflow, LimitReached, ModelError, ModelRefused, StreamCut
from bot.journal import Journal
from bot.library import Library
from bot.limits import Budget
from bot.purse import Payer
from bot.routing import Offer, Routing
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.guards import Guard
from bot.storage.messages import Remembered
from bot.storage.operations import Operation
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.toolbox import Steps, Toolbox
from bot.tools import Asker
from bot.types import Address, Attachment, Incoming, Message, Reply, Request, Text
from bot.written import REASONING, SEARCHING, Begun, Written

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds after the deadline in which a model may say itself that it is over
DOINGS = {SEARCHING: "tool.doing.search"}
CUT_TRIES = 3  # how often an answer that breaks off is begun anew in the same place


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer. `history` is the number of messages that are looked at, before the budget cuts further.

    `names_topics` and `summaries`: a cheap model does that in the background. `thoughts`: what a model thinks may be
    seen.
    """

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000
    deadline: float = 120.0
    history: int = 60
    names_topics: bool = False
    summaries: bool = False
    thumbs: bool = False
    thoughts: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a button that was `pressed` asks for: `model` answers this time; `agreed`: the price is known."""

    pressed: str = ""
    model: str = ""
    agreed: bool = False


NO_WISH = Wish()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who answers. `gone`: models that were chosen and are offered no more."""

    persona: Persona
    offer: Offer
    gone: tuple[str, ...] = ()


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
    toolbox: Toolbox = field(default_factory=Toolbox)
    documents: Documents | None = None
    wake_jobs: Callable[[], None] = lambda: None
    journal: Journal | None = None
    modes: Callable[[str], object | None] = lambda _name: None
    library: Library = field(default_factory=Library)
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))
    _running: dict[str, Running] = field(default_factory=dict)

    async def begin(self, incoming: Incoming, *, last: bool = False) -> Begun:
        """Transaction 1: save the question, read what is needed to answer it.

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
            parts = (part for part in incoming.parts if not isinstance(part, Attachment))
            place = branches.follow(tx, incoming, (Text(incoming.text), *parts))
            return self._begun(tx, incoming, place, choices)

        return await self.store.write(work, self._guard)

    async def again(
        self, incoming: Incoming, pressed: Action, *, model: str = "", agreed: bool = False
    ) -> Begun | None:
        """The same where a button asks for another answer, or for the rest of one. None: it is not known any more.

        `model` answers this time; `agreed`: the price is known.
        """

        def work(tx: Tx) -> Begun | None:
            if pressed.name == branches.RESUME:
                place = branches.resume(tx, incoming, pressed.payload["answer"])
            else:
                place = branches.again(tx, incoming, pressed.payload["question"])
            return self._found(tx, incoming, place, Wish(pressed.key, model, agreed))

        return await self.store.write(work, self._guard)

    async def revise(self, incoming: Incoming) -> Begun | None:
        """The same for a question that was edited. None: there is nothing to answer."""
        return await self.store.write(lambda tx: self._found(tx, incoming, branches.revise(tx, incoming)), self._guard)

    @property
    def _guard(self) -> Guard | None:
        return Guard.SPENDING if self.budget else None

    def _found(self, tx: Tx, incoming: Incoming, place: Place | None, wish: Wish = NO_WISH) -> Begun | None:
        if place is None:
            return None
        tx.updates.begin(incoming.ids)
        choices = tx.chats.choices(incoming.address, incoming.user.id)
        return self._begun(tx, incoming, place, choices, wish)

    def _begun(self, tx: Tx, incoming: Incoming, place: Place, choices: Choices, wish: Wish = NO_WISH) -> Begun:
        choices = replace(choices, model=wish.model) if wish.model else choices
        begun = self._started(tx, place, choices, choices.language or incoming.user.language)
        if self.options.summaries:
            context.wants_summary(tx, incoming.address, place.question, len(begun.history), begun.language)
        return self._held(tx, incoming, replace(begun, pressed=wish.pressed), agreed=wish.agreed)

    def _started(self, tx: Tx, place: Place, choices: Choices, language: str) -> Begun:
        """What the model will read."""
        branch = branches.history(tx, place, self.options.history)
        kept, branch = context.apply(tx, place.question.conversation, branch)
        history = prompt.spoken(branch)
        if place.resumed is not None:
            history = [*history, Message.of("user", say(language, "resume.prompt"))]
        has_documents = tx.documents.any(place.question.conversation)
        preface, history = kept.preface(language), tx.blobs.shown(history)
        chosen = self.chosen(choices)
        return Begun(
            place, history, replace(choices, model=chosen.offer.name), language, preface, has_documents=has_documents,
            persona=chosen.persona, gone=chosen.gone, thumbs=self.options.thumbs,
        )  # fmt: skip

    def chosen(self, choices: Choices) -> Chosen:
        """Who answers there: the chat's model, else the user's, else the persona's, else the default."""
        persona = self.library.persona(choices.persona)
        offer, gone = self.routing.settle(choices.model, choices.own_model, persona.model)
        return Chosen(persona, offer, tuple(name for name in gone if name != persona.model))

    def went_on(self, tx: Tx, incoming: Incoming, place: Place, act: Operation, steps: Steps) -> Begun:
        """The same for what comes after an action that was decided on: the conversation is as the model saw it then."""
        choices = tx.chats.choices(incoming.address, incoming.user.id)
        begun = replace(
            self._started(tx, place, choices, choices.language or incoming.user.language), act=act, steps=steps
        )
        return self._held(tx, incoming, begun, agreed=True)

    def _held(self, tx: Tx, incoming: Incoming, begun: Begun, *, agreed: bool = False) -> Begun:
        """Hold back what the answer can cost, or ask first; nothing is reckoned where nothing is limited."""
        if not self.budget:
            return begun
        if begun.has_documents:
            begun = replace(begun, size_of_documents=tx.documents.size(begun.conversation))
        offer = self.routing.pick(begun.choices.model)
        tokens, price = self._most(begun, offer)
        if not agreed and self.budget.asks(whole := price + self._ahead(tx, begun, offer)):
            return replace(begun, price=whole)
        return replace(begun, held=self.budget.hold(tx, incoming, tokens, price, begun.language))

    def _ahead(self, tx: Tx, begun: Begun, offer: Offer) -> int:
        """What has to be paid before the model can be asked: it is held back by itself."""
        if not begun.has_documents or self.documents is None or not self.budget.confirm:
            return 0
        return self.documents.ahead(tx, begun.conversation, offer.model.profile.window)

    def _most(self, begun: Begun, offer: Offer) -> tuple[int, int]:
        """The most that the answer of a model can cost: tokens, and millionths of the currency."""
        usage = prompt.most(self._request(begun, offer, begun.steps), self._ratio(offer))
        if begun.has_documents:  # what they say of the question is looked up later
            most = most_of_documents(offer.model.profile.window, begun.size_of_documents)
            room = self._ratio(offer).tokens(most)
            usage = replace(usage, prompt=usage.prompt + room)
        return usage.total, money.most(offer.model.profile, usage)

    async def _ask_first(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        """The answer is expensive: say so, and offer the cheapest model."""
        is_over = begun.place is not None and bool(begun.place.over)
        language, price, question = begun.language, begun.price, begun.place.question.id if begun.place else 0
        now = self.routing.pick(begun.choices.model)
        others = [offer for offer in self.routing.offers if offer is not now]
        prices = await self.store.read(
            lambda tx: [(self._most(begun, offer)[1] + self._ahead(tx, begun, offer), offer) for offer in others]
        )
        less, offer = min(prices, key=lambda row: row[0], default=(price, now))
        currency = now.model.profile.currency
        cheaper = (offer.name, offer.title, money.shown(language, less, currency)) if less < price else None
        sentence, choices = money.question(
            language, question, money.shown(language, price, currency), cheaper, self._later(begun, now)
        )
        await money.ask_first(
            self.store, incoming, reply, sentence, *choices,
            also=lambda tx: tx.deliveries.release(incoming.id, incoming.address) if is_over else None,
        )  # fmt: skip

    def _later(self, begun: Begun, offer: Offer) -> str:
        """The turn that may be answered later instead, "" where that costs no less."""
        cheaper = offer.model.profile.asynchronous and self.modes(offer.name) is not None
        if begun.place is None or begun.place.shown is not None or not cheaper:
            return ""
        return begun.place.question.turn

    async def answer(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        if begun.price:
            await self._ask_first(incoming, reply, begun)
            return
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
            written.code = self.journal.note(written.error, incoming.id) if self.journal is not None else ""
        # What the model was paid for is not asked for again because the disk is full just now.
        guard = Guard.SPENDING if written.held else None
        await self.store.patiently(lambda: self.store.write(lambda tx: self._save(tx, incoming, begun, written), guard))
        if self._named(incoming, begun, written) or len(begun.history) >= context.ENOUGH:
            self.wake_jobs()
        await reply.finish()

    def _save(self, tx: Tx, incoming: Incoming, begun: Begun, written: Written) -> None:
        for model, usage in written.usages:
            profile = self.routing.pick(model).model.profile
            money.book_answer(tx, incoming.address, incoming.user.id, incoming.id, model, profile, usage)
        for number, held in enumerate(written.held):
            held.settle(tx, 0 if number else written.cost, 0 if number else written.money)
        ending.save(tx, incoming, begun, written)
        if self._named(incoming, begun, written):
            chats.wants_name(tx, begun.conversation, incoming.address, incoming.user.id, begun.language)

    def _named(self, incoming: Incoming, begun: Begun, written: Written) -> bool:
        """Whether the conversation gets a name now: a topic, after its first answer."""
        first = begun.place is not None and begun.place.question.parent is None and bool(written.words())
        return first and self.options.names_topics and incoming.private and bool(incoming.address.thread)

    async def _informed(self, incoming: Incoming, reply: Reply, begun: Begun) -> Begun:
        """The same with what the documents of the conversation say of the question."""
        if self.documents is None or not begun.has_documents:
            return begun
        reply.show(say(begun.language, "document.searching"))
        window, question = self.routing.pick(begun.choices.model).model.profile.window, begun.history[-1].text
        payer = Payer.of(incoming, begun.language)
        return replace(begun, found=await self.documents.about(begun.conversation, question, window, payer))

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
            if run.address == edit.address and is_it and asked.words != edit.text:
                run.outdated = True
                run.end()

    async def _write(self, incoming: Incoming, reply: Reply, begun: Begun, place: Place) -> Written:
        wanted = self.routing.pick(begun.choices.model)
        written = Written(wanted, self.routing.ready(wanted), [begun.held] if begun.held else [])
        written.steps = begun.steps
        try:
            # A deadline that is set only when somebody presses Stop: it ends the wait wherever the stream is.
            async with asyncio.timeout(None) as scope:
                run = self._running[incoming.id] = Running(incoming.address, place.question, scope)
                begun = await self._informed(incoming, reply, begun)
                written.found = begun.found
                await self._insist(incoming, reply, begun, written)
        except TimeoutError:
            written.stopped, written.outdated = True, run.outdated
        finally:
            del self._running[incoming.id]
        return written

    async def _insist(self, incoming: Incoming, reply: Reply, begun: Begun, written: Written) -> None:
        """Ask until there is a whole answer: shorter when the prompt was too long, anew when the stream broke."""
        shrink, cuts, longest = 1.0, 0, ""
        await self._prepare(incoming, reply, begun)
        end = asyncio.get_running_loop().time() + self.options.deadline
        while True:
            try:
                await self._stream(reply, begun, written, shrink, end)
                paused = asyncio.get_running_loop().time()
                if not written.calls or not await self._use_tools(incoming, reply, begun, written):
                    return
                end += asyncio.get_running_loop().time() - paused  # each tool has a deadline of its own
            except ContextOverflow as error:
                if shrink < 1:
                    written.error = error
                    return
                shrink = 0.8 * (error.limit / error.given if error.given else 0.75)
            except ModelRefused as error:
                written.text, written.error = longest, error
                return
            except ModelError as error:
                longest = max(longest, written.text, key=len)
                again = cuts + 1 < CUT_TRIES and self._may_help(written, error, end)
                if not again or not await self._may_repeat(incoming, begun, written):
                    written.text, written.error = longest, error
                    return
                cuts += 1
                reply.replace(begun.prefix + written.before)

    async def _prepare(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        """What comes before the model is asked: tools that are still starting, and an action that was confirmed."""
        if self.routing.pick(begun.choices.model).model.profile.tools:
            await self.toolbox.ready()
        if begun.act is not None:
            asker = await self._asker(incoming, begun)
            await acts.perform(self.store, self.toolbox, begun.act, begun.steps, asker, reply)

    async def _use_tools(self, incoming: Incoming, reply: Reply, begun: Begun, written: Written) -> bool:
        """Do what the model called for; whether to ask it again, with what was found."""
        new = written.text[len(written.before) :]
        written.went_on()
        reply.replace(begun.prefix + written.before)
        asker, profile = await self._asker(incoming, begun), written.offer.model.profile
        again = await self.toolbox.step(written.steps, new, written.calls, asker, reply, profile)
        turns.current.get().moved = self.clock.monotonic()
        return again and await self._may_repeat(incoming, begun, written)

    async def _asker(self, incoming: Incoming, begun: Begun) -> Asker:
        where, user = incoming.address, incoming.user.id
        zone = await self.store.read(lambda tx: tx.chats.zone(where.bot, user))
        return Asker(where, user, begun.language, zone, self.clock, incoming.id)

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
            again = await self.store.write(lambda tx: self._held(tx, incoming, begun, agreed=True))
        except LimitReached as error:
            written.limit = str(error) if written.calls else ""
            return False
        written.held.append(again.held)
        return True

    async def _stream(self, reply: Reply, begun: Begun, written: Written, shrink: float, end: float) -> None:
        offer = written.offer
        ratio, request = self._ratio(offer), self._request(begun, offer, written.steps, shrink)
        written.begin()
        try:
            async with asyncio.timeout_at(end + GRACE) as late:
                await self._follow(reply, request, written, begun)
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

    def _request(self, begun: Begun, offer: Offer, steps: Steps, shrink: float = 1.0) -> Request:
        profile, ratio, persona, options = offer.model.profile, self._ratio(offer), begun.persona, self.options
        request = prompt.build(
            "\n\n".join(filter(None, (persona.orders(begun.language, options.system), begun.preface))),
            prompt.informed(begun.shown, begun.found.text),
            self.toolbox.narrowed(profile, steps, ratio),
            ratio,
            max_tokens=persona.max_tokens or options.max_tokens,
            temperature=options.temperature if persona.temperature is None else persona.temperature,
            shrink=shrink,
        )
        mode = REASONING.get(begun.choices.reasoning, "") if profile.reasoning else ""
        return self.toolbox.equipped(replace(request, reasoning=mode), profile, steps, begun.language)

    async def _follow(self, reply: Reply, request: Request, written: Written, begun: Begun) -> None:
        turn = turns.current.get()
        turn.requests += 1
        async with aclosing(written.offer.model.stream(request)) as chunks:
            async for chunk in chunks:
                turn.wrote(self.clock.monotonic())
                hides = chunk.thought and not self.options.thoughts
                written.add(replace(chunk, thought="") if hides else chunk)
                if chunk.replaces:
                    reply.replace(begun.prefix + written.text)
                elif chunk.text:
                    reply.append(chunk.text)
                if chunk.doing in DOINGS:
                    reply.show(say(begun.language, DOINGS[chunk.doing]))
