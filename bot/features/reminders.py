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
from bot.feature import NOT_MINE, Again, Feature, Result, Turn, awaited, command, job, press, section
from bot.features.settings_panel import pairs
from bot.features.task_list import cancel_choice, named_cancel_choice
from bot.features.times import reading, zones
from bot.features.times.reading import Reading, When
from bot.features.times.sayings import shown_clock, shown_span, shown_time
from bot.outbox import Answer, Ask, Choice, Page, delivery_key, end_question, expire_buttons, remove_buttons
from bot.storage.store import Store, Tx
from bot.telemetry import turn_log
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolContext
from bot.types import Address, Incoming, Job, Outgoing, User

KIND = "reminder"
ASKED = "reminder.zone"  # the awaited answer to the question for the time zone
ABOUT = "reminder.text"  # the awaited answer to the question what to remind of
SAME = 60.0  # seconds: the same words due so near to each other are one reminder
LATE = 120.0  # seconds after which a reminder says when it was due
MOST = 100  # reminders of one chat
LONGEST = 500  # characters of the text of a reminder
MOST_WAITING = 10  # reminders that wait for the time zone of one person
UNREAD = {"": "remind.unclear", "past": "remind.past", "repeat": "remind.repeat"}
WESTMOST = timezone(timedelta(hours=-12))  # a time that is still to come anywhere is still to come here
EASTMOST = timezone(timedelta(hours=14))
ZONES = (
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Krasnoyarsk",
    "Asia/Irkutsk",
    "Asia/Vladivostok",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "UTC",
)


