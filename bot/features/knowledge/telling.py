"""The button [Tell me when you know]: a person whom the sources could not answer is told once they can.

Begin with `Telling.look`. The answer is made like any answer from the sources, with the rights that the person has at
that time. A model is asked only if the search finds other passages than it did before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.conversation.assistant import Assistant
from bot.errors import ContextOverflow, LimitReached, ModelError, ModelRefused
from bot.feature import Feature, Turn, job, press
from bot.jobs.learning import TELL
from bot.knowledge.answer.citing import Citing
from bot.outbox import Answer, remove_buttons
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import TOLD, UNTOLD_GAPS, WANTED, WANTED_GAPS, Gap
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, Permission, Text, User

log = logging.getLogger(__name__)

PAUSE = 3_600.0  # seconds until those are looked at again whose budget is used up, or for whom a model has failed


@dataclass(slots=True, kw_only=True)
class Telling(Feature):
    """Notes which people want to be told, and tells them. `deliver` sends the messages that a job has stored."""

    assistant: Assistant
    access: Access
    deliver: Callable[[str, Sequence[Address]], None]

    @property
    def store(self) -> Store:
        """The database."""
        return self.assistant.store

    @press("gap.tell", once=True, has_toast=True)
    def note(self, tx: Tx, turn: Turn, question: int) -> Answer:
        """Note that the person waits for an answer; the button works once."""
        waits = tx.change_all(UNTOLD_GAPS, {"tell": WANTED}, message_id=question)
        remove_buttons(tx, turn, only=turn.data)
        return Answer(toast=turn.say("gap.tell.done" if waits else "gap.tell.gone"))

    # --- the job ------------------------------------------------------------------------------------------------------

    @job(TELL)
    async def look(self, due: Job) -> None:
        """Try the questions again whose askers want to be told, after sources have changed."""
        bot, later = due.address.bot, False
        waiting = await self.store.read(lambda tx: tx.all(WANTED_GAPS, bot=bot, generation=tx.knowledge.generation()))
        for gap in waiting:
            try:
                await self._answer(gap)
            except (LimitReached, ModelError) as error:
                log.warning("gap %s is not answered yet: %s", gap.id, error)
                later = True

        def end(tx: Tx) -> None:
            if tx.all(WANTED_GAPS, bot=bot, generation=tx.knowledge.generation()):
                tx.jobs.reschedule(due, tx.clock.time() + (PAUSE if later else 0.0))
            else:
                tx.jobs.delete_done(due)

        await self.store.write(end)

    async def _answer(self, gap: Gap) -> None:
        """Answer one gap if the sources have it now. Raises `LimitReached`, `ModelError`."""
        generation, question = await self.store.read(lambda tx: (tx.knowledge.generation(), _question(tx, gap)))
        private = gap.address.chat == gap.user
        asker = Incoming(f"gap-{gap.id}", gap.address, User(gap.user, language=gap.language), private=private)
        if question is None or self.access.authorize(Actor.of(asker), Permission.TALK) is not Decision.ALLOWED:
            await self.store.write(lambda tx: tx.change(gap, tell=""))
            return
        context = await self.assistant.recall(asker, question)
        evidence = context.evidence
        if evidence is None or not evidence.mark or evidence.mark == gap.seen:
            await self.store.write(lambda tx: tx.change(gap, checked=generation))
            return
        try:
            text, citing = await self.assistant.answer_quietly(asker, context)
            text = text if citing.quotes else ""  # of an open answer the sources may carry nothing
        except (ModelRefused, ContextOverflow):  # it would be so again: other passages are waited for
            text, citing = "", Citing(evidence)

        def tell(tx: Tx) -> bool:
            tx.change(gap, checked=evidence.generation, seen=evidence.mark)
            now = tx.one(Gap, bot=gap.address.bot, id=gap.id)
            if not text or now is None or now.tell != WANTED or citing.without_withdrawn(tx, gap.address.bot):
                return False
            if tx.chats.is_unreachable(gap.address):
                tx.change(gap, tell="")
                return False
            tx.change(gap, tell=TOLD)
            self._tell(tx, gap, question, text, citing)
            return True

        if await self.store.write_until_stored(tell):
            self.deliver(asker.id, [gap.address])

    def _tell(self, tx: Tx, gap: Gap, question: Remembered, text: str, citing: Citing) -> None:
        """Store the answer in the conversation as another one to its question, and put it into the outbox."""
        turn, conversation = f"{question.turn}.told", question.conversation
        tip = tx.messages.find_head(conversation)
        shown = tx.messages.find_message(tip) if tip is not None else None
        answer = tx.messages.add_message(
            conversation,
            gap.address,
            turn,
            "assistant",
            (Text(text),),
            parent=question.id,
            ending="stop",
            user=gap.user,
            sources=citing.sources,
        )
        tx.knowledge.store_quotes(answer.id, citing.spans)
        if shown is not None and shown.parent != question.id:  # the conversation has gone on
            tx.messages.move_head(conversation, tip)
        whole = "\n\n".join([say(gap.language, "gap.told"), text, citing.below])
        tx.outbox.add_answer(turn, gap.address, Outgoing(whole, of=turn, reply_to=question.place))


def _question(tx: Tx, gap: Gap) -> Remembered | None:
    return tx.messages.find_message(gap.message_id) if gap.message_id is not None else None
