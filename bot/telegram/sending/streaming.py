"""Shows an answer while it is being written: drafts in private chats until it lands as a message, edits of that
message.

Nothing here is promised: a frame that does not fit into the flood budget is dropped, never queued. Only the outbox
counts. `LiveMessage.end` returns when no frame is under way, so that no draft comes after the finished message. Between
two frames the stream of the model is not read (`concurrency/backpressure.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from aiogram.methods import EditMessageText, SendMessageDraft

from bot.concurrency import backpressure
from bot.errors import Lost, Refused, TransportError, Unauthorized
from bot.telegram.client.api import BadMarkup, Flood, NoMethod, NotModified, NotSent
from bot.telegram.sending import messages
from bot.telegram.sending.delivery import Deliverer
from bot.telegram.sending.flood_budget import SHARE
from bot.telegram.sending.messages import Rung, Screen
from bot.telemetry import tracing
from bot.types import Address, Outgoing

log = logging.getLogger(__name__)

Mode = Literal["draft", "edit", "off"]

THINKING_AFTER = 0.6  # seconds of silence before "Thinking…": most models are quicker, and each draft counts
BREATH = 0.03  # seconds: an answer that comes at once needs no draft
KEEPING = 1.5  # seconds: a complete answer gets no more frames, unless storing it takes longer than this
READERS = 3  # turns of the event loop from a connection through the readers of a stream to the view, and one to spare
KEEP_ALIVE = 20.0  # a draft lives 30 s
BEHIND = 0.5  # seconds between checks whether an older answer, left by an earlier run, is delivered
TYPING = 4.5  # seconds: it is shown for 5
FRAME_DEADLINE = 10.0
END_DEADLINE = 1.0


class LiveMessage:
    """The live view of one answer. `turn` is the key of the answer in the outbox.

    `stop_label` stands on the Stop button of a message that is edited, `quote` is the id of the message that is
    answered, and `over` the id of an earlier answer that this one is written over.
    """

    def __init__(
        self,
        *,
        deliverer: Deliverer,
        address: Address,
        turn: str,
        mode: Mode,
        stop_label: str,
        quote: int,
        over: int = 0,
    ) -> None:
        self.deliverer = deliverer
        self.address = address
        self.turn = turn
        self.mode = mode
        self.stop_label = stop_label
        self.quote = quote
        self.over = over
        self.text = ""
        self.shown = ""  # the text of the newest frame that a message, not a draft, shows
        self.doing = ""  # shown below the text
        self._completed: float | None = None  # when the text was complete, monotonic
        self._unseen = 0.0  # since when there is text that was not shown, monotonic; 0.0: all is shown
        self._flow = backpressure.Flow()
        self._waited = 0.0  # seconds for which the text that is read next was held back
        self._rung = Rung.RICH if deliverer.rich else Rung.ENTITIES
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._landed = asyncio.Event()  # set while no frame is under way
        self._landed.set()
        self._ended = False

    def begin(self) -> None:
        """Open the view. The caller has just sent the request to the model."""
        if self._task is None and not self._ended:
            self.deliverer.open_views[self.turn] = self.end
            self.deliverer.old_buttons.not_now(self.address)
            backpressure.current.set(self._flow)
            self._task = self.deliverer.tasks.create_task(self._run())

    def change(self, text: str) -> None:
        """Show `text` as the answer so far."""
        self.text, self.doing, self._completed = text, "", None
        if text and not self._unseen:
            self._unseen, self._waited = self.deliverer.clock.monotonic() - self._waited, 0.0
        self._changed.set()

    def show(self, doing: str) -> None:
        """Show `doing` ("searching the web…") below the text, until the text changes."""
        self.doing = doing
        self._changed.set()

    def complete(self) -> None:
        """Note that the whole text is written: further frames wait a moment, because the finished answer is near."""
        self._completed = self.deliverer.clock.monotonic()

    async def end(self) -> None:
        """Close the view. Returns when no frame is under way any more, after at most a second."""
        self._ended = True
        if self._task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(END_DEADLINE):
                await self._landed.wait()
        self._task.cancel()
        await asyncio.wait({self._task})
        if self.deliverer.open_views.get(self.turn) == self.end:  # a turn that was begun anew has another view
            del self.deliverer.open_views[self.turn]

    async def _run(self) -> None:
        try:
            with tracing.summed_span("live view"):
                await self._frames()
        except Lost:
            raise
        except Exception:  # a view that breaks must not cost the answer, nor end the bot
            log.exception("turn %s: the live view broke", self.turn)
        finally:
            self._flow.release()

    async def _frames(self) -> None:
        placed = self.deliverer.streamed_ids.pop(self.turn, None)
        placed = self.over or placed
        if self.address.visible_to:  # typing would be seen by all, and a draft by nobody
            if placed and self.mode != "off":
                await self._edits(placed)
            return
        if self.mode == "draft" and self.deliverer.api.lacks(SendMessageDraft):
            self.mode = "edit"
        if self.mode != "draft":
            await self._type()
        elif not placed:  # else the answer landed as a message before a restart
            await self._drafts(may_land=placed is None)
        if placed != 0:  # 0: a restart came while the message was sent; the delivery will search for it
            await self._edits(placed or 0)

    async def _type(self) -> None:
        """Show "typing" until there is a text to show. (A draft shows "Thinking…" instead.)"""
        await self._wait_for_change(THINKING_AFTER)
        while not (self.text or self.doing):
            await self.deliverer.chat_action(self.address, "typing")
            await self._wait_for_change(TYPING)
        while self.mode == "off":
            await self.deliverer.clock.sleep(TYPING)
            await self.deliverer.chat_action(self.address, "typing")
        self._changed.set()

    async def _wait_for_change(self, seconds: float) -> None:
        if not self._changed.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass
        self._changed.clear()

    def _hold(self) -> None:
        if self.text:  # the first word is never held back
            self._flow.hold()

    async def _wait_for_budget(self, wait: Callable[[], float]) -> None:
        """Wait until another frame may be sent. The stream of the model, held back meanwhile, is read when this
        returns.
        """
        while (seconds := wait()) > 0:
            self._hold()
            await self.deliverer.clock.sleep(seconds)
        self._waited = self._flow.release()
        for _ in range(READERS):  # let what was kept come through before the frame is made
            await asyncio.sleep(0)

    async def _wait_if_complete(self) -> None:
        if self._completed is not None:
            await self.deliverer.clock.sleep(self._completed + KEEPING - self.deliverer.clock.monotonic())

    # --- drafts -------------------------------------------------------------------------------------------------------

    async def _drafts(self, *, may_land: bool) -> None:
        """Show drafts until cancelled, or until `mode` becomes "edit": the answer lands, or drafts are refused."""
        draft_id = int(self.turn.partition(".")[0]) or 1
        clock, budget, chat = self.deliverer.clock, self.deliverer.budget, self.address.chat
        shown: Screen | None = None
        shown_at, drafts = 0.0, 0

        def due() -> float:
            wait = budget.draft_wait(chat, clock.monotonic(), drafts)
            return min(wait, budget.edit_wait(chat, clock.monotonic())) if may_land and drafts >= SHARE else wait

        while not self._ended and self.mode == "draft":
            if drafts:
                await self._wait_for_budget(due)
            await self._wait_for_change(KEEP_ALIVE if shown else THINKING_AFTER)
            if shown is None and (self.text or self.doing):
                await clock.sleep(BREATH)
            if may_land and drafts >= SHARE and self._lands():
                self.mode = "edit"
                self._changed.set()
                return
            while (wait := budget.draft_wait(chat, clock.monotonic(), drafts)) > 0:
                await clock.sleep(wait)
            await self._wait_if_complete()
            self._changed.clear()  # this frame has everything that came meanwhile
            frame = messages.growing(self.text, self._rung, self.doing)
            if frame == shown and clock.monotonic() - shown_at < KEEP_ALIVE - 1:
                continue
            drafts += 1
            budget.take_draft(chat, clock.monotonic())
            unseen, self._unseen = self._unseen, 0.0
            self._hold()
            if await self._draft(frame, draft_id):
                shown, shown_at = frame, clock.monotonic()
                self._observe_lag(unseen)
            else:
                self._unseen = unseen

    def _lands(self) -> bool:
        """Return whether to go on as a message. An answer with blocks stays a draft: a message may not be editable into
        blocks.
        """
        is_free = self.deliverer.budget.lands(self.address.chat, self.deliverer.clock.monotonic())
        return is_free and not messages.growing(self.text, self._rung).blocks

    async def _draft(self, frame: Screen, draft_id: int) -> bool:
        self._landed.clear()
        try:
            await self.deliverer.api.call(messages.draft(frame, self.address, draft_id), deadline=FRAME_DEADLINE)
            return True
        except Flood as error:
            self.deliverer.flooded(self.address.chat, error, drafts=True)
        except Refused as error:
            if not self._descends(frame, error):
                self.mode = "edit"
        except TransportError as error:
            self._ended = self._ended or isinstance(
                error, Unauthorized
            )  # Telegram does not know the token: nothing can be shown
            log.debug("a draft was dropped: %s", error)
        finally:
            self._landed.set()
        self._changed.set()
        return False

    def _observe_lag(self, since: float) -> None:
        """Measure the delay of text that came at the time `since` and is shown now; 0.0: the frame had no new text."""
        if since:
            self.deliverer.api.metrics.text_lag_seconds.observe(self.deliverer.clock.monotonic() - since)

    def _descends(self, frame: Screen, error: Refused) -> bool:
        """Choose a simpler form (`Rung`) after a refusal. Returns False if there is none, or if the form was not the
        reason.
        """
        is_form = isinstance(error, BadMarkup)
        if not isinstance(error, NoMethod):  # which is logged once
            log.log(logging.WARNING if is_form else logging.INFO, "turn %s: a frame was refused: %s", self.turn, error)
        if not is_form or self._rung is Rung.PLAIN:
            return False
        self._rung = Rung.ENTITIES if frame.blocks else Rung.PLAIN
        self._changed.set()
        return True

    # --- edits --------------------------------------------------------------------------------------------------------

    async def _edits(self, message_id: int) -> None:
        clock, budget, chat = self.deliverer.clock, self.deliverer.budget, self.address.chat
        self._ended = self._ended or self.deliverer.api.lacks(EditMessageText)
        shown = Screen()
        while not self._ended:
            await self._wait_for_budget(lambda: budget.edit_wait(chat, clock.monotonic()))
            await self._changed.wait()
            while not message_id and self.deliverer.turns.is_busy(self.address):
                await clock.sleep(BEHIND)
            while (wait := budget.edit_wait(chat, clock.monotonic())) > 0:
                await clock.sleep(wait)
            await self._wait_if_complete()
            self._changed.clear()
            # No blocks: a message of text may not be editable into blocks.
            limit = messages.SHORT_LIMIT if self.address.visible_to else messages.LIMIT
            self._rung = max(self._rung, Rung.ENTITIES)
            frame = messages.growing(self.text, self._rung, self.doing, limit)
            if frame.text and frame != shown:
                unseen, self._unseen = self._unseen, 0.0
                self._hold()
                text = self.text
                message_id = await self._edit(frame, message_id)
                self.shown = text if message_id else self.shown
                self._observe_lag(unseen)
                shown = frame

    async def _edit(self, frame: Screen, message_id: int) -> int:
        deliverer, chat = self.deliverer, self.address.chat
        deliverer.spend(chat)
        self._landed.clear()
        try:
            if not message_id:
                return await self._send_message(frame)
            stop = messages.stop_keyboard(self.stop_label)
            await deliverer.api.call(messages.edit(frame, self.address, message_id, stop), deadline=FRAME_DEADLINE)
        except NotModified:
            pass
        except Flood as error:
            deliverer.flooded(chat, error)
        except Refused as error:
            self._ended = not self._descends(frame, error) or self._ended
        except TransportError as error:
            self._ended = self._ended or isinstance(error, Unauthorized)
            log.debug("an edit was dropped: %s", error)
        finally:
            self._landed.set()
        return message_id

    async def _send_message(self, frame: Screen) -> int:
        """Send the message that is edited from then on, and return its id.

        When the outcome of the send is unknown, the view ends: a second message would stay in the chat for ever, and
        the delivery of the finished answer searches for the first one.
        """
        deliverer = self.deliverer
        method = messages.send(frame, self.address, Outgoing(reply_to=self.quote), last=False)
        stop = messages.stop_keyboard(self.stop_label)
        await deliverer.outbox.note_streaming_message(
            self.turn, self.address, marker=deliverer.unconfirmed.newest_id(self.address)
        )
        deliverer.uncertain_turns.add(self.turn)
        began = deliverer.clock.monotonic()
        try:
            sent = await deliverer.api.call(method.model_copy(update={"reply_markup": stop}))
        except (Flood, NotSent, Refused, Unauthorized):
            deliverer.uncertain_turns.discard(self.turn)
            raise
        except TransportError:
            self._ended = True
            raise
        message_id = int(sent["message_id"])
        deliverer.unconfirmed.note_sent(self.address, message_id, began)
        await deliverer.outbox.note_streaming_message(self.turn, self.address, message_id)
        deliverer.uncertain_turns.discard(self.turn)
        return message_id
