"""The operators' side: what they write in the topics of customers, and the buttons of cards.

Who holds a case speaks to its customer. The customer's address comes from the row of the topic, never from a text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bot.access.policy import Access, Actor, Decision, Role
from bot.desk.assistance import outcomes, translating
from bot.desk.cases import Close, Give, NotPossible, Return, Snooze, Wake
from bot.desk.desk import Desk, Places
from bot.desk.mirror import Mirror, keep
from bot.desk.team.duty import leave
from bot.desk.team.menus import Menus
from bot.desk.team.message_meaning import Heard, Intent, intent_of, is_note, is_word
from bot.desk.team.operator_commands import GROUP_WORDS, WAKE, Done, Use, Words, tell, word_of
from bot.handlers import ButtonHandler, Command, Handlers
from bot.outbox import Choice, expire_buttons, finish_turn, remove_buttons
from bot.ports import Handler, Reply
from bot.prompts.schema import Broken
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import (
    CLOSED,
    CUSTOMER,
    DROPPED,
    EDITED,
    HELD,
    NEWEST_CASE,
    NOTE,
    OFFERED,
    OPERATOR,
    SENT,
    SNOOZED,
    Case,
    Draft,
    Relay,
)
from bot.texts.catalog import say
from bot.types import Incoming, Job, Kind, Outgoing, Permission

IS_NOTE = "✍"  # the reaction to a note
React = Callable[[int, int, str], Awaitable[None]]  # chat, id of the message, emoji ("": none)


@dataclass(slots=True, kw_only=True)
class Operators:
    """Handles what happens in the groups of operators; `words` carries out their commands.

    `send` delivers to places in the background, `stop` ends the answer that is being written in the conversation with
    this `Address.key`, and `react` puts a reaction on a message; it may fail in silence.
    """

    store: Store
    access: Access
    send: Callable[[str, Places], None]
    stop: Callable[[str], object]
    react: React
    words: Words

    @property
    def mirror(self) -> Mirror:
        """What brings messages to customers."""
        return self.words.mirror

    @property
    def desk(self) -> Desk:
        """The cases of the bot."""
        return self.words.desk

    def feature(self) -> Handlers:
        """The buttons of cards, drafts and offers."""
        names = {
            "desk.take": self.press_take,
            "desk.bot": self.press_bot,
            "desk.close": self.press_close,
            "desk.send": self.press_send,
            "desk.menu": self.press_menu,
            "desk.card": self.press_back,
            "desk.snooze": self.press_snooze,
            "desk.give": self.press_give,
            "desk.canned": self.press_canned,
        }
        presses = {name: ButtonHandler(run, Permission.SERVE, has_toast=True) for name, run in names.items()}
        words = dict.fromkeys(GROUP_WORDS, Command(self.in_private, Permission.SERVE, in_menu=False))
        return Handlers(commands=words, presses=presses, jobs={WAKE: self.wake})

    async def in_private(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """/on, /pause, /off, /mine, /next and /find in the operator's private chat."""
        await self._end(incoming, reply, lambda tx: self.words.run_in_group(tx, incoming))

    async def handle(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        """Handle an update from a group of operators; `handler` handles what does not concern customers."""
        if incoming.kind is Kind.MESSAGE and word_of(incoming) == "/desk":
            await handler(incoming, reply)
        elif incoming.kind is Kind.MESSAGE and incoming.address.thread:
            await self._end(incoming, reply, lambda tx: self._said(tx, incoming))
        elif incoming.kind is Kind.EDIT and incoming.address.thread:
            await self._end(incoming, reply, lambda tx: self._edited(tx, incoming))
        elif incoming.kind is Kind.MESSAGE and word_of(incoming) in GROUP_WORDS:
            await self._end(incoming, reply, lambda tx: self._in_group(tx, incoming))
        elif incoming.kind is Kind.MESSAGE:
            await self._end(incoming, reply, lambda _tx: Done())  # people talk among themselves
        elif incoming.kind is Kind.EDIT:
            await self._end(incoming, reply, lambda _tx: Done())
        elif incoming.kind is Kind.REACTION:
            await self._reacted(incoming)
        elif incoming.kind is Kind.LEFT:
            await self._left(incoming)
        else:
            await handler(incoming, reply)

    async def _end(self, incoming: Incoming, reply: Reply, work: Callable[[Tx], Done]) -> None:
        """End the turn of a message in one transaction; then deliver, mark the message and end the bot's answer."""

        def turn(tx: Tx) -> Done:
            tx.inbox.mark_begun(incoming.ids)
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            done = work(tx)
            finish_turn(tx, incoming)
            return done

        done = await self.store.write(turn)
        self._after(done.ended, [incoming.address, *done.places])
        if done.mark:
            await self.react(incoming.address.chat, incoming.message_id, done.mark)

    async def _left(self, incoming: Incoming) -> None:
        """Let the cases wait again whose operator has left the group."""

        def work(tx: Tx) -> Places:
            tx.inbox.mark_done(incoming.ids)
            return leave(self.desk, tx, incoming.user.id, incoming.address.chat)

        self.send("", await self.store.write(work))

    async def _reacted(self, incoming: Incoming) -> None:
        """Show an operator's reaction to a customer's message to the customer."""
        may = self._may_serve(incoming)

        def work(tx: Tx) -> tuple[int, int]:
            tx.inbox.mark_done(incoming.ids)
            return self.mirror.other_side(tx, incoming.address, incoming.reply_to) if may else (0, 0)

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

    # --- what is written ----------------------------------------------------------------------------------------------

    def _said(self, tx: Tx, incoming: Incoming) -> Done:
        desk = self.desk
        case, replied = self._case_of(tx, incoming), self._replied(tx, incoming)
        if case is not None and replied is not None and not self._is_of_customer(tx, replied, case):
            incoming, replied = replace(incoming, reply_to=0), None  # a message of another topic
        heard = Heard(incoming, case, self._may_serve(incoming), replied, alone=incoming.private)
        intent = intent_of(heard)
        if case is None:
            return Done()
        language, seat = desk.language(tx, incoming.address.chat), desk.seat(tx, case)
        is_elsewhere = seat is not None and seat.place != incoming.address.chat and intent is not Intent.FOREIGN
        if is_elsewhere and not desk.has_own_seats(case):
            self._note(tx, case, incoming)
            team = desk.table.title(desk.hours.team(case), language)
            return Done(tell(desk, tx, incoming, say(language, "desk.elsewhere", team=team)), mark=IS_NOTE)
        match intent:
            case Intent.ANSWER:
                tx.cases.add_event(case, "answered", incoming.user.id)
                corrected = self._corrected(tx, case, incoming)
                return Done([*corrected, *self.mirror.relay_from_operator(tx, case, incoming)])
            case Intent.TAKE:
                return self._take_and_send(tx, case, incoming, language)
            case Intent.WORD:
                return self.words.run(Use(tx, case, incoming, language, replied=heard.replied))
            case Intent.OFFER:
                self._note(tx, case, incoming)
                if case.owner == CLOSED:
                    return Done(tell(desk, tx, incoming, say(language, "desk.offer.closed")), mark=IS_NOTE)
                payload = {"case": case.id, **keep(tx, incoming)}
                choices = [Choice(say(language, "desk.send"), "desk.send", payload)]
                return Done(tell(self.desk, tx, incoming, say(language, "desk.offer"), choices))
            case Intent.OTHERS:
                self._note(tx, case, incoming)
                name = tx.users.read_name(desk.bot, case.holder) or str(case.holder)
                return Done(tell(self.desk, tx, incoming, say(language, "desk.others", name=name)), mark=IS_NOTE)
            case Intent.FOREIGN:
                self._note(tx, case, incoming)
                first = tx.cases.note_once(case, "told", who=incoming.user.id)
                key = "desk.anonymous" if incoming.user.id < 0 else "desk.not_operator"
                told = tell(self.desk, tx, incoming, say(language, key)) if first else ()
                return Done(told, mark=IS_NOTE)
            case _:
                self._note(tx, case, incoming)
                return Done(mark=IS_NOTE)

    def _corrected(self, tx: Tx, case: Case, incoming: Incoming) -> Places:
        """An answer that replies to a draft is its corrected text."""
        shown = tx.outbox.find_shown(incoming.address, incoming.reply_to) if incoming.reply_to else None
        draft = tx.one(Draft, bot=self.desk.bot, key=shown.key) if shown is not None else None
        if draft is None or draft.case_id != case.id or draft.state not in (OFFERED, DROPPED):
            return ()
        return outcomes.sent(self.desk, tx, case, draft, incoming.text)

    def _in_group(self, tx: Tx, incoming: Incoming) -> Done:
        """A command in the topic of all, which only operators may use."""
        if self._may_serve(incoming):
            return self.words.run_in_group(tx, incoming)
        key = "desk.anonymous" if incoming.user.id < 0 else "desk.not_operator"
        return Done(tell(self.desk, tx, incoming, say(self.desk.language(tx, incoming.address.chat), key)))

    def _take_and_send(self, tx: Tx, case: Case, incoming: Incoming, language: str) -> Done:
        try:
            places = self.desk.take_over(tx, case, incoming.user.id)
        except NotPossible as error:
            return Done(tell(self.desk, tx, incoming, say(language, error.key, **error.values)))
        return Done([*places, *self.mirror.relay_from_operator(tx, case, incoming)], ended=case)

    def _note(self, tx: Tx, case: Case, incoming: Incoming) -> None:
        author = incoming.user.id
        tx.add_missing(
            Relay(
                bot=self.desk.bot,
                case_id=case.id,
                side=NOTE,
                chat=incoming.address.chat,
                message=incoming.message_id,
                author=author,
                at=tx.clock.time(),
            )
        )

    def _edited(self, tx: Tx, incoming: Incoming) -> Done:
        """An operator has edited a message: an answer is edited at the customer's, a note stays a note."""
        relay = tx.one(Relay, bot=self.desk.bot, chat=incoming.address.chat, message=incoming.message_id)
        case = tx.one(Case, bot=self.desk.bot, id=relay.case_id) if relay is not None else None
        if relay is None or case is None or relay.side != OPERATOR or relay.author != incoming.user.id:
            return Done()
        if is_word(incoming.text):
            language = self.desk.language(tx, incoming.address.chat)
            return Done(tell(self.desk, tx, incoming, say(language, "desk.edit_word")))
        if is_note(incoming.text):
            return Done(self.mirror.delete_relayed(tx, case.address, relay.delivery, incoming.id), mark=IS_NOTE)
        if (to := translating.for_customer(self.desk, tx, case)) and translating.has_words(incoming.text):
            translating.order_edit(self.desk, tx, case, incoming, delivery=relay.delivery, to=to)
            return Done()
        outgoing = Outgoing(
            incoming.text, plain=True, entities=incoming.entities, relays=(incoming.address.chat, incoming.message_id)
        )
        return Done(self.mirror.edit_relayed(tx, case.address, relay.delivery, incoming.id, outgoing, relay.part))

    def _case_of(self, tx: Tx, incoming: Incoming) -> Case | None:
        """The newest case of the customer who is seen in this topic."""
        seat = tx.seats.find_seat(incoming.address)
        return tx.one(NEWEST_CASE, address=seat.customer) if seat is not None else None

    def _is_of_customer(self, tx: Tx, relay: Relay, case: Case) -> bool:
        """Whether a relayed message belongs to the customer of a case."""
        of = tx.one(Case, bot=self.desk.bot, id=relay.case_id)
        return of is not None and of.address == case.address

    def _replied(self, tx: Tx, incoming: Incoming) -> Relay | None:
        """The relayed message that a message replies to. A message without a reply names the topic's first one."""
        if incoming.reply_to in (0, incoming.address.thread):
            return None
        if tx.outbox.find_shown(incoming.address, incoming.reply_to) is not None:
            return self.mirror.relay_shown(tx, incoming.address, incoming.reply_to)
        return tx.one(Relay, bot=self.desk.bot, chat=incoming.address.chat, message=incoming.reply_to)

    # --- what was put aside -------------------------------------------------------------------------------------------

    async def wake(self, job: Job) -> None:
        """The job: a case that was put aside comes back, and its topic says so."""

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            case = tx.one(Case, bot=self.desk.bot, id=int(job.payload["case"]))
            if case is None or case.owner != SNOOZED or case.snoozed_until > tx.clock.time():
                return ()
            name = tx.users.read_name(self.desk.bot, case.holder) or str(case.holder)
            key = f"case.{case.id}.back.{case.version}"
            return [*self.desk.change(tx, case, Wake()), *self.desk.tell_topic(tx, case, key, "desk.back", name=name)]

        self.send("", await self.store.write(work))

    # --- buttons ------------------------------------------------------------------------------------------------------

    async def press_take(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Take the case of a card, unless a colleague was faster: only /take takes a case from somebody."""
        who = incoming.user.id

        def work(tx: Tx, case: Case) -> Places:
            self._check_free(tx, case, who)
            return self.desk.take_over(tx, case, who)

        await self._press(incoming, reply, action, work, ends=True)

    async def press_bot(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give the case of a card back to the bot."""
        who = incoming.user.id
        await self._press(incoming, reply, action, lambda tx, case: self.words.change(tx, case, Return(who), who))

    async def press_close(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Close the case of a card."""
        who = incoming.user.id
        await self._press(incoming, reply, action, lambda tx, case: self.words.change(tx, case, Close(who), who))

    async def press_menu(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show what there is to choose from in place of the buttons of a card."""
        menu = str(action.payload["menu"])

        def work(tx: Tx, case: Case) -> Places:
            language = self.desk.language(tx, incoming.address.chat)
            menus = Menus(self.desk, self.words.canned)
            choices = menus.choices(case, menu, language, self.words.colleagues(tx))
            if not choices:
                raise NotPossible("desk.canned.none" if menu == "canned" else "desk.menu.give.none")
            return self.desk.show_card(tx, case, cause=incoming.id, choices=choices)

        await self._press(incoming, reply, action, work, told="")

    async def press_back(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Bring the buttons of a card back."""
        await self._press(
            incoming, reply, action, lambda tx, case: self.desk.show_card(tx, case, cause=incoming.id), told=""
        )

    async def press_snooze(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Put a case aside for the time of the button."""
        who, span = incoming.user.id, float(action.payload["span"])

        def work(tx: Tx, case: Case) -> Places:
            return self.words.change(tx, case, Snooze(who, tx.clock.time() + span), who)

        await self._press(incoming, reply, action, work)

    async def press_give(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give a case to the colleague or the team of the button."""
        to, team = int(action.payload.get("to", 0)), str(action.payload.get("team", ""))
        if to and self.access.role(Actor(to, private=True)) < Role.OPERATOR:
            to = -1
        who = incoming.user.id

        def work(tx: Tx, case: Case) -> Places:
            if to < 0:
                raise NotPossible("desk.not_operator")
            return self.words.change(tx, case, Give(who, to, team), who)

        await self._press(incoming, reply, action, work)

    async def press_canned(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show a canned answer, with a button that sends it, and bring the buttons of the card back."""

        def work(tx: Tx, case: Case) -> Places:
            try:
                places = self.words.offer_canned(tx, case, str(action.payload["name"]), incoming)
            except Broken as error:
                return [*tell(self.desk, tx, incoming, str(error))]
            return [*places, *self.desk.show_card(tx, case, cause=incoming.id)]

        await self._press(incoming, reply, action, work, told="")

    async def press_send(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Send what an operator has written before anybody had the case, or what the bot had begun to answer."""

        def work(tx: Tx, case: Case) -> Places:
            draft = tx.one(Draft, bot=self.desk.bot, id=int(action.payload.get("draft", 0)))
            text = draft.text if draft is not None else str(action.payload["text"])
            if draft is not None and draft.state in (SENT, EDITED):
                raise NotPossible("desk.draft.sent")
            seen = draft.seen if draft is not None else float(action.payload.get("seen", 0.0))
            if seen and "again" not in action.payload and tx.relays.last_written(case.id, CUSTOMER) > seen:
                tx.buttons.store_payload(action.key, {**action.payload, "again": True})
                raise NotPossible("desk.draft.older")
            places = list(outcomes.sent(self.desk, tx, case, draft, text) if draft is not None else ())
            if not (case.owner == HELD and case.holder == incoming.user.id):
                self._check_free(tx, case, incoming.user.id)
                places += self.desk.take_over(tx, case, incoming.user.id)
            tx.buttons.expire_button(action.key)
            if draft is not None:  # what was sent is not sent again, nor is another written
                expire_buttons(tx, incoming)
                remove_buttons(tx, incoming)
                places.append(incoming.address)
            if action.payload.get("message"):
                places += self._withdraw_offer(tx, incoming)
                return [*places, *self.mirror.send_kept(tx, case, incoming, action.payload)]
            canned, own = str(action.payload.get("canned", "")), replace(incoming, text=text, reply_to=0)
            places += self.mirror.relay_from_operator(tx, case, own, text=text, markdown=not canned, is_ready=True)
            return [*places, *(self.words.after_canned(tx, case, canned, incoming) if canned else ())]

        await self._press(incoming, reply, action, work, ends=True)

    def _check_free(self, tx: Tx, case: Case, who: int) -> None:
        """Raise `NotPossible`, which names the holder, if a colleague has a case."""
        if case.owner == HELD and case.holder != who:
            name = tx.users.read_name(self.desk.bot, case.holder) or str(case.holder)
            raise NotPossible("desk.has", name=name)

    def _withdraw_offer(self, tx: Tx, pressed: Incoming) -> Places:
        """Delete the bot's message with the pressed button: what it says is not so any more."""
        shown = tx.outbox.find_shown(pressed.address, pressed.message_id)
        if shown is None:
            return ()
        gone = Outgoing(gone=True, keeps_place=True, of=shown.key, over=shown.key)
        tx.outbox.add_answer(f"{pressed.id}.gone", pressed.address, gone)
        return [pressed.address]

    async def _press(
        self,
        incoming: Incoming,
        reply: Reply,
        action: ButtonPress,
        change: Callable[[Tx, Case], Places],
        *,
        ends: bool = False,
        told: str = "desk.done",
    ) -> None:
        """Change the case of a button, and say `told` in a toast, or what is the matter if that is not possible."""

        def work(tx: Tx) -> tuple[str, Places, Case | None]:
            language = self.desk.language(tx, incoming.address.chat)
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            case = tx.one(Case, bot=self.desk.bot, id=int(action.payload["case"]))
            finish_turn(tx, incoming)
            if case is None:
                return say(language, "desk.no_customer"), (), None
            try:
                places = change(tx, case)
            except NotPossible as error:
                return say(language, error.key, **error.values), (), None
            is_new = ends and (case.owner, case.holder) != (HELD, incoming.user.id)
            key = "desk.taken" if is_new else told
            return say(language, key) if key else "", places, case if ends else None

        toast, places, ended = await self.store.write(work)
        await reply.acknowledge(toast)
        self._after(ended, [incoming.address, *places])
