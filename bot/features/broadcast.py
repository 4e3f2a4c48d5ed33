"""The command /broadcast: an owner sends one message to everybody who writes to the bot in private.

Begin with `Broadcast.ask`. The owner writes the text, sees it with the number of people, and presses "Send". A job then
puts the message into the outbox, a few people at a time, under one key for each person: what a crash interrupts goes on
from where it was, and nobody gets the message twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision, Role
from bot.errors import BadInput
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, end_question, finish, finish_asking, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, Permission, User

KIND = "broadcast"
PACE = 5  # people a second: Telegram takes about 30 messages, and answers must not wait for these
MOST_UNSENT = 4 * PACE  # messages of a broadcast that may wait for delivery; while there are more, none is added
PATIENCE = 600.0  # seconds after the last message in which its delivery is waited for
LONGEST = 4000  # characters: one message


@dataclass(slots=True, kw_only=True)
class Broadcast:
    """Sends a message of an owner to everybody.

    `deliver` sends what was stored for other chats. `wake_jobs` is called after a job was added.
    """

    store: Store
    access: Access
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    def feature(self) -> Handlers:
        """/broadcast, its buttons, the awaited text, and the job."""
        return Handlers(
            commands={"/broadcast": Command(self.ask, requires=Permission.ADMINISTER)},
            presses={
                "broadcast.send": ButtonHandler(self.press_send, Permission.ADMINISTER),
                "broadcast.cancel": ButtonHandler(self.press_cancel, Permission.ADMINISTER),
                "broadcast.stop": ButtonHandler(self.press_stop, Permission.ADMINISTER),
            },
            awaits={KIND: self.preview},
            jobs={KIND: self.send},
        )

    async def ask(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Ask the owner for the text, or show the text that follows the command (see `preview`)."""
        if rest:
            await self._show(incoming, reply, rest)
            return
        text = say(incoming.language, "broadcast.ask")
        await finish(self.store, reply, lambda tx: finish_asking(tx, incoming, KIND, text))

    async def preview(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> bool:
        """Show the text with the number of people who would get it, and ask whether to send it.

        False for a sender who is not an owner. Raises `BadInput` for a message without text and for a text that is too
        long; the bot still waits.
        """
        if self.access.authorize(Actor.of(incoming), Permission.ADMINISTER) is not Decision.ALLOWED:
            return False
        await self._show(incoming, reply, incoming.text.strip())
        return True

    async def _show(self, incoming: Incoming, reply: Reply, text: str) -> None:
        language = incoming.language
        if not 0 < len(text) <= LONGEST:
            raise BadInput(say(language, "broadcast.text", most=LONGEST))

        def work(tx: Tx) -> None:
            end_question(tx, incoming)
            if not (count := len(self._people(tx, incoming))):
                finish_turn(tx, incoming, say(language, "broadcast.nobody"))
                return
            question = say(language, "broadcast.confirm", count=count, text=text)
            send = Choice(say(language, "broadcast.send"), "broadcast.send", {"text": text, "key": incoming.id})
            finish_turn(tx, incoming, question, choices=[(send, Choice(say(language, "cancel"), "broadcast.cancel"))])

        await finish(self.store, reply, work)

    def _people(self, tx: Tx, owner: Incoming, after: int = 0, most: int | None = None) -> list[int]:
        """The ids of those who get a message of this owner, in ascending order.

        They have a private chat with the bot, have not blocked it, and may use it.
        """
        found: list[int] = []
        for user in tx.chats.list_reachable_people(owner.address.bot, after):
            if user != owner.user.id and self.access.role(Actor(user, private=True)) >= Role.USER:
                found.append(user)
            if len(found) == most:
                break
        return found

    async def press_cancel(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Send nothing, and say so in place of the text."""
        sentence = say(incoming.language, "broadcast.cancelled")
        await finish(self.store, reply, lambda tx: finish_turn(tx, incoming, sentence, over=True))

    async def press_send(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Add the job that sends the text, and show a button that stops it."""
        language, bot, key = incoming.language, incoming.address.bot, action.payload["key"]

        def work(tx: Tx) -> None:
            count = len(self._people(tx, incoming))
            payload = {"text": action.payload["text"], "after": 0, "user": incoming.user.id, "turn": key}
            tx.jobs.add_job(Job(KIND, key, incoming.address, payload, due=self.store.clock.time()))
            tx.buttons.expire_button(action.key)
            tx.audit.add_entry(bot, incoming.user.id, "broadcast", people=count)
            stop = Choice(say(language, "broadcast.stop"), "broadcast.stop", {"key": key})
            finish_turn(tx, incoming, say(language, "broadcast.begun", count=count), choices=[stop], over=True)

        await finish(self.store, reply, work)
        self.wake_jobs()

    async def press_stop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Make the job stop after the people that it is sending to; it then says how many have got the message."""
        bot = incoming.address.bot

        def work(tx: Tx) -> None:
            job = tx.jobs.find_job(bot, KIND, action.payload["key"])
            if job is not None:
                tx.jobs.store_payload(job, {**job.payload, "ended": tx.clock.time()})
                tx.audit.add_entry(bot, incoming.user.id, "stopped")
            key = "broadcast.stopping" if job is not None else "broadcast.over"
            finish_turn(tx, incoming, say(incoming.language, key), over=True)

        await finish(self.store, reply, work)

    # --- the job ------------------------------------------------------------------------------------------------------

    async def send(self, job: Job) -> None:
        """The job: store the message for the next people, or tell the owner at the end how many have got it."""
        bot = job.address.bot

        def work(tx: Tx) -> Sequence[Address]:
            now, known = tx.clock.time(), tx.jobs.find_job(bot, KIND, job.key)
            if known is None:
                return ()
            payload, user = known.payload, int(known.payload["user"])
            sent, dead, unsent = tx.outbox.count_states(bot, f"{job.key}.everybody")
            tx.jobs.reschedule(known, now + 1.0)
            if (ended := payload.get("ended")) is not None:
                if unsent and now < ended + PATIENCE:
                    return ()
                language = tx.chats.read_language(bot, user)
                text = say(language, "broadcast.done", sent=sent, dead=dead, unsent=unsent)
                tx.outbox.add_answer(f"{job.key}.end", job.address, Outgoing(text, plain=True))
                tx.jobs.delete_done(known)
                return (job.address,)
            owner = Incoming("", job.address, user=User(user))
            is_owner = self.access.role(Actor(user, private=True)) is Role.OWNER
            room = MOST_UNSENT - unsent
            people = self._people(tx, owner, payload["after"], min(PACE, room)) if is_owner and room > 0 else []
            chats = [Address(job.address.transport, bot, person) for person in people]
            for where in chats:
                tx.outbox.add_answer(f"{job.key}.everybody{where.chat}", where, Outgoing(payload["text"], plain=True))
            if people:
                tx.jobs.store_payload(known, {**payload, "after": people[-1]})
            elif room > 0:
                tx.jobs.store_payload(known, {**payload, "ended": now})
            return chats

        self.deliver(job.key, await self.store.write(work))