@dataclass(slots=True, kw_only=True)
class Reminders(Feature):
    """Sets and sends reminders."""

    store: Store
    deliver: Callable[[str, Sequence[Address]], None]
    wake_jobs: Callable[[], None]

    @command("/remind")
    def remind(self, tx: Tx, turn: Turn) -> Result:
        """Set a reminder, or ask first for what is missing: the time zone, or what to remind of. Raises `BadInput`."""
        where, phrase = zones.zone(turn.chat.zone), turn.rest
        if not phrase.strip():
            raise BadInput(turn.say("remind.usage"))
        if where is not None:
            return self._set_phrase(tx, turn, phrase, where)
        now = self._now(WESTMOST)
        found = _read(turn.language, phrase, now)
        if _is_one_anywhere(found, phrase, now):
            return self._set_found(tx, turn, phrase, found, None, now)
        return self._ask_zone(tx, turn, [*_waiting(tx, turn), phrase])

    @command("/timezone")
    def timezone(self, tx: Tx, turn: Turn) -> Result:
        """Change the time zone. Set reminders keep their moments; reminders that wait for the zone are set now."""
        phrases = _waiting(tx, turn)
        if where := zones.zone(turn.rest):
            return self._set_zone(tx, turn, where, phrases)
        if not turn.rest and not phrases:
            return self.show_zones(tx, turn)
        return self._ask_zone(tx, turn, phrases)

    @press(ASKED)
    def press_zone(self, tx: Tx, turn: Turn, zone: str, text: str, before: Sequence[str] = ()) -> Result:
        """Store the time zone of the button, and set the reminders that wait for it."""
        expire_buttons(tx, turn)
        return self._set_zone(tx, turn, zones.zone(zone) or UTC, _phrases(text, before))

    @awaited(ASKED)
    def receive_zone(self, tx: Tx, turn: Turn, text: str, before: Sequence[str] = ()) -> Result:
        """Store the time zone that the user has written, unless the words are no time zone."""
        where = zones.zone(turn.text)
        return NOT_MINE if where is None else self._set_zone(tx, turn, where, _phrases(text, before))

    @awaited(ABOUT)
    def receive_text(self, tx: Tx, turn: Turn, phrase: str, at: float) -> Result:
        """Set the reminder whose time was told before its text. Raises `BadInput` if that time has passed by now."""
        text, where = " ".join(turn.text.split()), zones.zone(turn.chat.zone)
        if not text:
            return NOT_MINE
        then = datetime.fromtimestamp(at, where or WESTMOST)
        found = reading.read(phrase, then)
        times = [when for when in found.times if when.at > self._now(UTC)]
        if not times:
            raise BadInput(turn.say("remind.past"))
        end_question(tx, turn)
        return self._set_found(tx, turn, phrase, replace(found, times=times, text=text), where, then)

    @press("reminder.time")
    def press_time(self, tx: Tx, turn: Turn, at: float, repeat: str, text: str) -> Answer:
        """Set a reminder at the time of the button. Raises `BadInput` if that time has passed by now."""
        where = zones.zone(turn.chat.zone) or UTC
        when = When(datetime.fromtimestamp(at, where), repeat)
        if when.at <= self._now(where):
            raise BadInput(turn.say("remind.past"))
        expire_buttons(tx, turn)
        return self._set_one(tx, turn, when, text, where)

    @section("zone", value=lambda _self, _tx, turn: _zone_title(turn))
    def show_zones(self, _tx: Tx, turn: Turn) -> Page:
        """The time zone of the user, and places to choose another."""
        now = zones.zone(turn.chat.zone)
        places = [(name, zones.city(_zone(name), turn.language), _zone(name) == now) for name in ZONES]
        choices = [
            Choice(("✓ " if is_now else "") + f"{city} {self._now(_zone(name)):%H:%M}", "zone.set", {"zone": name})
            for name, city, is_now in places
        ]
        about = turn.say("settings.zone.about", now=_zone_title(turn))
        return Page(f"{turn.say('settings.zone')}\n\n{about}", pairs(choices))

    @press("zone.set", has_toast=True)
    def press_own_zone(self, tx: Tx, turn: Turn, zone: str) -> Page:
        """Store the time zone of the button, and show it in the settings panel."""
        tx.users.store_timezone(turn.address.bot, turn.user.id, zone)
        page = self.show_zones(tx, replace(turn, chat=replace(turn.chat, zone=zone)))
        return replace(page, toast=turn.say("settings.saved"))

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

    def _set_phrase(self, tx: Tx, turn: Turn, phrase: str, where: tzinfo) -> Result:
        """Set a reminder, or ask for what is unclear or missing. Raises `BadInput`."""
        now = self._now(where)
        return self._set_found(tx, turn, phrase, _read(turn.language, phrase, now), where, now)

    def _set_found(
        self, tx: Tx, turn: Turn, phrase: str, found: Reading, where: tzinfo | None, now: datetime
    ) -> Result:
        """Set a reminder that was read from a phrase `now`, or ask for what is missing. Raises `BadInput`."""
        language = turn.language
        if not found.text:
            question = _about(language, found, where, now)
            return Ask(ABOUT, question, phrase=phrase, at=now.timestamp(), takes_questions=True)
        if found.sure:
            when = found.times[0] if where else replace(found.times[0], at=found.times[0].at.astimezone(UTC))
            return self._set_one(tx, turn, when, found.text, where)
        choices = [
            Choice(
                shown_time(language, when, self._now(when.at.tzinfo or UTC)),
                "reminder.time",
                {"at": when.at.timestamp(), "repeat": when.repeat, "text": found.text},
            )
            for when in found.times
        ]
        return Answer(turn.say("remind.which", text=found.text), choices=choices, over=True)

    def _set_one(self, tx: Tx, turn: Turn, when: When, text: str, where: tzinfo | None) -> Answer:
        """Set a reminder. Returns the sentence that confirms it. Raises `BadInput`."""
        sentence, key = self._set(tx, turn, turn.language, when, text, where)
        waiting = tx.buttons.find_awaited(turn.address, turn.user.id)
        asked = waiting is not None and waiting.name == ASKED
        more = [] if where or asked else [self._zone_question(tx, turn, (), delivery_key(turn.id, 1))]
        return Answer(sentence, *more, choices=[cancel_choice(turn, KIND, key)], over=True)

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
            "user": incoming.user.id,
            "text": text,
            "language": language,
            "zone": zones.name_of(where or UTC),
            "repeat": when.repeat,
            "at": shown_time(language, when, now, near=False) + ("" if where else " UTC"),
            "reply_to": incoming.message_id,
        }
        tx.jobs.add_job(Job(KIND, key, incoming.address, payload, due=when.at.timestamp()))
        if where is None:
            return say(language, "remind.set.soon", span=shown_span(language, when.at - now), text=text), key
        at = shown_time(language, when, now)
        return say(language, "remind.set", at=at, zone=zones.city(where, language), text=text), key

    def _set_zone(self, tx: Tx, turn: Turn, where: tzinfo, phrases: Sequence[str]) -> Result:
        """Store the time zone, and set the reminders `phrases` that wait for it."""
        tx.users.store_timezone(turn.address.bot, turn.user.id, zones.name_of(where))
        _remove_zone_buttons(tx, turn)
        tx.buttons.cancel_awaited(turn.address, turn.user.id)
        if len(phrases) > 1:
            return self._set_phrases(tx, turn, phrases, where)
        if phrases:
            try:
                return self._set_phrase(tx, turn, phrases[0], where)
            except BadInput as error:  # for example, the time is past in that zone; the zone stays stored
                return str(error)
        zone, time = zones.city(where, turn.language), shown_clock(self._now(where))
        return Answer(turn.say("remind.zone.set", zone=zone, time=time), over=True)

    def _set_phrases(self, tx: Tx, turn: Turn, phrases: Sequence[str], where: tzinfo) -> Answer:
        """Set several reminders. Returns a sentence for each: what was set, or what to write again."""
        language, sentences, choices = turn.language, [], []
        for phrase in phrases:
            try:
                found = _read(language, phrase, self._now(where))
                if not (found.sure and found.text):
                    raise BadInput(turn.say("remind.unclear"))
                sentence, key = self._set(tx, turn, language, found.times[0], found.text, where)
            except BadInput:
                sentence = turn.say("remind.again", phrase=phrase)
            else:
                choices.append(named_cancel_choice(KIND, key, found.text))
            sentences.append(sentence)
        return Answer("\n".join(sentences), choices=choices, over=True)

    def _ask_zone(self, tx: Tx, turn: Turn, phrases: Sequence[str]) -> Outgoing:
        """Ask for the time zone, for which the reminders `phrases` wait. Raises `BadInput` if they are too many."""
        if len(phrases) > MOST_WAITING:
            raise BadInput(turn.say("remind.zone.unknown"))
        return self._zone_question(tx, turn, phrases, turn.id)

    def _zone_question(self, tx: Tx, turn: Turn, phrases: Sequence[str], key: str) -> Outgoing:
        """The question for the time zone, to be delivered under `key`; its answer is awaited."""
        where, user = turn.address, turn.user.id
        kept: dict[str, Any] = {"text": phrases[-1] if phrases else "", "before": phrases[:-1]}
        buttons = []
        for name in ZONES:
            label = f"{zones.city(_zone(name), turn.language)} {self._now(_zone(name)):%H:%M}"
            buttons.append(tx.buttons.add_button(where, key, user, label, ASKED, zone=name, **kept))
        _remove_zone_buttons(tx, turn)
        end_question(tx, turn)
        tx.buttons.await_answer(where, user, ASKED, turn=key, **kept)
        rows = tuple(tuple(buttons[first : first + 2]) for first in range(0, len(buttons), 2))
        return Outgoing(turn.say("remind.zone.ask"), plain=True, buttons=rows)

    def _now(self, where: tzinfo) -> datetime:
        return datetime.fromtimestamp(self.store.clock.time(), where)

    # --- the job ------------------------------------------------------------------------------------------------------

    @job(KIND)
    def send(self, tx: Tx, found: Job) -> Again | None:
        """Send the reminder, and reschedule a repeated one to its next time."""
        asked, due = found.payload, found.due
        sentence = f"⏰ {asked['text']}"
        if tx.clock.time() - due > LATE:
            sentence += "\n" + say(str(asked["language"]), "remind.late", at=asked["at"])
        if not tx.chats.is_unreachable(found.address):
            reminder = Outgoing(sentence, plain=True, reply_to=int(asked["reply_to"]))
            tx.outbox.add_answer(f"{found.key}.r{int(due)}", found.address, reminder)
        again = self._next_due(asked, due)
        return None if again is None else Again(again)

    def _next_due(self, asked: Mapping[str, Any], due: float) -> float | None:
        """The next future time of a repeated reminder in Unix seconds, None for one that is not repeated."""
        where = zones.zone(str(asked["zone"]))
        if not asked["repeat"] or where is None:
            return None
        at = datetime.fromtimestamp(due, where)
        while at.timestamp() <= self.store.clock.time():
            at = reading.following(at, str(asked["repeat"]))
        return at.timestamp()


