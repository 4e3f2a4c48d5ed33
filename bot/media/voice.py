"""Voice notes: speech recognition, /voice, and spoken answers. Begin with `Voice.hear`.

The recognised text is stored in the outbox ("🎙 ...") before the model is asked, so that a crash does not pay for the
recognition twice. A spoken answer is a job: the text comes at once, the voice note follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import ceil

from bot.access.audit_log import record_settings
from bot.ai import Answered, Failed, SpeechToText, TextToSpeech
from bot.billing.metering import BillTo, Meter
from bot.concurrency.child_pool import ChildSlot
from bot.errors import BadInput, LimitReached, ModelDenied, ModelError, ModelUnavailable
from bot.feature import Feature, Turn, command, job, press, section
from bot.media import audio
from bot.outbox import Answer, Choice, Page, delivery_key
from bot.ports import Reply, Transport
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.texts.catalog import say
from bot.types import Attachment, File, Incoming, Job, Outgoing, Permission

KIND = "voice"
MARK = "🎙 "
PATIENCE = 900.0  # seconds that the recognition of a long note may take
FIRST_POLL, LAST_POLL = 1.0, 10.0
MOST_TRIES = 5  # of the synthesis of an answer, if the service is unavailable
CONTAINERS = {"audio/ogg": "audio/ogg", "audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg", "audio/wav": "audio/wav"}


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound in a format that the recognition service takes; `seconds` is its length, rounded up."""

    data: bytes
    mime: str
    seconds: int


