"""What both sides of the support desk share: calling operators, changing a case, showing its card, relaying.

All methods work in the caller's transaction. Those that return `Places` name what has something to deliver after its
commit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from bot.conversation import branching
from bot.conversation.turn_state import TakenOver
from bot.desk import cards, cases
from bot.desk.cases import Call, Close, Event, NotPossible, Reopen, Take, Wake
from bot.desk.formatting import Piece, formatted, harmless
from bot.outbox import Choice
from bot.ports import Delivery
from bot.storage.repositories.desk.cases import BOT, CLOSED, SNOOZED, WAITING, Case
from bot.storage.repositories.desk.relays import CUSTOMER, OPERATOR, Relay
from bot.storage.repositories.desk.seats import Seat
from bot.storage.repositories.messages import Remembered
from bot.storage.repositories.outbox import JOINT, Shown
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Outgoing, Text

FEW = 5  # waits from which on an expected wait is told
MANY = 20  # the newest waits, whose median is told
Places = Sequence[Address]
CAUSES = {  # why Telegram refuses a message, and what the operator is told
    "voice_messages_forbidden": "desk.refused.voice", "can't be copied": "desk.refused.kind",
    "no messages to copy": "desk.refused.kind",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """The cases of one bot. `served` are the keys of the conversations in which people answer, as far as this process
    has heard: no more than a hint, the database decides.
    """

    bot: int
    served: set[str] = field(default_factory=set)

    # --- who answers --------------------------------------------------------------------------------------------------

    def begin(self, tx: Tx, incoming: Incoming) -> int:
        """Return the version of the customer's case under which the bot answers; open one if there is none. Raises
        `TakenOver`.
        """
        if not incoming.private:
            return 0
        case = tx.cases.find_open(incoming.address)
        if case is None:
            case = self._open(tx, incoming)
        if case.is_for_people:
            raise TakenOver
        return case.version

    def still_owns(self, tx: Tx, where: Address, version: int) -> bool:
        """Whether nobody has taken the customer's case over since."""
        if not version:
            return True
        case = tx.cases.find_open(where)
        return case is not None and case.owner == BOT and case.version == version

    def keep_draft(self, tx: Tx, where: Address, text: str) -> Places:
        """Show the operators what the bot had begun to answer, with a button that sends it."""
        case = tx.cases.find_open(where)
        seat = self.seat(tx, case) if case is not None else None
        if case is None or seat is None or not text.strip():
            return ()
        language, key = self.language(tx, seat.place), f"case.{case.id}.draft.{case.version}"
        pieces = [Piece(say(language, "desk.draft"), "bold"), Piece("\n"), Piece(text[:3500], "expandable_blockquote")]
        choice = Choice(say(language, "desk.send.draft"), "desk.send", {"case": case.id, "text": text})
        tx.outbox.add_answer(
            key, seat.address, self.with_buttons(tx, seat, key, formatted(pieces, keeps_place=True), [choice])
        )
        return [seat.address]

    # --- storage.mailboxes.RelayWatch ---------------------------------------------------------------------------------

    def refused(self, tx: Tx, delivery: Delivery, reason: str) -> Places:
        """Tell the operator whose message the customer can't get, below that message."""
        chat, message = delivery.outgoing.relays
        relay = tx.relays.find_relay(self.bot, chat, message)
        case = tx.cases.find_case(self.bot, relay.case) if relay is not None else None
        seat = self.seat(tx, case) if case is not None else None
        if seat is None:
            return ()
        key = next((key for words, key in CAUSES.items() if words in reason.lower()), "desk.refused")
        told = Outgoing(
            say(self.language(tx, seat.place), key, reason=reason),
            plain=True,
            reply_to=message,
            keeps_place=True,
        )
        tx.outbox.add_answer(f"{delivery.key}.refused", seat.address, told)
        return [seat.address]

    def left_out(self, tx: Tx, delivery: Delivery, *, whole: bool) -> Places:
        """Tell who wrote a message that it (`whole`), or a part of it, could not be brought to the other side."""
        relay = tx.relays.find_of_delivery(self.bot, delivery.key)
        case = tx.cases.find_case(self.bot, relay.case) if relay is not None else None
        seat = self.seat(tx, case) if case is not None else None
        if relay is None or case is None or seat is None:
            return ()
        is_customers = relay.side == CUSTOMER
        where = case.address if is_customers else seat.address
        language = case.language if is_customers else self.language(tx, seat.place)
        told = Outgoing(
            say(language, "desk.not_shown" if whole else "desk.left_out"),
            plain=True,
            reply_to=relay.message,
            keeps_place=not is_customers,
        )
        tx.outbox.add_answer(f"{delivery.key}.left_out", where, told)
        return [where]

    def blocked(self, tx: Tx, bot: int, chat: int) -> Places:
        """Close the case of a customer who has blocked the bot, and tell the operators once."""
        case = tx.cases.find_open(Address("telegram", bot, chat)) if chat > 0 else None
        if case is None:
            return ()
        was_with_people = case.is_for_people
        places = list(self.change(tx, case, Close()))
        seat = self.seat(tx, case)
        if was_with_people and seat is not None:
            told = Outgoing(say(self.language(tx, seat.place), "desk.blocked"), plain=True, keeps_place=True)
            tx.outbox.add_answer(f"case.{case.id}.blocked.{case.version}", seat.address, told)
            places.append(seat.address)
        return places

    # --- cases --------------------------------------------------------------------------------------------------------

    def call(self, tx: Tx, incoming: Incoming, reason: str) -> tuple[str, Places]:
        """Ask for a person in the case of this customer. Returns what the customer is told, and where the operators'
        card waits. Nothing changes where no group is connected.
        """
        language = incoming.language
        case = tx.cases.find_open(incoming.address) or self._open(tx, incoming)
        place = next((chat for chat, _ in tx.seats.list_groups(self.bot)), None)
        if place is None:
            return say(language, "desk.nobody"), ()
        try:
            places = self.change(tx, case, Call(reason), who=incoming.user.id)
        except NotPossible as error:
            return say(language, error.key), ()
        return self._expected(tx, language), places

    def change(self, tx: Tx, case: Case, event: Event, *, who: int = 0) -> Places:
        """Change a case by an event, and its card. Raises `NotPossible`."""
        now = tx.clock.time()
        after = cases.step(case, event, now)
        if not tx.cases.store_case(case, after):
            raise NotPossible("desk.changed")
        (self.served.add if after.is_for_people else self.served.discard)(after.address.key)
        tx.cases.add_event(after, WORDS[type(event).__name__], who, after.reason if isinstance(event, Call) else "")
        if case.owner == BOT and after.is_for_people:
            tx.outbox.withdraw_answers(case.address)
        return self.show_card(tx, after, again=after.owner == WAITING and case.owner in (BOT, CLOSED))

    def show_card(self, tx: Tx, case: Case, *, again: bool = False, cause: str = "") -> Places:
        """Put the card of a case into its topic, or edit the one that stands there. `again`: as a new message; `cause`
        is the id of the turn that changes the card but not the case.
        """
        seat = self.seat(tx, case, make=again)
        if seat is None:
            return ()
        language = self.language(tx, seat.place)
        said = self._said(tx, case)
        key, of = f"case.{case.id}.card.{case.version}{f'.{cause}' * bool(cause)}", cards.card_of(case)
        shown = None if again else tx.outbox.find_version(seat.address, of)
        if not again and shown is None and case.owner in (BOT, CLOSED):
            return ()  # operators have never seen this case
        card, choices = cards.card(tx, case, language, said=said), cards.choices(case, language)
        self._put(tx, seat.address, key, self.with_buttons(tx, seat, key, card, choices), over=shown)
        return [seat.address]

    def _put(self, tx: Tx, where: Address, key: str, outgoing: Outgoing, *, over: Shown | None) -> None:
        """Put a message into the outbox as `key`: over an earlier version, or instead of one that nobody has begun to
        send.
        """
        if over is not None:
            if tx.outbox.rewrite_unsent(where, over.key, replace(outgoing, over=over.outgoing.over)):
                return
            outgoing = replace(outgoing, over=over.key)
        tx.outbox.add_answer(key, where, outgoing)

    def seat(self, tx: Tx, case: Case, *, make: bool = False) -> Seat | None:
        """The topic in which operators see a customer, None if there is none; `make`: give the customer one."""
        seats = {seat.place: seat for seat in tx.seats.find_seats(case.address)}
        groups = [chat for chat, _ in tx.seats.list_groups(self.bot)]
        found = next((seats[chat] for chat in groups if chat in seats), None)
        if found is not None or not make or not groups:
            return found
        return tx.seats.seat_of(case.address, groups[0], case.name or str(case.user))

    def language(self, tx: Tx, place: int) -> str:
        """The language of a group of operators: chosen there, else that of the administrator who has connected it."""
        chosen = tx.chats.read_choices(Address("telegram", self.bot, place)).language
        return chosen or tx.chats.read_language(self.bot, tx.seats.connected_by(self.bot, place))

    def with_buttons(
        self, tx: Tx, seat: Seat, key: str, outgoing: Outgoing, choices: Sequence[Choice]
    ) -> Outgoing:  # fmt: skip
        """A message in a topic with one row of buttons, which every operator may press."""
        where = seat.address
        row = tuple(tx.buttons.add_button(where, key, 0, one.label, one.action, **one.payload) for one in choices)
        return replace(outgoing, buttons=(row,) if row else ())

    # --- relaying -----------------------------------------------------------------------------------------------------

    def relay_from_customer(self, tx: Tx, case: Case, incoming: Incoming) -> Places:
        """Bring a customer's message to the operators, and keep it in the conversation."""
        places = list(self._awake(tx, case))
        case = tx.cases.find_case(self.bot, case.id) or case
        seat = self.seat(tx, case, make=True)
        if seat is None:
            return places
        quoted = self._source_of(tx, incoming.address, incoming.reply_to)
        text, entities = harmless(incoming.text, incoming.entities)
        shown = replace(incoming, text=text, entities=entities)
        key, outgoing = f"{incoming.id}.desk", copies(tx, shown)
        if outgoing.copy[1]:
            instead, refs = say(self.language(tx, seat.place), "desk.cannot_copy"), _refs(incoming)
            outgoing = replace(outgoing, text=text, instead=instead, refs=refs)
        joins = () if quoted or outgoing.copy[1] or outgoing.entities else (outgoing.text,)
        tx.outbox.add_answer(key, seat.address, replace(outgoing, reply_to=quoted, keeps_place=True, joins=joins))
        self._add_relays(tx, case, CUSTOMER, incoming, outgoing)
        parts = tuple(part for part in incoming.parts if not isinstance(part, Attachment))
        branching.follow(tx, incoming, (Text(incoming.text or _kinds(incoming)), *parts))
        return [*places, seat.address]

    def relay_from_operator(self, tx: Tx, case: Case, incoming: Incoming, *, text: str | None = None) -> Places:
        """Bring an operator's message to the customer, and keep it in the conversation. `text` is sent instead."""
        customer = case.address
        quoted = self._source_of(tx, incoming.address, incoming.reply_to)
        outgoing = copies(tx, incoming)
        if text is not None:
            outgoing = Outgoing(text, plain=True)
        first = outgoing.copy[1] or incoming.message_id
        relayed = replace(outgoing, reply_to=quoted, relays=(incoming.address.chat, first))
        tx.outbox.add_answer(f"{incoming.id}.desk", customer, relayed)
        was_marked = cards.is_edited_late(tx, case)
        self._add_relays(tx, case, OPERATOR, incoming, outgoing)
        conversation, tip = tx.messages.current_tip(customer)
        said = (Text(text or incoming.text or _kinds(incoming)),)
        turn = f"{incoming.id}{cards.OPERATORS}"
        tx.messages.add_message(
            conversation, customer, turn, "assistant", said, parent=tip, ending="stop", user=case.user
        )
        return [customer, *(self.show_card(tx, case, cause=incoming.id) if was_marked else ())]

    def _add_relays(self, tx: Tx, case: Case, side: str, incoming: Incoming, outgoing: Outgoing) -> None:
        """Note which delivery brings each message of an update to the other side."""
        key, author = f"{incoming.id}.desk", incoming.user.id
        for part, message in enumerate(outgoing.copy[1:] if outgoing.copy[1] else (incoming.message_id,)):
            chat = incoming.address.chat
            tx.relays.add_relay(self.bot, case.id, side, chat, message, author=author, delivery=key, part=part)

    def edit_relayed(self, tx: Tx, where: Address, key: str, turn: str, outgoing: Outgoing, part: int = 0) -> Places:
        """Edit what the delivery `key` has brought, or will bring, to the other side. A copied file is followed by the
        new text, as a reply; of several joined texts the one at `part` is changed.
        """
        before = tx.outbox.find_outgoing(where, key)
        if before is None:
            return ()
        edited = tx.outbox.find_version(where, key)  # by an edit before this one
        if (texts := list((edited.outgoing if edited else before).joins))[1:]:
            texts[part] = outgoing.text
            outgoing = Outgoing(JOINT.join(texts), plain=True, joins=tuple(texts))
        outgoing = replace(outgoing, reply_to=before.reply_to, keeps_place=before.keeps_place)
        if before.copy[1]:
            tx.outbox.add_answer(f"{turn}.edit", where, replace(outgoing, reply_to=_id_of(tx, where, key, part)))
        elif not tx.outbox.rewrite_unsent(where, key, outgoing):
            version = replace(outgoing, of=key, over=key)
            if edited is None or not tx.outbox.rewrite_unsent(where, edited.key, version):
                tx.outbox.add_answer(f"{turn}.edit", where, version)
        return [where]

    def other_side(self, tx: Tx, where: Address, message: int) -> tuple[int, int]:
        """The chat and the id of the message that a message of the bot was relayed from; zeros if it was not."""
        relay = self.relay_shown(tx, where, message)
        return (relay.chat, relay.message) if relay is not None else (0, 0)

    def relay_shown(self, tx: Tx, where: Address, message: int) -> Relay | None:
        """The relayed message that a message of the bot shows, None if it shows none."""
        shown = tx.outbox.find_shown(where, message)
        if shown is None:
            return None
        return tx.relays.find_of_delivery(self.bot, shown.of, shown.ids.index(message))

    def delete_relayed(self, tx: Tx, where: Address, key: str, turn: str) -> Places:
        """Delete what the delivery `key` has brought to the other side."""
        if not tx.outbox.message_ids(where, key) and tx.outbox.withdraw(where, key):
            return ()
        tx.outbox.add_answer(f"{turn}.gone", where, Outgoing(gone=True, of=key, over=key))
        return [where]

    def edit_for_operators(self, tx: Tx, relay: Relay, incoming: Incoming) -> Places:
        """Show the operators that a customer has edited a message, with the text that it had before."""
        case = tx.cases.find_case(self.bot, relay.case)
        seat = self.seat(tx, case) if case is not None else None
        if case is None or seat is None:
            return ()
        before = tx.outbox.find_outgoing(seat.address, relay.delivery)
        former = ((before.joins or (before.text,))[relay.part]) if before is not None else ""
        told = say(self.language(tx, seat.place), "desk.edited", text=former)
        pieces = [Piece(harmless(incoming.text)[0]), Piece("\n"), Piece(told, "expandable_blockquote")]
        places = list(self.edit_relayed(tx, seat.address, relay.delivery, incoming.id, formatted(pieces), relay.part))
        if tx.relays.last_written(case.id, OPERATOR) > relay.at:
            tx.cases.add_event(case, cards.EDITED_LATE, incoming.user.id)
            places += self.show_card(tx, case, cause=incoming.id)
        return places

    def _source_of(self, tx: Tx, where: Address, message: int) -> int:
        """The message that a bot's message, which somebody replies to, was relayed from; or the one that it became."""
        if not message:
            return 0
        if tx.outbox.find_shown(where, message) is not None:
            shown = self.relay_shown(tx, where, message)
            return shown.message if shown is not None else 0
        relay = tx.relays.find_relay(self.bot, where.chat, message)
        if relay is None or not relay.delivery:
            return 0
        return _id_of(tx, where, relay.delivery, relay.part)

    def _awake(self, tx: Tx, case: Case) -> Places:
        """A case that was put aside comes back when its customer writes."""
        return self.change(tx, case, Wake()) if case.owner == SNOOZED else ()

    def reopened(self, tx: Tx, incoming: Incoming) -> tuple[Case | None, Places]:
        """The case of this customer that was closed a short while ago, opened again; None if there is none."""
        case = tx.cases.find_newest(incoming.address)
        if case is None or not cases.was_just_closed(case, tx.clock.time()):
            return None, ()
        places = self.change(tx, case, Reopen(), who=incoming.user.id)
        return tx.cases.find_case(self.bot, case.id), places

    def take_over(self, tx: Tx, case: Case, operator: int) -> Places:
        """Give a case to an operator. Raises `NotPossible`."""
        return self.change(tx, case, Take(operator), who=operator)

    def _open(self, tx: Tx, incoming: Incoming) -> Case:
        return tx.cases.open_case(incoming.address, incoming.user.id, incoming.user.name, incoming.language)

    def _said(self, tx: Tx, case: Case) -> Sequence[Remembered]:
        conversation = tx.messages.find_current_conversation(case.address)
        return tx.messages.list_newest(conversation, cards.SAID) if conversation is not None else ()

    def _expected(self, tx: Tx, language: str) -> str:
        waits = tx.cases.read_waits(self.bot, MANY)
        if len(waits) < FEW:
            return say(language, "desk.called")
        minutes = max(1, math.ceil(median(waits) / 60))
        return say(language, "desk.called.wait", minutes=say(language, "duration.minutes", minutes=minutes))


