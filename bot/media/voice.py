"""Voice notes: understood, shown as text, and answered with voice where the chat wishes so. Begin with `Voice.hear`.

What was recognised is an answer in the outbox ("🎙 ...") before the question is asked, so that a crash does not pay for
it twice. A spoken answer is a job: the text is there at once, the voice follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil

from bot.ai import Answered, Failed, SpeechToText, TextToSpeech
from bot.billing.metering import BillTo, Meter
from bot.concurrency.child_pool import ChildSlot
from bot.errors import BadInput, LimitReached, ModelDenied, ModelError, ModelUnavailable
from bot.feature import Command, Feature
from bot.media import audio
from bot.outbox import as_notice, delivery_key, finish, finish_turn, finish_with_notice
from bot.ports import Reply, Transport
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Attachment, File, Incoming, Job, Outgoing, Permission

KIND = "voice"
MARK = "🎙 "
PATIENCE = 900.0  # seconds that a long note may take
FIRST_POLL, LAST_POLL = 1.0, 10.0
MOST_TRIES = 5  # of speaking an answer, where the service does not answer
CONTAINERS = {"audio/ogg": "audio/ogg", "audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg", "audio/wav": "audio/wav"}


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound as the service takes it."""

    data: bytes
    mime: str
    seconds: int


