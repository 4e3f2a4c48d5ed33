"""One turn of a conversation: the question is saved, the model writes an answer, the answer is saved and delivered.

Begin with `Assistant.answer`. It and its siblings (`answer_again`, `answer_edited`, `answer_approved`) are the only way
to an answer. `turn_start.py` is the first transaction of a turn, `answer_writer.py` has the loop around the model,
`turn_end.py` is the last transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.access.audit_log import store_choices
from bot.ai import Request
from bot.conversation import conversation_list, memory, turn_end
from bot.conversation.answer_writer import AnswerWriter
from bot.conversation.cost import AnswerCost
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.conversation.turn_start import Approval, TurnStart
from bot.conversation.turn_state import AnswerDraft, Awaited, TurnContext
from bot.errors import BadInput
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answer.evidence import OPEN, Evidence
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Effect, as_notice, finish, finish_turn, notice_of, with_choices
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import REFUSED
from bot.telemetry import turn_log
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.types import Address, ChatChoices, Incoming, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """Answers questions. `wake_jobs` is called after a turn that added a job.

    `incidents` records the errors of models under a code, which the user is told.
    """

    store: Store
    routing: Routing
    turn_start: TurnStart
    writer: AnswerWriter
    pricing: AnswerCost
    wake_jobs: Callable[[], None] = lambda: None
    incidents: IncidentLog | None = None
    _kept_personas: set[str] = field(default_factory=set, init=False)

    async def answer(
        self, incoming: Incoming, reply: Reply, *, last: bool = False, then: Effect | None = None
    ) -> Awaited | None:
        """Answer a message. If the bot had asked this user for a message, return an `Awaited` and answer nothing.

        `last`: forget what the bot had asked for, so that the message is a question in any case. `then` is called in
        the last transaction of the turn. Raises `LimitReached`.
        """
        topics = self.turn_start.topics
        topic = await topics.choose(incoming, last=last) if topics is not None else None
        context = await self.store.write(
            lambda tx: self.turn_start.question(tx, incoming, last=last, then=then, topic=topic), self.pricing.guard
        )
        if isinstance(context, Awaited):
            return context
        await self._answer(incoming, reply, context)
        return None

    async def answer_again(
        self, incoming: Incoming, reply: Reply, action: ButtonPress,
        *, model: str = "", chosen: str = "", agreed: bool = False, gone: str = "", topic: str = "",
    ) -> None:  # fmt: skip
        """Answer the question of a pressed button again, or continue its answer.

        `model` answers this once, `chosen` from now on. `agreed`: the user has accepted the price. `topic` is the one
        that the user has picked. `gone` is what the
        user is told if the question was deleted meanwhile ("": nothing). Raises `LimitReached`.
        """

        def begin(tx: Tx) -> TurnContext | None:
            asked = incoming
            if chosen:
                store_choices(tx, incoming, {"model": chosen})
                asked = replace(incoming, chat=replace(incoming.chat, model=chosen))
            context = self.turn_start.regenerate(tx, asked, action, model=model, agreed=agreed, topic=topic)
            if context is None:
                finish_turn(tx, incoming if chosen else notice_of(incoming), *([gone] if gone else ()))
            return context

        await self._begin(incoming, reply, begin, notice=not chosen)

    async def answer_edited(self, incoming: Incoming, reply: Reply) -> bool:
        """Answer an edited question. False: the edit needs no answer, and nothing was changed."""
        topics = self.turn_start.topics
        topic = await topics.choose(incoming) if topics is not None else None
        context = await self.store.write(lambda tx: self.turn_start.edited(tx, incoming, topic), self.pricing.guard)
        if context is not None:
            await self._answer(incoming, reply, context)
        return context is not None

    async def answer_approved(
        self, incoming: Incoming, reply: Reply, decide: Callable[[Tx], Approval | None]
    ) -> None:  # fmt: skip
        """Continue an answer after the user approved or declined a tool call.

        `decide` stores the decision in the first transaction of the turn, or ends the turn there and returns None.
        """

        def begin(tx: Tx) -> TurnContext | None:
            approval = decide(tx)
            return None if approval is None else self.turn_start.after_approval(tx, incoming, approval)

        await self._begin(incoming, reply, begin, notice=True)

    async def deferred_request(
        self, incoming: Incoming, reply: Reply, text: str, asked: Remembered | None = None
    ) -> tuple[Request, TurnContext]:
        """The request for an answer that comes later (/later), as it would be now but without tools; and its context.

        `asked` is an earlier question; without it `text` is a new question. Nothing is saved. Raises `BadInput` for a
        question that the knowledge base answers without a model, or does not answer.
        """
        context = await self.store.read(lambda tx: self.turn_start.deferred(tx, incoming, asked, text))
        context = await self.writer.prepared(incoming, context)
        if context.refusal:
            raise BadInput(context.refusal)
        context = await self.writer.with_evidence(incoming, context, tools=False)
        if (evidence := context.evidence) is not None and not evidence.block:
            now = evidence.pieces or evidence.for_asker
            raise BadInput(say(context.language, "kb.at_once") if now else evidence.unknown)
        context = await self.writer.joined(await self.writer.informed(incoming, reply, context))
        option = self.routing.by_name(context.choices.model)
        request = self.writer.request_builder.request(context, option, context.steps, tools=False)
        return request, context

    async def recall(self, incoming: Incoming, asked: Remembered) -> TurnContext:
        """What is known now about an earlier question of `incoming`'s sender. Nothing is saved."""
        context = await self.store.read(
            lambda tx: self.turn_start.deferred(tx, with_choices(tx, incoming), asked, asked.text)
        )
        return await self.writer.with_evidence(incoming, await self.writer.prepared(incoming, context), tools=False)

    async def draft(
        self, incoming: Incoming, asked: Remembered, payer: PaidBy,
        *, later: Sequence[Remembered] = (), hint: str = "",
    ) -> tuple[str, Citing | None, str]:  # fmt: skip
        """Write what the bot would say next, after an earlier question of `incoming`'s sender and the messages `later`
        than it, for a person to decide on.

        Returns the text, "" where the sources do not have it, what it quotes (None: no sources were asked), and the
        name of the model. `hint` says how to word it. Raises `LimitReached`, `ModelError`.
        """
        context = await self.recall(incoming, asked)
        wish = [instruct(context.language, "desk.hint", hint=hint)] if hint else []
        if later and not hint:
            wish = [instruct(context.language, "desk.next")]
        wishes = (Message.of("user", text) for text in wish)
        context = replace(context, history=[*context.history, *prompt.spoken(later), *wishes])
        name = self.routing.by_name(context.choices.model).name
        if context.evidence is not None:
            return *await self.answer_quietly(incoming, context, payer), name
        said = await self._reviewed(incoming, context, await self._said(context, payer))
        if not context.beyond:
            return said, None, name
        citing = Citing(Evidence(language=context.language, groups=frozenset(), level=OPEN))
        await citing.take(said)
        return said, citing, name

    async def answer_quietly(
        self, incoming: Incoming, context: TurnContext, payer: PaidBy | None = None
    ) -> tuple[str, Citing]:  # fmt: skip
        """Answer what was recalled from the knowledge base alone: the text ("" for no answer), and what it quotes.

        It is checked as every answer from there. Nothing is shown, and only the usage is saved: `payer` pays, by
        default the sender of `incoming`. Raises `LimitReached`, `ModelError`.
        """
        knowledge = self.writer.knowledge
        assert context.evidence is not None and knowledge is not None  # noqa: S101, PT018  the caller looks
        citing = knowledge.begin(context.evidence, context.asked)
        if not context.evidence.block:
            text = "" if context.evidence.doubtful else citing.extract()
        else:
            own = PaidBy(incoming, incoming.id, self.pricing.budget)
            said = await self._said(context, payer or own)
            text = await citing.take(said) + await knowledge.release(incoming, citing)
        return "" if citing.is_empty else await self._reviewed(incoming, context, text.strip()), citing

    async def _reviewed(self, incoming: Incoming, context: TurnContext, text: str) -> str:
        """Return the text of an answer as the functions of `@app.after_answer` change it; "" if one of them refuses it.
        Raises `HookFailed` if one fails.
        """
        hooks = self.writer.request_builder.hooks
        if not hooks.after or not text or context.refusal:
            return "" if context.refusal else text
        review = await hooks.review(self.writer.asker(incoming, context), context.asked, text)
        return "" if review.refusal else text if review.text is None else review.text

    async def _said(self, context: TurnContext, payer: PaidBy) -> str:
        """What the model says, without tools and without a message. Raises `LimitReached`, `ModelError`."""
        option, builder = self.routing.available(self.routing.by_name(context.choices.model)), self.pricing
        request = builder.request_builder.request(context, option, context.steps, tools=False)
        said, _ = await ask_paid(
            self.store, option.model, request, payer, name=option.name,
            deadline=self.turn_start.options.deadline, ratio=builder.request_builder.ratio(option),
        )  # fmt: skip
        return said

    def model_for(self, choices: ChatChoices) -> ModelOption:
        """The model that answers in a chat with these choices."""
        return self.turn_start.chosen(choices).option

    async def _begin(
        self, incoming: Incoming, reply: Reply, begin: Callable[[Tx], TurnContext | None], *, notice: bool
    ) -> None:
        """Run `begin`, the first transaction of a turn. None: it has ended the turn, with a `notice` or publicly."""
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
        if context.topic is not None and context.topic.is_asked:
            await finish(self.store, reply, lambda tx: self._ask_topic(tx, incoming, context))
            return
        held = self.writer.request_builder.hooks.holds  # nobody sees the answer before it was looked at
        reply.begin("off" if held else context.choices.streaming, place.grows_over, incoming.quotes)
        if context.prefix:
            reply.replace(context.prefix)
        turn = turn_log.current.get()
        written = await self.writer.write(incoming, reply, context, place)
        reply.complete()
        turn.model, turn.persona = written.option.name, context.persona.label
        turn.mark_ended(written.ending(), written.usages, written.text)
        if written.error is not None:
            turn.mark_failed(written.error)
            written.code = self.incidents.record(written.error, incoming.id) if self.incidents is not None else ""

        def save(tx: Tx) -> Sequence[Address]:
            return self._save(tx, incoming, context, written, reply.shown)

        # The answer is paid for: a full disk must not make the bot ask, and pay, again.
        elsewhere = await self.store.write_until_stored(save)
        if self.turn_start.ownership is not None:
            self.turn_start.ownership.deliver(elsewhere)
        self._kept_personas.add(context.persona.label)
        if written.is_unanswered:
            self.store.metrics.knowledge_gaps.labels(REFUSED).inc()
        for_asker = written.citing is not None and written.citing.evidence.for_asker
        title = self._gets_title(incoming, context, written)
        if title or context.then or for_asker or len(context.history) >= memory.ENOUGH:
            self.wake_jobs()
        await reply.finish()

    def _ask_price(self, tx: Tx, incoming: Incoming, context: TurnContext) -> None:
        self.pricing.ask_first(tx, incoming, context)
        if context.then is not None:
            context.then(tx)

    def _ask_topic(self, tx: Tx, incoming: Incoming, context: TurnContext) -> None:
        assert context.topic is not None and context.place is not None  # noqa: S101, PT018
        context.topic.ask(tx, incoming, context.place.question)
        if context.then is not None:
            context.then(tx)

    def _save(
        self, tx: Tx, incoming: Incoming, context: TurnContext, written: AnswerDraft, shown: str
    ) -> Sequence[Address]:  # fmt: skip
        """Save the answer, or what a person who has taken over is to see of it. `shown` stands in a message already.

        Returns the places, beside the conversation, that have something to deliver.
        """
        self.writer.book(tx, incoming, written)
        owner = self.turn_start.ownership
        if owner is not None and not owner.still_owns(tx, incoming.address, context.version):
            turn_end.withhold(tx, incoming, context, written, shown)
            return owner.keep_draft(tx, incoming.address, incoming.id, written.visible_text())
        turn_end.save(tx, incoming, context, written)
        self.keep_persona(tx, incoming.address.bot, context.persona)
        if context.then is not None:
            context.then(tx)
        if self._gets_title(incoming, context, written):
            conversation_list.request_title(tx, context.conversation, incoming, context.language)
        return ()

    def keep_persona(self, tx: Tx, bot: int, persona: Persona) -> None:
        """Store the version of a persona that answers, unless this process knows that it is stored."""
        if persona.label not in self._kept_personas:
            tx.personas.keep_version(bot, persona.key, persona.version, persona.source)

    def _gets_title(self, incoming: Incoming, context: TurnContext, written: AnswerDraft) -> bool:
        """Whether the conversation gets a title now: a private topic does after its first answer."""
        first = context.place is not None and context.place.question.parent is None and bool(written.visible_text())
        return first and self.turn_start.options.names_topics and incoming.private and bool(incoming.address.thread)
