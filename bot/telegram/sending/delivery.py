"""Delivers the outbox: every finished answer reaches its chat once and in order, whatever errors Telegram returns.

Begin with `Deliverer.deliver`. A send has no idempotency key. So after a send whose outcome is unknown (the connection
broke, the process died) the chat is searched for the message before it is sent again: editing a message into what it
already is answers "not modified", which is the proof. See `telegram/sending/unconfirmed.py`.

Ephemeral messages, which one member of a group sees, can't be searched for: their ids are used again and editing them
tells nothing. So an empty message is opened first, and the answer is written into it only when its id is stored. See
`telegram/sending/ephemeral.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiogram.methods import TelegramMethod
from aiogram.types import InlineKeyboardMarkup, Message

from bot.clock import Clock
from bot.concurrency import lease
from bot.concurrency.retry import Backoff
from bot.errors import Refused, TransportError, TransportUnavailable, Unauthorized
from bot.ports import Delivery, DeliveryState, Outbox, SendQuota, Unfinished
from bot.telegram.client.api import (
    Api,
    BadMarkup,
    Flood,
    Gone,
    Moved,
    NoMethod,
    NotAlone,
    NotModified,
    NotSent,
    Numberless,
)
from bot.telegram.sending import messages
from bot.telegram.sending.copies import CopySender
from bot.telegram.sending.ephemeral import EphemeralSender, left
from bot.telegram.sending.flood_budget import FloodBudget
from bot.telegram.sending.messages import Rung, Screen
from bot.telegram.sending.old_buttons import OldButtons
from bot.telegram.sending.progress import Progress, simpler
from bot.telegram.sending.topics import WAIT, TopicKeeper, waits_for_place
from bot.telegram.sending.turns import Turns
from bot.telegram.sending.unconfirmed import LANDING, LOOK_AHEAD, LOOK_AHEAD_AFTER_START, Outdated, SendReconciler
from bot.telemetry import tracing, turn_log
from bot.telemetry.outage import Outage
from bot.types import Address

log = logging.getLogger(__name__)

BACKOFF = Backoff(0.5, 30.0)
FLOOD_BACKOFF = Backoff(5.0, 80.0)  # where Telegram refuses for flood and does not say how long
ACTION_DEADLINE = 10.0
DELIVERED = "👌"
LONG_FLOOD = 600.0  # seconds: a wait that the operator should know of
TOKEN_PAUSE = 60.0  # seconds between tries while Telegram does not know our token


@dataclass(slots=True, kw_only=True)
class Deliverer:
    """Sends what the outbox holds, each chat in order.

    With `rich` answers are sent as blocks first (`Rung.RICH`). `quota` limits what all processes of the bot send
    together, if there are several.
    """

    api: Api
    outbox: Outbox
    budget: FloodBudget
    clock: Clock
    tasks: asyncio.TaskGroup
    rich: bool = True
    quota: SendQuota | None = None
    # By turn: the id of the message in which an earlier run was streaming the answer; 0: its id was never learned.
    streamed_ids: dict[str, int] = field(default_factory=dict, init=False)
    # By turn: closes the live view of the answer.
    open_views: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict, init=False)
    # Turns whose live view may have left a message in the chat whose id is not known.
    uncertain_turns: set[str] = field(default_factory=set, init=False)
    turns: Turns = field(default_factory=Turns, init=False)
    _gate: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)  # to the budget of the whole bot
    # Deliveries up to this id were left by an earlier run, or by the process that held the chat before. Where it is
    # None and the chat has no number of its own, that is not known yet or another process delivers.
    _left: int | None = field(default=None, init=False)
    _left_of: dict[str, int] = field(default_factory=dict, init=False)
    # By chat, "" for all others: the monotonic time at which nothing of that run or process was on its way any more.
    _landed: dict[str, float] = field(default_factory=dict, init=False)
    unconfirmed: SendReconciler = field(init=False)
    ephemeral: EphemeralSender = field(init=False)
    old_buttons: OldButtons = field(init=False)
    copies: CopySender = field(init=False)
    topics: TopicKeeper = field(init=False)
    outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        self.unconfirmed = SendReconciler(
            api=self.api, clock=self.clock, outbox=self.outbox, acquire_slot=self.acquire_slot,
            acquire_look=self._acquire_look, edit=self._edit_now,
        )  # fmt: skip
        self.ephemeral = EphemeralSender(
            api=self.api, outbox=self.outbox, acquire_slot=self.acquire_slot, edit=self._edit, method=self._method
        )
        self.old_buttons = OldButtons(
            api=self.api, outbox=self.outbox, budget=self.budget, clock=self.clock, tasks=self.tasks,
            spend=self.spend, flooded=self.flooded,
        )  # fmt: skip
        self.copies = CopySender(
            api=self.api, clock=self.clock, unconfirmed=self.unconfirmed, acquire_slot=self.acquire_slot
        )
        self.topics = TopicKeeper(
            api=self.api, clock=self.clock, outbox=self.outbox, acquire_slot=self.acquire_slot,
            unconfirmed=self.unconfirmed,
        )  # fmt: skip
        self.outage = Outage("delivering answers", self.clock)

    async def recover(self) -> None:
        """Deliver, at a start, what an earlier run left.

        A row that was being sent is first searched for in its chat, because its message may already be there.
        """
        left = await self.outbox.unfinished(self.api.id)
        self._left = left.newest
        self._resume(left)

    async def adopt(self, place: str) -> None:
        """Deliver what another process left in a chat whose lease this process has just taken over."""
        left = await self.outbox.unfinished(self.api.id, place)
        self._left_of[place] = left.newest
        self._resume(left, place)

    def _resume(self, left: Unfinished, place: str = "") -> None:
        self.streamed_ids.update(left.growing)
        self._landed[place] = self.clock.monotonic() + LANDING
        for chat in left.busy:
            self.budget.begin_empty(chat, self.clock.monotonic())
        self._deliver_all(left.waiting)

    async def look(self, place: str) -> None:
        """Deliver what other processes have put into the outbox for a chat whose lease this process holds."""
        for address in await self.outbox.waiting(self.api.id, place):
            self.tasks.create_task(self.deliver(address))

    def leave(self, place: str) -> None:
        """Forget a chat whose lease this process has given up."""
        self._left_of.pop(place, None)
        self._landed.pop(place, None)

    async def deliver(self, address: Address, *, after: float = 0.0) -> None:
        """Deliver everything that the outbox holds for an address, in order, `after` so many seconds. Returns when that
        is done, or goes on in the background.

        One delivery at a time runs in a chat, its topics included, because a search for an unconfirmed message must not
        meet another send. The live view of an answer is closed first: its last frame must not come after the answer.
        Nothing is delivered before `recover`, since a job may end before the start has reached Telegram, and nothing
        for a chat that another process holds: the commit has notified that process.
        """
        await self.clock.sleep(after) if after else None
        held = self._left_of.get(address.chat_key, self._left) is None or not lease.covers(address)
        if address.messenger or held:
            return
        await self.turns.take(address, lambda: self._deliver_waiting(address))

    async def _deliver_waiting(self, address: Address) -> None:
        """Deliver what waits for an address, in order; in a group of operators one delivery, and the rest later."""
        while (delivery := await self.outbox.next(address)) is not None:
            if (wait := self.topics.wait(address)) > 0:  # what goes to topics that are there goes on
                self.tasks.create_task(self.deliver(address, after=wait))
                return
            if (close := self.open_views.get(delivery.key)) is not None:
                await close()  # closing has stored what the view has sent: read the row again
                continue
            turn = turn_log.turn_of(delivery.key)
            traced = tracing.joined(self.api.tracer.context(address.bot, turn))
            with turn_log.about(turn), traced, tracing.span("deliver"):
                if delivery.outgoing.joins and (joined := await self._joined(delivery)):
                    delivery = joined
                address = await self._deliver_one(delivery)
            if not lease.covers(address):  # the group was migrated: its new chat is another process's
                return
            if delivery.outgoing.keeps_place:  # the topics of a group take turns
                if await self.outbox.next(address) is not None:
                    self.tasks.create_task(self.deliver(address))
                return

    async def _joined(self, delivery: Delivery) -> Delivery | None:
        """Wait until a message may go to the chat; return the delivery with the texts that wait behind it by then."""
        if delivery.state is not DeliveryState.PENDING or delivery.done or delivery.message_ids:
            return None
        while (wait := self.budget.message_wait(delivery.address.chat, self.clock.monotonic())) > 0:
            await self.clock.sleep(wait)
        await self.outbox.join(delivery)
        return await self.outbox.next(delivery.address)

    async def acquire_slot(self, chat: int, parts: int = 1) -> None:
        """Wait until the flood budget lets a message or an edit, or an album of so many parts, go to a chat.

        Waiters for the budget of the whole bot queue up at a lock: thousands of them polling the clock would block the
        loop.
        """
        while True:
            while (wait := self.budget.message_wait(chat, self.clock.monotonic(), parts)) > 0:
                await self.clock.sleep(wait)
            async with self._gate:
                while (wait := self.budget.bot_wait(self.clock.monotonic())) > 0:
                    await self.clock.sleep(wait)
                if self.quota is not None:
                    await self.quota.permit()
                if self.budget.message_wait(chat, self.clock.monotonic(), parts) <= 0:
                    self.budget.take_message(chat, self.clock.monotonic(), parts)
                    return

    def spend(self, chat: int) -> None:
        """Count an edit that did not wait for a slot: a frame of a live view, or a keyboard."""
        self.budget.take_message(chat, self.clock.monotonic())
        if self.quota is not None:
            self.quota.spent()

    async def _acquire_look(self, chat: int) -> None:
        """Wait until a search may look at a message id. Raises `Flood` if Telegram wants nothing for a chat now."""
        if (held := self.budget.held(chat, self.clock.monotonic())) > 0:
            raise Flood(retry_after=held)
        while (wait := self.budget.look_wait(self.clock.monotonic())) > 0:
            await self.clock.sleep(wait)
        self.budget.take_look()

    async def chat_action(self, address: Address, action: str) -> None:
        """Show a chat action such as "typing" for five seconds, if the flood budget has room for it.

        Everybody in the chat would see it, so it is not shown if the answer is visible to one person only.
        """
        if address.visible_to or not self.budget.action_fits(address.chat, self.clock.monotonic()):
            return
        self.budget.take_draft(address.chat, self.clock.monotonic())
        try:
            await self.api.call(messages.action(address, action), deadline=ACTION_DEADLINE)
        except Flood as error:
            self.flooded(address.chat, error, drafts=True)
        except TransportError as error:
            log.debug("a chat action was dropped: %s", error)

    def flooded(self, chat: int, error: Flood, *, drafts: bool = False, untold: float = FLOOD_BACKOFF.first) -> float:
        """Send nothing to a chat for as long as Telegram says, or else for `untold` seconds. Returns the seconds."""
        wait = (error.retry_after or untold) + 0.2
        self.budget.hold(chat, self.clock.monotonic() + wait, drafts=drafts)
        self.api.metrics.flood_waits.inc()
        self.api.metrics.flood_wait_seconds.inc(wait)
        level = logging.ERROR if wait > LONG_FLOOD else logging.WARNING
        log.log(level, "chat %d: Telegram asks to wait %.0f s%s", chat, wait, " for drafts" if drafts else "")
        return wait

    async def _deliver_one(self, delivery: Delivery) -> Address:
        """Deliver one row, or move it to the dead letters. Returns the address of the chat afterwards."""
        async with self.unconfirmed.attempt(delivery.key) as was_cut:
            return await self._until_sent(delivery, was_cut=was_cut)

    async def _until_sent(self, delivery: Delivery, *, was_cut: bool) -> Address:
        progress = self._new_progress(delivery)
        progress.outcome_unknown = progress.outcome_unknown or was_cut
        if (still := delivery.due - self.clock.time()) > 0:  # a flood wait that a restart has interrupted
            self.budget.hold(delivery.address.chat, self.clock.monotonic() + still)
        while True:
            try:
                if delivery.address.thread < 0 and (made := await self.topics.make(progress)) is not None:
                    return made
                await self._send_parts(progress)
                return delivery.address
            except Outdated:
                return delivery.address
            except Moved as error:
                await self.outbox.chat_migrated(delivery.address.bot, delivery.address.chat, error.new)
                return replace(delivery.address, chat=error.new)
            except Unauthorized:
                self.outage.failed("Telegram does not know BOT_TOKEN any more: they wait in the outbox", grave=True)
                await self.clock.sleep(TOKEN_PAUSE)
            except TransportUnavailable as error:
                await self._wait_out(progress, error)
                if delivery.outgoing.joins and progress.stored is None and not progress.done:
                    return delivery.address  # nothing of it is sent: what has come meanwhile is joined to it
            except (Refused, ValueError) as error:  # ValueError: aiogram's own validation
                if (moved := await self.topics.heal(delivery, error)) is not None:
                    return moved
                if waits_for_place(delivery, error):
                    await self._wait_for_place(progress, error)
                elif isinstance(error, Gone | NotAlone) or not simpler(progress, error):
                    await self._give_up(delivery, error)
                    return delivery.address
                else:
                    log.warning("delivery %d was refused and is sent in a simpler way: %s", delivery.id, _reason(error))

    def _new_progress(self, delivery: Delivery) -> Progress:
        was_left = delivery.id <= self._left_of.get(delivery.address.chat_key, self._left or 0)
        outcome_unknown = (delivery.state is DeliveryState.SENDING and was_left) or delivery.key in self.uncertain_turns
        self.uncertain_turns.discard(delivery.key)
        first = Rung.RICH if self.rich or delivery.outgoing.copy[1] else Rung.ENTITIES
        ids, rung = list(delivery.message_ids), first
        if delivery.address.visible_to:
            ids, rung = left(delivery.message_ids, rung)
        return Progress(
            delivery=delivery,
            rung=rung,
            ids=ids,
            outcome_unknown=outcome_unknown,
            ahead=LOOK_AHEAD_AFTER_START if was_left else LOOK_AHEAD,
            was_left=was_left,
            since=self._landed.get(delivery.address.chat_key, self._landed.get("", float("inf"))),
        )

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        """Record that a delivery was refused for good. A chat that can't be reached is marked as blocked."""
        reason = _reason(error)
        if delivery.address.visible_to or isinstance(error, NotAlone):  # perhaps only that person can't be reached
            await self._replace_by_notice(delivery, reason)
        elif isinstance(error, Gone) and not delivery.address.connection:
            log.info("chat %d can't be reached: %s", delivery.address.chat, error)
            self._deliver_all(await self.outbox.chat_blocked(delivery.address.bot, delivery.address.chat))
            self._count_outcome("gone")
        else:
            log.error("delivery %d was refused for good: %s", delivery.id, reason)
            self._deliver_all(await self.outbox.dead_letter(delivery, reason))
            self._count_outcome("dead")

    def _deliver_all(self, told: Sequence[Address]) -> None:
        """Deliver to the places that are told how a delivery has ended."""
        for where in told:
            self.tasks.create_task(self.deliver(where))

    async def _wait_for_place(self, progress: Progress, error: Exception) -> None:
        """Wait until a group of operators can perhaps be reached again; nothing that waits for it is given up."""
        chat = progress.delivery.address.chat
        self.outage.failed(f"the group {chat} of the support desk: {_reason(error)}", grave=True)
        await self._postpone(progress, WAIT, reason=_reason(error))
        if await self.topics.wait_for_place(chat):
            await self._postpone(progress, 0.0)

    async def _postpone(self, progress: Progress, wait: float, reason: str = "") -> None:
        """Store that a delivery is not tried for `wait` seconds, also after a restart. What was refused begins anew.
        `reason`: why its group can't be reached.
        """
        due, begun = self.clock.time() + wait, progress.outcome_unknown
        await self.outbox.postpone(progress.delivery, due, begun=begun, reason=reason)
        progress.stored = progress.stored if progress.outcome_unknown else None

    async def _replace_by_notice(self, delivery: Delivery, reason: str) -> None:
        """Replace a message that can't be shown to one person by a public notice that says so."""
        log.info("chat %d: it can't be shown to one person alone: %s", delivery.address.chat, reason)
        self._count_outcome("not alone")
        if delivery.address.visible_to:
            await self.outbox.make_public(delivery)
            self.tasks.create_task(self.deliver(replace(delivery.address, visible_to=0)))
        else:
            await self.outbox.dead_letter(delivery, reason)

    def _count_outcome(self, state: str) -> None:
        self.api.metrics.deliveries.labels(state).inc()
        tracing.current().set_attribute("govorun.delivery", state)

    async def _wait_out(self, progress: Progress, error: TransportUnavailable) -> None:
        chat = progress.delivery.address.chat
        if isinstance(error, Flood):
            progress.floods += 1
            wait = self.flooded(chat, error, untold=FLOOD_BACKOFF.pause(progress.floods))
            await self._postpone(progress, wait)
            return
        progress.outcome_unknown = progress.outcome_unknown or not isinstance(error, NotSent)
        progress.unnumbered = progress.unnumbered or isinstance(error, Numberless)
        self.outage.failed(str(error))
        progress.failures += 1
        await self.clock.sleep(BACKOFF.pause(progress.failures))

    async def _send_parts(self, progress: Progress) -> None:
        delivery = progress.delivery
        if delivery.outgoing.gone:
            await self._delete_leftovers(progress)
            await self.outbox.progress(delivery, progress.ids, done=0, sent=True)
            return
        screens = self._screens(progress)
        if self.copies.is_album(progress, screens) and await self.copies.send(progress, screens):
            left_out, done = "part" if progress.done < len(screens) else "", progress.done
            told = await self.outbox.progress(delivery, progress.ids, done=done, sent=True, left_out=left_out)
            self._note_sent(delivery, told)
            return
        told = ()
        while progress.done < len(screens):
            last = progress.done == len(screens) - 1
            part = await self.copies.with_file(screens[progress.done])
            message_id = await self._send_part(progress, part, last=last)
            progress.ids[progress.done : progress.done + 1] = [message_id]
            progress.done += 1
            progress.outcome_unknown, progress.unnumbered, progress.ahead = False, False, LOOK_AHEAD
            self.outage.over()
            if not delivery.address.visible_to:
                self.unconfirmed.note_id(delivery.address, message_id)
            if last:
                await self._delete_leftovers(progress)
            left_out = "whole" if last and delivery.outgoing.copy[1] and progress.rung is Rung.PLAIN else ""
            told = await self.outbox.progress(delivery, progress.ids, done=progress.done, sent=last, left_out=left_out)
            progress.stored = max(progress.ids)
            turn_log.current.get().last_progress = self.clock.monotonic()
        self._note_sent(delivery, told)

    def _note_sent(self, delivery: Delivery, told: Sequence[Address]) -> None:
        """Count a delivery that was sent, mark the message that it relays, and remove buttons that are too old. `told`
        are the places where it is said that something was left out.
        """
        self._deliver_all(told)
        self._count_outcome("sent")
        if delivery.outgoing.relays[1]:
            self.tasks.create_task(self.react(*delivery.outgoing.relays, DELIVERED))
        if delivery.outgoing.lasting_buttons != delivery.outgoing.buttons:
            self.old_buttons.remove_soon(delivery.address)

    async def react(self, chat: int, message_id: int, emoji: str) -> None:
        """Put a reaction on a message. One that can't be put is left out: nothing depends on it."""
        try:
            await self.api.call(messages.reaction(chat, message_id, emoji), deadline=ACTION_DEADLINE)
        except TransportError as error:
            log.debug("chat %d: no reaction: %s", chat, error)

    async def _delete_leftovers(self, progress: Progress) -> None:
        """Delete the messages of a longer, earlier version of the answer that are left over."""
        while len(progress.ids) > progress.done:
            await self.acquire_slot(progress.delivery.address.chat)
            with suppress(Refused):  # already deleted, or too old to be deleted
                await self.api.call(messages.delete(progress.delivery.address, progress.ids[-1]))
            progress.ids.pop()

    def _screens(self, progress: Progress) -> list[Screen]:
        try:
            screens = messages.finished(progress.delivery.outgoing, progress.rung, progress.limit, again=progress.again)
            if not screens[0].blocks and not screens[0].file and not screens[0].copy[1]:  # RICH equals ENTITIES
                progress.rung = max(progress.rung, Rung.ENTITIES)
            return screens
        except Exception:  # a defect in the formatting must not cost the answer
            log.exception("delivery %d can't be formatted: sent as plain text", progress.delivery.id)
            progress.rung = Rung.PLAIN
            return messages.finished(progress.delivery.outgoing, progress.rung, progress.limit)

    async def _send_part(self, progress: Progress, part: Screen, *, last: bool) -> int:
        delivery = progress.delivery
        chat = delivery.address.chat
        if delivery.address.visible_to and (part.file or progress.done == len(progress.ids)):
            return await self.ephemeral.send(progress, part, last=last)
        if progress.done < len(progress.ids):
            message_id = progress.ids[progress.done]
            try:
                edited = await self._edit(progress, part, message_id, last=last)
                if part.blocks and not delivery.address.visible_to and messages.shows_no_blocks(edited):
                    raise BadMarkup("the server leaves blocks out")
            except NotModified:  # the message already is what it should be
                return message_id
            except NoMethod:
                with suppress(Refused):  # a new one is sent in its place
                    await self.api.call(messages.delete(delivery.address, message_id))
                raise
            return message_id
        if progress.outcome_unknown and (found := await self.unconfirmed.find(progress, part, last=last)):
            return found
        if progress.unnumbered:  # the message was sent, and its id can't be found out
            return 0
        await self.acquire_slot(chat)
        await self.unconfirmed.mark(progress)
        began = self.clock.monotonic()
        with self.unconfirmed.flying():
            sent = await self.api.call(self._method(progress, part, last=last))
        self.unconfirmed.note_sent(progress.delivery.address, int(sent["message_id"]), began)
        return int(sent["message_id"])

    def _method(self, progress: Progress, part: Screen, *, last: bool) -> TelegramMethod[Message]:
        to, outgoing = progress.delivery.address, progress.delivery.outgoing
        outgoing = replace(outgoing, reply_to=outgoing.reply_to or progress.head)
        part = messages.as_document(part) if progress.document else part
        return messages.send(part, to, outgoing, last=last, thread=progress.thread)

    async def _edit(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> Any:
        """Edit a message in the chat into a part of the delivery, when the flood budget lets it. Raises `Outdated`."""
        await self.acquire_slot(progress.delivery.address.chat)
        if progress.stored is None:  # it waited in the outbox, where it may have been rewritten or withdrawn
            await self.unconfirmed.mark(progress)
        return await self._edit_now(progress, part, message_id, last=last)

    async def _edit_now(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> Any:
        """Edit a message in the chat into a part of the delivery. Repeating an edit does no harm."""
        to = progress.delivery.address
        markup = messages.keyboard(progress.delivery.outgoing) if last else None
        inline = markup if isinstance(markup, InlineKeyboardMarkup) else None
        part = messages.as_document(part) if progress.document else part
        return await self.api.call(messages.edit(part, to, message_id, inline))


def _reason(error: Exception) -> str:
    """Return why a delivery was refused. The texts of errors that are not Telegram's quote the message."""
    return str(error) if isinstance(error, Refused) else type(error).__name__
