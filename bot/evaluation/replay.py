"""Asks cases as people would ask them, without a chat: nothing is saved, sent or ordered. Begin with `Replay.ask`.

A case goes the way of a question: its topic is chosen, the sources are searched in the name of its reader, the model is
asked, and the answer is checked. What the model calls of tools is noted and not done. Only what is paid is booked, on
nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot.access.policy import Actor, Role
from bot.billing import pricing
from bot.conversation.answer_writer import AnswerWriter
from bot.conversation.assistant import Assistant
from bot.conversation.branching import BranchPoint
from bot.conversation.turn_state import AnswerDraft, TurnContext
from bot.errors import ModelRefused
from bot.evaluation.cases import Case
from bot.evaluation.checks import Outcome, Passage, is_topic_alone
from bot.knowledge import rights
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answering import MOST_CHARACTERS
from bot.knowledge.formats.tidying import language_of
from bot.llm import prompt
from bot.ports import PlainReply
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES
from bot.tools.tool import Tool, ToolContext, ToolOutput
from bot.tools.toolbox import Toolbox
from bot.types import Address, ChatChoices, Incoming, Message, User

if TYPE_CHECKING:
    from bot.conversation.topic_choice import ChosenTopic

HAND_OVER = "hand_over"  # the tool of the support desk that gives a conversation to a person
LANGUAGE = "ru"  # of a case whose own can't be told
NOTHING_DONE = "This is a rehearsal: nothing was done, as if it had worked."


@dataclass(slots=True, kw_only=True)
class Replay:
    """Asks cases of one bot. `assistant` is one that was made for this: its budgets have no limits.

    `role` is the role of a person, by the id. `model` and `persona` answer in place of those that answer people, "" for
    no other. One topic is told at a time (`telling`): the
    classifiers take one text a second, and a bot does not wait longer than two for a topic.
    """

    store: Store
    assistant: Assistant
    bot: int
    role: Callable[[Actor], Role]
    model: str = ""
    persona: str = ""
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, case: Case, turn: str) -> Outcome:
        """The answer to a case, booked under the name `turn`. An error of the model becomes `Outcome.error`."""
        clock = self.store.clock
        began, at = clock.monotonic(), clock.time()
        incoming, start = self._incoming(case, turn), self.assistant.turn_start
        topic = await self._topic(incoming, case)
        if is_topic_alone(case):
            outcome = Outcome()
        else:
            choices = incoming.chat if topic is None else topic.over(incoming.chat, start.library, start.routing)
            context = replace(self._context(incoming, case, choices), topic=topic)
            outcome = await self._answer(incoming, context, case)
        cost = await self.store.read(lambda tx: tx.ledger.cost_of_turn(self.bot, turn, at - 1))
        chosen = "" if topic is None else topic.choice.topic
        return replace(outcome, topic=chosen, seconds=clock.monotonic() - began, cost=cost)

    def most(self, case: Case) -> tuple[int, int]:
        """Return the highest price of a case: its tokens, and millionths of the currency. Passages of sources are
        included.
        """
        if is_topic_alone(case):
            return 0, 0
        incoming = self._incoming(case, "")
        context, writer = self._context(incoming, case, incoming.chat), self.assistant.writer
        option = self.assistant.routing.by_name(context.choices.model)
        ratio = writer.request_builder.ratio(option)
        usage = prompt.most(writer.request_builder.request(context, option, context.steps), ratio)
        if writer.knowledge is not None:
            usage = replace(usage, prompt=usage.prompt + ratio.tokens(MOST_CHARACTERS))
        return usage.total, pricing.most(option.model.profile, usage)

    def persona_of(self, case: Case) -> str:
        """The name of the persona that answers a case where its topic names no other."""
        return self.assistant.turn_start.chosen(self._choices(case)).persona.key

    # --- inside -------------------------------------------------------------------------------------------------------

    def _incoming(self, case: Case, turn: str) -> Incoming:
        language = case.language or language_of(case.question) or LANGUAGE
        choices = replace(self._choices(case), language=language)
        nowhere = Address("telegram", self.bot, 0)
        return Incoming(turn, nowhere, User(0, language=language), text=case.question, chat=choices)

    def _choices(self, case: Case) -> ChatChoices:
        return ChatChoices(model=self.model, persona=self.persona or case.persona)

    def _context(self, incoming: Incoming, case: Case, choices: ChatChoices) -> TurnContext:
        said = [Message.of("assistant" if n % 2 else "user", text) for n, text in enumerate(case.history)]
        chosen = self.assistant.turn_start.chosen(choices)
        return TurnContext(
            place=None,
            history=[*said, Message.of("user", case.question)],
            language=incoming.language,
            persona=chosen.persona,
            choices=replace(choices, model=chosen.option.name),
        )

    async def _topic(self, incoming: Incoming, case: Case) -> ChosenTopic | None:
        chooser = self.assistant.turn_start.topics
        if chooser is None:
            return None
        groups = self._groups(case)
        async with self.telling:
            topic = await replace(chooser, groups=lambda _incoming: groups).choose(incoming, last=True)
        return None if topic is None else topic.decided()

    async def _answer(self, incoming: Incoming, context: TurnContext, case: Case) -> Outcome:
        called: list[str] = []
        writer = self._writer(case, called)
        asked = Remembered(0, 0, incoming.id, context.history[-1])
        written = await writer.write(incoming, PlainReply(address=incoming.address), context, BranchPoint(asked))
        await self._book(incoming, written)
        refused = HAND_OVER in called or isinstance(written.error, ModelRefused) or written.is_unanswered
        text, model = written.visible_text(), written.option.name
        outcome = Outcome(text=text, refused=refused, model=model, tokens=written.cost)
        if written.error is not None and not refused:
            return replace(outcome, error=f"{type(written.error).__name__}: {written.error}")
        if written.citing is None:
            return outcome
        if written.citing.evidence.for_asker:
            return replace(outcome, refused=True)
        citing = written.citing
        return await self.store.read(lambda tx: _with_sources(tx, self.bot, outcome, citing))

    def _writer(self, case: Case, called: list[str]) -> AnswerWriter:
        """The writer of the bot's answers, with tools that do nothing and with the rights of the case's reader."""
        writer = self.assistant.writer
        tools = [_inert(tool, called) for tool in writer.request_builder.toolbox.tools.values()]
        builder = replace(writer.request_builder, toolbox=Toolbox(tools))
        knowledge = writer.knowledge
        if knowledge is not None:
            groups = self._groups(case)
            knowledge = replace(knowledge, heard_by=lambda _incoming: groups)
        return replace(writer, request_builder=builder, knowledge=knowledge)

    def _groups(self, case: Case) -> frozenset[str]:
        person = int(case.reader) if case.reader.isdecimal() else 0
        role = case.role or self.role(Actor(person, private=True, firsthand=True))
        where = Address("telegram", self.bot, case.chat or person)
        return rights.groups_of(role.word, person, where, private=not case.chat)

    async def _book(self, incoming: Incoming, written: AnswerDraft) -> None:
        routing = self.assistant.routing

        def book(tx: Tx) -> None:
            for name, usage in written.usages:
                profile = routing.by_name(name).model.profile
                pricing.book_answer(tx, incoming.address, 0, incoming.id, name, profile, usage)

        if written.usages:
            await self.store.write_until_stored(book)


def _inert(tool: Tool, called: list[str]) -> Tool:
    """Return a tool with this description that does nothing when it is called, but adds its call to `called`."""

    async def run(arguments: Mapping[str, Any], asker: ToolContext) -> ToolOutput:
        called.append(tool.name)
        return ToolOutput(NOTHING_DONE)

    return replace(tool, run=run, needs_approval=False)


def _with_sources(tx: Tx, bot: int, outcome: Outcome, citing: Citing) -> Outcome:
    """The outcome with what the answer quotes, and what the search has found."""
    evidence = citing.evidence
    keys = {one.id: one.key for one in tx.articles.list_articles({one.source_id for one in evidence.passages})}
    sources = {one.id: one.name for one in tx.all(SOURCES, bot=bot)}
    names = {
        one.id: (one.title, one.url, keys.get(one.article_id, ""), sources.get(one.source_id, ""))
        for one in evidence.passages
    }
    quotes = tuple(evidence.shown[one.place].text[one.start : one.end] for one in citing.quotes)
    cited = tuple(dict.fromkeys(names[one.passage] for one in citing.quotes if one.passage in names))
    found = tuple(Passage(names=names[one.id], text=f"{one.place} {one.text}") for one in evidence.passages)
    return replace(outcome, cited=cited, quotes=quotes, found=found, rests=True, generation=evidence.generation)