@dataclass(slots=True, kw_only=True)
class Voice(Feature):
    """Recognises voice notes and speaks answers.

    `listener` is None without recognition, `speaker` is None without synthesis. `longest` is the longest accepted note
    in seconds.
    """

    store: Store
    transport: Transport
    listener: SpeechToText | None
    speaker: TextToSpeech | None
    meter: Meter
    longest: int = 1800

    def _value(self, tx: Tx, turn: Incoming) -> str:
        return say(turn.language, "voice.on" if tx.chats.answers_with_voice(turn.address) else "voice.text")

    @command("/voice", is_notice=True)
    def voice(self, tx: Tx, turn: Turn) -> Answer | Page:
        """Open a settings panel with the choice whether voice notes are answered with voice in this chat."""
        return Answer(turn.say("voice.off")) if self.speaker is None else self.show(tx, turn)

    @section("voice", value=_value, offered=lambda self, _turn: self.speaker is not None)
    def show(self, tx: Tx, turn: Turn) -> Page:
        """Whether voice notes are answered with voice in this chat."""
        now = tx.chats.answers_with_voice(turn.address)
        labels = {True: turn.say("voice.on"), False: turn.say("voice.text")}
        rows = [
            [Choice(("✓ " if on is now else "") + label, "voice.set", {"voice": on})] for on, label in labels.items()
        ]
        return Page(f"{turn.say('settings.voice')}\n\n{turn.say('settings.voice.about')}", rows)

    @press("voice.set", requires=Permission.CHOOSE, has_toast=True)
    def choose(self, tx: Tx, turn: Turn, voice: bool) -> Page:
        """Store whether voice notes are answered with voice in this chat, and show it in the panel."""
        tx.chats.set_voice_answers(turn.address, on=voice)
        record_settings(tx, turn, voice="on" if voice else "off")
        return replace(self.show(tx, turn), toast=turn.say("voice.mirrors" if voice else "voice.silent"))

    def check(self, attachment: Attachment, language: str) -> None:
        """Raise `BadInput` for a note that is too long, or if speech is off, before the file is fetched."""
        if self.listener is None:
            raise BadInput(say(language, "voice.off"))
        if attachment.duration > self.longest:
            raise self._too_long(language)

    def _too_long(self, language: str) -> BadInput:
        return BadInput(say(language, "voice.long", minutes=max(self.longest // 60, 1)))

    # --- listening ----------------------------------------------------------------------------------------------------

    async def recording(self, slot: ChildSlot, note: Attachment, data: bytes) -> Recording:
        """The note in a format that the service takes, converted to OggOpus if necessary. Raises `Unreadable`."""
        mime = CONTAINERS.get(note.mime, "")
        # Nobody has said how long a file is, and what it is called may be wrong.
        if note.kind in ("video_note", "document") or not mime:
            data, mime = await slot.run(audio.opus, data, self.longest), "audio/ogg"
        return Recording(data, mime, lasts(note, data, mime))

    async def hear(self, incoming: Incoming, reply: Reply, note: Recording, payer: BillTo) -> str:
        """Recognise a note, show the text to the user and return it. Raises `BadInput`, `LimitReached`, `NotAgreed`."""
        language = payer.language
        name = f"{incoming.id}.heard"
        stored = await self.store.read(lambda tx: tx.outbox.find_text(name, incoming.address))
        if stored is not None:
            return stored.removeprefix(MARK)
        try:
            text = await self._recognise(incoming, reply, note, payer)
        except ModelDenied:
            raise BadInput(say(language, "error.denied")) from None
        except ModelError:
            raise BadInput(say(language, "voice.failed")) from None
        if not text.strip():
            raise BadInput(say(language, "voice.empty"))
        note_text = Outgoing(MARK + text, plain=True, reply_to=incoming.quotes or incoming.message_id)
        await self.store.write_until_stored(
            lambda tx: tx.outbox.add_answer(name, incoming.address, note_text, marker=incoming.message_id)
        )
        await reply.finish()
        return text

    async def _recognise(self, incoming: Incoming, reply: Reply, note: Recording, payer: BillTo) -> str:
        language = payer.language
        if self.listener is None:
            raise BadInput(say(language, "voice.off"))
        if note.seconds > self.longest:  # the sender had stated a shorter length
            raise self._too_long(language)
        if note.mime == "audio/ogg" and self.listener.short(len(note.data), note.seconds):
            async with self.meter.charge(payer, self.meter.tariffs.speech, note.seconds):
                return await self.listener.hear(note.data, language)
        operation = await self._submit(self.listener, incoming, payer, note)
        return await self._poll(self.listener, operation, reply, language)

    async def _poll(self, listener: SpeechToText, operation: str, reply: Reply, language: str) -> str:
        """Poll the operation of a long note until it ends. Its id was stored first, so a restart continues to poll."""
        wait, until = FIRST_POLL, self.store.clock.monotonic() + PATIENCE
        while self.store.clock.monotonic() < until:
            await reply.busy("typing")
            try:
                outcome = await listener.poll(operation)
            except ModelUnavailable:
                outcome = None
            if isinstance(outcome, Answered):
                return outcome.text
            if isinstance(outcome, Failed):
                break
            await self.store.clock.sleep(wait)
            wait = min(wait * 1.5, LAST_POLL)
        raise BadInput(say(language, "voice.failed"))

    async def _submit(self, listener: SpeechToText, incoming: Incoming, payer: BillTo, note: Recording) -> str:
        """The id of the recognition operation, submitted if there is none. The service is paid when it accepts it."""
        bot, turn = incoming.address.bot, incoming.id
        before = await self.store.read(lambda tx: tx.one(Operation, bot=bot, turn=turn))
        if before is not None and before.kind == KIND and before.operation:
            return before.operation
        async with self.meter.charge(payer, self.meter.tariffs.long_speech, note.seconds):
            name = await listener.submit(note.data, note.mime, payer.language)

        def running(tx: Tx) -> None:
            tx.operations.add_operation(KIND, turn, incoming.address, incoming.user.id, {})
            found = tx.one(Operation, bot=bot, turn=turn)
            if found is not None:
                tx.change(found, state="done", operation=name)  # only this turn polls it, no job

        await self.store.write_until_stored(running)
        return name

    # --- speaking -----------------------------------------------------------------------------------------------------

    def mirror(self, tx: Tx, incoming: Incoming) -> None:
        """Add the job that speaks the answer to a voice note, if the chat wants it. The caller wakes the jobs."""
        if self.speaker is None or not tx.chats.answers_with_voice(incoming.address):
            return
        asked = {"language": incoming.language, "user": incoming.user.id}
        tx.jobs.add_job(Job(KIND, incoming.id, incoming.address, asked, due=self.store.clock.time()))

    @job(KIND)
    async def speak(self, job: Job) -> None:
        """Send the answer of a turn as a voice note. A text that is too long is cut after a sentence."""
        answer = await self.store.read(lambda tx: tx.messages.find_of_turn(job.address, job.key, "assistant"))
        text = spoken(answer.text, self.speaker.longest) if answer is not None and self.speaker is not None else ""
        if not text or self.speaker is None:
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        reply = self.transport.reply(job.address, job.key)
        await reply.busy("voice")
        note = await self._synthesise(self.speaker, job, text)

        def end(tx: Tx) -> None:
            tx.outbox.add_answer(f"{delivery_key(job.key)}.voice", job.address, note)
            tx.jobs.delete_done(job)

        await self.store.write_until_stored(end)
        await reply.finish()

    async def _synthesise(self, speaker: TextToSpeech, job: Job, text: str) -> Outgoing:
        """The voice note, or a sentence why there is none. Raises `ModelUnavailable` if the job must be tried again."""
        language = job.payload["language"]
        payer = BillTo(job.address, job.payload.get("user", 0), job.key, language)
        unspoken = say(language, "voice.unspoken")
        try:
            async with self.meter.charge(payer, self.meter.tariffs.voice, len(text)):
                data = await speaker.speak(text, language_of(text))
        except LimitReached as error:
            return Outgoing(f"{unspoken} {error}", plain=True)
        except ModelUnavailable:
            if job.attempts + 1 < MOST_TRIES:
                raise  # the job worker tries again, with a growing delay
            return Outgoing(unspoken, plain=True)
        except ModelError:
            return Outgoing(unspoken, plain=True)
        return Outgoing(file=File(data, "voice", "answer.ogg"), instead=unspoken)


def lasts(note: Attachment, data: bytes, mime: str) -> int:
    """The length of a recording in whole seconds, rounded up: from the OggOpus file, else as the sender stated it."""
    own = audio.seconds(data) if mime == "audio/ogg" else 0.0
    return max(ceil(own) or note.duration, 1)


def language_of(text: str) -> str:
    """The language in which to speak a text: "ru" if it has Russian letters, else "en"."""
    return "ru" if re.search("[а-яё]", text, re.IGNORECASE) else "en"


def spoken(text: str, longest: int) -> str:
    """The words of an answer to be spoken, without code, Markdown, addresses and the numbers of its sources, cut after
    a sentence at `longest`.
    """
    text = re.sub(r"```.*?(```|$)", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)", r"\1", text)
    text = re.sub(r"https?://\S+", " ", text)
    text = re.sub(r"^[ \t]*(#+|>|[-*+]|\|)[ \t]*", "", text, flags=re.MULTILINE)
    text = re.sub(r"[*_`~|]+", "", text)
    text = re.sub(r"(?<=[.!?…»”\")])[⁰¹²³⁴-⁹\u202f]+", "", text)
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= longest:
        return text
    head = text[:longest]
    end = max((found.end() for found in re.finditer(r"[.!?…](?=\s)", head)), default=0)
    return head[:end] or head.rsplit(" ", 1)[0]
