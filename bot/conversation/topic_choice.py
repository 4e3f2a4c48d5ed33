"""The topic of a question, chosen before its turn begins: who answers it, with which model, out of which sources.

Begin with `TopicChooser.choose`. What was chosen is stored beside the question by the first transaction of its turn, so
that an answer that is asked for again has the same topic. It is imported by bots with a routing file only.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.billing.metering import BillTo
from bot.billing.topic_labels import PaidLabels
from bot.conversation import branching
from bot.knowledge.answer.evidence import Scope
from bot.knowledge.answer.forms import is_small_talk
from bot.knowledge.search.question_vectors import QuestionVectors
from bot.llm.routing import Routing
from bot.llm.topics.classifiers import Question
from bot.llm.topics.intent_routing import Choice, Held, IntentRouter
from bot.llm.topics.live import Topics
from bot.llm.topics.routing_file import RoutingTable, plain
from bot.llm.topics.samples import masked
from bot.outbox import Choice as Press
from bot.outbox import answers_question, finish_turn, remove_buttons
from bot.prompts.library import Library
from bot.storage.repositories.messages import OPEN, Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import NEWEST_CHOICE, TopicChoice
from bot.texts.catalog import say
from bot.types import Button, ChatChoices, Incoming, Outgoing

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds that a question waits for its topic
PICK, WRONG, CORRECT = "topic.pick", "topic.wrong", "topic.correct"  # buttons
PERSON = Choice("", 1.0, "person")
NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTopic:
    """The topic of a question, by the routing `table` at that moment, and the topic that the conversation keeps after
    it.

    `waiting` is an earlier question below which the person was asked to choose between two topics and did not: it is
    answered together with this one.
    """

    table: RoutingTable
    choice: Choice
    held: Held = NOTHING_HELD
    waiting: Remembered | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the person is asked which of two topics it is."""
        return bool(self.choice.between)

    @property
    def holds(self) -> bool:
        """Whether the next question of the conversation has this topic, too, unless it is about another one."""
        return self.held.topic == self.choice.topic

    @property
    def labels(self) -> tuple[str, ...]:
        """The topic and the flags of the question."""
        return (self.choice.topic, *self.choice.flags)

    @property
    def queue(self) -> str:
        """The team of people that is asked when the bot can't answer, "" for none."""
        return self.table.find(self.choice.topic).queue

    @property
    def scope(self) -> Scope:
        """Return the sources from which the question is answered, and the level of the knowledge base."""
        key = self.choice.topic
        topic = self.table.find(key)
        return Scope(frozenset(self.table.bases(key)), topic.level, free=topic.is_free)

    def read_with(self, question: str) -> str:
        """Return the question below the one that has waited until the user picked a topic, if there was such a one."""
        return f"{self.waiting.words}\n{question}" if self.waiting is not None else question

    def over(self, choices: ChatChoices, library: Library, routing: Routing) -> ChatChoices:
        """The choices of a chat with the persona and the model of the topic, where the person has chosen none.

        A persona that was chosen by hand brings its own model. Names that do not exist change nothing.
        """
        topic = self.table.find(self.choice.topic)
        own = library.persona(choices.persona).model if choices.persona else ""
        persona = topic.persona if library.persona(topic.persona).key == topic.persona else ""
        model = topic.model if topic.model in routing.names else ""
        return replace(choices, persona=choices.persona or persona, own_model=choices.own_model or own or model)

    def decided(self) -> ChosenTopic:
        """Return the choice with the likelier of the two topics, instead of asking the person. Because that is a guess,
        the conversation does not keep it.
        """
        if not self.is_asked:
            return self
        choice = replace(self.choice, topic=self.choice.between[0], reason="guess", between=())
        return replace(self, choice=choice)

    def store(self, tx: Tx, question: Remembered) -> None:
        """Store the topic beside its question."""
        choice, held = self.choice, self.held
        tx.put(
            TopicChoice(
                question_id=question.id, conversation_id=question.conversation, topic=choice.topic, score=choice.score,
                way=choice.reason, rivals=" ".join(choice.between), flags=" ".join(choice.flags), holds=held.topic,
                rival=held.rival, wins=held.wins,
            )
        )  # fmt: skip

    def take_up(self, tx: Tx, incoming: Incoming) -> None:
        """Join the earlier question, which waited for a choice between two topics, to the question of `incoming`;
        remove its buttons.
        """
        asked = tx.messages.find_message(self.waiting.id) if self.waiting is not None else None
        if asked is None or asked.ending != OPEN:
            return
        tx.messages.set_ending(asked.id, "")
        for message in tx.outbox.message_ids(incoming.address, asked.turn)[:1]:
            shown = tx.outbox.find_shown(incoming.address, message)
            for button in (one for row in shown.outgoing.buttons for one in row) if shown is not None else ():
                tx.buttons.expire_button(button.data)
            remove_buttons(tx, incoming, message=message)

    def correction(self, tx: Tx, incoming: Incoming, question: int, language: str) -> Button:
        """The button with which an operator says that this is the wrong topic."""
        label = say(language, "topic.wrong", title=self.table.title(self.choice.topic, language))
        return tx.buttons.add_button(incoming.address, incoming.id, 0, label, WRONG, question=question)

    def ask(self, tx: Tx, incoming: Incoming, question: Remembered) -> None:
        """End the turn with a button for each of the two topics; the question is answered after the press."""
        branching.leave_open(tx, question)
        language = incoming.language
        choices = [
            Press(self.table.title(key, language), PICK, {"question": question.id, "topic": key}, queued=True)
            for key in self.choice.between
        ]
        quoted = 0 if incoming.private else incoming.message_id
        asked = Outgoing(say(language, "topic.which"), plain=True, reply_to=quoted)
        finish_turn(tx, incoming, asked, choices=[choices])


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChooser:
    """Chooses the topics of questions. `groups` are those that an answer to an incoming message is heard by.

    `corrects` says whether the sender may correct topics.
    """

    store: Store
    topics: Topics
    vectors: QuestionVectors
    groups: Callable[[Incoming], frozenset[str]]
    corrects: Callable[[Incoming], bool]

    async def choose(self, incoming: Incoming, *, last: bool = False) -> ChosenTopic | None:
        """The topic of a question, within `PATIENCE`; what fails or is late leaves the words of the file.

        None: there is no file, or the message needs no topic (it has no text, or the bot has asked for it; `last`: then
        it is a question all the same).
        """
        table = self.topics.table
        if table is None or not incoming.text.strip():
            return None
        found = await self.store.write(lambda tx: self._before(tx, incoming, table, last=last))
        if found is None or isinstance(found, ChosenTopic):
            return found
        held, waiting = found
        if is_small_talk(incoming.text):  # it is about nothing
            choice = Choice(held.topic, reason="held") if held.topic else Choice(table.routing.other)
            return ChosenTopic(table=table, choice=choice, held=held)
        text = f"{waiting.words}\n{incoming.text}" if waiting is not None else incoming.text
        held, choice = await self._routed(incoming, text, held)
        found = ChosenTopic(table=table, choice=choice, held=held, waiting=waiting)
        found = found.decided() if waiting is not None else found  # nobody is asked twice in a row
        log.info("topic %s", told(found.choice))
        return found

    async def _routed(self, incoming: Incoming, text: str, held: Held) -> tuple[Held, Choice]:
        audiences, question = self.groups(incoming), Question(text)
        payer = BillTo.of(incoming, incoming.language)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.topics.tried.wait()
                router = self._router(payer)
                if router.table.routing.classifier != "off" and not router.is_ruled(text):
                    vector = await self.vectors.find(text, payer)
                    question = Question(text, vector or None)
                return await router.route(question, held, audiences)
        except Exception as error:
            log.warning("no service is asked for the topic: %s", str(error) or type(error).__name__)
            return await self._router(payer).alone.route(question, held, audiences)

    def _router(self, payer: BillTo) -> IntentRouter:
        labels = self.topics.labels
        paid = PaidLabels(model=labels, meter=self.vectors.meter, payer=payer) if labels is not None else None
        router = self.topics.router(paid)
        assert router is not None  # noqa: S101  there was a file, and one that is lost keeps its last state
        return router

    def _before(
        self, tx: Tx, incoming: Incoming, table: RoutingTable, *, last: bool
    ) -> ChosenTopic | tuple[Held, Remembered | None] | None:
        """What holds in the conversation, and a question that waits for a press; or what was chosen before a crash.

        From now on crashes count against the message: an embedder on this machine might be what it crashes.
        """
        tx.inbox.mark_begun(incoming.ids)
        awaited = tx.buttons.find_awaited(incoming.address, incoming.user.id)
        if not last and awaited is not None and answers_question(tx, incoming, awaited):
            return None
        conversation = tx.messages.find_current_conversation(incoming.address)
        newest = tx.one(NEWEST_CHOICE, conversation_id=conversation) if conversation is not None else None
        if newest is None:
            return Held(), None
        asked = tx.messages.find_message(newest.question_id)
        if asked is not None and asked.turn == incoming.id and asked.words == incoming.text:
            return self._of(table, newest)
        waits = asked is not None and asked.ending == OPEN and asked.user == incoming.user.id and newest.rivals
        return Held(newest.holds, newest.rival, newest.wins), asked if waits else None

    def newest(self, tx: Tx, conversation: int) -> ChosenTopic | None:
        """The topic of the newest question of a conversation that has one."""
        table, row = self.topics.table, tx.one(NEWEST_CHOICE, conversation_id=conversation)
        return self._of(table, row) if table is not None and row is not None else None

    def find(self, tx: Tx, question: int) -> ChosenTopic | None:
        """The topic that was chosen for a question; None for none, or without a file."""
        table, row = self.topics.table, tx.one(TopicChoice, question_id=question)
        return self._of(table, row).decided() if table is not None and row is not None else None

    def pick(self, tx: Tx, question: Remembered, key: str) -> ChosenTopic | None:
        """Store the topic that a person has picked for a question: it holds from now on. None: there is no such topic
        any more.
        """
        table = self.topics.table
        if table is None or key not in table.topic or key in table.flags:
            return self.find(tx, question.id)
        picked = ChosenTopic(table=table, choice=replace(PERSON, topic=key), held=Held(key))
        picked.store(tx, question)
        log.info("topic %s", told(picked.choice))
        return picked

    def keep_example(self, tx: Tx, bot: int, question: Remembered, key: str) -> None:
        """Store a question as an example of a topic, without names and numbers that identify who asked it."""
        text = masked(question.words, list(tx.members.read_names(bot, (question.user,)).values()))
        if words := plain(text):
            mark = hashlib.sha256(words.encode()).hexdigest()
            tx.question_topics.add_sample(bot, question.user, key, text, mark)

    def _of(self, table: RoutingTable, row: TopicChoice) -> ChosenTopic:
        between, flags = tuple(row.rivals.split()), tuple(row.flags.split())
        choice = Choice(row.topic, score=row.score, reason=row.way, between=between, flags=flags)  # type: ignore[arg-type]
        return ChosenTopic(table=table, choice=choice, held=Held(row.holds, row.rival, row.wins))


def told(choice: Choice) -> str:
    """Return the chosen topic for the log, with how it was found and how sure that is: "returns (near, 0.87)"."""
    what = " or ".join(choice.between) or choice.topic
    return " + ".join([f"{what} ({choice.reason}, {choice.score:.2f})", *choice.flags])
