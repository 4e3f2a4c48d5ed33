"""Translates between customers and operators. What a translation has lost (a number, a link, code) stops it, and the
operators decide; so they do where the model does not answer. Nothing goes out untranslated in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.conversation.helper_model import HelperModel
from bot.desk.assistance.purse import Purse
from bot.desk.assistance.translating import TRANSLATE, is_next
from bot.desk.desk import Places
from bot.desk.mirror import Mirror
from bot.desk.model.faithful import lost
from bot.errors import ModelError
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import Choice, finish_turn
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CUSTOMER, Case, Relay, Seat
from bot.texts.catalog import say
from bot.types import Incoming, Job, Outgoing, Permission, User

SOON = 0.5  # seconds until a message looks again whether the one before it is translated
TRIES = 2  # of an operator's message, which a customer waits for
SPARE = 200  # tokens more than a text has characters: so many are enough for any language


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Translates by the `helper` model, which the `purse` pays. `send` delivers to places in the background."""

    store: Store
    mirror: Mirror
    helper: HelperModel
    purse: Purse
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """Return the feature: the job, and the buttons with which operators decide on what was not translated."""
        button = ButtonHandler(self.press, Permission.SERVE, has_toast=True)
        return Handlers(jobs={TRANSLATE: self.run}, presses={"desk.translated": button})

    async def run(self, job: Job) -> None:
        """The job: translate a message, and bring it to the other side."""
        if job.payload["side"] != CUSTOMER and not await self.store.read(lambda tx: is_next(tx, job)):
            await self.store.write(lambda tx: tx.jobs.reschedule(job, tx.clock.time() + SOON))
            return
        text, places = str(job.payload["text"]), list[Any]()

        def keep(tx: Tx, translated: str) -> None:
            places.extend(self._keep(tx, job, translated, why="desk.translate.failed"))

        prompt = instruct(str(job.payload["to"]), "desk.translate", to=job.payload["to"])
        try:
            is_done = await self.helper.ask(job, prompt, text, len(text) + SPARE, keep)
        except ModelError:
            if job.payload["side"] == CUSTOMER or job.attempts + 1 < TRIES:
                raise
            is_done = False
        if not is_done:
            await self.store.write(lambda tx: places.extend(self._failed(tx, job)))
        self.send("", places)

    def _failed(self, tx: Tx, job: Job) -> Places:
        payer = Incoming(job.key, job.address, User(int(job.payload["user"])))
        is_spent = self.purse.is_spent(tx, payer)
        return self._keep(tx, job, "", why="desk.translate.limit" if is_spent else "desk.translate.failed")

    def _keep(self, tx: Tx, job: Job, translated: str, *, why: str) -> Places:
        """Bring a translation ("" for none, and `why`) to the other side, or ask the operators."""
        now, said = tx.jobs.find_job(job.address.bot, job.kind, job.key), job.payload
        if now is None:
            return ()  # the operator has taken the message back
        if now.payload["text"] != said["text"]:
            tx.jobs.reschedule(job, tx.clock.time())
            return ()
        tx.jobs.delete_done(job)
        case = tx.one(Case, bot=job.address.bot, id=int(said["case"]))
        relay = tx.one(Relay, bot=job.address.bot, chat=int(said["chat"]), message=int(said["message"]))
        if case is None or relay is None:
            return ()
        text = str(said["text"])
        gone = lost(text, translated) if translated else ()
        if relay.side == CUSTOMER:
            return self._show(tx, case, relay, text, translated, gone=gone, why=why)
        gone = (*gone, *(link for link in said["links"] if link not in translated))
        if translated and not gone:
            return self.mirror.send_translated(tx, case, relay, said, translated)
        return self._ask(tx, case, job, translated, say_why=_why(gone, why))

    def _show(
        self, tx: Tx, case: Case, relay: Relay, text: str, translated: str, *, gone: Sequence[str], why: str
    ) -> Places:
        """Show operators the translation of a customer's message, with the message itself, or why there is none."""
        if translated.casefold().strip() == text.casefold().strip():
            return ()  # it was written in their language
        tx.change(relay, for_team=translated)
        key, values = _why(gone, why)
        told = (key, values) if gone or not translated else None
        return self.mirror.show_translated(tx, case, relay, text, translated, told=told)

    def _ask(self, tx: Tx, case: Case, job: Job, translated: str, *, say_why: tuple[str, Mapping[str, str]]) -> Places:
        """Ask the operators what to do with a message that was not translated, or not faithfully."""
        desk, said = self.mirror.desk, job.payload
        seat = tx.one(Seat, customer=case.address, place=int(said["chat"]))
        if seat is None:
            return ()
        language, (why, values) = desk.language(tx, seat.place), say_why
        told = say(language, why, **values)
        choices = [
            Choice(say(language, "desk.translate.as_is"), "desk.translated", {"said": said, "send": said["text"]})
        ]
        if translated:
            told += f"\n\n{translated}"
            send = Choice(say(language, "desk.translate.send"), "desk.translated", {"said": said, "send": translated})
            choices.insert(0, send)
        asked = Outgoing(told, plain=True, reply_to=int(said["message"]), keeps_place=True)
        key = f"{job.key}.asked.{int(tx.clock.time())}"
        tx.outbox.add_answer(key, seat.address, desk.with_buttons(tx, seat, key, asked, choices))
        return [seat.address]

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Send a message as the operator has decided."""

        def work(tx: Tx) -> tuple[str, Places]:
            desk, said = self.mirror.desk, action.payload["said"]
            language = desk.language(tx, incoming.address.chat)
            case = tx.one(Case, bot=desk.bot, id=int(said["case"]))
            relay = tx.one(Relay, bot=desk.bot, chat=int(said["chat"]), message=int(said["message"]))
            finish_turn(tx, incoming)
            if case is None or relay is None:
                return say(language, "desk.no_customer"), ()
            if not said.get("edit") and tx.outbox.find_address(desk.bot, relay.delivery) is not None:
                return say(language, "desk.to.done"), ()
            tx.buttons.expire_button(action.key)
            said, send = {**said, "turn": incoming.id}, str(action.payload["send"])
            places = self.mirror.send_translated(tx, case, relay, said, send)
            return say(language, "desk.done"), places

        told, places = await self.store.write(work)
        await reply.acknowledge(told)
        self.send("", [incoming.address, *places])


def _why(gone: Sequence[str], why: str) -> tuple[str, Mapping[str, str]]:
    """The sentence that says what is wrong with a translation, and its values."""
    return ("desk.translate.lost", {"what": ", ".join(gone)}) if gone else (why, {})
