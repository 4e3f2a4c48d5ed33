"""The first transaction of a turn: the question is saved, and what is needed to answer it is read.

Begin with `TurnStart.question`. Its siblings are for a question that is answered once more, one that was edited, and
what follows a decision about an action. `conversation/assistant.py` runs them; `conversation/turn_end.py` is the last
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.conversation import branching, memory
from bot.conversation.branching import BranchPoint
from bot.conversation.cost import AnswerCost
from bot.conversation.request import Options
from bot.conversation.turn_state import Awaited, TurnContext
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Effect, with_choices
from bot.prompts.catalog import instruct
from bot.prompts.library import Library
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.repositories.operations import Operation
from bot.storage.store import Tx
from bot.tools.toolbox import Steps
from bot.types import Attachment, ChatChoices, Incoming, Message, Text


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """Who answers in a chat. `gone`: models that were chosen and are offered no more."""

    persona: Persona
    offer: ModelOption
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """An action that was decided on, and the question after which the answer goes on."""

    point: BranchPoint
    operation: Operation
    steps: Steps


@dataclass(slots=True, kw_only=True)
class TurnStart:
    """What the first transaction of each kind of turn reads and saves. Raises `LimitReached`: then nothing is saved."""

    routing: Routing
    pricing: AnswerCost
    options: Options = field(default_factory=Options)
    library: Library = field(default_factory=Library)

    def question(
        self, tx: Tx, incoming: Incoming, *, last: bool = False, then: Effect | None = None
    ) -> TurnContext | Awaited:
        """Save a question and read what its answer needs; or say that the bot waits for this message.

        `last`: the bot waits for nothing any more. `then`: see `TurnContext`.
        """
        tx.inbox.mark_begun(incoming.ids)
        incoming = replace(
            incoming, chat=tx.chats.record_and_read_choices(incoming.address, incoming.user, private=incoming.private)
        )
        if last:
            tx.buttons.cancel_awaited(incoming.address, incoming.user.id)
        elif (awaited := tx.buttons.find_awaited(incoming.address, incoming.user.id)) is not None:
            return Awaited(incoming, awaited)
        parts = (part for part in incoming.parts if not isinstance(part, Attachment))
        point = branching.follow(tx, incoming, (Text(incoming.text), *parts))
        return replace(self._priced(tx, incoming, point), then=then)

    def regenerate(
        self, tx: Tx, incoming: Incoming, action: ButtonPress, *, model: str = "", agreed: bool = False
    ) -> TurnContext | None:
        """What another answer to the question of a button needs, or the rest of one. None: it is not known any more.

        `model` answers this time; `agreed`: the user knows the price.
        """
        if action.name == branching.RESUME:
            point = branching.resume(tx, incoming, action.payload["answer"])
        else:
            point = branching.again(tx, incoming, action.payload["question"])
        return self._found(tx, incoming, point, pressed=action.key, model=model, agreed=agreed)

    def edited(self, tx: Tx, incoming: Incoming) -> TurnContext | None:
        """Save an edited question as a new version. None: there is nothing to answer."""
        return self._found(tx, incoming, branching.revise(tx, incoming))

    def after_approval(self, tx: Tx, incoming: Incoming, approval: Approval) -> TurnContext:
        """What follows an action that was decided on: the conversation is as the model saw it when it asked."""
        context = self._read(tx, approval.point, incoming.chat, incoming.language)
        context = replace(context, act=approval.operation, steps=approval.steps)
        return self.pricing.held(tx, incoming, context, agreed=True)

    def deferred(self, tx: Tx, incoming: Incoming, asked: Remembered | None, text: str) -> TurnContext:
        """What a question needs that is answered later: nothing is saved, and nothing held back.

        It was `asked` before, or is a new one, `text`, that goes on from the tip of the conversation.
        """
        if asked is not None:
            return self._read(tx, BranchPoint(asked), incoming.chat, incoming.language)
        conversation = tx.messages.find_current_conversation(incoming.address) or 0
        branch = tx.messages.list_newest(conversation, self.options.history)
        context = self._of(tx, conversation, branch, incoming.chat, incoming.language)
        return replace(context, history=[*context.history, Message.of("user", text)])

    def chosen(self, choices: ChatChoices) -> ChosenModel:
        """Who answers there: the chat's model, else the user's, else the persona's, else the default."""
        persona = self.library.persona(choices.persona)
        offer, gone = self.routing.resolve(choices.model, choices.own_model, persona.model)
        return ChosenModel(persona, offer, tuple(name for name in gone if name != persona.model))

    def _found(
        self, tx: Tx, incoming: Incoming, point: BranchPoint | None, *, pressed: str = "", model: str = "",
        agreed: bool = False,
    ) -> TurnContext | None:  # fmt: skip
        if point is None:
            return None
        tx.inbox.mark_begun(incoming.ids)
        return self._priced(tx, with_choices(tx, incoming), point, pressed=pressed, model=model, agreed=agreed)

    def _priced(
        self, tx: Tx, incoming: Incoming, point: BranchPoint, *, pressed: str = "", model: str = "",
        agreed: bool = False,
    ) -> TurnContext:  # fmt: skip
        """The context of an answer, with what it may cost held back from the budgets."""
        choices = replace(incoming.chat, model=model) if model else incoming.chat
        context = self._read(tx, point, choices, incoming.language)
        if self.options.summaries:
            memory.wants_summary(tx, incoming, point.question, len(context.history), context.language)
        return self.pricing.held(tx, incoming, replace(context, pressed=pressed), agreed=agreed)

    def _read(self, tx: Tx, point: BranchPoint, choices: ChatChoices, language: str) -> TurnContext:
        """What the model will read of the branch of a question."""
        branch = branching.history(tx, point, self.options.history)
        context = self._of(tx, point.question.conversation, branch, choices, language)
        if point.resumed is None:
            return replace(context, place=point)
        goes_on = Message.of("user", instruct(language, "resume"))
        return replace(context, place=point, history=[*context.history, goes_on])

    def _of(
        self, tx: Tx, conversation: int, branch: Sequence[Remembered], choices: ChatChoices, language: str
    ) -> TurnContext:
        kept, beside = memory.Kept(), tx.conversations.find_extras(conversation)
        if beside.memory:
            kept, branch = memory.apply(tx, conversation, branch)
        chosen = self.chosen(choices)
        return TurnContext(
            place=None, history=tx.blobs.load_images(prompt.spoken(branch)), language=language,
            choices=replace(choices, model=chosen.offer.name), preface=kept.preface(language), persona=chosen.persona,
            gone=chosen.gone, has_documents=beside.documents, thumbs=self.options.thumbs, conversation=conversation,
        )  # fmt: skip
