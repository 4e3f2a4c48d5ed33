"""The customers' side: what they write while a person has their case goes to the operators, not to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.conversation.turn_state import TakenOver
from bot.desk.cards import WHY
from bot.desk.cases import Release, was_just_closed
from bot.desk.desk import NO_DECISION, OPENING, Desk, Escalated, Places
from bot.desk.group_calls import GroupCalls, is_begun
from bot.desk.mirror import Mirror
from bot.desk.policy.masking import masked
from bot.desk.rating import Rating
from bot.desk.team.operators import React
from bot.errors import LimitReached
from bot.extension import Decision
from bot.features.feedback import value
from bot.handlers import ButtonHandler, Command, Handlers
from bot.outbox import Choice, finish, finish_turn, remove_buttons, with_choices
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import BOT, GROUPS, HELD, NEWEST_CASE, OPEN_CASE, Case, Relay
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Kind, Outgoing

WORKING = ("/help", "/human", "/bot", "/forget", "/export", "/language", "/start")  # commands that a held case keeps
ASKING = {  # buttons that have a model answer
    "retry",
    "resume",
    "attached.again",
    "price.answer",
    "price.cheaper",
    "act.yes",
    "act.no",
    "persona.ask",
    "template.use",
}
LONGEST_THANKS = 40  # characters of a message that only says thanks
THANKS = ("thank", "thx", "спасиб", "благодар", "спс", "👍", "🙏", "❤")
LIKED = "👍"
LONG = 60.0  # seconds for which a limit lasts at least where a person is offered
WHOLE = 1000  # characters of a question on the card
MOST_WORDS = 4  # of a message that asks for a person in words: "how many people …" is no call


@dataclass(slots=True, kw_only=True)
class Customers:
    """Handles what customers write in their private chats, and the calls of `in_groups`.

    `send` delivers to places in the background. Without a connected group words call nobody. `react` puts a reaction on
    a message, `rating` takes comments, `serves` says whether a user is an operator still.
    """

    store: Store
    mirror: Mirror
    send: Callable[[str, Places], None]
    in_groups: GroupCalls
    react: React
    rating: Rating
    serves: Callable[[int], bool]

    @property
    def desk(self) -> Desk:
        """The desk, which changes and stores the cases of this bot."""
        return self.mirror.desk

    def feature(self) -> Handlers:
        """The commands and the button with which customers call a person, and the way back to the bot."""
        return Handlers(
            commands={"/human": Command(self.human), "/bot": Command(self.bot)},
            presses={
                "desk.call": ButtonHandler(self.press_call),
                "desk.unsolved": ButtonHandler(self.press_unsolved),
            },
            jobs={OPENING: self.call_at_opening},
        )

    async def handle(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Handle an update from a private chat; `handler` handles it while the bot answers there."""
        if incoming.kind in (Kind.MESSAGE, Kind.EDIT):
            incoming = await self._masked(incoming)
        if incoming.kind is Kind.MESSAGE and (is_begun(incoming) or not self._works_always(incoming)):
            await self._message(incoming, reply, handler)
        elif incoming.kind is Kind.EDIT:
            await self._edit(incoming, reply, handler)
        elif incoming.kind is Kind.BUTTON:
            await self._button(incoming, reply, handler)
        elif incoming.kind is Kind.REACTION:
            await self._reaction(incoming, reply, handler)
        elif incoming.kind is Kind.BLOCKED:
            await handler(incoming, reply)
            await self._blocked(incoming)
        else:
            await handler(incoming, reply)

    async def handle_in_group(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Handle an update from a group of customers: words call a person there, too."""
        calls = incoming.kind is Kind.MESSAGE and self.in_groups.groups and self._asks_for_person(incoming)
        if calls and not incoming.address.connection:
            await self.in_groups.call(incoming, reply, "words")
        else:
            await handler(incoming, reply)

    async def _masked(self, incoming: Incoming) -> Incoming:
        """Hide secrets in a message before anybody gets it, and tell its writer."""
        mask = self.desk.table.mask
        kinds = {"cards": mask.cards, "passwords": mask.passwords, "phones": mask.phones}
        text, found = masked(incoming.text, **kinds)
        beside = tuple(replace(one, text=masked(one.text, **kinds)[0]) for one in incoming.beside)
        incoming = replace(incoming, beside=beside)
        if not found:
            return incoming

        def work(tx: Tx) -> Places:
            told = say(incoming.language, f"desk.masked.{found[0] if len(found) == 1 else 'several'}")
            tx.outbox.add_answer(f"{incoming.id}.masked", incoming.address, Outgoing(told, plain=True))
            return [incoming.address]

        self.send("", await self.store.write(work))
        return replace(incoming, text=text)

    async def human(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """/human: call an operator."""
        await self._call(incoming, reply, "asked")

    async def press_call(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Call an operator, because the bot had no answer."""
        of = action.payload
        reason, question = str(of.get("reason", "no_quote")), str(of.get("question", ""))
        await self._call(incoming, reply, reason, pressed=action.key, question=question)

    async def press_unsolved(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Keep a quiet case open: the operators read that its customer waits."""

        def work(tx: Tx) -> Places:
            known = with_choices(tx, incoming)
            remove_buttons(tx, incoming, only=action.key)
            tx.buttons.expire_button(action.key)
            places = self.desk.note_unsolved(tx, int(action.payload["case"]), known)
            finish_turn(tx, known, say(known.language, "desk.unsolved.noted" if places else "desk.is_closed"))
            return places

        self.send("", await self.store.write(work))
        await reply.finish()

    async def call_at_opening(self, job: Job) -> None:
        """The job: call a person to a case, since people work again."""
        self.send("", await self.store.write(lambda tx: self.desk.call_at_opening(tx, job)))

    async def bot(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """/bot: let the bot answer again."""
        if not incoming.private:
            await self.in_groups.answer(incoming, reply)
            return

        def work(tx: Tx) -> Places:
            case = tx.one(OPEN_CASE, address=incoming.address)
            if case is None or case.owner == BOT:
                finish_turn(tx, incoming, say(incoming.language, "desk.is_bots"))
                return ()
            finish_turn(tx, incoming)
            return self.desk.give_back(tx, case, who=incoming.user.id)

        self.send("", await self.store.write(work))
        await reply.finish()

    async def _message(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if await self._relayed(incoming, reply):
            return
        if self.in_groups.groups and (self._asks_for_person(incoming) or is_begun(incoming)):
            await self._call(incoming, reply, "asked" if is_begun(incoming) else "words")
            return
        try:
            await handler(incoming, reply)
        except Escalated as error:
            await self._call(incoming, reply, error.reason, decision=error.decision, brings=True)
        except TakenOver:  # an operator has taken the case while the message waited for its turn
            await self._relayed(incoming, reply)
        except LimitReached as error:
            if not self.in_groups.groups or error.retry_after < LONG:
                raise
            await self._limited(incoming, reply, str(error))

    async def _limited(self, incoming: Incoming, reply: Reply, why: str) -> None:
        """Say why no model is asked any more, and offer a person, who reads the question on the card."""

        def work(tx: Tx) -> None:
            tx.chats.record_seen(incoming.address, incoming.user, private=True)
            known, payload = with_choices(tx, incoming), {"reason": "limit", "question": incoming.text[:WHOLE]}
            choice = Choice(say(known.language, "desk.person"), "desk.call", payload)
            finish_turn(tx, known, why, choices=[choice])

        await finish(self.store, reply, work)

    async def _relayed(self, incoming: Incoming, reply: Reply) -> bool:
        """Bring a message to the operators if a person has the case. False: the bot answers it."""

        def is_for_people(tx: Tx) -> bool:
            case = tx.one(NEWEST_CASE, address=incoming.address)
            return case is not None and (case.is_for_people or was_just_closed(case, tx.clock.time()))

        if not await self.store.read(is_for_people):
            return False
        thanks = list[Case]()  # the closed case for which the customer says thanks

        def work(tx: Tx) -> Places | None:
            known = with_choices(tx, incoming)
            case, places = tx.one(OPEN_CASE, address=incoming.address), list[Address]()
            thanks.clear()
            if case is None and (commented := self.rating.comment(tx, known)) is not None:
                return commented
            if case is None and _is_thanks(incoming):
                closed = tx.one(NEWEST_CASE, address=incoming.address)
                if closed is not None and was_just_closed(closed, tx.clock.time()):
                    thanks.append(closed)
                    finish_turn(tx, known)
                    return self.mirror.relay_from_customer(tx, closed, known)
            if case is None:
                case, found = self.desk.reopened(tx, known)
                places += found
            if case is not None and case.owner == HELD and not self.serves(case.holder):
                places += self.desk.change(tx, case, Release(case.holder))
                case = tx.one(OPEN_CASE, address=incoming.address)
            if case is None or not case.is_for_people:
                return None
            tx.inbox.mark_begun(incoming.ids)
            told = self.mirror.relay_from_customer(tx, case, known)
            finish_turn(tx, known)
            return [*places, *told]

        places = await self.store.write(work)
        if places is None:
            return False
        self.send("", places)
        await reply.finish()
        if thanks:
            await self.react(incoming.address.chat, incoming.message_id, LIKED)
        return True

    async def _reaction(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Show a customer's reaction to an operator's answer to the operators; the bot takes all others."""
        where, message = incoming.address, incoming.reply_to
        chat, relayed = await self.store.read(lambda tx: self.mirror.other_side(tx, where, message))
        if not relayed:
            await handler(incoming, reply)
            if value(incoming.data) < 0:
                await self._disliked(incoming, message)
            return
        await self.store.write(lambda tx: tx.inbox.mark_done(incoming.ids))
        await self.react(chat, relayed, incoming.data)

    async def _call(
        self,
        incoming: Incoming,
        reply: Reply,
        reason: str,
        *,
        pressed: str = "",
        question: str = "",
        decision: Decision = NO_DECISION,
        brings: bool = False,
    ) -> None:
        """Call a person; `brings`: the message is a question, which the person answers."""
        if not incoming.private:
            await self.in_groups.call(incoming, reply, reason, pressed=pressed, question=question)
            return

        def work(tx: Tx) -> Places:
            if pressed:
                self._note_question(tx, incoming, question)
                remove_buttons(tx, incoming, only=pressed)
                tx.buttons.expire_button(pressed)
            known = with_choices(tx, incoming)
            tx.chats.record_seen(incoming.address, incoming.user, private=True)
            told, places = self.desk.call(tx, known, reason, decision)
            case = tx.one(OPEN_CASE, address=incoming.address) if brings else None
            if case is not None and case.is_for_people:
                tx.inbox.mark_begun(incoming.ids)
                places = [*places, *self.mirror.relay_from_customer(tx, case, known)]
            finish_turn(tx, known, told)
            return places

        self.send("", await self.store.write(work))
        await reply.finish()

    def _note_question(self, tx: Tx, incoming: Incoming, asked: str) -> None:
        """Note the question above the pressed button for the card: one that the model refused is in no conversation.
        `asked`: one that was not stored at all.
        """
        shown = tx.outbox.find_shown(incoming.address, incoming.message_id) if not asked else None
        question = tx.messages.find_in_chat(incoming.address, shown.turn, "user") if shown is not None else None
        case = tx.one(OPEN_CASE, address=incoming.address) or (self.desk.open_case(tx, incoming) if asked else None)
        if case is not None and (asked or question is not None):
            tx.cases.add_event(case, WHY, detail=asked or (question.words if question is not None else ""))

    async def _edit(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """An edit of a relayed message is shown to the operators; the bot answers every other edit."""

        def work(tx: Tx) -> Places | None:
            where = incoming.address
            relay = tx.one(Relay, bot=where.bot, chat=where.chat, message=incoming.message_id)
            if relay is None:
                return None
            places = self.mirror.edit_for_operators(tx, relay, incoming)
            finish_turn(tx, incoming)
            return places

        places = await self.store.write(work)
        if places is None:
            await self._answered(incoming, reply, handler)
        else:
            self.send("", places)
            await reply.finish()

    async def _answered(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Let the bot handle an edit, unless a person has taken over: the edit of an old question changes nothing."""
        try:
            await handler(incoming, reply)
        except TakenOver:
            await self.store.write(lambda tx: finish_turn(tx, incoming))

    async def _button(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Let the bot handle a press, unless it would have a model answer while a person has the case."""

        def look(tx: Tx) -> tuple[ButtonPress | None, bool]:
            action = tx.buttons.find_pressed(incoming.address, incoming.user.id, incoming.data, incoming.message_id)
            case = tx.one(OPEN_CASE, address=incoming.address)
            return action, case is not None and case.is_for_people

        action, is_for_people = await self.store.read(look)
        if is_for_people and action is not None and action.name in ASKING:
            await self._refuse_press(incoming, reply)
            return
        try:
            await handler(incoming, reply)
        except TakenOver:  # taken in this moment
            await self._refuse_press(incoming, reply)
            return
        if action is not None and action.name == "feedback" and value(str(action.payload["sign"])) < 0:
            await self._disliked(incoming, incoming.message_id)

    async def _disliked(self, incoming: Incoming, message: int) -> None:
        """Call a person after so many answers of a case that the customer did not like."""

        def work(tx: Tx) -> Places:
            case, most = tx.one(OPEN_CASE, address=incoming.address), self.desk.table.person.thumbs_down
            if case is None or case.owner != BOT or not most or not tx.all(GROUPS, bot=self.desk.bot):
                return ()
            is_new = tx.cases.note_once(case, "disliked", str(message))
            if not is_new or tx.cases.count_noted(case, "disliked") != most:
                return ()
            told, places = self.desk.call(tx, with_choices(tx, incoming), "disliked")
            tx.outbox.add_answer(f"{incoming.id}.called", incoming.address, told)
            return [*places, incoming.address]

        self.send("", await self.store.write(work))

    async def _refuse_press(self, incoming: Incoming, reply: Reply) -> None:
        def work(tx: Tx) -> str:
            known = with_choices(tx, incoming)
            finish_turn(tx, known)
            return say(known.language, "desk.pressed")

        await reply.acknowledge(await self.store.write(work))

    async def _blocked(self, incoming: Incoming) -> None:
        where = incoming.address
        self.send("", await self.store.write(lambda tx: self.desk.blocked(tx, where.bot, where.chat)))

    def _works_always(self, incoming: Incoming) -> bool:
        return incoming.text.partition(" ")[0].partition("@")[0].lower() in WORKING

    def _asks_for_person(self, incoming: Incoming) -> bool:
        """Whether a short message asks for a person: the words that say so, in at most four words."""
        said = incoming.text.lower().split()
        cleaned = {word.strip(".,!?…«»\"'") for word in said}
        calls = {word.lower() for word in self.desk.table.person.words}
        is_short = 0 < len(said) <= MOST_WORDS and not incoming.parts and not incoming.text.startswith("/")
        return is_short and bool(cleaned & calls)


def _is_thanks(incoming: Incoming) -> bool:
    """Whether a message only says thanks, which opens no closed case again."""
    text = incoming.text.strip().lower()
    return 0 < len(text) <= LONGEST_THANKS and "?" not in text and not incoming.parts and text.startswith(THANKS)