WORDS = {
    "Call": "called", "Take": "taken", "Return": "returned", "Release": "released", "Snooze": "snoozed",
    "Wake": "woken", "Close": "closed", "Reopen": "reopened",
}  # fmt: skip


def copies(tx: Tx, incoming: Incoming) -> Outgoing:
    """What the other side gets of a message.

    A text is sent as a text with its formatting, so that it can be edited. Everything else is copied by the messenger,
    of any size and without a download, and an album as an album.
    """
    if not _attached(incoming):
        return Outgoing(incoming.text, plain=True, entities=incoming.entities)
    ids = sorted(tx.inbox.list_messages_of(incoming.ids)) or [incoming.message_id]
    return Outgoing(copy=(incoming.address.chat, *ids))


def _attached(incoming: Incoming) -> Sequence[Attachment]:
    """What came with a message itself, not with the one that it replies to."""
    return [part for part in incoming.parts if isinstance(part, Attachment) and not part.quoted]


def _refs(incoming: Incoming) -> tuple[tuple[str, str, int], ...]:
    """The files of a message, if they are all that it has, so that they can be sent where they may not be copied."""
    found = tuple((part.kind, part.ref, part.size) for part in _attached(incoming))
    return found if all(ref for _, ref, _ in found) else ()


def _id_of(tx: Tx, where: Address, key: str, part: int) -> int:
    """The id of the message that shows a part of a delivery, 0 if it is unknown. Joined texts stand in one message."""
    ids = tx.outbox.message_ids(where, key)
    return ids[min(part, len(ids) - 1)] if ids else 0


def _kinds(incoming: Incoming) -> str:
    """What a message without a text is in the conversation: the kinds of its files."""
    kinds = [part.kind for part in incoming.parts if isinstance(part, Attachment)]
    return f"[{', '.join(kinds)}]" if kinds else "[…]"
