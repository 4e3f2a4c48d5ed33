"""The first transaction of a turn: the question is saved, and what is needed to answer it is read.

Begin with `TurnStart.take`; an answer that is asked for again, an edited question and what comes after an action are
taken here, too. `conversation/turn_end.py` is the last transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.conversation import branching, memory
from bot.conversation.branching import BranchPoint
from bot.conversation.cost import Pricing
from bot.conversation.request import Options
from bot.conversation.turn_state import TurnContext
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.prompts.library import Library
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.chats import Choices
from bot.storage.repositories.operations import Operation
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.tools.toolbox import Steps
from bot.types import Attachment, Incoming, Message, Text


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
    offer: ModelOption
    gone: tuple[str, ...] = ()


@dataclass(slots=True)
class TurnStart:
    store: Store
    routing: Routing
    pricing: Pricing
    options: Options = field(default_factory=Options)
    library: Library = field(default_factory=Library)

    async def take(self, incoming: Incoming, *, last: bool = False) -> TurnContext:
        """Transaction 1: save the question, read what is needed to answer it.

        `last`: what the bot had waited for is complete with it. Raises `LimitReached`: then nothing is saved.
        """

        def work(tx: Tx) -> TurnContext:
            tx.updates.begin(incoming.ids)
            choices = tx.chats.meet(incoming.address, incoming.user, private=incoming.private)
            language = choices.language_for(incoming.user)
            if last:
                tx.buttons.forget(incoming.address, incoming.user.id)
            awaited = tx.buttons.awaited(incoming.address, incoming.user.id)
            if awaited is not None:
                return TurnContext(None, (), choices, language, awaited=awaited)
            parts = (part for part in incoming.parts if not isinstance(part, Attachment))
            place = branching.follow(tx, incoming, (Text(incoming.text), *parts))
            return self._begun(tx, incoming, place, choices)

        return await self.store.write(work, self.pricing.guard)

    async def again(
        self, incoming: Incoming, pressed: ButtonPress, *, model: str = "", agreed: bool = False
    ) -> TurnContext | None:
        """The same where a button asks for another answer, or for the rest of one. None: it is not known any more.

        `model` answers this time; `agreed`: the price is known.
        """

        def work(tx: Tx) -> TurnContext | None:
            if pressed.name == branching.RESUME:
                place = branching.resume(tx, incoming, pressed.payload["answer"])
            else:
                place = branching.again(tx, incoming, pressed.payload["question"])
            return self._found(tx, incoming, place, Wish(pressed.key, model, agreed))

        return await self.store.write(work, self.pricing.guard)

    async def revise(self, incoming: Incoming) -> TurnContext | None:
        """The same for a question that was edited. None: there is nothing to answer."""
        guard = self.pricing.guard
        return await self.store.write(lambda tx: self._found(tx, incoming, branching.revise(tx, incoming)), guard)

    def _found(self, tx: Tx, incoming: Incoming, place: BranchPoint | None, wish: Wish = NO_WISH) -> TurnContext | None:
        if place is None:
            return None
        tx.updates.begin(incoming.ids)
        choices = tx.chats.choices(incoming.address, incoming.user.id)
        return self._begun(tx, incoming, place, choices, wish)

    def _begun(
        self, tx: Tx, incoming: Incoming, place: BranchPoint, choices: Choices, wish: Wish = NO_WISH
    ) -> TurnContext:
        choices = replace(choices, model=wish.model) if wish.model else choices
        begun = self._started(tx, place, choices, choices.language_for(incoming.user))
        if self.options.summaries:
            memory.wants_summary(tx, incoming, place.question, len(begun.history), begun.language)
        return self.pricing.held(tx, incoming, replace(begun, pressed=wish.pressed), agreed=wish.agreed)

    def _started(self, tx: Tx, place: BranchPoint, choices: Choices, language: str) -> TurnContext:
        """What the model will read."""
        conversation, kept = place.question.conversation, memory.Kept()
        branch, beside = branching.history(tx, place, self.options.history), tx.conversations.beside(conversation)
        if beside.memory:
            kept, branch = memory.apply(tx, conversation, branch)
        history = prompt.spoken(branch)
        if place.resumed is not None:
            history = [*history, Message.of("user", say(language, "resume.prompt"))]
        preface, history = kept.preface(language), tx.blobs.shown(history)
        chosen = self.chosen(choices)
        return TurnContext(
            place, history, replace(choices, model=chosen.offer.name), language, preface, persona=chosen.persona,
            gone=chosen.gone, has_documents=beside.documents, thumbs=self.options.thumbs,
        )  # fmt: skip

    def chosen(self, choices: Choices) -> Chosen:
        """Who answers there: the chat's model, else the user's, else the persona's, else the default."""
        persona = self.library.persona(choices.persona)
        offer, gone = self.routing.settle(choices.model, choices.own_model, persona.model)
        return Chosen(persona, offer, tuple(name for name in gone if name != persona.model))

    def went_on(self, tx: Tx, incoming: Incoming, place: BranchPoint, act: Operation, steps: Steps) -> TurnContext:
        """The same for what comes after an action that was decided on: the conversation is as the model saw it then."""
        choices = tx.chats.choices(incoming.address, incoming.user.id)
        begun = replace(self._started(tx, place, choices, choices.language_for(incoming.user)), act=act, steps=steps)
        return self.pricing.held(tx, incoming, begun, agreed=True)
