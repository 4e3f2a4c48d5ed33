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
from bot.feature import NOT_MINE, Again, Feature, Result, Turn, awaited, command, job, press
from bot.outbox import Answer, Ask, Choice, end_question
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, Permission, User

KIND = "broadcast"
PACE = 5  # people a second: Telegram takes about 30 messages, and answers must not wait for these
MOST_UNSENT = 4 * PACE  # messages of a broadcast that may wait for delivery; while there are more, none is added
PATIENCE = 600.0  # seconds after the last message in which its delivery is waited for
LONGEST = 4000  # characters: one message


@dataclass(slots=True, kw_only=True)
class Broadcast(Feature):
    """Sends a message of an owner to everybody.

    `deliver` sends what was stored for other chats. `wake_jobs` is called after a job was added.
    """

    store: Store
    access: Access
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    @command("/broadcast", requires=Permission.ADMINISTER)
    def ask(self, tx: Tx, turn: Turn) -> Answer | Ask:
        """Ask the owner for the text, or show the text that follows the command."""
        return self._show(tx, turn, turn.rest) if turn.rest else Ask(KIND, turn.say("broadcast.ask"))

    @awaited(KIND)
    def preview(self, tx: Tx, turn: Turn) -> Result:
        """Show the text with the number of people who would get it, and ask whether to send it.

        The message of a sender who is not an owner is one like any other. Raises `BadInput` for a message without text
        and for a text that is too long; the bot still waits.
        """
        if self.access.authorize(Actor.of(turn), Permission.ADMINISTER) is not Decision.ALLOWED:
            return NOT_MINE
        return self._show(tx, turn, turn.text.strip())

    def _show(self, tx: Tx, turn: Turn, text: str) -> Answer:
        if not 0 < len(text) <= LONGEST:
            raise BadInput(turn.say("broadcast.text", most=LONGEST))
        end_question(tx, turn)
        if not (count := len(self._people(tx, turn))):
            return Answer(turn.say("broadcast.nobody"))
        send = Choice(turn.say("broadcast.send"), "broadcast.send", {"text": text, "key": turn.id})
        question = turn.say("broadcast.confirm", count=count, text=text)
        return Answer(question, choices=[(send, Choice(turn.say("cancel"), "broadcast.cancel"))])

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

    @press("broadcast.cancel", requires=Permission.ADMINISTER)
    def cancel(self, _tx: Tx, turn: Turn) -> Answer:
        """Send nothing, and say so in place of the text."""
        return Answer(turn.say("broadcast.cancelled"), over=True)

    @press("broadcast.send", requires=Permission.ADMINISTER, once=True)
    def begin(self, tx: Tx, turn: Turn, text: str, key: str) -> Answer:
        """Add the job that sends the text, and show a button that stops it."""
        count = len(self._people(tx, turn))
        payload = {"text": text, "after": 0, "user": turn.user.id, "turn": key}
        tx.jobs.add_job(Job(KIND, key, turn.address, payload, due=tx.clock.time()))
        tx.audit.add_entry(turn.address.bot, turn.user.id, "broadcast", people=count)
        stop = Choice(turn.say("broadcast.stop"), "broadcast.stop", {"key": key})
        return Answer(turn.say("broadcast.begun", count=count), choices=[stop], over=True)

    @press("broadcast.stop", requires=Permission.ADMINISTER)
    def stop(self, tx: Tx, turn: Turn, key: str) -> Answer:
        """Make the job stop after the people that it is sending to; it then says how many have got the message."""
        bot = turn.address.bot
        sending = tx.jobs.find_job(bot, KIND, key)
        if sending is None:
            return Answer(turn.say("broadcast.over"), over=True)
        tx.jobs.store_payload(sending, {**sending.payload, "ended": tx.clock.time()})
        tx.audit.add_entry(bot, turn.user.id, "stopped")
        return Answer(turn.say("broadcast.stopping"), over=True)

    # --- the job ------------------------------------------------------------------------------------------------------

    @job(KIND)
    def send(self, tx: Tx, due: Job) -> Again | None:
        """Store the message for the next people, or tell the owner at the end how many have got it."""
        now, bot, user = tx.clock.time(), due.address.bot, int(due.payload["user"])
        sent, dead, unsent = tx.outbox.count_states(bot, f"{due.key}.everybody")
        if (ended := due.payload.get("ended")) is not None:
            if unsent and now < ended + PATIENCE:
                return Again(now + 1.0)
            language = tx.chats.read_language(bot, user)
            text = say(language, "broadcast.done", sent=sent, dead=dead, unsent=unsent)
            tx.outbox.add_answer(f"{due.key}.end", due.address, Outgoing(text, plain=True))
            return None
        owner = Incoming("", due.address, user=User(user))
        is_owner = self.access.role(Actor(user, private=True)) is Role.OWNER
        room = MOST_UNSENT - unsent
        people = self._people(tx, owner, due.payload["after"], min(PACE, room)) if is_owner and room > 0 else []
        for person in people:
            where = Address(due.address.transport, bot, person)
            tx.outbox.add_answer(f"{due.key}.everybody{person}", where, Outgoing(due.payload["text"], plain=True))
        if people:
            tx.jobs.store_payload(due, {**due.payload, "after": people[-1]})
        elif room > 0:
            tx.jobs.store_payload(due, {**due.payload, "ended": now})
        return Again(now + 1.0)
