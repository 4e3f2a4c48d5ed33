"""The first transaction of a turn: it saves the question, and reads what the answer needs.

Begin with `TurnStart.question`. The other methods begin the turn of a question that is answered again, of an edited
question, and of a tool call that the user has decided on. `conversation/assistant.py` calls them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.conversation import branching, memory
from bot.conversation.branching import BranchPoint
from bot.conversation.cost import AnswerCost
from bot.conversation.memory import Withdrawn, none_withdrawn
from bot.conversation.request import Options, Preview
from bot.conversation.turn_state import Awaited, Ownership, TurnContext
from bot.knowledge import documents
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Effect, answers_question, end_question, with_choices
from bot.prompts.beside import text_beside
from bot.prompts.catalog import instruct
from bot.prompts.library import Library
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.work import Operation
from bot.tools.toolbox import Steps
from bot.types import Attachment, ChatChoices, Incoming, Message, Text

if TYPE_CHECKING:
    from bot.conversation.topic_choice import ChosenTopic, TopicChooser


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """The persona and the model that answer in a chat. `gone`: chosen models that are no longer offered."""

    persona: Persona
    option: ModelOption
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """A tool call that the user has approved or declined, and the question whose answer is continued afterwards."""

    point: BranchPoint
    operation: Operation
    steps: Steps


@dataclass(slots=True, kw_only=True)
class TurnStart:
    """The first transaction of each kind of turn. Its methods raise `LimitReached`; then nothing is saved.

    `withdrawn` returns the ids of the answers in a conversation that quote sources which may not be read there any
    more; these answers and their questions are left out of requests. `topics` chooses the topics of questions; None
    without a routing file. `ownership` says whether a person answers instead of the bot; None without a support desk.
    """

    routing: Routing
    pricing: AnswerCost
    options: Options = field(default_factory=Options)
    library: Library = field(default_factory=Library)
    topics: TopicChooser | None = None
    withdrawn: Withdrawn = none_withdrawn
    ownership: Ownership | None = None

    def question(
        self, tx: Tx, incoming: Incoming, *, last: bool = False, then: Effect | None = None,
        topic: ChosenTopic | None = None,
    ) -> TurnContext | Awaited:  # fmt: skip
        """Save a question and read what its answer needs. Returns `Awaited` if it answers a question of the bot.

        `last`: forget what the bot has asked for. `then`: see `TurnContext`. If the person is to be asked which `topic`
        it is, nothing is reserved.
        """
        tx.inbox.mark_begun(incoming.ids)
        incoming = replace(
            incoming, chat=tx.chats.record_and_read_choices(incoming.address, incoming.user, private=incoming.private)
        )
        if last:
            end_question(tx, incoming)
        elif (awaited := tx.buttons.find_awaited(incoming.address, incoming.user.id)) is not None and (
            answers_question(tx, incoming, awaited)
        ):
            return Awaited(incoming, awaited)
        version = self._owned(tx, incoming, () if topic is None else topic.labels, "" if topic is None else topic.queue)
        offer = "" if self.ownership is None else self.ownership.offer(tx, incoming)
        parts = (part for part in incoming.parts if not isinstance(part, Attachment))
        point = branching.follow(tx, incoming, (Text(incoming.text, incoming.is_task), *parts))
        if topic is None:
            return replace(self._priced(tx, incoming, point), then=then, version=version, offer=offer)
        topic.store(tx, point.question)
        topic.take_up(tx, incoming)
        if topic.is_asked:
            context = self._read(tx, incoming, point, incoming.chat)
            return replace(context, then=then, topic=topic)
        context = self._priced(tx, incoming, point, topic=topic)
        return replace(context, then=then, version=version, offer=offer)

    def regenerate(
        self, tx: Tx, incoming: Incoming, action: ButtonPress, *, model: str = "", agreed: bool = False,
        topic: str = "",
    ) -> TurnContext | None:  # fmt: skip
        """What another answer to the question of a button needs, or the rest of its answer.

        `model` answers this once; `agreed`: the user has accepted the price; `topic` is the one that the user has
        picked. None: the question was deleted.
        """
        if action.name == branching.RESUME:
            point = branching.resume(tx, incoming, action.payload["answer"])
        else:
            point = branching.regenerate(tx, incoming, action.payload["question"])
        if topic and point is not None and self.topics is not None:
            self.topics.pick(tx, point.question, topic)
        return self._found(tx, incoming, point, pressed=action.key, model=model, agreed=agreed)

    def edited(self, tx: Tx, incoming: Incoming, topic: ChosenTopic | None = None) -> TurnContext | None:
        """Save an edited question as a new version, with its `topic`. None: the edit needs no answer."""
        point = branching.revise(tx, incoming)
        if topic is not None and point is not None:
            topic.decided().store(tx, point.question)
        return self._found(tx, incoming, point)

    def after_approval(self, tx: Tx, incoming: Incoming, approval: Approval) -> TurnContext:
        """What the answer needs after a decision on a tool call: the conversation as the model saw it at the call."""
        topic, choices = self._topic_of(tx, approval.point.question, incoming.chat)
        version = self._owned(tx, incoming)
        context = replace(self._read(tx, incoming, approval.point, choices), topic=topic, version=version)
        context = replace(context, decided_call=approval.operation, steps=approval.steps)
        return self.pricing.reserve(tx, incoming, context, agreed=True)

    def deferred(self, tx: Tx, incoming: Incoming, asked: Remembered | None, text: str) -> TurnContext:
        """What a deferred answer needs. Nothing is saved, and nothing reserved.

        The question is `asked`, an earlier message, or the new `text` after the newest message of the conversation.
        """
        if asked is not None:
            topic, choices = self._topic_of(tx, asked, incoming.chat)
            return replace(self._read(tx, incoming, BranchPoint(asked), choices), topic=topic)
        conversation = tx.messages.find_current_conversation(incoming.address) or 0
        branch = branching.without_open(tx.messages.list_newest(conversation, self.options.history))
        context = self._of(tx, incoming, conversation, branch)
        asked_now = Message("user", (Text(text), *text_beside(incoming.beside, context.language)))
        return replace(context, history=[*context.history, asked_now])

    def preview(self, tx: Tx, incoming: Incoming) -> Preview:
        """Return what the request for the next question in this chat will hold, without saving anything."""
        conversation = tx.messages.find_current_conversation(incoming.address) or 0
        topic = self.topics.newest(tx, conversation) if self.topics is not None else None
        if topic is not None and topic.holds:
            incoming = replace(incoming, chat=topic.over(incoming.chat, self.library, self.routing))
        context, passages = replace(self.deferred(tx, incoming, None, ""), topic=topic), 0
        option, builder = self.routing.by_name(context.choices.model), self.pricing.request_builder
        if context.has_documents:
            window, language = option.model.profile.window, context.language
            if (found := documents.whole(tx, context.conversation, window, language)) is not None:
                context = replace(context, retrieved=found)
            else:
                size = tx.documents.prompt_size(context.conversation)
                passages = documents.most_characters(window, size, language)
        request = builder.request(context, option, context.steps)
        return Preview(
            context=context, option=option, request=request, ratio=builder.ratio(option), passages=passages
        )  # fmt: skip

    def chosen(self, choices: ChatChoices, persona: Persona | None = None) -> ChosenModel:
        """The persona and model for these choices: the chat's model, else the user's, the persona's, the default.

        `persona` answers in place of the one that was chosen: a version of it that is on trial.
        """
        persona = persona or self.library.persona(choices.persona)
        option, gone = self.routing.resolve(choices.model, choices.own_model, persona.model)
        return ChosenModel(persona, option, tuple(name for name in gone if name != persona.model))

    def _found(
        self, tx: Tx, incoming: Incoming, point: BranchPoint | None, *, pressed: str = "", model: str = "",
        agreed: bool = False,
    ) -> TurnContext | None:  # fmt: skip
        if point is None:
            return None
        version = self._owned(tx, incoming)
        tx.inbox.mark_begun(incoming.ids)
        incoming = with_choices(tx, incoming)
        topic, _ = self._topic_of(tx, point.question, incoming.chat)
        context = self._priced(tx, incoming, point, pressed=pressed, model=model, agreed=agreed, topic=topic)
        return replace(context, version=version)

    def _owned(
        self, tx: Tx, incoming: Incoming, labels: Sequence[str] | None = None, queue: str = ""
    ) -> int:  # fmt: skip
        """The version under which the bot answers here, a new question with `labels`. Raises `TakenOver`."""
        return 0 if self.ownership is None else self.ownership.begin(tx, incoming, labels, queue)

    def _topic_of(
        self, tx: Tx, question: Remembered, choices: ChatChoices
    ) -> tuple[ChosenTopic | None, ChatChoices]:  # fmt: skip
        """The topic of a stored question, and the choices of its chat with it."""
        topic = self.topics.find(tx, question.id) if self.topics is not None else None
        return topic, choices if topic is None else topic.over(choices, self.library, self.routing)

    def _priced(
        self, tx: Tx, incoming: Incoming, point: BranchPoint, *, pressed: str = "", model: str = "",
        agreed: bool = False, topic: ChosenTopic | None = None,
    ) -> TurnContext:  # fmt: skip
        """The context of an answer, with the reservation for its price."""
        if topic is not None:
            incoming = replace(incoming, chat=topic.over(incoming.chat, self.library, self.routing))
        corrects = topic is not None and self.topics is not None and self.topics.corrects(incoming)
        choices = replace(incoming.chat, model=model) if model else incoming.chat
        context = self._read(tx, incoming, point, choices)
        if model and context.choices.model != self.chosen(incoming.chat).option.name:
            context = replace(context, answers_once=True)
        if self.options.summaries:
            memory.request_summary(tx, incoming, point.question, len(context.history), context.language)
        return self.pricing.reserve(
            tx, incoming, replace(context, pressed=pressed, topic=topic, corrects=corrects), agreed=agreed
        )

    def _read(self, tx: Tx, incoming: Incoming, point: BranchPoint, choices: ChatChoices) -> TurnContext:
        """The context with the branch of a question as history, and a request to continue a broken answer."""
        branch = branching.history(tx, point, self.options.history)
        context = self._of(tx, replace(incoming, chat=choices), point.question.conversation, branch)
        if point.resumed is None:
            return replace(context, place=point)
        goes_on = Message.of("user", instruct(incoming.language, "resume"))
        return replace(context, place=point, history=[*context.history, goes_on])

    def _of(self, tx: Tx, incoming: Incoming, conversation: int, branch: Sequence[Remembered]) -> TurnContext:
        kept, beside = memory.Kept(), tx.conversations.find_extras(conversation)
        withdrawn = self.withdrawn(tx, incoming, conversation)
        if beside.memory:
            kept, branch = memory.apply(tx, conversation, branch, withdrawn)
        branch = memory.without(branch, withdrawn)
        choices, language = incoming.chat, incoming.language
        persona = self.library.persona_of(choices.persona, conversation, tx.clock.time())
        chosen = self.chosen(choices, persona)
        return TurnContext(
            place=None, history=tx.blobs.load_images(prompt.spoken(branch)), language=language,
            choices=replace(choices, model=chosen.option.name), preface=kept.preface(language), persona=chosen.persona,
            gone=chosen.gone, has_documents=beside.documents, thumbs=self.options.thumbs, conversation=conversation,
            branch=branch,
        )  # fmt: skip