@dataclass(slots=True, kw_only=True)
class Voice:
    """`listener` and `speaker` None: speech is off. `longest` is how long a note may be, in seconds."""

    store: Store
    transport: Transport
    listener: SpeechToText | None
    speaker: TextToSpeech | None
    meter: Meter
    longest: int = 1800

    def feature(self) -> Feature:
        return Feature(
            commands={"/voice": Command(self.toggle, in_menu=self.speaker is not None, requires=Permission.CHOOSE)},
            jobs={KIND: self.speak},
        )

    async def toggle(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Whether voice is answered with voice here."""
        if self.speaker is None:
            await finish_with_notice(self.store, incoming, reply, "voice.off")
            return
        notice = as_notice(incoming, reply)

        def work(tx: Tx) -> None:
            on = not tx.chats.answers_with_voice(incoming.address)
            tx.chats.set_voice_answers(incoming.address, on=on)
            finish_turn(tx, notice, say(incoming.language, "voice.mirrors" if on else "voice.silent"))

        await finish(self.store, reply, work)

    def check(self, attachment: Attachment, language: str) -> None:
        """Raises `BadInput` for what is not listened to, before anything is fetched."""
        if self.listener is None:
            raise BadInput(say(language, "voice.off"))
        if attachment.duration > self.longest:
            raise self._too_long(language)

    def _too_long(self, language: str) -> BadInput:
        return BadInput(say(language, "voice.long", minutes=max(self.longest // 60, 1)))

    # --- listening ----------------------------------------------------------------------------------------------------

    async def recording(self, place: ChildSlot, note: Attachment, data: bytes) -> Recording:
        """What is sent to the service: the note itself, or its sound as OggOpus. Raises `Unreadable`."""
        mime = CONTAINERS.get(note.mime, "")
        if note.kind == "video_note" or not mime:
            data, mime = await place.run(audio.opus, data, self.longest), "audio/ogg"
        return Recording(data, mime, lasts(note, data, mime))

    async def hear(self, incoming: Incoming, reply: Reply, note: Recording, payer: BillTo) -> str:
        """The words of a note, which the user is shown too. Raises `BadInput`, `LimitReached`, `NotAgreed`."""
        language = payer.language
        name = f"{incoming.id}.heard"
        known = await self.store.read(lambda tx: tx.outbox.find_text(name, incoming.address))
        if known is not None:
            return known.removeprefix(MARK)
        try:
            text = await self._recognised(incoming, reply, note, payer)
        except ModelDenied:
            raise BadInput(say(language, "error.denied")) from None
        except ModelError:
            raise BadInput(say(language, "voice.failed")) from None
        if not text.strip():
            raise BadInput(say(language, "voice.empty"))
        shown = Outgoing(MARK + text, plain=True, reply_to=incoming.quotes or incoming.message_id)
        await self.store.retry_until_stored(
            lambda: self.store.write(
                lambda tx: tx.outbox.add_answer(name, incoming.address, shown, marker=incoming.message_id)
            )
        )
        await reply.finish()
        return text

    async def _recognised(self, incoming: Incoming, reply: Reply, note: Recording, payer: BillTo) -> str:
        language = payer.language
        if self.listener is None:
            raise BadInput(say(language, "voice.off"))
        if note.seconds > self.longest:  # the messenger was told otherwise
            raise self._too_long(language)
        if note.mime == "audio/ogg" and self.listener.short(len(note.data), note.seconds):
            async with self.meter.charge(payer, self.meter.tariffs.speech, note.seconds):
                return await self.listener.hear(note.data, language)
        operation = await self._submitted(self.listener, incoming, payer, note)
        return await self._long(self.listener, operation, reply, language)

    async def _long(self, listener: SpeechToText, operation: str, reply: Reply, language: str) -> str:
        """A long note is an operation. Its id is on disk before it is asked about, so a restart goes on with it."""
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

    async def _submitted(self, listener: SpeechToText, incoming: Incoming, payer: BillTo, note: Recording) -> str:
        """The id of the operation. It is paid when the service takes it, whatever comes of it."""
        bot, turn = incoming.address.bot, incoming.id
        known = await self.store.read(lambda tx: tx.operations.find_of_turn(bot, turn))
        if known is not None and known.kind == KIND and known.operation:
            return known.operation
        async with self.meter.charge(payer, self.meter.tariffs.long_speech, note.seconds):
            name = await listener.submit(note.data, note.mime, payer.language)

        def running(tx: Tx) -> None:
            tx.operations.add_operation(KIND, turn, incoming.address, incoming.user.id, {})
            found = tx.operations.find_of_turn(bot, turn)
            if found is not None:
                tx.operations.mark_running(found.id, name)
                tx.operations.store_end(found.id, "done")  # nothing but this turn asks for it

        await self.store.retry_until_stored(lambda: self.store.write(running))
        return name

    # --- speaking -----------------------------------------------------------------------------------------------------

    def mirror(self, tx: Tx, incoming: Incoming) -> None:
        """Have the answer to a spoken question spoken too, where the chat wishes so. The caller wakes the jobs."""
        if self.speaker is None or not tx.chats.answers_with_voice(incoming.address):
            return
        asked = {"language": incoming.language, "user": incoming.user.id}
        tx.jobs.add_job(Job(KIND, incoming.id, incoming.address, asked, due=self.store.clock.time()))

    async def speak(self, job: Job) -> None:
        """The job: the answer of a turn as a voice note. A text that is too long is spoken up to a sentence's end."""
        answer = await self.store.read(lambda tx: tx.messages.find_of_turn(job.address, job.key, "assistant"))
        text = spoken(answer.text, self.speaker.longest) if answer is not None and self.speaker is not None else ""
        if not text or self.speaker is None:
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        reply = self.transport.reply(job.address, job.key)
        await reply.busy("voice")
        note = await self._spoken(self.speaker, job, text)

        def end(tx: Tx) -> None:
            tx.outbox.add_answer(f"{delivery_key(job.key)}.voice", job.address, note)
            tx.jobs.delete_done(job)

        await self.store.retry_until_stored(lambda: self.store.write(end))
        await reply.finish()

    async def _spoken(self, speaker: TextToSpeech, job: Job, text: str) -> Outgoing:
        """The voice note, or why there is none. Raises `ModelUnavailable` while it is worth trying again."""
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
                raise  # the worker asks again, ever more rarely
            return Outgoing(unspoken, plain=True)
        except ModelError:
            return Outgoing(unspoken, plain=True)
        return Outgoing(file=File(data, "voice", "answer.ogg"), instead=unspoken)


def lasts(note: Attachment, data: bytes, mime: str) -> int:
    """The seconds of a recording, a begun one whole: as it says itself, else as the messenger was told."""
    own = audio.seconds(data) if mime == "audio/ogg" else 0.0
    return max(ceil(own) or note.duration, 1)


def language_of(text: str) -> str:
    """The language of a voice: Russian where there are Russian letters."""
    return "ru" if re.search("[а-яё]", text, re.IGNORECASE) else "en"


def spoken(text: str, longest: int) -> str:
    """An answer as one says it: no code, no marks, no addresses; up to the end of a sentence."""
    text = re.sub(r"```.*?(```|$)", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)", r"\1", text)
    text = re.sub(r"https?://\S+", " ", text)
    text = re.sub(r"^[ \t]*(#+|>|[-*+]|\|)[ \t]*", "", text, flags=re.MULTILINE)
    text = re.sub(r"[*_`~|]+", "", text)
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= longest:
        return text
    head = text[:longest]
    end = max((found.end() for found in re.finditer(r"[.!?…](?=\s)", head)), default=0)
    return head[:end] or head.rsplit(" ", 1)[0]
