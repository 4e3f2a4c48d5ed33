"""Converts the attachments of a message into parts of a question: pictures for the model to see, text to read.

Begin with `Attachments.take`, which `dispatch/questions.py` calls before it asks the assistant. A file that can't be
used is refused with a sentence what to do instead, if possible before it is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace

from bot.billing.metering import BillTo
from bot.concurrency.child_pool import ChildPool, ChildSlot
from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.errors import BadInput, LimitReached, NotAgreed, Refused, TooLarge, TransportError, Unreadable
from bot.feature import ENDED, Feature, Instead, Turn, press
from bot.knowledge import extraction
from bot.knowledge.documents import Documents
from bot.knowledge.sources.source import trouble_text
from bot.llm.routing import ModelOption, Routing
from bot.media import images
from bot.media.voice import Voice
from bot.outbox import Choice, Effect, finish, finish_turn, finish_with, with_choices
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Attachment, Beside, Image, Incoming, Kind, Outgoing, Part, Permission, Text

MOST_PICTURES = 10  # in one question: the size of an album in Telegram
MEGABYTE = 1 << 20
VOICES = ("voice", "video_note", "audio")
SOUNDS = (".mp3", ".m4a", ".ogg", ".oga", ".opus", ".wav", ".flac", ".aac", ".amr", ".wma", ".aiff", ".caf")
SOUND_TYPES = ("audio/", "application/ogg")
MOST_TOLD = 600  # characters about what was left out of documents
HEIC = (".heic", ".heif")
# The text for a file that can't be opened, by the kind of file and the reason of `Unreadable`.
WHY = {
    "document": {
        "broken": "document.broken",
        "empty": "document.empty",
        "locked": "document.locked",
        "long": "document.long",
        "missing": "document.missing",
        "scanned": "document.scanned",
        "pointer": "document.pointer",
        "type": "document.unknown",
    },
    "picture": {"broken": "picture.broken", "large": "picture.large"},
    "voice": {
        "broken": "voice.broken",
        "long": "voice.long",
        "missing": "voice.converter",
        "mute": "voice.mute",
    },
}
WHY_ANY = {"busy": "file.busy", "heavy": "file.heavy", "slow": "file.slow"}


@dataclass(slots=True, kw_only=True)
class Attachments(Feature):
    """Fetches attachments and converts them, in the child processes `files`, into parts of a question. With
    `reads_hidden` what the authors of documents hid is read, too.
    """

    store: Store
    assistant: Assistant
    routing: Routing
    documents: Documents
    voice: Voice
    files: ChildPool
    reads_hidden: bool = False

    async def take(self, incoming: Incoming, reply: Reply, *, agreed: bool = False) -> Incoming | None:
        """The message with its attachments converted to text and pictures.

        None if the turn has ended here, with a sentence or a button. With `agreed` the user accepts the price of speech
        recognition. Raises `BadInput`.
        """
        if not any(isinstance(part, Attachment) for part in incoming.parts):
            return incoming
        incoming, known = await self.store.read(lambda tx: (with_choices(tx, incoming), _is_in_history(tx, incoming)))
        given = [part for part in incoming.parts if isinstance(part, Attachment) and not (part.quoted and known)]
        if not given:
            return incoming
        payer = BillTo.of(incoming, incoming.language, "" if agreed else "price.listen.ask")
        taking = _Taking(incoming=incoming, reply=reply, payer=payer)
        pictures = [one for one in given if is_picture(one)]
        if len(pictures) > MOST_PICTURES:
            raise BadInput(say(taking.language, "picture.many", most=MOST_PICTURES))
        try:
            for one in given:
                if one not in pictures:
                    await self._take_other(taking, one)
        except (LimitReached, NotAgreed) as error:
            await self._refuse(taking, given, error)
            return None
        if taking.read and not taking.text.strip() and not pictures:
            names = ", ".join(taking.read)
            told = Outgoing(say(taking.language, "document.read", name=names), note=taking.left_out)
            await finish_with(self.store, incoming, reply, told)
            return None
        if pictures and not await self._take_pictures(taking, pictures):
            return None
        if not taking.text.strip() and not taking.parts:
            raise BadInput(say(taking.language, "unsupported"))
        return replace(incoming, text=taking.text, parts=tuple(taking.parts), left_out=taking.left_out)

    # --- pictures -----------------------------------------------------------------------------------------------------

    async def _take_pictures(self, taking: _Taking, pictures: Sequence[Attachment]) -> bool:
        """Add the pictures to the question.

        False if the chosen model has no vision: then the question is stored, below a button that asks another model.
        """
        wanted = self.assistant.model_for(taking.incoming.chat)
        if not wanted.model.profile.vision and all(one.quoted for one in pictures):
            # The question may not be about the quoted picture.
            taking.parts.append(Text(instruct(taking.language, "picture.blind.quoted")))
            return True
        options = (wanted, *self.routing.options)
        other = next((option for option in options if option.model.profile.vision), None)
        if other is None:
            self._say_blind(taking)
            return True
        await taking.reply.busy("typing")
        taking.parts += [await self._picture(taking, one) for one in pictures]
        if other is wanted:
            return True
        await self._suggest(taking, wanted, other)
        return False

    def _say_blind(self, taking: _Taking) -> None:
        if not taking.text.strip():
            raise BadInput(say(taking.language, "picture.blind"))
        taking.parts.append(Text(instruct(taking.language, "picture.blind")))

    async def _picture(self, taking: _Taking, attachment: Attachment) -> Image:
        async with self._opening(taking, attachment, "picture") as (slot, data):
            return Image(await slot.run(images.scaled, data))

    async def _suggest(self, taking: _Taking, wanted: ModelOption, other: ModelOption) -> None:
        """Store the question, and end the turn with buttons that ask a model with vision, once or from then on."""
        incoming, language = taking.incoming, taking.language
        text = say(language, "picture.unseen", model=wanted.title, other=other.title)
        if taking.text.strip():
            text = say(language, "picture.kept", unseen=text)

        def suggest(tx: Tx) -> None:
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            point = branching.follow(tx, incoming, (Text(taking.text), *taking.parts))
            branching.leave_open(tx, point.question)
            asked = {"question": point.question.id, "model": other.name}
            choices = [
                Choice(say(language, key, model=other.title), key, asked, queued=True)
                for key in ("picture.ask", "picture.always")
            ]
            finish_turn(tx, incoming, text, choices=choices)

        await finish(self.store, taking.reply, suggest)

    @press("picture.ask")
    async def ask_other(self, turn: Turn, reply: Reply, model: str) -> Instead:
        """Let the model with vision answer the stored question; the model of the chat stays."""
        await self.assistant.answer_again(turn, reply, turn.pressed, model=model, gone=turn.say("price.gone"))
        return ENDED

    @press("picture.always", requires=Permission.CHOOSE)
    async def choose_other(self, turn: Turn, reply: Reply, model: str) -> Instead:
        """Choose the model with vision for the chat, and let it answer the stored question."""
        chosen = turn.say("model.chosen", model=self.routing.by_name(model).title)
        await self.assistant.answer_again(turn, reply, turn.pressed, chosen=model, gone=chosen)
        return ENDED

    # --- everything else ----------------------------------------------------------------------------------------------

    async def _take_other(self, taking: _Taking, attachment: Attachment) -> None:
        if attachment.name.lower().endswith(HEIC) or attachment.mime in ("image/heic", "image/heif"):
            raise BadInput(say(taking.language, "picture.heic"))
        if attachment.kind == "sticker" and attachment.name:
            taking.add(attachment.name)
        elif is_sound(attachment) and not attachment.quoted:
            await self._take_voice(taking, attachment)
        elif attachment.kind == "document" and extraction.can_read(attachment.name, attachment.mime):
            await self._take_document(taking, attachment)
        elif attachment.kind == "document" and extraction.may_read(attachment.name, attachment.mime):
            await self._take_unnamed(taking, attachment)
        elif attachment.kind == "document" and not attachment.quoted:
            name = one_line(attachment.name) or say(taking.language, "file.this")
            raise BadInput(say(taking.language, "document.unknown", name=name))
        elif not attachment.quoted:
            self._take_unread(taking, attachment)

    async def _take_unnamed(self, taking: _Taking, attachment: Attachment) -> None:
        """Take a file of which only the content says what it is."""
        try:
            await self._take_document(taking, attachment)
        except _IsSound:
            if not attachment.quoted:
                await self._take_voice(taking, attachment)

    async def _take_document(self, taking: _Taking, attachment: Attachment) -> None:
        await taking.reply.busy("typing")
        name, mime = one_line(attachment.name) or "document", attachment.mime
        async with self._opening(taking, attachment, "document") as (slot, data):
            pages, left_out = await slot.run(extraction.extract, data, attachment.name, mime, self.reads_hidden)
        told = "; ".join(trouble_text(taking.language, reason) for reason in left_out)
        taking.parts.append(Text(await self.documents.keep(taking.incoming, name, pages, told)))
        taking.read.append(name)
        if told:
            taking.left.append(f"{name}: {told}")

    async def _take_voice(self, taking: _Taking, attachment: Attachment) -> None:
        self.voice.check(attachment, taking.language)
        await taking.reply.busy("typing")
        async with self._opening(taking, attachment, "voice") as (slot, data):
            recording = await self.voice.recording(slot, attachment, data)
        taking.add(await self.voice.hear(taking.incoming, taking.reply, recording, taking.payer))

    def answered(self, incoming: Incoming) -> Effect | None:
        """Return a function for the transaction that stores the answer: to a voice note it adds the job that speaks the
        answer.

        None if the message has no voice note.
        """
        if any(isinstance(part, Attachment) and is_sound(part) and not part.quoted for part in incoming.parts):
            return lambda tx: self.voice.mirror(tx, with_choices(tx, incoming))
        return None

    async def _refuse(self, taking: _Taking, given: Sequence[Attachment], why: LimitReached | NotAgreed) -> None:
        """End the turn with a button that tries again: a budget is spent, or the price needs consent."""
        incoming, language, expensive = taking.incoming, taking.language, isinstance(why, NotAgreed)
        kept = {"parts": [asdict(one) for one in given], "text": incoming.text, "quotes": _quotes(incoming)}
        kept["beside"] = [asdict(one) for one in incoming.beside]
        kept["agreed"] = expensive or not taking.payer.asks
        again = Choice(say(language, "price.listen" if expensive else "retry"), "attached.again", kept, queued=True)
        drop = Choice(say(language, "price.drop"), "price.drop", queued=True)
        refusal = Outgoing(str(why), plain=True, reply_to=_quotes(incoming))
        choices = [again, drop] if expensive else [again]
        await finish_with(self.store, incoming, taking.reply, refusal, choices=choices)

    @staticmethod
    def again(incoming: Incoming, action: ButtonPress) -> Incoming:
        """Return the message whose attachments were refused, as it was, when a button below the refusal is pressed."""
        kept = action.payload
        parts = tuple(Attachment(**one) for one in kept["parts"])
        return replace(
            incoming,
            kind=Kind.MESSAGE,
            data="",
            text=kept["text"],
            parts=parts,
            quotes=kept["quotes"],
            beside=tuple(Beside(**one) for one in kept.get("beside", ())),
        )

    def _take_unread(self, taking: _Taking, attachment: Attachment) -> None:
        """Tell the model about an attachment that it can't read. Without a text, raise `BadInput` for the user."""
        if not taking.text.strip():
            raise BadInput(say(taking.language, "unsupported"))
        taking.parts.append(Text(instruct(taking.language, "attachment.unread", kind=attachment.kind)))

    @asynccontextmanager
    async def _opening(
        self, taking: _Taking, attachment: Attachment, kind: str
    ) -> AsyncIterator[tuple[ChildSlot, bytes]]:
        """Fetch a file and give the block a child process to open it.

        A crash inside the block counts as a failed attempt of the update; at the next attempt the file is opened with
        no other file beside it. Raises `BadInput`, also for an `Unreadable` that the block raises.
        """
        incoming = taking.incoming
        try:
            async with self.files.place(alone=incoming.attempts > 0) as slot:
                await self.store.write(lambda tx: tx.inbox.mark_begun(incoming.ids, opening=True))
                yield slot, await self._fetch(taking, attachment)
                await self.store.write(lambda tx: tx.inbox.mark_begun(incoming.ids))
        except Unreadable as error:
            if error.why == "sound":
                raise _IsSound from None
            raise BadInput(self._why(taking.language, attachment, kind, error.why)) from None

    def _why(self, language: str, attachment: Attachment, kind: str, why: str) -> str:
        key = WHY[kind].get(why) or WHY_ANY.get(why) or WHY[kind]["broken"]
        return say(
            language,
            key,
            name=one_line(attachment.name) or say(language, "file.this"),
            pages=extraction.MOST_PAGES,
            characters=extraction.MOST_CHARACTERS,
            minutes=max(self.voice.longest // 60, 1),
        )

    async def _fetch(self, taking: _Taking, attachment: Attachment) -> bytes:
        """The bytes of the file. Raises `BadInput` if it is too large, deleted, or can't be fetched now."""
        try:
            return await taking.reply.fetch(attachment)
        except TooLarge as error:
            raise BadInput(say(taking.language, "file.large", limit=error.limit // MEGABYTE)) from None
        except Refused:
            raise BadInput(say(taking.language, "file.gone")) from None
        except TransportError:
            raise BadInput(say(taking.language, "file.unavailable")) from None


class _IsSound(Exception):
    """A file that was opened as a document is a sound."""


@dataclass(slots=True, kw_only=True)
class _Taking:
    """A message whose attachments are being converted. `text` and `parts` are the question that it becomes."""

    incoming: Incoming
    reply: Reply
    payer: BillTo
    text: str = ""
    parts: list[Part] = field(default_factory=list)
    read: list[str] = field(default_factory=list)  # the names of documents
    left: list[str] = field(default_factory=list)  # what of them was not read

    def __post_init__(self) -> None:
        self.text = self.incoming.text

    @property
    def language(self) -> str:
        """The language of the sender."""
        return self.incoming.language

    @property
    def left_out(self) -> str:
        """What of the documents was not read, on one line; "" for nothing."""
        return "; ".join(self.left)[:MOST_TOLD]

    def add(self, text: str) -> None:
        """Add a line to the text of the question."""
        self.text = "\n".join(filter(None, (self.text, text)))


def _is_in_history(tx: Tx, incoming: Incoming) -> bool:
    """Whether the model reads the message that is replied to, with its attachments, in the conversation."""
    said = branching.replied(tx, incoming.address, incoming.reply_to)
    return said is not None and said.conversation == tx.messages.find_current_conversation(incoming.address)


def _quotes(incoming: Incoming) -> int:
    """The id of the message that has the attachments."""
    return incoming.quotes or incoming.message_id


def one_line(name: str) -> str:
    """The name of a file, shortened, with round instead of square brackets, which enclose citations."""
    return " ".join(name.translate({ord("["): "(", ord("]"): ")"}).split())[:100]


def is_sound(attachment: Attachment) -> bool:
    """Whether an attachment is something to listen to, by its kind, type and name."""
    if attachment.kind == "document":
        return attachment.mime.startswith(SOUND_TYPES) or attachment.name.lower().endswith(SOUNDS)
    return attachment.kind in VOICES


def is_picture(attachment: Attachment) -> bool:
    """Whether an attachment is a picture that `images.scaled` can open, by its kind, type and name."""
    if attachment.kind == "document":
        return attachment.mime in images.MIMES or attachment.name.lower().endswith(images.ENDINGS)
    return attachment.kind == "photo" or (attachment.kind == "sticker" and attachment.mime == "image/webp")
