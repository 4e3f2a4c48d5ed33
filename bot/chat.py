"""One turn of a conversation: question saved, history read, model asked, answer streamed, saved and delivered.

Begin with `Chat.answer`; `_write` is the loop around the model.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from bot import prompt
from bot.clock import Clock
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused, StreamCut
from bot.outbox import put
from bot.routing import Offer, Routing
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Chunk, Finish, Incoming, Message, Outgoing, Reply, Text, Usage

log = logging.getLogger(__name__)

CUT = "cut"  # how an answer ended that broke off
CUT_TRIES = 3  # how often an answer that breaks off is begun anew in the same place


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer. `history` is the number of messages that are looked at, before the budget cuts further."""

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000
    deadline: float = 120.0
    history: int = 60


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first transaction of a turn found. `turn` is the one whose question is answered (an earlier one when it
    is tried again). `awaited`: this message answers a question of the bot instead.
    """

    turn: str
    conversation: int
    history: Sequence[Message]
    choices: Choices
    language: str
    awaited: Action | None = None


@dataclass(slots=True)
class Written:
    """An answer while it is being written, and how it ended."""

    text: str = ""
    finish: Finish | None = None
    usage: Usage | None = None
    stopped: bool = False
    error: ModelError | None = None

    def add(self, chunk: Chunk) -> None:
        self.text = chunk.text if chunk.replaces else self.text + chunk.text
        self.usage = chunk.usage or self.usage
        self.finish = chunk.finish or self.finish


@dataclass(slots=True)
class Chat:
    store: Store
    routing: Routing
    clock: Clock
    options: Options = field(default_factory=Options)
    _ratios: defaultdict[str, prompt.Ratio] = field(default_factory=lambda: defaultdict(prompt.Ratio))
    _scopes: dict[str, tuple[str, asyncio.Timeout]] = field(default_factory=dict)

    async def begin(self, incoming: Incoming) -> Begun:
        """Transaction 1: save the question, read what is needed to answer it."""

        async def work(tx: Tx) -> Begun:
            await tx.updates.begin(incoming.ids)
            await tx.chats.seen(incoming.address, incoming.user, private=incoming.private)
            choices = await tx.chats.choices(incoming.address)
            language = choices.language or incoming.user.language
            awaited = await tx.buttons.awaited(incoming.address, incoming.user.id)
            if awaited is not None:
                return Begun("", 0, (), choices, language, awaited)
            conversation = await tx.messages.conversation(incoming.address)
            await tx.messages.add(conversation, incoming.address, incoming.id, "user", (Text(incoming.text),))
            history = [row.message for row in await tx.messages.last(conversation, self.options.history)]
            return Begun(incoming.id, conversation, history, choices, language)

        return await self.store.write(work)

    async def again(self, incoming: Incoming, turn: str) -> Begun | None:
        """The same for the question of an earlier turn, whose answer failed or broke off and is forgotten.

        None: the conversation has gone on since.
        """

        async def work(tx: Tx) -> Begun | None:
            await tx.updates.begin(incoming.ids)
            choices = await tx.chats.choices(incoming.address)
            conversation = await tx.messages.conversation(incoming.address)
            rows = list(await tx.messages.last(conversation, self.options.history))
            if rows and rows[-1].turn == turn and rows[-1].ending == CUT:
                await tx.messages.forget(incoming.address, turn, "assistant")
                rows.pop()
            if not rows or rows[-1].turn != turn or rows[-1].message.role != "user":
                return None
            history = [row.message for row in rows]
            return Begun(turn, conversation, history, choices, choices.language or incoming.user.language)

        return await self.store.write(work)

    async def was_asked(self, incoming: Incoming) -> bool:
        """Whether the conversation has a question with these words."""
        async with self.store.read() as tx:
            conversation = await tx.messages.current(incoming.address)
            rows = await tx.messages.last(conversation, self.options.history) if conversation is not None else []
        return Message.of("user", incoming.text) in [row.message for row in rows]

    async def answer(self, incoming: Incoming, reply: Reply, begun: Begun) -> None:
        offer = self.routing.pick(begun.choices.model)
        reply.begin(begun.choices.streaming)
        written = await self._write(incoming, reply, begun, offer)
        await self.store.write(lambda tx: self._save(tx, incoming, begun, offer, written))
        await reply.finish()

    def stop(self, key: str, turn: str = "") -> bool:
        """Stop the answer that is being written at an address; what was written stays.

        With `turn` only the answer of that turn. False: there is nothing to stop.
        """
        writing, scope = self._scopes.get(key, ("", None))
        if scope is None or turn not in ("", writing):
            return False
        scope.reschedule(asyncio.get_running_loop().time())
        return True

    async def _write(self, incoming: Incoming, reply: Reply, begun: Begun, offer: Offer) -> Written:
        written = Written()
        key = incoming.address.key
        try:
            # A deadline that is set only when somebody presses Stop: it ends the wait wherever the stream is.
            async with asyncio.timeout(None) as scope:
                self._scopes[key] = incoming.id, scope
                written = await self._insist(reply, begun, offer, written)
        except TimeoutError:
            written.stopped = True
        finally:
            del self._scopes[key]
        return written

    async def _insist(self, reply: Reply, begun: Begun, offer: Offer, written: Written) -> Written:
        """Ask until there is a whole answer: shorter when the prompt was too long, anew when the stream broke."""
        shrink, cuts, longest = 1.0, 0, ""
        end = self.clock.monotonic() + self.options.deadline
        while True:
            try:
                await self._stream(reply, begun, offer, written, shrink)
                return written
            except ContextOverflow as error:
                if shrink < 1:
                    written.error = error
                    return written
                shrink = 0.8 * (error.limit / error.given if error.given else 0.75)
            except StreamCut as error:
                cuts += 1
                longest = max(longest, written.text, key=len)
                if cuts == CUT_TRIES or self.clock.monotonic() > end:
                    written.text, written.error = longest, error
                    return written
                written.text, written.finish = "", None
                reply.replace("")
            except ModelError as error:
                written.text, written.error = longest, error
                return written

    async def _stream(self, reply: Reply, begun: Begun, offer: Offer, written: Written, shrink: float) -> None:
        ratio = self._ratios[offer.name]
        request = prompt.build(
            self.options.system or say(begun.language, "system"),
            begun.history,
            offer.model.profile,
            ratio,
            max_tokens=self.options.max_tokens,
            temperature=self.options.temperature,
            shrink=shrink,
        )
        async with aclosing(offer.model.stream(request)) as chunks:
            async for chunk in chunks:
                written.add(chunk)
                if chunk.replaces:
                    reply.replace(written.text)
                elif chunk.text:
                    reply.append(chunk.text)
        if written.usage:
            ratio.learn(prompt.size(request), written.usage)

    async def _save(self, tx: Tx, incoming: Incoming, begun: Begun, offer: Offer, written: Written) -> None:
        """Transaction 2: history, ledger, outbox, inbox."""
        if written.usage:
            await tx.usage.add(incoming.address, incoming.user.id, incoming.id, offer.name, written.usage)
        outgoing = self._outgoing(incoming, begun.language, written)
        if written.error is not None and not isinstance(written.error, ModelRefused | ContextOverflow):
            retry = await tx.buttons.add(incoming.address, 0, say(begun.language, "retry"), "retry", turn=begun.turn)
            outgoing = Outgoing(outgoing.text, outgoing.plain, b"", ((retry,),), outgoing.note, outgoing.reply_to)
        if written.text.strip() and not outgoing.plain:
            ending = "stopped" if written.stopped else CUT if written.error else str(written.finish)
            said = (Text(written.text),)
            await tx.messages.add(begun.conversation, incoming.address, begun.turn, "assistant", said, ending=ending)
        await put(tx, incoming, outgoing)

    def _outgoing(self, incoming: Incoming, language: str, written: Written) -> Outgoing:
        quoted = 0 if incoming.private else incoming.message_id
        text = written.text if written.text.strip() and written.finish is not Finish.FILTERED else ""
        if text:
            return Outgoing(text, note=_note(language, written), reply_to=quoted)
        return Outgoing(say(language, _apology(written)), plain=True, reply_to=quoted)


def _note(language: str, written: Written) -> str:
    if written.stopped:
        return say(language, "stop.note")
    if written.error is not None:
        return say(language, "cut.note")
    return say(language, "length.note") if written.finish is Finish.LENGTH else ""


def _apology(written: Written) -> str:
    """The key of what is said when there is no answer."""
    if written.stopped:
        return "stop.empty"
    if written.finish is Finish.FILTERED:
        return "filtered"
    if written.error is None:
        return "empty.answer"
    log.warning("no answer: %s: %s (trace %s)", type(written.error).__name__, written.error, written.error.trace or "-")
    for kind, key in APOLOGIES:
        if isinstance(written.error, kind):
            return key
    return "error.unavailable"


APOLOGIES: tuple[tuple[type[ModelError], str], ...] = (
    (ContextOverflow, "error.long"),
    (ModelRefused, "error.refused"),
    (ModelDenied, "error.denied"),
)
