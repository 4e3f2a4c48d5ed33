"""What operators write in their private chats with the bot: which of it belongs to a case, and to which.

In the topic of a customer everything does. Where the chat has no topics (`Seat.flat`) a reply belongs to the case whose
message it replies to; for any other message the operator is asked to whom it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.desk.cases import NotPossible
from bot.desk.desk import Desk, Places
from bot.desk.formatting import harmless
from bot.desk.mirror import Mirror, keep
from bot.desk.team.message_meaning import is_note, is_word
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import Choice, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CUSTOMER, HELD, OPEN_CASE, SEATS, Case, Relay, Seat
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing, Permission

MOST = 20  # cases among which an operator chooses
LONGEST_LABEL = 40  # characters of a button


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSeats:
    """Finds the cases of what operators write in private. `serves` says whether a user may answer customers now; `send`
    delivers to places in the background.
    """

    store: Store
    mirror: Mirror
    serves: Callable[[int], bool]
    send: Callable[[str, Places], None]

    @property
    def desk(self) -> Desk:
        """The support desk of the bot, whose cases operators answer from these private chats."""
        return self.mirror.desk

    def feature(self) -> Handlers:
        """The buttons that say to whom a message goes."""
        return Handlers(presses={"desk.to": ButtonHandler(self.press_to, Permission.SERVE, has_toast=True)})

    async def find(self, incoming: Incoming) -> Incoming | None:
        """Return an update of a private chat with the address of the seat that it belongs to; None if it belongs to
        none.
        """
        if incoming.kind not in (Kind.MESSAGE, Kind.EDIT, Kind.REACTION):
            return None
        if not incoming.address.thread and not self.serves(incoming.user.id):
            return None
        seat = await self.store.read(lambda tx: self._seat(tx, incoming))
        if seat is None:
            return None
        self.desk.served.add(incoming.address.key)  # people answer there: no limit of a customer counts
        return replace(incoming, address=seat.address)

    def _seat(self, tx: Tx, incoming: Incoming) -> Seat | None:
        where = incoming.address
        if where.thread:
            return tx.seats.find_seat(where)
        message = incoming.message_id if incoming.kind is Kind.EDIT else incoming.reply_to
        shown = tx.outbox.find_shown(where, message) if message else None
        if shown is not None:
            to = tx.outbox.find_address(self.desk.bot, shown.key)
            return tx.seats.find_seat(to) if to is not None and to.thread else None
        relay = tx.one(Relay, bot=self.desk.bot, chat=where.chat, message=message) if message else None
        case = tx.one(Case, bot=self.desk.bot, id=relay.case_id) if relay is not None else None
        if relay is None or case is None or relay.side == CUSTOMER:
            return None
        return tx.one(Seat, customer=case.address, place=where.chat)

    async def ask(self, incoming: Incoming, reply: Reply) -> bool:
        """Ask an operator, whose cases stand in a chat without topics, to whom a message goes. False: it is none of
        these.
        """
        if incoming.kind is not Kind.MESSAGE or incoming.address.thread or is_word(incoming.text):
            return False
        if not self.serves(incoming.user.id) or not await self.store.read(lambda tx: self._choices(tx, incoming)):
            return False

        def work(tx: Tx) -> None:
            tx.inbox.mark_begun(incoming.ids)
            tx.chats.record_seen(incoming.address, incoming.user, private=True)
            language = self.desk.language(tx, incoming.address.chat)
            choices = () if is_note(incoming.text) else self._choices(tx, incoming)
            told = say(language, "desk.to" if choices else "desk.to.note")
            asked = Outgoing(told, plain=True, reply_to=incoming.message_id)
            finish_turn(tx, incoming, asked, choices=choices)

        await self.store.write(work)
        await reply.finish()
        return True

    def _choices(self, tx: Tx, incoming: Incoming) -> list[Choice]:
        """The customers of the operator who are seen in the chat itself."""
        if tx.buttons.find_awaited(incoming.address, incoming.user.id) is not None:
            return []  # the bot waits for an answer to a question of its own
        choices, kept = list[Choice](), keep(tx, incoming)
        for seat in tx.all(SEATS, bot=self.desk.bot, place=incoming.address.chat, flat=True)[-MOST:]:
            case = tx.one(OPEN_CASE, address=seat.customer)
            if case is not None and case.owner == HELD and case.holder == incoming.user.id:
                label = f"#{case.number} {harmless(case.name)[0]}"[:LONGEST_LABEL]
                choices.append(Choice(label, "desk.to", {"case": case.id, **kept}))
        return choices

    async def press_to(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Send the message to the customer of the pressed button, unless it went to one already."""

        def work(tx: Tx) -> tuple[str, Places]:
            language = self.desk.language(tx, incoming.address.chat)
            case = tx.one(Case, bot=self.desk.bot, id=int(action.payload["case"]))
            try:
                if case is None:
                    raise NotPossible("desk.no_customer")
                places = self._sent(tx, case, incoming, action)
            except NotPossible as error:
                finish_turn(tx, incoming)
                return say(language, error.key, **error.values), ()
            told = say(language, "desk.to.sent", number=case.number)
            finish_turn(tx, incoming, told, over=True)
            return told, places

        told, places = await self.store.write(work)
        await reply.acknowledge(told)
        self.send("", [incoming.address, *places])

    def _sent(self, tx: Tx, case: Case, incoming: Incoming, action: ButtonPress) -> Places:
        if case.owner != HELD or case.holder != incoming.user.id:
            raise NotPossible("desk.not_yours")
        tx.cases.add_event(case, "answered", incoming.user.id)
        return self.mirror.send_kept(tx, case, incoming, action.payload)