def _read(language: str, phrase: str, now: datetime) -> Reading:
    """Find the time in a phrase. Raises `BadInput` with the reason if there is none to come."""
    found = reading.read(phrase, now)
    if not found.times:
        raise BadInput(say(language, UNREAD[found.why]))
    return found


def _about(language: str, found: Reading, where: tzinfo | None, now: datetime) -> str:
    """The question what to remind of, with the time that is kept."""
    if not found.sure:
        return say(language, "remind.about.which")
    when = found.times[0]
    if where is None:
        return say(language, "remind.about.soon", span=shown_span(language, when.at - now))
    return say(language, "remind.about", at=shown_time(language, when, now))


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


def _phrases(text: str, before: Sequence[str] = ()) -> list[str]:
    """The reminders that wait for the answer to a question for the time zone, the oldest first."""
    return [*before, *filter(None, [text])]


def _waiting(tx: Tx, turn: Turn) -> list[str]:
    """The reminders of this user here that wait for the time zone, the oldest first."""
    waiting = tx.buttons.find_awaited(turn.address, turn.user.id)
    if waiting is None or waiting.name != ASKED:
        return []
    return _phrases(waiting.payload["text"], waiting.payload.get("before", ()))


def _remove_zone_buttons(tx: Tx, turn: Turn) -> None:
    """Remove the buttons of an answered question for the time zone: they would set the reminder again."""
    waiting = tx.buttons.find_awaited(turn.address, turn.user.id)
    if waiting is None or waiting.name != ASKED:
        return
    for message in tx.outbox.message_ids(turn.address, str(waiting.payload.get("turn", "")))[:1]:
        if message != turn.message_id:
            remove_buttons(tx, turn, message=message)


def _zone(name: str) -> tzinfo:
    return zones.zone(name) or UTC


def _of_tool(incoming: Incoming) -> bool:
    return "." in incoming.id


def _zone_title(turn: Incoming) -> str:
    zone = zones.zone(turn.chat.zone)
    return say(turn.language, "settings.zone.none") if zone is None else zones.city(zone, turn.language)
