"""One turn of a conversation: question saved, history read, model asked, answer streamed, saved and delivered.

Begin with `Assistant.answer`: it and its siblings (`answer_again`, `answer_edited`, `answer_approved`) are the only way
to an answer; `_write` is the loop around the model. `conversation/turn_start.py` is the first
transaction of a turn and `conversation/turn_end.py` the last, `conversation/cost.py` says what an answer may cost,
`conversation/request.py` what the model is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from bot.ai import Request
from bot.billing import pricing as money
from bot.billing.metering import BillTo
from bot.clock import Clock
from bot.conversation import conversation_list, memory, turn_end
from bot.conversation.branching import BranchPoint
from bot.conversation.cost import AnswerCost
from bot.conversation.request import Options, RequestBuilder
from bot.conversation.turn_start import Approval, TurnStart
from bot.conversation.turn_state import SEARCHING, AnswerDraft, Awaited, TurnContext
from bot.errors import ContextOverflow, LimitReached, ModelError, ModelRefused, StreamCut
from bot.knowledge.documents import Documents
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Effect, as_notice, finish, finish_turn, notice_of
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.telemetry import tracing, turn_log
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.tools import approvals
from bot.tools.tool import ToolContext
from bot.tools.toolbox import Toolbox
from bot.types import Address, ChatChoices, Incoming

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds after the deadline in which a model may say itself that it is over
DOINGS = {SEARCHING: "tool.doing.search"}
CUT_TRIES = 3  # how often an answer that breaks off is begun anew in the same place


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
class Assistant:
    store: Store
    routing: Routing
    clock: Clock
    options: Options
    toolbox: Toolbox
    request_builder: RequestBuilder
    pricing: AnswerCost
    turn_start: TurnStart
    documents: Documents | None = None
    wake_jobs: Callable[[], None] = lambda: None
    incidents: IncidentLog | None = None
    _running: dict[str, Running] = field(default_factory=dict)

    async def answer(
        self, incoming: Incoming, reply: Reply, *, last: bool = False, then: Effect | None = None
    ) -> Awaited | None:
        """Answer a question. Returns what the bot waits for where this message is the answer to a question of its own.

        `last`: the bot waits for nothing any more, so this is a question in any case. `then` is done in the last
        transaction of the turn.
        """
        context = await self.store.write(
            lambda tx: self.turn_start.question(tx, incoming, last=last, then=then), self.pricing.guard
        )
        if isinstance(context, Awaited):
            return context
        await self._answer(incoming, reply, context)
        return None

    async def answer_again(
        self, incoming: Incoming, reply: Reply, action: ButtonPress,
        *, model: str = "", chosen: str = "", agreed: bool = False, gone: str = "",
    ) -> None:  # fmt: skip
        """Answer the question of a button once more, or go on with its answer.

        `model` answers this time, `chosen` from now on; `agreed`: the user knows the price. `gone` is said where the
        question is not known any more, "": nothing.
        """

        def begin(tx: Tx) -> TurnContext | None:
            asked = incoming
            if chosen:
                tx.chats.store_choices(incoming.address, model=chosen)
                asked = replace(incoming, chat=replace(incoming.chat, model=chosen))
            context = self.turn_start.regenerate(tx, asked, action, model=model, agreed=agreed)
            if context is None:
                finish_turn(tx, incoming if chosen else notice_of(incoming), *([gone] if gone else ()))
            return context

        await self._begin(incoming, reply, begin, notice=not chosen)

    async def answer_edited(self, incoming: Incoming, reply: Reply) -> bool:
        """Answer a question that was edited. False: there is nothing to answer, and nothing was done."""
        context = await self.store.write(lambda tx: self.turn_start.edited(tx, incoming), self.pricing.guard)
        if context is not None:
            await self._answer(incoming, reply, context)
        return context is not None

    async def answer_approved(
        self, incoming: Incoming, reply: Reply, decide: Callable[[Tx], Approval | None]
    ) -> None:  # fmt: skip
        """Answer after an action was decided on: `decide` does so in the first transaction of the turn.

        None: it has ended the turn there, with a notice.
        """

        def begin(tx: Tx) -> TurnContext | None:
            approval = decide(tx)
            return None if approval is None else self.turn_start.after_approval(tx, incoming, approval)

        await self._begin(incoming, reply, begin, notice=True)

    async def deferred_request(
        self, incoming: Incoming, reply: Reply, text: str, asked: Remembered | None = None
    ) -> Request:
        """What a model is asked that answers later: what it would be asked now, without tools.

        `asked` is a question of before; without it `text` is a new one.
        """
        context = await self.store.read(lambda tx: self.turn_start.deferred(tx, incoming, asked, text))
        context = await self._informed(incoming, reply, context)
        offer = self.routing.by_name(context.choices.model)
        return self.request_builder.request(context, offer, context.steps, tools=False)

    def model_for(self, choices: ChatChoices) -> ModelOption:
        """The model that answers where this was chosen."""
        return self.turn_start.chosen(choices).offer

    async def _begin(
        self, incoming: Incoming, reply: Reply, begin: Callable[[Tx], TurnContext | None], *, notice: bool
    ) -> None:
        """Run the first transaction of a turn, and answer unless it has ended the turn, by a `notice` or for all."""
        context = await self.store.write(begin, self.pricing.guard)
        if context is None:
            if notice:
                as_notice(incoming, reply)
            await reply.finish()
        else:
            await self._answer(incoming, reply, context)

    async def _answer(self, incoming: Incoming, reply: Reply, context: TurnContext) -> None:
        incoming = replace(incoming, chat=context.choices)
        if context.price:
            await finish(self.store, reply, lambda tx: self._ask_price(tx, incoming, context))
            return
        place = context.place
        assert place is not None  # noqa: S101  only a question is answered
        reply.begin(context.choices.streaming, self._over(place))
        if context.prefix:
            reply.replace(context.prefix)
        turn = turn_log.current.get()
        written = await self._write(incoming, reply, context, place)
        reply.complete()
        turn.model, turn.persona = written.offer.name, context.persona.label
        turn.mark_ended(written.ending(), written.usages, written.text)
        if written.error is not None:
            turn.mark_failed(written.error)
            written.code = self.incidents.record(written.error, incoming.id) if self.incidents is not None else ""
        # What the model was paid for is not asked for again because the disk is full just now.
        await self.store.retry_until_stored(
            lambda: self.store.write(lambda tx: self._save(tx, incoming, context, written))
        )
        if self._named(incoming, context, written) or context.then or len(context.history) >= memory.ENOUGH:
            self.wake_jobs()
        await reply.finish()

    def _ask_price(self, tx: Tx, incoming: Incoming, context: TurnContext) -> None:
        self.pricing.ask_first(tx, incoming, context)
        if context.then is not None:
            context.then(tx)

    def _save(self, tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> None:
        for model, usage in written.usages:
            profile = self.routing.by_name(model).model.profile
            money.book_answer(tx, incoming.address, incoming.user.id, incoming.id, model, profile, usage)
        for number, held in enumerate(written.held):
            held.settle(tx, 0 if number else written.cost, 0 if number else written.money)
        turn_end.save(tx, incoming, context, written)
        if context.then is not None:
            context.then(tx)
        if self._named(incoming, context, written):
            conversation_list.wants_name(tx, context.conversation, incoming, context.language)

    def _named(self, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> bool:
        """Whether the conversation gets a name now: a topic, after its first answer."""
        first = context.place is not None and context.place.question.parent is None and bool(written.words())
        return first and self.options.names_topics and incoming.private and bool(incoming.address.thread)

    async def _informed(self, incoming: Incoming, reply: Reply, context: TurnContext) -> TurnContext:
        """The context with what the documents of the conversation say of the question."""
        if self.documents is None or not context.has_documents:
            return context
        reply.show(say(context.language, "document.searching"))
        window, question = self.routing.by_name(context.choices.model).model.profile.window, context.history[-1].text
        payer = BillTo.of(incoming, context.language)
        return replace(context, found=await self.documents.about(context.conversation, question, window, payer))

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

    async def _write(self, incoming: Incoming, reply: Reply, context: TurnContext, place: BranchPoint) -> AnswerDraft:
        wanted = self.routing.by_name(context.choices.model)
        written = AnswerDraft(wanted, self.routing.available(wanted), [context.held] if context.held else [])
        written.steps = context.steps
        try:
            # A deadline that is set only when somebody presses Stop: it ends the wait wherever the stream is.
            async with asyncio.timeout(None) as scope:
                run = self._running[incoming.id] = Running(incoming.address, place.question, scope)
                context = await self._informed(incoming, reply, context)
                written.found = context.found
                await self._until_complete(incoming, reply, context, written)
        except TimeoutError:
            written.stopped, written.outdated = True, run.outdated
        finally:
            del self._running[incoming.id]
        return written

    async def _until_complete(
        self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft
    ) -> None:
        """Ask until there is a whole answer: shorter when the prompt was too long, anew when the stream broke."""
        shrink, cuts, longest = 1.0, 0, ""
        await self._prepare(incoming, reply, context)
        end = asyncio.get_running_loop().time() + self.options.deadline
        while True:
            try:
                await self._request_once(reply, context, written, shrink, end)
                paused = asyncio.get_running_loop().time()
                if not written.calls or not await self._use_tools(incoming, reply, context, written):
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
                if not again or not await self._may_repeat(incoming, context, written):
                    written.text, written.error = longest, error
                    return
                cuts += 1
                reply.replace(context.prefix + written.before)

    async def _prepare(self, incoming: Incoming, reply: Reply, context: TurnContext) -> None:
        """What comes before the model is asked: tools that are still starting, and an action that was confirmed."""
        if self.routing.by_name(context.choices.model).model.profile.tools:
            await self.toolbox.ready()
        if context.act is not None:
            asker = self._asker(incoming, context)
            await approvals.perform(self.store, self.toolbox, context.act, context.steps, asker, reply)

    async def _use_tools(self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft) -> bool:
        """Do what the model called for; whether to ask it again, with what was found."""
        new = written.text[len(written.before) :]
        written.went_on()
        reply.replace(context.prefix + written.before)
        asker, profile = self._asker(incoming, context), written.offer.model.profile
        again = await self.toolbox.step(written.steps, new, written.calls, asker, reply, profile)
        turn_log.current.get().last_progress = self.clock.monotonic()
        return again and await self._may_repeat(incoming, context, written)

    def _asker(self, incoming: Incoming, context: TurnContext) -> ToolContext:
        return ToolContext(
            incoming.address, incoming.user.id, context.language, context.choices.zone, self.clock, incoming.id
        )  # fmt: skip

    def _may_help(self, written: AnswerDraft, error: ModelError, end: float) -> bool:
        """Whether to ask once more: the same model after a cut, another one where this one is left alone now."""
        if asyncio.get_running_loop().time() >= end:
            return False
        if isinstance(error, StreamCut):
            return True
        other = self.routing.available(written.wanted)
        if written.text or not written.offer.is_unavailable or other is written.offer:
            return False
        written.offer = other
        return True

    async def _may_repeat(self, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> bool:
        """What broke off was paid: asking again is paid again, and has to fit into the budgets too."""
        if not context.held:
            return True
        try:
            again = await self.store.write(lambda tx: self.pricing.held(tx, incoming, context, agreed=True))
        except LimitReached as error:
            written.limit = str(error) if written.calls else ""
            return False
        written.held.append(again.held)
        return True

    async def _request_once(
        self, reply: Reply, context: TurnContext, written: AnswerDraft, shrink: float, end: float
    ) -> None:
        offer = written.offer
        with tracing.span("prompt"):
            ratio, request = (
                self.request_builder.ratio(offer),
                self.request_builder.request(context, offer, written.steps, shrink),
            )
        written.begin()
        try:
            async with asyncio.timeout_at(end + GRACE) as late:
                await self._consume(reply, request, written, context)
        except TimeoutError:
            if not late.expired():
                raise
            raise StreamCut("the answer took too long") from None
        finally:
            written.bill(request, ratio)
        if written.usage:
            ratio.learn(prompt.size(request), written.usage)

    @staticmethod
    def _over(place: BranchPoint) -> int:
        """The message that the answer is written over while it grows: the last where it goes on."""
        return (place.over[-1] if place.resumed else place.over[0]) if place.over else 0

    async def _consume(self, reply: Reply, request: Request, written: AnswerDraft, context: TurnContext) -> None:
        turn = turn_log.current.get()
        turn.requests += 1
        async with aclosing(tracing.model_stream(written.offer.model, request)) as chunks:
            async for chunk in chunks:
                turn.mark_token(self.clock.monotonic())
                hides = chunk.reasoning and not self.options.thoughts
                written.add(replace(chunk, reasoning="") if hides else chunk)
                if chunk.replaces:
                    reply.replace(context.prefix + written.text)
                elif chunk.text:
                    reply.append(chunk.text)
                if chunk.activity in DOINGS:
                    reply.show(say(context.language, DOINGS[chunk.activity]))
