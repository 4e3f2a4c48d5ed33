"""The operators' side: what they write in the topics of customers, and the buttons of cards.

Who holds a case speaks to its customer. The customer's address comes from the row of the topic, never from a text.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bot.access.policy import Access, Actor, Decision
from bot.desk.cases import Close, Event, NotPossible, Release, Return, Snooze, Wake
from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted
from bot.desk.intent import Heard, Intent, intent_of, is_note
from bot.desk.rating import ask_stars
from bot.feature import ButtonHandler, Feature
from bot.outbox import Choice, finish_turn
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.desk.cases import HELD, SNOOZED, Case
from bot.storage.repositories.desk.relays import NOTE, OPERATOR, Relay
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Kind, Outgoing, Permission

SPAN = re.compile(r"(\d{1,3})\s*([mhdмчд])", re.IGNORECASE)
SECONDS = {"m": 60.0, "м": 60.0, "h": 3600.0, "ч": 3600.0, "d": 86400.0, "д": 86400.0}
IS_NOTE, UNDERSTOOD = "✍", "👌"  # reactions
React = Callable[[int, int, str], Awaitable[None]]  # chat, id of the message, emoji ("": none)
WAKE = "desk.wake"  # the job that brings a case back that was put aside
DELETABLE = 48 * 3600.0  # seconds in which a bot may delete a message


@dataclass(frozen=True, slots=True)
class Done:
    """What a transaction has decided: where something waits, which answer ends, which mark the message gets."""

    places: Places = ()
    ended: Case | None = None
    mark: str = ""


@dataclass(slots=True, kw_only=True)
class Operators:
    """Handles what happens in the groups of operators.

    `send` delivers to places in the background, `stop` ends the answer that is being written in the conversation with
    this `Address.key`, and `react` puts a reaction on a message; it may fail in silence. `wake_jobs` is called after a
    turn that may have added a job.
    """

    store: Store
    desk: Desk
    access: Access
    send: Callable[[str, Places], None]
    stop: Callable[[str], object]
    react: React
    wake_jobs: Callable[[], None]

    def feature(self) -> Feature:
        """The buttons of cards, drafts and offers."""
        names = {"desk.take": self.press_take, "desk.bot": self.press_bot, "desk.close": self.press_close}
        presses = {name: ButtonHandler(run, Permission.SERVE, has_toast=True) for name, run in names.items()}
        presses["desk.send"] = ButtonHandler(self.press_send, Permission.SERVE, has_toast=True)
        return Feature(presses=presses, jobs={WAKE: self.wake})

    async def handle(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Handle an update from a group of operators; `handler` handles what does not concern customers."""
        if incoming.kind is Kind.MESSAGE and incoming.address.thread:
            await self._end(incoming, reply, lambda tx: self._said(tx, incoming))
        elif incoming.kind is Kind.EDIT and incoming.address.thread:
            await self._end(incoming, reply, lambda tx: self._edited(tx, incoming))
        elif incoming.kind is Kind.MESSAGE and not incoming.text.startswith("/desk"):
            await self._end(incoming, reply, lambda _tx: Done())  # people talk among themselves
        elif incoming.kind is Kind.EDIT:
            await self._end(incoming, reply, lambda _tx: Done())
        elif incoming.kind is Kind.REACTION:
            await self._reacted(incoming)
        else:
            await handler(incoming, reply)

    async def _end(self, incoming: Incoming, reply: Reply, work: Callable[[Tx], Done]) -> None:
        """End the turn of a message in one transaction; then deliver, mark the message and end the bot's answer."""

        def turn(tx: Tx) -> Done:
            tx.inbox.mark_begun(incoming.ids)
            tx.chats.record_seen(incoming.address, incoming.user, private=False)
            done = work(tx)
            finish_turn(tx, incoming)
            return done

        done = await self.store.write(turn)
        self._after(done.ended, [incoming.address, *done.places])
        if done.mark:
            await self.react(incoming.address.chat, incoming.message_id, done.mark)

    async def _reacted(self, incoming: Incoming) -> None:
        """Show an operator's reaction to a customer's message to the customer."""
        may = self._may_serve(incoming)

        def work(tx: Tx) -> tuple[int, int]:
            tx.inbox.mark_done(incoming.ids)
            return self.desk.other_side(tx, incoming.address, incoming.reply_to) if may else (0, 0)

        chat, message = await self.store.write(work)
        if message:
            await self.react(chat, message, incoming.data)

    def _may_serve(self, incoming: Incoming) -> bool:
        """Whether the sender is an operator, who acts in person."""
        return self.access.authorize(Actor.of(incoming), Permission.SERVE) is Decision.ALLOWED

    def _after(self, ended: Case | None, places: Places) -> None:
        """Do what follows a commit: stop the answer that the bot writes in a case that was taken, and deliver."""
        if ended is not None:
            self.stop(ended.address.key)
        self.send("", list(dict.fromkeys(places)))
        self.wake_jobs()

    # --- what is written ----------------------------------------------------------------------------------------------

    def _said(self, tx: Tx, incoming: Incoming) -> Done:
        desk = self.desk
        case, replied = self._case_of(tx, incoming), self._replied(tx, incoming)
        if case is not None and replied is not None and not self._is_of_customer(tx, replied, case):
            incoming, replied = replace(incoming, reply_to=0), None  # a message of another topic
        heard = Heard(incoming, case, self._may_serve(incoming), replied)
        intent = intent_of(heard)
        if case is None:
            return Done()
        language = desk.language(tx, incoming.address.chat)
        match intent:
            case Intent.ANSWER:
                tx.cases.add_event(case, "answered", incoming.user.id)
                return Done(desk.relay_from_operator(tx, case, incoming))
            case Intent.TAKE:
                return self._take_and_send(tx, case, incoming, language)
            case Intent.WORD:
                return self._word(tx, case, incoming, language)
            case Intent.OFFER:
                self._note(tx, case, incoming)
                payload = {"case": case.id, "text": incoming.text, "message": incoming.message_id}
                choices = [Choice(say(language, "desk.send"), "desk.send", payload)]
                return Done(self._tell(tx, incoming, say(language, "desk.offer"), choices))
            case Intent.OTHERS:
                self._note(tx, case, incoming)
                name = tx.users.read_name(desk.bot, case.holder) or str(case.holder)
                return Done(self._tell(tx, incoming, say(language, "desk.others", name=name)), mark=IS_NOTE)
            case Intent.FOREIGN:
                self._note(tx, case, incoming)
                first = tx.cases.note_told(case, incoming.user.id)
                key = "desk.anonymous" if incoming.user.id < 0 else "desk.not_operator"
                told = self._tell(tx, incoming, say(language, key)) if first else ()
                return Done(told, mark=IS_NOTE)
            case _:
                self._note(tx, case, incoming)
                return Done(mark=IS_NOTE)

    def _take_and_send(self, tx: Tx, case: Case, incoming: Incoming, language: str) -> Done:
        try:
            places = self.desk.take_over(tx, case, incoming.user.id)
        except NotPossible as error:
            return Done(self._tell(tx, incoming, say(language, error.key, **error.values)))
        return Done([*places, *self.desk.relay_from_operator(tx, case, incoming)], ended=case)

    def _note(self, tx: Tx, case: Case, incoming: Incoming) -> None:
        author = incoming.user.id
        tx.relays.add_relay(self.desk.bot, case.id, NOTE, incoming.address.chat, incoming.message_id, author=author)

    def _word(self, tx: Tx, case: Case, incoming: Incoming, language: str) -> Done:
        """A command of the desk in a customer's topic."""
        word = incoming.text.split(maxsplit=1)[0].partition("@")[0].lower()
        who = incoming.user.id
        event: Event
        match word:
            case "/take":
                return self._apply(tx, case, incoming, language, lambda: self.desk.take_over(tx, case, who), ends=True)
            case "/del":
                return self._delete(tx, incoming, language)
            case "/bot":
                event = Return(who)
            case "/close":
                event = Close(who)
            case "/release":
                event = Release(who)
            case "/snooze":
                span = SPAN.fullmatch(incoming.rest)
                if span is None:
                    return Done(self._tell(tx, incoming, say(language, "desk.snooze_how")))
                event = Snooze(who, tx.clock.time() + int(span[1]) * SECONDS[span[2].lower()])
            case _:
                return Done(self._tell(tx, incoming, say(language, "desk.words")))
        return self._apply(tx, case, incoming, language, lambda: self._changed(tx, case, event, who))

    def _delete(self, tx: Tx, incoming: Incoming, language: str) -> Done:
        """/del as a reply to the own answer: delete it at the customer's."""
        relay = self._replied(tx, incoming)
        case = tx.cases.find_case(self.desk.bot, relay.case) if relay is not None else None
        if relay is None or case is None or relay.side != OPERATOR or relay.author != incoming.user.id:
            return Done(self._tell(tx, incoming, say(language, "desk.del_how")))
        if tx.clock.time() - relay.at > DELETABLE:
            return Done(self._tell(tx, incoming, say(language, "desk.del_late")))
        return Done(self.desk.delete_relayed(tx, case.address, relay.delivery, incoming.id), mark=UNDERSTOOD)

    def _apply(
        self, tx: Tx, case: Case, incoming: Incoming, language: str, change: Callable[[], Places], *, ends: bool = False
    ) -> Done:  # fmt: skip
        try:
            places = change()
        except NotPossible as error:
            return Done(self._tell(tx, incoming, say(language, error.key, **error.values)))
        return Done(places, ended=case if ends else None, mark=UNDERSTOOD)

    def _changed(self, tx: Tx, case: Case, event: Event, who: int) -> Places:
        """Change a case, and tell its customer if the bot answers again."""
        places = list(self.desk.change(tx, case, event, who=who))
        if isinstance(event, Snooze):
            payload = {"case": case.id}
            tx.jobs.add_job(Job(WAKE, f"{case.id}.{case.version}", case.address, payload, due=event.until))
        if isinstance(event, Close) and who:
            places += ask_stars(tx, tx.cases.find_case(self.desk.bot, case.id) or case)
        if isinstance(event, Return):
            told = Outgoing(say(case.language, "desk.returned"), plain=True)
            tx.outbox.add_answer(f"case.{case.id}.returned.{case.version}", case.address, told)
            places.append(case.address)
        return places

    def _edited(self, tx: Tx, incoming: Incoming) -> Done:
        """An operator has edited a message: an answer is edited at the customer's, a note stays a note."""
        relay = tx.relays.find_relay(self.desk.bot, incoming.address.chat, incoming.message_id)
        case = tx.cases.find_case(self.desk.bot, relay.case) if relay is not None else None
        if relay is None or case is None or relay.side != OPERATOR or relay.author != incoming.user.id:
            return Done()
        if is_note(incoming.text.strip()):
            return Done(self.desk.delete_relayed(tx, case.address, relay.delivery, incoming.id), mark=IS_NOTE)
        outgoing = Outgoing(
            incoming.text, plain=True, entities=incoming.entities, relays=(incoming.address.chat, incoming.message_id)
        )
        return Done(self.desk.edit_relayed(tx, case.address, relay.delivery, incoming.id, outgoing, relay.part))

    def _tell(self, tx: Tx, incoming: Incoming, text: str, choices: list[Choice] | None = None) -> Places:
        """Answer a message in the topic, below it."""
        key = f"{incoming.id}.told"
        outgoing = formatted([Piece(text)], reply_to=incoming.message_id, keeps_place=True)
        seat = tx.seats.find_seat(incoming.address)
        if seat is not None:
            outgoing = self.desk.with_buttons(tx, seat, key, outgoing, choices or [])
        tx.outbox.add_answer(key, incoming.address, outgoing)
        return [incoming.address]

    def _case_of(self, tx: Tx, incoming: Incoming) -> Case | None:
        """The newest case of the customer who is seen in this topic."""
        seat = tx.seats.find_seat(incoming.address)
        return tx.cases.find_newest(seat.customer) if seat is not None else None

    def _is_of_customer(self, tx: Tx, relay: Relay, case: Case) -> bool:
        """Whether a relayed message belongs to the customer of a case."""
        of = tx.cases.find_case(self.desk.bot, relay.case)
        return of is not None and of.address == case.address

    def _replied(self, tx: Tx, incoming: Incoming) -> Relay | None:
        """The relayed message that a message replies to. A message without a reply names the topic's first one."""
        if incoming.reply_to in (0, incoming.address.thread):
            return None
        if tx.outbox.find_shown(incoming.address, incoming.reply_to) is not None:
            return self.desk.relay_shown(tx, incoming.address, incoming.reply_to)
        return tx.relays.find_relay(self.desk.bot, incoming.address.chat, incoming.reply_to)

    # --- what was put aside -------------------------------------------------------------------------------------------

    async def wake(self, job: Job) -> None:
        """The job: a case that was put aside comes back, and its topic says so."""

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            case = tx.cases.find_case(self.desk.bot, int(job.payload["case"]))
            if case is None or case.owner != SNOOZED or case.snoozed_until > tx.clock.time():
                return ()
            places = list(self.desk.change(tx, case, Wake()))
            seat = self.desk.seat(tx, case)
            if seat is not None:
                language = self.desk.language(tx, seat.place)
                name = tx.users.read_name(self.desk.bot, case.holder) or str(case.holder)
                told = Outgoing(say(language, "desk.back", name=name), plain=True, keeps_place=True)
                tx.outbox.add_answer(f"case.{case.id}.back.{case.version}", seat.address, told)
                places.append(seat.address)
            return places

        self.send("", await self.store.write(work))

    # --- buttons ------------------------------------------------------------------------------------------------------

    async def press_take(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Take the case of a card."""
        who = incoming.user.id
        await self._press(incoming, reply, action, lambda tx, case: self.desk.take_over(tx, case, who), ends=True)

    async def press_bot(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give the case of a card back to the bot."""
        who = incoming.user.id
        await self._press(incoming, reply, action, lambda tx, case: self._changed(tx, case, Return(who), who))

    async def press_close(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Close the case of a card."""
        who = incoming.user.id
        await self._press(incoming, reply, action, lambda tx, case: self._changed(tx, case, Close(who), who))

    async def press_send(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Send what an operator has written before anybody had the case, or what the bot had begun to answer."""
        message = int(action.payload.get("message", 0))
        text = str(action.payload["text"])
        sent = replace(incoming, message_id=message or incoming.message_id, text=text, reply_to=0)

        def work(tx: Tx, case: Case) -> Places:
            places: list[Address] = []
            if not (case.owner == HELD and case.holder == incoming.user.id):
                places += self.desk.take_over(tx, case, incoming.user.id)
            if message:
                tx.relays.forget_note(self.desk.bot, incoming.address.chat, message)
            tx.buttons.expire_button(action.key)
            return [*places, *self.desk.relay_from_operator(tx, case, sent, text=text)]

        await self._press(incoming, reply, action, work, ends=True)

    async def _press(
        self, incoming: Incoming, reply: Reply, action: ButtonPress, change: Callable[[Tx, Case], Places],
        *, ends: bool = False,
    ) -> None:  # fmt: skip
        """Change the case of a button, and say in a toast what is the matter if that is not possible."""

        def work(tx: Tx) -> tuple[str, Places, Case | None]:
            language = self.desk.language(tx, incoming.address.chat)
            tx.chats.record_seen(incoming.address, incoming.user, private=False)
            case = tx.cases.find_case(self.desk.bot, int(action.payload["case"]))
            finish_turn(tx, incoming)
            if case is None:
                return say(language, "desk.no_customer"), (), None
            try:
                places = change(tx, case)
            except NotPossible as error:
                return say(language, error.key, **error.values), (), None
            return say(language, "desk.taken" if ends else "desk.done"), places, case if ends else None

        told, places, ended = await self.store.write(work)
        await reply.acknowledge(told)
        self._after(ended, [incoming.address, *places])
