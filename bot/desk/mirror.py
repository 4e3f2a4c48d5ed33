"""Brings messages from one side of the desk to the other: texts, files, edits, deletions, replies.

All methods work in the caller's transaction. Those that return `Places` name what has something to deliver after its
commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.conversation import branching
from bot.desk import cards, clocks, seating
from bot.desk.assistance import translating
from bot.desk.assistance.orders import order_wanted_draft
from bot.desk.cases import NotPossible, Wake
from bot.desk.desk import AWAY, Desk, Places
from bot.desk.formatting import Piece, formatted, harmless, with_beside, with_lines
from bot.desk.policy.asked_already import asked_already
from bot.desk.policy.masking import MARK
from bot.storage.repositories.outbox_statements import JOINT
from bot.storage.store import Tx
from bot.storage.tables.desk import CUSTOMER, NOWHERE, OPERATOR, SNOOZED, Case, Draft, Relay
from bot.texts.catalog import say
from bot.types import Address, Attachment, Incoming, Outgoing, Text


@dataclass(frozen=True, slots=True)
class Mirror:
    """Both sides of the cases of a `desk`: what one side writes, the other side gets."""

    desk: Desk

    def relay_from_customer(self, tx: Tx, case: Case, incoming: Incoming) -> Places:
        """Bring a customer's message to the operators, and keep it in the conversation."""
        places = list(self._awake(tx, case))
        case = tx.one(Case, bot=self.desk.bot, id=case.id) or case
        seat = self.desk.seat(tx, case)
        if seat is None and (seat := self.desk.seat(tx, case, make=True)) is not None and seat.place > 0:
            places += self.desk.show_card(tx, case, cause=incoming.id)  # its team has got own seats meanwhile
        if seat is None and not self.desk.has_own_seats(case):
            return places
        if case.is_for_people:
            places += self._waits(tx, case, incoming)
            order_wanted_draft(tx, self.desk, case)
        quoted = self._source_of(tx, incoming.address, incoming.reply_to, seat.place) if seat is not None else 0
        text, entities = harmless(incoming.text, incoming.entities)
        key, outgoing = f"{incoming.id}.desk", copies(tx, replace(incoming, text=text, entities=entities))
        place = seat.address if seat is not None else self.desk.group_of(tx, case)
        language = self.desk.language(tx, place.chat) if place else case.language
        if outgoing.copy[1]:
            instead = say(language, "desk.cannot_copy")
            is_masked = self.desk.table.mask.is_on and MARK in text
            outgoing = replace(outgoing, text=text, instead=instead, refs=_refs(incoming), captioned=is_masked)
        outgoing = with_beside(outgoing, incoming, language, is_linked=bool(quoted))
        if case.is_for_people and (again := asked_already(tx, case.address, incoming.text, language)):
            outgoing = with_lines(outgoing, again)
        joins = () if quoted or outgoing.copy[1] or outgoing.entities else (outgoing.text,)
        shown = replace(outgoing, reply_to=quoted, keeps_place=True, joins=joins)
        if seat is None:
            seating.keep(tx, case, key, shown)
        else:
            tx.outbox.add_answer(key, seat.address, shown)
            places.append(seat.address)
        self._add_relays(tx, case, CUSTOMER, incoming, outgoing)
        translating.order_for_team(self.desk, tx, case, replace(incoming, text=text))
        parts = tuple(part for part in incoming.parts if not isinstance(part, Attachment))
        branching.follow(tx, incoming, (Text(incoming.text or _kinds(incoming)), *parts))
        return places

    def relay_from_operator(
        self,
        tx: Tx,
        case: Case,
        incoming: Incoming,
        *,
        text: str | None = None,
        markdown: bool = False,
        files: Sequence[int] = (),
        is_ready: bool = False,
    ) -> Places:
        """Bring an operator's message to the customer, and keep it in the conversation.

        With a `text`, that text is brought instead of the message's own; `markdown` says that it is Markdown. With
        `files`, these messages of the same chat are copied. If the case wants translations, the message is translated
        first, unless `is_ready` says that it is in the customer's language already.
        """
        customer = case.address
        quoted = self._source_of(tx, incoming.address, incoming.reply_to, customer.chat)
        outgoing = Outgoing(copy=(incoming.address.chat, *files)) if files else copies(tx, incoming)
        if text is not None:
            outgoing = Outgoing(text, plain=not markdown)
        first, words = outgoing.copy[1] or incoming.message_id, incoming.text if text is None else text
        was_marked = cards.is_edited_late(tx, case)
        self._add_relays(tx, case, OPERATOR, incoming, outgoing)
        marked = self.desk.show_card(tx, case, cause=incoming.id) if was_marked else ()
        to = "" if is_ready else translating.for_customer(self.desk, tx, case)
        if to and translating.has_words(words):
            own = replace(incoming, message_id=first)
            translating.order_for_customer(
                self.desk, tx, case, own, text=words, to=to, copy=outgoing.copy, quoted=quoted
            )
            return marked
        relayed = replace(outgoing, reply_to=quoted, relays=(incoming.address.chat, first))
        tx.outbox.add_answer(f"{incoming.id}.desk", customer, relayed)
        return [*self._answered(tx, case, incoming.id, words or _kinds(incoming)), *marked]

    def send_kept(self, tx: Tx, case: Case, pressed: Incoming, kept: Mapping[str, Any]) -> Places:
        """Bring an operator's message to the customer after the press of a button whose payload has what `keep` has
        made of it. Raises `NotPossible`: it has gone to a customer already.
        """
        chat, message, files = pressed.address.chat, int(kept["message"]), [int(one) for one in kept.get("files", ())]
        found = (tx.one(Relay, bot=self.desk.bot, chat=chat, message=one) for one in (message, *files))
        if any(relay is not None and relay.side == OPERATOR for relay in found):
            raise NotPossible("desk.to.done")
        tx.relays.forget_note(self.desk.bot, chat, message)
        entities = tuple(kept.get("entities", ()))
        own = replace(pressed, message_id=message, text=str(kept["text"]), entities=entities, reply_to=0)
        return self.relay_from_operator(tx, case, own, files=files)

    def send_translated(self, tx: Tx, case: Case, relay: Relay, said: Mapping[str, Any], text: str) -> Places:
        """Bring an operator's message to the customer, as `text`; `said` is what `translating.order_for_customer` has
        noted of it.
        """
        files, where = tuple(int(one) for one in said["copy"]), (relay.chat, relay.message)
        tx.change(relay, for_team=str(said["text"]))
        if said.get("edit"):
            outgoing = Outgoing(text, plain=True, relays=where)
            return self.edit_relayed(tx, case.address, relay.delivery, str(said["turn"]), outgoing, relay.part)
        outgoing = Outgoing(text, copy=files, captioned=True) if files[1] else Outgoing(text, plain=True)
        sent = replace(outgoing, reply_to=int(said["quoted"]), relays=where)
        tx.outbox.add_answer(relay.delivery, case.address, sent)
        return self._answered(tx, case, str(said["turn"]), text)

    def show_translated(
        self,
        tx: Tx,
        case: Case,
        relay: Relay,
        text: str,
        translated: str,
        *,
        told: tuple[str, Mapping[str, str]] | None = None,
    ) -> Places:
        """Show operators the translation of a customer's message above its own words, or the sentence `told`: a key of
        the catalog, and its values.
        """
        where = tx.outbox.find_address(self.desk.bot, relay.delivery)
        if where is None:
            return ()
        place = self.desk.group_of(tx, case) if where.chat == NOWHERE else where
        language = self.desk.language(tx, place.chat) if place is not None else ""
        pieces = [Piece(translated), Piece("\n"), Piece(f"🌐 {text}", "expandable_blockquote")]
        pieces = pieces if translated else [Piece(text)]
        pieces += [Piece("\n" + say(language, told[0], **told[1]))] if told is not None else []
        if where.chat == NOWHERE:
            seating.rewrite(tx, where, relay, formatted(pieces).text)
            return ()
        return self.edit_relayed(tx, where, relay.delivery, f"{relay.delivery}.in", formatted(pieces), relay.part)

    def _answered(self, tx: Tx, case: Case, turn: str, words: str) -> Places:
        """Note that an operator's words go to the customer: in the conversation, for promises, against drafts."""
        branching.add_words(tx, case.address, f"{turn}{cards.OPERATORS}", words, user=case.user, first=cards.CALLED)
        held = tx.one(Case, bot=self.desk.bot, id=case.id) or case  # it may have been taken just now
        tx.cases.store_case(held, clocks.operator_answered(held, self.desk.hours.of(held).hours, tx.clock.time()))
        tx.drafts.drop_offered(held)
        return [case.address]

    def answer_alone(self, tx: Tx, case: Case, draft: Draft) -> Places:
        """Bring a draft to the customer that no person has decided on, and keep it in the conversation."""
        tx.outbox.add_answer(draft.alone, case.address, Outgoing(draft.text))
        branching.add_words(tx, case.address, draft.key, draft.text, user=case.user, first=cards.CALLED)
        tx.cases.store_case(case, clocks.operator_answered(case, self.desk.hours.of(case).hours, tx.clock.time()))
        tx.cases.add_event(case, "auto")
        return [case.address]

    def _add_relays(self, tx: Tx, case: Case, side: str, incoming: Incoming, outgoing: Outgoing) -> None:
        """Note which delivery brings each message of an update to the other side."""
        key, author = f"{incoming.id}.desk", incoming.user.id
        for part, message in enumerate(outgoing.copy[1:] if outgoing.copy[1] else (incoming.message_id,)):
            chat = incoming.address.chat
            tx.add_missing(
                Relay(
                    bot=self.desk.bot,
                    case_id=case.id,
                    side=side,
                    chat=chat,
                    message=message,
                    author=author,
                    delivery=key,
                    part=part,
                    at=tx.clock.time(),
                )
            )

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
        return tx.relays.find_of_delivery(self.desk.bot, shown.of, shown.ids.index(message))

    def delete_relayed(self, tx: Tx, where: Address, key: str, turn: str) -> Places:
        """Delete what the delivery `key` has brought to the other side."""
        if translating.cancel(tx, where, key) or (
            not tx.outbox.message_ids(where, key) and tx.outbox.withdraw(where, key)
        ):
            return ()
        tx.outbox.add_answer(f"{turn}.gone", where, Outgoing(gone=True, of=key, over=key))
        return [where]

    def edit_for_operators(self, tx: Tx, relay: Relay, incoming: Incoming) -> Places:
        """Show the operators that a customer has edited a message, with the text that it had before."""
        case = tx.one(Case, bot=self.desk.bot, id=relay.case_id)
        where = tx.outbox.find_address(self.desk.bot, relay.delivery)
        if case is None or where is None:
            return ()
        text = harmless(incoming.text)[0]
        if where.chat == NOWHERE:
            seating.rewrite(tx, where, relay, text)
            return ()
        before = tx.outbox.find_outgoing(where, relay.delivery)
        texts = (before.joins or (before.text,)) if before is not None else ("",)
        former = texts[min(relay.part, len(texts) - 1)]  # an album has one text for all its parts
        language, is_linked = self.desk.language(tx, where.chat), before is not None and before.reply_to > 0
        told = say(language, "desk.edited", text=former)
        pieces = [Piece(text), Piece("\n"), Piece(told, "expandable_blockquote")]
        outgoing = with_beside(formatted(pieces), incoming, language, is_linked=is_linked)
        places = list(self.edit_relayed(tx, where, relay.delivery, incoming.id, outgoing, relay.part))
        translating.order_for_team(self.desk, tx, case, replace(incoming, text=text))
        if tx.relays.last_written(case.id, OPERATOR) > relay.at:
            tx.cases.add_event(case, cards.EDITED_LATE, incoming.user.id)
            places += self.desk.show_card(tx, case, cause=incoming.id)
        return places

    def _source_of(self, tx: Tx, where: Address, message: int, place: int) -> int:
        """The message that a bot's message, which somebody replies to, was relayed from; or the one that it became. 0
        where that does not stand in the chat `place`.
        """
        if not message:
            return 0
        if tx.outbox.find_shown(where, message) is not None:
            shown = self.relay_shown(tx, where, message)
            return shown.message if shown is not None and shown.chat == place else 0
        relay = tx.one(Relay, bot=self.desk.bot, chat=where.chat, message=message)
        to = tx.outbox.find_address(self.desk.bot, relay.delivery) if relay is not None else None
        if relay is None or to is None or to.chat != place:
            return 0
        return _id_of(tx, where, relay.delivery, relay.part)

    def _awake(self, tx: Tx, case: Case) -> Places:
        """A case that was put aside comes back when its customer writes."""
        return self.desk.change(tx, case, Wake()) if case.owner == SNOOZED else ()

    def _waits(self, tx: Tx, case: Case, incoming: Incoming) -> Places:
        """Note that a customer waits for people, and tell once in a closed time when these work again."""
        tx.cases.store_case(case, clocks.customer_wrote(case, tx.clock.time()))
        opening = self.desk.hours.next_opening(case, tx.clock.time())
        if opening is None or not tx.cases.note_once(case, AWAY, str(int(opening))):
            return ()
        told = self.desk.hours.away(case, opening, incoming.language)
        tx.outbox.add_answer(f"{incoming.id}.away", case.address, told)
        return [case.address]


def keep(tx: Tx, incoming: Incoming) -> dict[str, Any]:
    """What `Mirror.send_kept` needs to bring a message to a customer later, as the payload of a button."""
    files = [one for one in copies(tx, incoming).copy[1:] if one]
    kept = {"text": incoming.text, "message": incoming.message_id, "entities": list(incoming.entities), "files": files}
    return {name: value for name, value in kept.items() if value or name in ("text", "message")}


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
    """Return kind, reference and size of each file of a message; none if one of them has no reference.

    A file that Telegram does not let be copied is sent by its reference.
    """
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
