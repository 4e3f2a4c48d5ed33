"""The commands /remind and /timezone: "/remind tomorrow 9:00 call mum" becomes a job that is due at that time.

Begin with `Reminders.remind`; the tool for models is `Reminders.tool`. The bot asks each person once for the time zone,
unless the time is one in every zone ("in 20 minutes"), which time is meant if words can be understood in two ways, and
what to remind of if only a time was told.
A late reminder says when it was due. The next time of a repeated reminder is counted from the time it was due, not from
the time it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zlib import crc32

from bot.errors import BadInput
from bot.feature import ButtonHandler, Command, Handlers, Section
from bot.features.settings_panel import pairs
from bot.features.task_list import cancel_choice, named_cancel_choice
from bot.features.times import reading, zones
from bot.features.times.reading import Reading, When
from bot.features.times.sayings import shown_clock, shown_span, shown_time
from bot.outbox import (
    Choice,
    Effect,
    Page,
    delivery_key,
    end_question,
    expire_buttons,
    finish,
    finish_asking,
    finish_page,
    finish_turn,
    remove_buttons,
)
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.telemetry import turn_log
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolContext
from bot.types import Incoming, Job, Outgoing, User

KIND = "reminder"
ASKED = "reminder.zone"  # the awaited answer to the question for the time zone
ABOUT = "reminder.text"  # the awaited answer to the question what to remind of
TIME = "reminder.time"  # a button with one of the times that may be meant
SAME = 60.0  # seconds: the same words due so near to each other are one reminder
LATE = 120.0  # seconds after which a reminder says when it was due
MOST = 100  # reminders of one chat
LONGEST = 500  # characters of the text of a reminder
MOST_WAITING = 10  # reminders that wait for the time zone of one person
UNREAD = {"": "remind.unclear", "past": "remind.past", "repeat": "remind.repeat"}
WESTMOST = timezone(timedelta(hours=-12))  # a time that is still to come anywhere is still to come here
EASTMOST = timezone(timedelta(hours=14))
ZONES = (
    "Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Krasnoyarsk",
    "Asia/Irkutsk", "Asia/Vladivostok", "Europe/London", "Europe/Berlin", "America/New_York", "UTC",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Reminders:
    """Sets and sends reminders. `wake_jobs` is called after a job was added."""

    store: Store
    transport: Transport
    wake_jobs: Callable[[], None]

    def feature(self) -> Handlers:
        """The commands, the buttons of time zones, and the job that sends a reminder."""
        return Handlers(
            commands={"/remind": Command(self.remind), "/timezone": Command(self.timezone)},
            presses={
                "reminder.zone": ButtonHandler(self.press_zone),
                "reminder.time": ButtonHandler(self.press_time),
                "zone.set": ButtonHandler(self.press_own_zone, has_toast=True),
            },
            awaits={ASKED: self.receive_zone, ABOUT: self.receive_text},
            jobs={KIND: self.send},
            sections={"zone": Section(page=self._page, value=_zone_title)},
        )

    async def remind(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Set a reminder, or ask first for what is missing: the time zone, or what to remind of. Raises `BadInput`."""
        where, language = zones.zone(incoming.chat.zone), incoming.language
        if not rest.strip():
            raise BadInput(say(language, "remind.usage"))
        if where is not None:
            await self._finish(reply, lambda tx: self._finish_phrase(tx, incoming, rest, where))
            return
        now = self._now(WESTMOST)
        found = self._read(language, rest, now)
        if _is_one_anywhere(found, rest, now):
            await self._finish(reply, lambda tx: self._finish_found(tx, incoming, rest, found, None, now))
        else:
            await self._finish(reply, lambda tx: self._ask_zone(tx, incoming, [*_waiting(tx, incoming), rest]))

    async def timezone(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Change the time zone. Set reminders keep their moments; reminders that wait for the zone are set now."""

        def work(tx: Tx) -> None:
            phrases = _waiting(tx, incoming)
            if where := zones.zone(rest):
                self._set_zone(tx, incoming, where, phrases)
            elif not rest and not phrases:
                finish_page(tx, incoming, self._page(tx, incoming))
            else:
                self._ask_zone(tx, incoming, phrases)

        await self._finish(reply, work)

    async def press_zone(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the time zone of the button, and set the reminders that wait for it."""
        where = zones.zone(action.payload["zone"]) or UTC

        def work(tx: Tx) -> None:
            expire_buttons(tx, incoming)
            self._set_zone(tx, incoming, where, _phrases(action))

        await self._finish(reply, work)

    async def receive_zone(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> bool:
        """Store the time zone that the user has written. False for words that are no time zone."""
        where = zones.zone(incoming.text)
        if where is None:
            return False
        await self._finish(reply, lambda tx: self._set_zone(tx, incoming, where, _phrases(action)))
        return True

    async def receive_text(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> bool:
        """Set the reminder whose time was told before its text. Raises `BadInput` if that time has passed by now."""
        text, phrase, where = (
            " ".join(incoming.text.split()),
            str(action.payload["phrase"]),
            zones.zone(incoming.chat.zone),
        )
        if not text:
            return False
        then = datetime.fromtimestamp(float(action.payload["at"]), where or WESTMOST)
        found = reading.read(phrase, then)
        times = [when for when in found.times if when.at > self._now(UTC)]
        if not times:
            raise BadInput(say(incoming.language, "remind.past"))
        chosen = replace(found, times=times, text=text)

        def work(tx: Tx) -> None:
            end_question(tx, incoming)
            self._finish_found(tx, incoming, phrase, chosen, where, then)

        await self._finish(reply, work)
        return True

    async def press_time(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Set a reminder at the time of the button. Raises `BadInput` if that time has passed by now."""
        where, chosen = zones.zone(incoming.chat.zone) or UTC, action.payload
        when = When(datetime.fromtimestamp(chosen["at"], where), chosen["repeat"])
        if when.at <= self._now(where):
            raise BadInput(say(incoming.language, "remind.past"))

        def work(tx: Tx) -> None:
            expire_buttons(tx, incoming)
            self._finish_set(tx, incoming, when, chosen["text"], where)

        await self._finish(reply, work)

    def _page(self, tx: Tx, incoming: Incoming) -> Page:
        """The page of the settings panel: the time zone of the user, and places to choose another."""
        language, now = incoming.language, zones.zone(incoming.chat.zone)
        places = [(name, zones.city(_zone(name), language), _zone(name) == now) for name in ZONES]
        title, about = (
            say(language, "settings.zone"),
            say(language, "settings.zone.about", now=_zone_title(tx, incoming)),
        )
        choices = [
            Choice(("✓ " if is_now else "") + f"{city} {self._now(_zone(name)):%H:%M}", "zone.set", {"zone": name})
            for name, city, is_now in places
        ]
        return Page(f"{title}\n\n{about}", pairs(choices))

    async def press_own_zone(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the time zone of the button, and show it in the settings panel."""
        zone = str(action.payload["zone"])
        changed = replace(incoming, chat=replace(incoming.chat, zone=zone))

        def work(tx: Tx) -> None:
            tx.users.store_timezone(incoming.address.bot, incoming.user.id, zone)
            finish_page(tx, changed, self._page(tx, changed))

        await finish(self.store, reply, work)
        await reply.acknowledge(say(incoming.language, "settings.saved"))

    def set(self, tx: Tx, incoming: Incoming, language: str, when: str, text: str) -> str:
        """Set a reminder inside a transaction. Returns the sentence that confirms it.

        Raises `BadInput` with a sentence if `when` is not understood, has two meanings or is past, or the time zone is
        not known. The caller wakes the jobs after the commit.
        """
        where = zones.zone(tx.users.read_timezone(incoming.address.bot, incoming.user.id))
        if where is None:
            raise BadInput(say(language, "remind.zone.unknown"))
        now = self._now(where)
        found = reading.read(when, now)
        if not found.times or found.text:
            raise BadInput(say(language, UNREAD[found.why]))
        if not found.sure:
            times = "; ".join(shown_time(language, one, now) for one in found.times)
            raise BadInput(say(language, "remind.unsure", times=times))
        return self._set(tx, incoming, language, found.times[0], text, where)[0]

    def tool(self) -> Tool:
        """The tool `remind`: models set reminders with it, and repeat the sentence that confirms them."""

        async def remind(asker: ToolContext, when: str, text: str) -> str:
            """Set a reminder for the user, in the user's own time zone. Tell the user what was set, word for word.

            when: such as 2026-12-05 18:30, tomorrow 9:00, in 20 minutes, every monday 9:00
            text: what to remind of
            """
            text = " ".join(text.split())
            # An idempotency key: a turn that starts again after a crash does not set its reminders twice.
            key = f"{turn_log.current.get().name}.{crc32(f'{when.strip()} {text}'.encode()):x}"
            asked = Incoming(key, asker.address, User(asker.user))
            sentence = await self.store.write(lambda tx: self.set(tx, asked, asker.language, when, text))
            self.wake_jobs()
            return sentence

        return Tool.of(remind, deadline=5.0, about=r"\bremind|\bwake me|напомн|напомин|разбуди")

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _finish(self, reply: Reply, work: Effect) -> None:
        """Run the transaction of a turn that may set a reminder."""
        await finish(self.store, reply, work)
        self.wake_jobs()

    def _read(self, language: str, phrase: str, now: datetime) -> Reading:
        """Find the time in a phrase. Raises `BadInput` with the reason if there is none to come."""
        found = reading.read(phrase, now)
        if not found.times:
            raise BadInput(say(language, UNREAD[found.why]))
        return found

    def _finish_phrase(self, tx: Tx, incoming: Incoming, phrase: str, where: tzinfo) -> None:
        """Set a reminder, or ask for what is unclear or missing, and end the turn. Raises `BadInput`."""
        now = self._now(where)
        self._finish_found(tx, incoming, phrase, self._read(incoming.language, phrase, now), where, now)

    def _finish_found(
        self, tx: Tx, incoming: Incoming, phrase: str, found: Reading, where: tzinfo | None, now: datetime
    ) -> None:
        """Set a reminder that was read from a phrase `now`, or ask for what is missing. Raises `BadInput`."""
        language = incoming.language
        if not found.text:
            question = self._about(language, found, where, now)
            finish_asking(tx, incoming, ABOUT, question, phrase=phrase, at=now.timestamp(), takes_questions=True)
            return
        if found.sure:
            when = found.times[0] if where else replace(found.times[0], at=found.times[0].at.astimezone(UTC))
            self._finish_set(tx, incoming, when, found.text, where)
            return
        choices = [
            Choice(
                shown_time(language, when, self._now(when.at.tzinfo or UTC)),
                TIME,
                {"at": when.at.timestamp(), "repeat": when.repeat, "text": found.text},
            )
            for when in found.times
        ]
        finish_turn(tx, incoming, say(language, "remind.which", text=found.text), choices=choices, over=True)

    def _about(self, language: str, found: Reading, where: tzinfo | None, now: datetime) -> str:
        """The question what to remind of, with the time that is kept."""
        if not found.sure:
            return say(language, "remind.about.which")
        when = found.times[0]
        if where is None:
            return say(language, "remind.about.soon", span=shown_span(language, when.at - now))
        return say(language, "remind.about", at=shown_time(language, when, now))

    def _finish_set(self, tx: Tx, incoming: Incoming, when: When, text: str, where: tzinfo | None) -> None:
        """Set a reminder, and end the turn with the sentence that confirms it. Raises `BadInput`."""
        sentence, key = self._set(tx, incoming, incoming.language, when, text, where)
        waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
        asked = waiting is not None and waiting.name == ASKED
        more = [self._zone_question(tx, incoming, (), delivery_key(incoming.id, 1))] if not (where or asked) else []
        finish_turn(tx, incoming, sentence, *more, choices=[cancel_choice(incoming, KIND, key)], over=True)

    def _set(
        self, tx: Tx, incoming: Incoming, language: str, when: When, text: str, where: tzinfo | None
    ) -> tuple[str, str]:
        """Set a reminder. Returns the sentence that confirms it, and the key of the job. Raises `BadInput`.

        `where` is None if nobody knows the zone: `when` is in UTC then.
        """
        tx.chats.serialize_decisions(incoming.address)
        before = tx.jobs.list_of_chat(incoming.address, KIND)
        if twin := _twin(before, incoming, when, text):
            now = datetime.fromtimestamp(self.store.clock.time(), where or UTC)
            at = shown_time(language, when, now) + ("" if where else " UTC")
            return say(language, "remind.twice", at=at, text=text), twin.key
        if len(before) >= MOST or len(text) > LONGEST:
            raise BadInput(say(language, "remind.much", most=MOST, longest=LONGEST))
        number = sum(job.key.partition("-")[0] == incoming.id for job in before)
        key = f"{incoming.id}-{number}" if number and not _of_tool(incoming) else incoming.id
        now = self._now(where or UTC)
        payload = {
            "user": incoming.user.id, "text": text, "language": language, "zone": zones.name_of(where or UTC),
            "repeat": when.repeat, "at": shown_time(language, when, now, near=False) + ("" if where else " UTC"),
            "reply_to": incoming.message_id,
        }  # fmt: skip
        tx.jobs.add_job(Job(KIND, key, incoming.address, payload, due=when.at.timestamp()))
        if where is None:
            return say(language, "remind.set.soon", span=shown_span(language, when.at - now), text=text), key
        at = shown_time(language, when, now)
        return say(language, "remind.set", at=at, zone=zones.city(where, language), text=text), key

    def _set_zone(self, tx: Tx, incoming: Incoming, where: tzinfo, phrases: Sequence[str]) -> None:
        """Store the time zone, set the reminders `phrases` that wait for it, and end the turn."""
        bot, user, language = incoming.address.bot, incoming.user.id, incoming.language
        tx.users.store_timezone(bot, user, zones.name_of(where))
        _remove_zone_buttons(tx, incoming)
        tx.buttons.cancel_awaited(incoming.address, user)
        if len(phrases) > 1:
            self._finish_phrases(tx, incoming, phrases, where)
        elif phrases:
            try:
                self._finish_phrase(tx, incoming, phrases[0], where)
            except BadInput as error:  # for example, the time is past in that zone; the zone stays stored
                finish_turn(tx, incoming, str(error))
        else:
            zone, time = zones.city(where, language), shown_clock(self._now(where))
            finish_turn(tx, incoming, say(language, "remind.zone.set", zone=zone, time=time), over=True)

    def _finish_phrases(self, tx: Tx, incoming: Incoming, phrases: Sequence[str], where: tzinfo) -> None:
        """Set several reminders, and end the turn with a sentence for each: what was set, or what to write again."""
        language, sentences, choices = incoming.language, [], []
        for phrase in phrases:
            try:
                found = self._read(language, phrase, self._now(where))
                if not (found.sure and found.text):
                    raise BadInput(say(language, "remind.unclear"))
                sentence, key = self._set(tx, incoming, language, found.times[0], found.text, where)
            except BadInput:
                sentence = say(language, "remind.again", phrase=phrase)
            else:
                choices.append(named_cancel_choice(KIND, key, found.text))
            sentences.append(sentence)
        finish_turn(tx, incoming, "\n".join(sentences), choices=choices, over=True)

    def _ask_zone(self, tx: Tx, incoming: Incoming, phrases: Sequence[str]) -> None:
        """End the turn with the question for the time zone. `phrases` are the reminders that wait for it.

        Raises `BadInput` if they are too many.
        """
        if len(phrases) > MOST_WAITING:
            raise BadInput(say(incoming.language, "remind.zone.unknown"))
        finish_turn(tx, incoming, self._zone_question(tx, incoming, phrases, incoming.id))

    def _zone_question(self, tx: Tx, incoming: Incoming, phrases: Sequence[str], turn: str) -> Outgoing:
        """The question for the time zone, to be delivered as `turn`; its answer is awaited."""
        where, user, language = incoming.address, incoming.user.id, incoming.language
        kept: dict[str, Any] = {"text": phrases[-1] if phrases else "", "before": phrases[:-1]}
        buttons = [
            tx.buttons.add_button(
                where, turn, user, f"{zones.city(zone, language)} {self._now(zone):%H:%M}", ASKED, zone=name, **kept
            )
            for name, zone in ((name, _zone(name)) for name in ZONES)
        ]
        pairs = tuple(tuple(buttons[first : first + 2]) for first in range(0, len(buttons), 2))
        _remove_zone_buttons(tx, incoming)
        end_question(tx, incoming)
        tx.buttons.await_answer(where, user, ASKED, turn=turn, **kept)
        return Outgoing(say(language, "remind.zone.ask"), plain=True, buttons=pairs)

    def _now(self, where: tzinfo) -> datetime:
        return datetime.fromtimestamp(self.store.clock.time(), where)

    # --- the job ------------------------------------------------------------------------------------------------------

    async def send(self, job: Job) -> None:
        """The job: send the reminder, and reschedule a repeated one to its next time."""
        asked, due = job.payload, job.due
        sentence = f"⏰ {asked['text']}"
        if self.store.clock.time() - due > LATE:
            sentence += "\n" + say(str(asked["language"]), "remind.late", at=asked["at"])
        again = self._next_due(asked, due)

        def work(tx: Tx) -> None:
            now = tx.jobs.find_job(job.address.bot, KIND, job.key)
            if now is None or now.due != due:  # cancelled, or sent already
                return
            if not tx.chats.is_unreachable(job.address):
                reminder = Outgoing(sentence, plain=True, reply_to=int(asked["reply_to"]))
                tx.outbox.add_answer(f"{job.key}.r{int(due)}", job.address, reminder)
            if again is None:
                tx.jobs.delete_done(job)
            else:
                tx.jobs.reschedule(job, again)

        await self.store.write(work)
        await self.transport.reply(job.address, job.key).finish()

    def _next_due(self, asked: Mapping[str, Any], due: float) -> float | None:
        """The next future time of a repeated reminder in Unix seconds, None for one that is not repeated."""
        where = zones.zone(str(asked["zone"]))
        if not asked["repeat"] or where is None:
            return None
        at = datetime.fromtimestamp(due, where)
        while at.timestamp() <= self.store.clock.time():
            at = reading.following(at, str(asked["repeat"]))
        return at.timestamp()


def _is_one_anywhere(found: Reading, phrase: str, now: datetime) -> bool:
    """Whether a phrase means one moment of the next 24 hours in all time zones, as "in 20 minutes" does."""
    if not found.sure or found.times[0].repeat or found.times[0].at - now > timedelta(days=1):
        return False
    east = reading.read(phrase, now.astimezone(EASTMOST))
    return east.sure and east.times[0].at == found.times[0].at


def _twin(before: Sequence[Job], incoming: Incoming, when: When, text: str) -> Job | None:
    """A reminder of this user that says the same at the same time; none that an earlier try of this turn has set."""
    return next(
        (
            job
            for job in before
            if (job.payload["user"], job.payload["repeat"]) == (incoming.user.id, when.repeat)
            and str(job.payload["text"]).casefold() == text.casefold()
            and abs(job.due - when.at.timestamp()) < SAME
            and job.key.partition("-")[0] != incoming.id
        ),
        None,
    )


def _phrases(asked: ButtonPress) -> list[str]:
    """The reminders that wait for the answer to a question for the time zone, the oldest first."""
    return [*asked.payload.get("before", ()), *filter(None, [asked.payload["text"]])]


def _waiting(tx: Tx, incoming: Incoming) -> list[str]:
    """The reminders of this user here that wait for the time zone, the oldest first."""
    waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
    return _phrases(waiting) if waiting is not None and waiting.name == ASKED else []


def _remove_zone_buttons(tx: Tx, incoming: Incoming) -> None:
    """Remove the buttons of an answered question for the time zone: they would set the reminder again."""
    waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
    if waiting is None or waiting.name != ASKED:
        return
    for message in tx.outbox.message_ids(incoming.address, str(waiting.payload.get("turn", "")))[:1]:
        if message != incoming.message_id:
            remove_buttons(tx, incoming, message=message)


def _zone(name: str) -> tzinfo:
    return zones.zone(name) or UTC


def _of_tool(incoming: Incoming) -> bool:
    return "." in incoming.id


def _zone_title(_tx: Tx, incoming: Incoming) -> str:
    zone = zones.zone(incoming.chat.zone)
    return say(incoming.language, "settings.zone.none") if zone is None else zones.city(zone, incoming.language)
