"""Documents in a question: kept with their conversation, and put before the model where they help.

Begin with `Documents.keep`. What fits a share of the model's window is given whole (`about`); of what does not, the
passages that speak of the question, found by their meaning (embeddings) and their words.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.ai import Embedder, Source, Vector
from bot.billing.metering import BillTo, Meter
from bot.errors import LimitReached, ModelError
from bot.knowledge.chunking import Passage, best, cut, unit
from bot.prompts.catalog import instruct
from bot.storage.store import Store, Tx
from bot.texts.catalog import LANGUAGES, say
from bot.types import Incoming

log = logging.getLogger(__name__)

SHARE = 0.4  # of a model's window that documents may take
CHARACTERS = 2.5  # of a token, carefully
PATIENCE = 120.0  # seconds that the vectors of a document may take; without them its words are searched


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the model is told of the documents, and the places that it can cite.

    `limit` is the sentence of a budget that did not let them be searched by their meaning.
    """

    text: str = ""
    sources: tuple[Source, ...] = ()
    limit: str = ""


NOTHING = Retrieved()


@dataclass(slots=True, kw_only=True)
class Documents:
    """`embedder` None: only words are searched."""

    store: Store
    meter: Meter
    embedder: Embedder | None = None

    async def keep(self, incoming: Incoming, name: str, pages: Sequence[str]) -> str:
        """Keep the text of a document with the conversation. Returns what the history says of it."""
        passages = await asyncio.to_thread(cut, pages)

        def keep(tx: Tx) -> None:
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            conversation = tx.messages.current_conversation(incoming.address)
            rows = [(one.page, one.text) for one in passages]
            tx.documents.store_document(conversation, incoming.id, incoming.user.id, name, len(pages), rows)

        await self.store.write(keep)
        key = "document.kept.pages" if len(pages) > 1 else "document.kept"
        return instruct(incoming.language, key, name=name, pages=len(pages))

    async def about(self, conversation: int, question: str, window: int, payer: BillTo) -> Retrieved:
        """What the documents of a conversation say of a question, for a model with that window (in tokens)."""
        kept = await self.store.read(lambda tx: tx.documents.list_passages(conversation))
        passages = [Passage(one.text, one.page, one.vector, one.name, one.id) for one in kept]
        room = budget(window)
        if sum(len(one.text) + len(_place(one, payer.language)) + 4 for one in passages) <= room:
            return _found(passages, payer.language)
        vector: Sequence[float] = ()
        limit = ""
        if self.embedder is not None:
            try:
                async with asyncio.timeout(PATIENCE):
                    passages = await self._reckoned(self.embedder, passages, payer)
                    vector = await self._placed(self.embedder, question[:MOST_ASKED], payer)
            except LimitReached as error:
                limit = str(error)
            except (ModelError, TimeoutError) as error:
                log.warning("documents are searched by their words only: %s", error or "no vectors in time")
        chosen = await self._best(question, passages, vector, room)
        return replace(_found(chosen, payer.language), limit=limit)

    def ahead(self, tx: Tx, conversation: int, window: int) -> int:
        """What the vectors of documents that are too long for that window are going to cost, in millionths."""
        whole, left = tx.documents.text_sizes(conversation)
        is_searched = self.embedder is not None and whole > budget(window)
        return self.meter.tariffs.documents.cost(int(left / CHARACTERS)) if is_searched else 0

    async def _best(
        self, question: str, passages: list[Passage], vector: Sequence[float], room: int
    ) -> list[Passage]:  # fmt: skip
        ranked = await asyncio.to_thread(best, question, passages, unit(vector))
        chosen: list[Passage] = []
        places = {one.id: place for place, one in enumerate(passages)}
        for one in ranked:
            room -= len(one.text) + len(_place(one, "")) + 4
            if room < 0 or len(chosen) == MOST_PASSAGES:
                break
            chosen.append(one)
        return sorted(chosen, key=lambda one: places[one.id])

    async def _reckoned(self, embedder: Embedder, passages: list[Passage], payer: BillTo) -> list[Passage]:
        """The same with vectors. Each batch is kept, so that what was paid is not asked for again."""
        missing = [one for one in passages if not one.vector]
        new: dict[int, tuple[float, ...]] = {}
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            vectors = await self._embedded(embedder, [one.text for one in batch], payer)
            found = {one.id: unit(to.numbers) for one, to in zip(batch, vectors, strict=True) if isinstance(to, Vector)}
            await self.store.write(lambda tx, found=found: tx.documents.store_vectors(found))  # type: ignore[misc]
            new |= found
            _all(vectors)
        return [replace(one, vector=new.get(one.id, one.vector)) for one in passages]

    async def _placed(self, embedder: Embedder, question: str, payer: BillTo) -> Sequence[float]:
        return _all(await self._embedded(embedder, [question], payer, question=True))[0].numbers

    async def _embedded(
        self, embedder: Embedder, texts: Sequence[str], payer: BillTo, *, question: bool = False
    ) -> Sequence[Vector | ModelError]:
        """Paid for by what the service counts; at most a token a character is held back. Raises `LimitReached`."""
        tariffs = self.meter.tariffs
        most = [min(len(text), embedder.longest) for text in texts]
        async with self.meter.charge(payer, tariffs.questions if question else tariffs.documents, sum(most)) as bill:
            vectors = await embedder.embed(texts, question=question)
            told = [to.tokens or guess for to, guess in zip(vectors, most, strict=True) if isinstance(to, Vector)]
            bill.units = sum(told)
        return vectors


BATCH = 20
MOST_PASSAGES = 12
LONGEST_NAME = 120  # characters of a place
MOST_ASKED = 2_000  # characters of a question that are looked for


def _all(vectors: Sequence[Vector | ModelError]) -> Sequence[Vector]:
    """Raises the first error among them."""
    for one in vectors:
        if isinstance(one, ModelError):
            raise one
    return [one for one in vectors if isinstance(one, Vector)]


def budget(window: int) -> int:
    """The characters of documents that a prompt for such a window may hold."""
    return int(window * SHARE * CHARACTERS)


def most(window: int, size: int, language: str) -> int:
    """The most characters that documents of that size can add to such a prompt."""
    frame = instruct(language, "documents.head", example="") + instruct(language, "documents.tail")
    return min(budget(window), size) + len(frame) + LONGEST_NAME


def cited(answer: str, found: Retrieved) -> tuple[Source, ...]:
    """The places that an answer names, in any of our languages, in its order, each once."""
    named = [match[1].strip() for match in re.finditer(r"\[([^\[\]\n]{1,300})\]", answer)]
    places = {
        named_page(language, source.title, source.page): source for source in found.sources for language in LANGUAGES
    }
    return tuple(places[name] for name in dict.fromkeys(named) if name in places)


def _found(passages: Sequence[Passage], language: str) -> Retrieved:
    if not passages:
        return NOTHING
    texts = [instruct(language, "documents.head", example=_place(passages[0], language))]
    texts += [f"[{_place(one, language)}]\n{one.text}" for one in passages]
    sources = dict.fromkeys(Source(one.name, page=one.page) for one in passages)
    return Retrieved("\n\n".join([*texts, instruct(language, "documents.tail")]), tuple(sources))


def _place(passage: Passage, language: str) -> str:
    return named_page(language, passage.name, passage.page)


def named_page(language: str, name: str, page: int) -> str:
    """ "report.pdf, p. 3", «report.pdf, с. 3»; the name alone of what has no pages."""
    return say(language, "document.page", name=name, page=page) if page else name
