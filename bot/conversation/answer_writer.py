"""The answer of a turn while the model writes it: asked, streamed to the chat, asked again after tools and failures.

Begin with `AnswerWriter.write`. `conversation/assistant.py` calls it between the two transactions of a turn.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from bot.ai import Chunk, Finish, Request
from bot.billing import pricing as money
from bot.billing.metering import BillTo
from bot.conversation.branching import UNFINISHED, BranchPoint
from bot.conversation.cost import AnswerCost
from bot.conversation.question.beside_sources import given
from bot.conversation.question.rewriting import QuestionRewriter
from bot.conversation.request import RequestBuilder
from bot.conversation.turn_state import SEARCHING, AnswerDraft, TurnContext
from bot.errors import AnswerForgotten, ContextOverflow, HookFailed, LimitReached, ModelError, ModelRefused, StreamCut
from bot.knowledge import documents
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answer.evidence import WHOLE
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.documents import Documents
from bot.llm import prompt
from bot.llm.routing import Routing
from bot.ports import Reply
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.telemetry import tracing, turn_log
from bot.texts.catalog import say
from bot.tools import approvals
from bot.tools.tool import ToolContext
from bot.types import Address, Incoming, Message

log = logging.getLogger(__name__)

GRACE = 1.0  # seconds after the deadline in which the model's own error is waited for
ACTIVITY_TEXTS = {SEARCHING: "tool.doing.search"}
CUT_TRIES = 3  # requests for an answer whose stream breaks off


@dataclass(slots=True)
class Running:
    """An answer that is being written. `scope` is the timeout around it; `outdated`: its question was edited."""

    address: Address
    question: Remembered
    scope: asyncio.Timeout
    outdated: bool = False

    def end(self) -> None:
        """Stop the answer at its next `await`."""
        if not self.scope.expired():  # it is being stopped already
            self.scope.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True, kw_only=True)
class AnswerWriter:
    """Writes the answers of all turns, and can stop each of them. `documents` None: no files are searched.

    `knowledge` answers from the sources of the bot, if it has any; `rewriter` makes the questions that it searches for.
    """

    store: Store
    routing: Routing
    request_builder: RequestBuilder
    pricing: AnswerCost
    documents: Documents | None = None
    knowledge: KnowledgeAnswers | None = None
    rewriter: QuestionRewriter | None = None
    _running: dict[str, Running] = field(default_factory=dict, init=False)  # by turn

    async def write(self, incoming: Incoming, reply: Reply, context: TurnContext, place: BranchPoint) -> AnswerDraft:
        """Write the answer to `context`, streamed to `reply`. Errors of the model end in the draft's `error`.

        Any other error is raised after what the answer has cost so far was booked.
        """
        wanted = self.routing.by_name(context.choices.model)
        held = [context.reservation] if context.reservation else []
        written = AnswerDraft(wanted=wanted, option=self.routing.available(wanted), reservations=held)
        written.steps = context.steps
        try:
            await self._finish(incoming, reply, context, place, written)
        except Exception:
            await self.store.write_until_stored(lambda tx: self.book(tx, incoming, written))
            raise
        return written

    def book(self, tx: Tx, incoming: Incoming, written: AnswerDraft) -> None:
        """Book the usage of an answer, and settle what was held back for it."""
        for model, usage in written.usages:
            profile = self.routing.by_name(model).model.profile
            money.book_answer(tx, incoming.address, incoming.user.id, incoming.id, model, profile, usage)
        for number, reservation in enumerate(written.reservations):
            reservation.settle(tx, 0 if number else written.cost, 0 if number else written.money)

    async def _finish(
        self, incoming: Incoming, reply: Reply, context: TurnContext, place: BranchPoint, written: AnswerDraft
    ) -> None:
        try:
            # A timeout without a deadline until somebody presses Stop: then it ends whatever is waited for.
            async with asyncio.timeout(None) as scope:
                run = self._running[incoming.id] = Running(incoming.address, place.question, scope)
                await self._write(incoming, reply, context, written)
        except TimeoutError:
            written.stopped, written.outdated = True, run.outdated
        except HookFailed as error:
            written.refuse("", error)
        finally:
            del self._running[incoming.id]
        await self._review(incoming, context, written)
        if self.knowledge is not None and written.visible_text():
            written.own_note = self.knowledge.own_note(written.citing, context.language, beyond=written.beyond)
        if written.citing is None and written.retrieved.passages and (text := written.visible_text()):
            written.noted = await asyncio.to_thread(
                documents.note, context.prefix + text, written.retrieved.passages, context.language,
                numbered=place.resumed.sources if place.resumed is not None else (),
                finished=written.ending() not in UNFINISHED,
            )  # fmt: skip

    async def _write(self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft) -> None:
        """Collect what the answer is made of, and have it written. Raises `HookFailed`."""
        context = await self.prepared(incoming, context)
        if context.refusal:
            written.refuse(context.refusal)
            return
        if context.choices.model != written.wanted.name:
            written.wanted = self.routing.by_name(context.choices.model)
            written.option = self.routing.available(written.wanted)
        context = await self.informed(incoming, reply, context)
        written.retrieved = context.retrieved
        context = await self.with_evidence(incoming, context)
        context = await self.joined(context)
        written.beyond = context.beyond
        if not self._is_answered(reply, context, written):
            await self._until_complete(incoming, reply, context, written)

    async def prepared(self, incoming: Incoming, context: TurnContext) -> TurnContext:
        """The context with what a programmer's functions add to the question, or refuse. Raises `HookFailed`."""
        hooks = self.request_builder.hooks
        if not (hooks.instructions or hooks.before):
            return context
        told, wish = await hooks.prepare(self.asker(incoming, context), context.asked)
        option = self.routing.by_name(wish.model or context.choices.model)
        model = option.name
        if wish.model and not option.has_name(wish.model):
            log.warning("a function around the model wants %s, which is not offered", wish.model)
            model = context.choices.model
        return replace(
            context, instructions=told, passages=wish.passages, refusal=wish.refusal,
            choices=replace(context.choices, model=model),
        )  # fmt: skip

    async def _review(self, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> None:
        """Have a programmer's functions look at the answer; if one fails, there is none."""
        hooks, text = self.request_builder.hooks, written.visible_text()
        if not hooks.after or not text:
            return
        try:
            review = await hooks.review(self.asker(incoming, context), context.asked, text)
        except HookFailed as error:
            written.refuse("", error)
            return
        if review.refusal:
            written.refuse(review.refusal)
        elif review.text is not None:
            written.replace_text(review.text)
        written.remark = review.note

    def stop(self, key: str, turn: str = "") -> bool:
        """Stop the answers that are being written in the conversation `key`; what was written is kept.

        `turn` limits this to the answer of that turn. False: no answer is being written there.
        """
        found = [run for id_, run in self._running.items() if run.address.key == key and turn in ("", id_)]
        for run in found:
            run.end()
        return bool(found)

    def leave(self, bot: int, chat: int) -> None:
        """Stop the answers that are being written in a chat, in all its topics."""
        for run in self._running.values():
            if (run.address.bot, run.address.chat) == (bot, chat):
                run.end()

    def outdate(self, edit: Incoming) -> None:
        """Stop the answer to a question that was edited meanwhile, and mark the answer as outdated."""
        for run in self._running.values():
            asked = run.question
            is_it = asked.place == edit.message_id if asked.place else asked.turn == edit.of
            if run.address == edit.address and is_it and asked.words != edit.text:
                run.outdated = True
                run.end()

    async def informed(self, incoming: Incoming, reply: Reply, context: TurnContext) -> TurnContext:
        """The context with the passages of the conversation's documents that help with the question."""
        if self.documents is None or not context.has_documents:
            return context
        reply.show(say(context.language, "document.searching"))
        window, question = self.routing.by_name(context.choices.model).model.profile.window, context.history[-1].text
        payer = BillTo.of(incoming, context.language)
        return replace(context, retrieved=await self.documents.retrieve(context.conversation, question, window, payer))

    async def with_evidence(self, incoming: Incoming, context: TurnContext, *, tools: bool = True) -> TurnContext:
        """The context with what the knowledge base has about the question, if the bot answers it from there. `tools`:
        the model may be offered tools.

        A question that comes with a document is about that. Where the sources have nothing, documents of the
        conversation may. A text that a command has made is a task and no question.
        """
        if self.knowledge is None or context.is_task:
            return context
        question, scope = context.asked, WHOLE
        if context.has_documents:
            listed = await self.store.read(lambda tx: tx.documents.list_documents(context.conversation))
            if documents.brings(question, (one.name for one in listed)):
                return context
        if context.topic is not None:
            question, scope = context.topic.read_with(question), context.topic.scope
        rewriter, earlier = self.rewriter, context.history[:-1]
        rewrite = partial(rewriter.rewrite, incoming, question, earlier, context.language) if rewriter else None
        profile, toolbox = self.routing.by_name(context.choices.model).model.profile, self.request_builder.toolbox
        if tools and profile.tools:
            await toolbox.ready()
        beside = given(context, question, profile, toolbox.tools.values() if tools else ())
        evidence = await self.knowledge.look(
            incoming, question, context.language, scope, rewrite=rewrite, given=beside
        )  # fmt: skip
        if evidence is not None and (evidence.is_beyond or (context.has_documents and evidence.has_nothing)):
            return replace(context, beyond=evidence.is_beyond and not context.has_documents)
        return replace(context, evidence=evidence)

    async def joined(self, context: TurnContext) -> TurnContext:
        """The context with the passages of documents among those of the knowledge base, if a model is shown both."""
        evidence, found = context.evidence, context.retrieved
        if evidence is None or not evidence.block or not found.passages:
            return context
        order = await asyncio.to_thread(documents.ranked, context.history[-1].text, found.passages)
        return replace(context, evidence=evidence.beside(order), retrieved=replace(found, text=""))

    def _is_answered(self, reply: Reply, context: TurnContext, written: AnswerDraft) -> bool:
        """Answer without a model if the knowledge base can, or has nothing. False: the model is to be asked."""
        if context.evidence is None or self.knowledge is None:
            return False
        written.citing = self.knowledge.begin(context.evidence, context.asked)
        if context.evidence.block:
            return False
        written.text = written.citing.extract() or context.evidence.said
        written.finish = Finish.STOP
        reply.append(written.text)
        return True

    async def _until_complete(
        self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft
    ) -> None:
        """Ask until the answer is complete: after tool calls, with a shorter prompt, or again after a broken stream."""
        shrink, cuts, longest = 1.0, 0, ""
        await self._prepare(incoming, reply, context)
        end = asyncio.get_running_loop().time() + self.request_builder.options.deadline
        while True:
            try:
                await self._request_once(reply, context, written, shrink, end)
                if written.citing is not None and await self._repairs(incoming, reply, context, written):
                    context = _with_repair(context, written, written.citing)
                    continue
                paused = asyncio.get_running_loop().time()
                if not written.calls or not await self._use_tools(incoming, reply, context, written):
                    return
                end += asyncio.get_running_loop().time() - paused  # each tool has a deadline of its own
            except AnswerForgotten:
                written.forgotten = True
            except ContextOverflow as error:
                if not written.forgotten and written.request is not None and written.request.previous:
                    written.forgotten = True  # the server remembers more than the window holds
                    continue
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

    async def _repairs(
        self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft
    ) -> bool:  # fmt: skip
        """End the check of an answer from the knowledge base. Returns whether the model is to write it once more."""
        citing = written.citing
        assert citing is not None  # noqa: S101  the caller looks
        await citing.compare(ended=True)
        rest = citing.end()
        written.text += rest
        reply.append(rest)
        if written.calls:
            citing.pause()
            return False
        if citing.wants_repair and await self._may_repeat(incoming, context, written):
            reply.replace(context.prefix + written.before)
            return True
        if citing.evidence.judged and self.knowledge is not None:
            written.text += await self.knowledge.release(incoming, citing)
            reply.append(written.text[len(written.before) :])
        if citing.is_empty and citing.raw.strip():
            written.text = citing.evidence.unknown
            reply.replace(context.prefix + written.text)
        return False

    async def _prepare(self, incoming: Incoming, reply: Reply, context: TurnContext) -> None:
        """Wait for tools that are still starting, and do the tool call that the user has approved."""
        if self.routing.by_name(context.choices.model).model.profile.tools:
            await self.request_builder.toolbox.ready()
        if context.decided_call is not None:
            asker, toolbox = self.asker(incoming, context), self.request_builder.toolbox
            await approvals.perform(self.store, toolbox, context.decided_call, context.steps, asker, reply)

    async def _use_tools(self, incoming: Incoming, reply: Reply, context: TurnContext, written: AnswerDraft) -> bool:
        """Do the tool calls of the model. Returns whether to ask the model again, with the results."""
        new = written.text[len(written.before) :] if written.citing is None else written.citing.raw
        written.begin_paragraph()
        reply.replace(context.prefix + written.before)
        asker, profile = self.asker(incoming, context), written.option.model.profile
        again = await self.request_builder.toolbox.step(written.steps, new, written.calls, asker, reply, profile)
        turn_log.current.get().last_progress = self.store.clock.monotonic()
        return again and await self._may_repeat(incoming, context, written)

    def asker(self, incoming: Incoming, context: TurnContext) -> ToolContext:
        """Who asks, for tools and for functions of programmers."""
        return ToolContext(
            address=incoming.address, user=incoming.user.id, turn=incoming.id, language=context.language,
            zone=context.choices.zone, clock=self.store.clock,
        )  # fmt: skip

    def _may_help(self, written: AnswerDraft, error: ModelError, end: float) -> bool:
        """Whether another request may help: to the same model after a cut, to another one if its circuit is open."""
        if asyncio.get_running_loop().time() >= end:
            return False
        if isinstance(error, StreamCut):
            return True
        other = self.routing.available(written.wanted)
        if written.text or not written.option.is_unavailable or other is written.option:
            return False
        written.option = other
        return True

    async def _may_repeat(self, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> bool:
        """Reserve the price of one more request. False: it does not fit into the budgets."""
        if not context.reservation:
            return True
        try:
            again = await self.store.write(lambda tx: self.pricing.reserve(tx, incoming, context, agreed=True))
        except LimitReached as error:
            written.limit = str(error) if written.calls else ""
            return False
        written.reservations.append(again.reservation)
        return True

    async def _request_once(
        self, reply: Reply, context: TurnContext, written: AnswerDraft, shrink: float, end: float
    ) -> None:
        option, builder, steps = written.option, self.request_builder, written.steps
        if written.citing is not None:
            steps = replace(steps, messages=written.citing.hear(steps.messages))
        tools = context.evidence is None or context.evidence.offers_tools
        with tracing.span("prompt"):
            ratio, follows = builder.ratio(option), not written.forgotten
            request = builder.request(context, option, steps, shrink, tools=tools, follows=follows)
        written.begin()
        written.request = request
        if context.evidence is not None and context.evidence.judged:
            reply.show(say(context.language, "kb.judging"))
        try:
            async with asyncio.timeout_at(end + GRACE) as late:
                await self._consume(reply, request, written, context)
        except TimeoutError:
            if not late.expired():
                raise
            raise StreamCut("the answer took too long") from None
        finally:
            written.bill(request, ratio)
        if context.material or steps.messages or not option.model.profile.remembers:
            written.response = ""  # passages and results of tools are in no later prompt
        if written.usage:
            ratio.learn(prompt.size(request), written.usage)

    async def _consume(self, reply: Reply, request: Request, written: AnswerDraft, context: TurnContext) -> None:
        turn = turn_log.current.get()
        turn.requests += 1
        async with aclosing(tracing.model_stream(written.option.model, request)) as chunks:
            async for chunk in chunks:
                turn.mark_token(self.store.clock.monotonic())
                hides = chunk.reasoning and not self.request_builder.options.thoughts
                before = len(written.text)
                if written.citing is not None:
                    await written.citing.compare(chunk.text, anew=bool(chunk.replaces))
                written.add(_offered(replace(chunk, reasoning="") if hides else chunk, request))
                if chunk.replaces:
                    reply.replace(context.prefix + written.text)
                elif len(written.text) > before:
                    reply.append(written.text[before:])
                if chunk.activity in ACTIVITY_TEXTS:
                    reply.show(say(context.language, ACTIVITY_TEXTS[chunk.activity]))


def _offered(chunk: Chunk, request: Request) -> Chunk:
    """The chunk without calls of tools where none was offered: what a source orders, say, must not happen."""
    if not chunk.tool_calls or request.tools:
        return chunk
    log.warning("a model has called %s, but no tool was offered", ", ".join(call.name for call in chunk.tool_calls))
    return replace(chunk, tool_calls=(), finish=Finish.STOP if chunk.finish is Finish.TOOLS else chunk.finish)


def _with_repair(context: TurnContext, written: AnswerDraft, citing: Citing) -> TurnContext:
    """The context in which the model is told which of its sentences have failed, after what tools have said."""
    citing.repaired = True
    told = (Message.of("assistant", citing.raw), Message.of("user", citing.repair()))
    if written.steps.messages:
        written.steps.messages += told
        return context
    return replace(context, history=[*context.history, *told])
