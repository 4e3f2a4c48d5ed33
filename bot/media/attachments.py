"""What came with a message, made into a question: pictures that a model sees, text that it reads.

Begin with `Attachments.take`, which `dispatch/questions.py` calls before it asks the assistant. What can't be taken is
said, with what to do instead, before anything is fetched where that is known.
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
from bot.feature import ButtonHandler, Feature
from bot.knowledge import extraction
from bot.knowledge.documents import Documents
from bot.llm.routing import ModelOption, Routing
from bot.media import images
from bot.media.voice import Voice
from bot.outbox import Choice, Effect, finish, finish_turn, finish_with, with_choices
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Attachment, Image, Incoming, Kind, Outgoing, Part, Permission, Text

MOST_PICTURES = 10  # of one question; an album has no more
MEGABYTE = 1 << 20
VOICES = ("voice", "video_note", "audio")
HEIC = (".heic", ".heif")
# What is said of a file that can't be opened, by its kind and the reason of `Unreadable`.
WHY = {
    "document": {
        "broken": "document.broken", "empty": "document.empty", "locked": "document.locked", "long": "document.long",
        "missing": "document.missing", "scanned": "document.scanned",
    },
    "picture": {"broken": "picture.broken", "large": "picture.large"},
    "voice": {
        "broken": "voice.broken", "long": "voice.long", "missing": "voice.converter", "mute": "voice.mute",
    },
}  # fmt: skip
WHY_ANY = {"busy": "file.busy", "heavy": "file.heavy", "slow": "file.slow"}


@dataclass(slots=True)
class Attachments:
    store: Store
    assistant: Assistant
    routing: Routing
    documents: Documents
    voice: Voice
    files: ChildPool

    def feature(self) -> Feature:
        return Feature(presses={"picture.ask": ButtonHandler(self.press_ask, Permission.CHOOSE)})

    async def take(self, incoming: Incoming, reply: Reply, *, agreed: bool = False) -> Incoming | None:
        """The question with parts that a model takes. None: it has been answered. Raises `BadInput`.

        `agreed`: the price is known.
        """
        if not any(isinstance(part, Attachment) for part in incoming.parts):
            return incoming
        incoming, known = await self.store.read(lambda tx: (with_choices(tx, incoming), _known(tx, incoming)))
        given = [part for part in incoming.parts if isinstance(part, Attachment) and not (part.quoted and known)]
        if not given:
            return incoming
        payer = BillTo.of(incoming, incoming.language, "" if agreed else "price.listen.ask")
        taking = _Taking(incoming, reply, payer)
        shown = [one for one in given if is_picture(one)]
        if len(shown) > MOST_PICTURES:
            raise BadInput(say(taking.language, "picture.many", most=MOST_PICTURES))
        try:
            for one in given:
                if one not in shown:
                    await self._take_other(taking, one)
        except (LimitReached, NotAgreed) as error:
            await self._keep(taking, given, error)
            return None
        if taking.read and not taking.text.strip() and not shown:
            names = ", ".join(taking.read)
            await finish_with(self.store, incoming, reply, say(taking.language, "document.read", name=names))
            return None
        if shown and not await self._take_pictures(taking, shown):
            return None
        if not taking.text.strip() and not taking.parts:
            raise BadInput(say(taking.language, "unsupported"))
        return replace(incoming, text=taking.text, parts=tuple(taking.parts))

    # --- pictures -----------------------------------------------------------------------------------------------------

    async def _take_pictures(self, taking: _Taking, shown: Sequence[Attachment]) -> bool:
        """False: the model that was chosen can't see, and the question waits for the tap that asks another."""
        wanted = self.assistant.model_for(taking.incoming.chat)
        if not wanted.model.profile.vision and all(one.quoted for one in shown):
            taking.parts.append(
                Text(instruct(taking.language, "picture.blind.quoted"))
            )  # the answer may have nothing to do with what is seen there
            return True
        seeing = wanted if wanted.model.profile.vision else self._seeing()
        if seeing is None:
            self._say_blind(taking)
            return True
        await taking.reply.busy("typing")
        taking.parts += [await self._picture(taking, one) for one in shown]
        if seeing is wanted:
            return True
        await self._point(taking, wanted, seeing)
        return False

    def _seeing(self) -> ModelOption | None:
        return next((offer for offer in self.routing.options if offer.model.profile.vision), None)

    def _say_blind(self, taking: _Taking) -> None:
        if not taking.text.strip():
            raise BadInput(say(taking.language, "picture.blind"))
        taking.parts.append(Text(instruct(taking.language, "picture.blind")))

    async def _picture(self, taking: _Taking, attachment: Attachment) -> Image:
        async with self._opening(taking, attachment, "picture") as (place, data):
            return Image(await place.run(images.scaled, data))

    async def _point(self, taking: _Taking, wanted: ModelOption, seeing: ModelOption) -> None:
        """Keep the question, and say who can answer it."""
        incoming, language = taking.incoming, taking.language
        text = say(language, "picture.unseen", model=wanted.title, other=seeing.title)

        def work(tx: Tx) -> None:
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            place = branching.follow(tx, incoming, (Text(taking.text), *taking.parts))
            label = say(language, "picture.ask", model=seeing.title)
            ask = Choice(label, "picture.ask", {"question": place.question.id, "model": seeing.name}, queued=True)
            finish_turn(tx, incoming, text, choices=[ask])

        await finish(self.store, taking.reply, work)

    async def press_ask(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """The model that can see is chosen, and answers the question that waits."""
        model = action.payload["model"]
        gone = say(incoming.language, "model.chosen", model=self.routing.by_name(model).title)
        await self.assistant.answer_again(incoming, reply, action, chosen=model, gone=gone)

    # --- everything else ----------------------------------------------------------------------------------------------

    async def _take_other(self, taking: _Taking, attachment: Attachment) -> None:
        if attachment.name.lower().endswith(HEIC) or attachment.mime in ("image/heic", "image/heif"):
            raise BadInput(say(taking.language, "picture.heic"))
        if attachment.kind == "sticker" and attachment.name:
            taking.add(attachment.name)
        elif attachment.kind == "document" and extraction.can_read(attachment.name, attachment.mime):
            await self._take_document(taking, attachment)
        elif attachment.kind in VOICES and not attachment.quoted:
            await self._take_voice(taking, attachment)
        elif not attachment.quoted:
            self._take_unread(taking, attachment)

    async def _take_document(self, taking: _Taking, attachment: Attachment) -> None:
        await taking.reply.busy("typing")
        name = one_line(attachment.name) or "document"
        async with self._opening(taking, attachment, "document") as (place, data):
            pages = await place.run(extraction.pages, data, name, attachment.mime)
        taking.parts.append(Text(await self.documents.keep(taking.incoming, name, pages)))
        taking.read.append(name)

    async def _take_voice(self, taking: _Taking, attachment: Attachment) -> None:
        self.voice.check(attachment, taking.language)
        await taking.reply.busy("typing")
        async with self._opening(taking, attachment, "voice") as (place, data):
            recording = await self.voice.recording(place, attachment, data)
        taking.add(await self.voice.hear(taking.incoming, taking.reply, recording, taking.payer))

    def answered(self, incoming: Incoming) -> Effect | None:
        """What is done in the transaction that stores an answer: a spoken question may get a spoken answer."""
        if any(isinstance(part, Attachment) and part.kind in VOICES and not part.quoted for part in incoming.parts):
            return lambda tx: self.voice.mirror(tx, with_choices(tx, incoming))
        return None

    async def _keep(self, taking: _Taking, given: Sequence[Attachment], why: LimitReached | NotAgreed) -> None:
        """A budget did not let it be taken, or it is expensive: say so, with a button that takes it after all."""
        incoming, language, expensive = taking.incoming, taking.language, isinstance(why, NotAgreed)
        kept = {"parts": [asdict(one) for one in given], "text": incoming.text, "quotes": _quotes(incoming)}
        kept["agreed"] = expensive or not taking.payer.asks
        again = Choice(say(language, "price.listen" if expensive else "retry"), "attached.again", kept, queued=True)
        drop = Choice(say(language, "price.drop"), "price.drop", queued=True)
        told = Outgoing(str(why), plain=True, reply_to=_quotes(incoming))
        choices = [again, drop] if expensive else [again]
        await finish_with(self.store, incoming, taking.reply, told, choices=choices)

    @staticmethod
    def again(incoming: Incoming, action: ButtonPress) -> Incoming:
        """The press of that button as the message that was kept."""
        kept = action.payload
        parts = tuple(Attachment(**one) for one in kept["parts"])
        return replace(
            incoming, kind=Kind.MESSAGE, data="", text=kept["text"], parts=parts, quotes=kept["quotes"]
        )  # fmt: skip

    def _take_unread(self, taking: _Taking, attachment: Attachment) -> None:
        """What can't be read is not passed over in silence: the model is told, or the user."""
        if not taking.text.strip():
            raise BadInput(say(taking.language, "unsupported"))
        taking.parts.append(Text(instruct(taking.language, "attachment.unread", kind=attachment.kind)))

    @asynccontextmanager
    async def _opening(
        self, taking: _Taking, attachment: Attachment, kind: str
    ) -> AsyncIterator[tuple[ChildSlot, bytes]]:  # fmt: skip
        """Fetch a file that is going to be opened: a crash until the block is left counts against its update.

        A file that was there at a crash is opened alone. Raises `BadInput`, also for an `Unreadable` of the block.
        """
        incoming = taking.incoming
        try:
            async with self.files.place(alone=incoming.attempts > 0) as place:
                await self.store.write(lambda tx: tx.inbox.mark_begun(incoming.ids, opening=True))
                yield place, await self._fetched(taking, attachment)
                await self.store.write(lambda tx: tx.inbox.mark_begun(incoming.ids))
        except Unreadable as error:
            raise BadInput(self._why(taking.language, attachment, kind, error.why)) from None

    def _why(self, language: str, attachment: Attachment, kind: str, why: str) -> str:
        key = WHY[kind].get(why) or WHY_ANY.get(why) or WHY[kind]["broken"]
        return say(
            language, key, name=one_line(attachment.name) or say(language, "file.this"), pages=extraction.MOST_PAGES,
            characters=extraction.MOST_CHARACTERS, minutes=max(self.voice.longest // 60, 1),
        )  # fmt: skip

    async def _fetched(self, taking: _Taking, attachment: Attachment) -> bytes:
        """Raises `BadInput`: too large, not there any more, or not to be had now."""
        try:
            return await taking.reply.fetch(attachment)
        except TooLarge as error:
            raise BadInput(say(taking.language, "file.large", limit=error.limit // MEGABYTE)) from None
        except Refused:
            raise BadInput(say(taking.language, "file.gone")) from None
        except TransportError:
            raise BadInput(say(taking.language, "file.unavailable")) from None


@dataclass(slots=True)
class _Taking:
    """A message while what came with it is taken: `text` and `parts` are what it becomes."""

    incoming: Incoming
    reply: Reply
    payer: BillTo
    text: str = ""
    parts: list[Part] = field(default_factory=list)
    read: list[str] = field(default_factory=list)  # the names of documents

    def __post_init__(self) -> None:
        self.text = self.incoming.text

    @property
    def language(self) -> str:
        return self.incoming.language

    def add(self, text: str) -> None:
        self.text = "\n".join(filter(None, (self.text, text)))


def _known(tx: Tx, incoming: Incoming) -> bool:
    """Whether what the message answers was said to the bot: then the model reads it anyway, with what came with it."""
    return branching.replied(tx, incoming.address, incoming.reply_to) is not None


def _quotes(incoming: Incoming) -> int:
    """The message that holds what was sent."""
    return incoming.quotes or incoming.message_id


def one_line(name: str) -> str:
    """A file's name as it can be cited: square brackets are what citations stand in."""
    return " ".join(name.translate({ord("["): "(", ord("]"): ")"}).split())[:100]


def is_picture(attachment: Attachment) -> bool:
    if attachment.kind == "document":
        return attachment.mime in images.MIMES or attachment.name.lower().endswith(images.ENDINGS)
    return attachment.kind == "photo" or (attachment.kind == "sticker" and attachment.mime == "image/webp")
