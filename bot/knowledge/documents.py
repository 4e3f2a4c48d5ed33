"""Documents that users send: stored with their conversation, and put into requests where they help.

Begin with `Documents.keep`, which cuts them as sources of the knowledge base are cut. A model gets whole documents if
they fit a share of its window, else the relevant passages (`retrieve`), which are found by embeddings and by words.
What an answer rests on is looked up in them when it is written (`note`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.ai import Embedder, Source, Vector
from bot.billing.metering import BillTo, Meter
from bot.errors import LimitReached, ModelError
from bot.knowledge import plain_ranking
from bot.knowledge.citations import named_page
from bot.knowledge.passages import Block, cut
from bot.knowledge.plain_ranking import supporting, unit
from bot.knowledge.sentences import spans
from bot.prompts.catalog import instruct
from bot.storage.repositories.files.documents import Passage
from bot.storage.store import Store, Tx
from bot.texts.catalog import LANGUAGES
from bot.types import Incoming

if TYPE_CHECKING:
    from bot.knowledge.answer.documents import Noted

log = logging.getLogger(__name__)

SHARE = 0.4  # share of a model's window that documents may take
CHARACTERS = 2.5  # a token, a low estimate
PATIENCE = 120.0  # seconds for the embeddings of a document; without them only words are compared


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the model is given of the documents, and the sources that it can cite.

    `passages` are the pieces of the documents in `text`. `limit` is the sentence of a budget that did not allow
    embeddings.
    """

    text: str = ""
    passages: tuple[Passage, ...] = ()
    limit: str = ""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pages of the passages, each once."""
        return _pages(self.passages)


NOTHING = Retrieved()


@dataclass(slots=True, kw_only=True)
class Documents:
    """Stores and searches documents. Without an `embedder` passages are found by their words only."""

    store: Store
    meter: Meter
    embedder: Embedder | None = None

    async def keep(self, incoming: Incoming, name: str, pages: Sequence[tuple[str, str]], left_out: str = "") -> str:
        """Store the pages of a document, given as (place, text), in the conversation.

        Returns the line about it for the history, with what was `left_out` of it.
        """
        rows = await asyncio.to_thread(cut_pages, pages)

        def keep(tx: Tx) -> None:
            tx.chats.record_seen(incoming.address, incoming.user, private=incoming.private)
            conversation = tx.messages.current_conversation(incoming.address)
            tx.documents.store_document(conversation, incoming.id, incoming.user.id, name, len(pages), rows)

        await self.store.write(keep)
        key = "document.kept.pages" if len(pages) > 1 else "document.kept"
        line = instruct(incoming.language, key, name=name, pages=len(pages))
        told = instruct(incoming.language, "document.left_out", name=name, what=left_out) if left_out else ""
        return "\n".join(filter(None, (line, told)))

    async def retrieve(self, conversation: int, question: str, window: int, payer: BillTo) -> Retrieved:
        """The documents of a conversation, or the passages for a question, that fit a `window` of so many tokens."""
        passages = await self.store.read(lambda tx: tx.documents.list_passages(conversation))
        room = budget(window)
        if _fits(passages, room, payer.language):
            return _found(passages, payer.language)
        vector: Sequence[float] = ()
        limit = ""
        if self.embedder is not None:
            try:
                async with asyncio.timeout(PATIENCE):
                    passages = await self._with_vectors(self.embedder, passages, payer)
                    asked = await self._embedded(self.embedder, [question[:LONGEST_QUESTION]], payer, question=True)
                    vector = _vectors(asked)[0].numbers
            except LimitReached as error:
                limit = str(error)
            except (ModelError, TimeoutError) as error:
                log.warning("documents are searched by their words only: %s", error or "no vectors in time")
        chosen = await self._best(question, passages, vector, room)
        return replace(_found(chosen, payer.language), limit=limit)

    def embedding_price(self, tx: Tx, conversation: int, window: int) -> int:
        """The price, in millionths, of the embeddings that a question to a model with this window will need."""
        whole, left = tx.documents.text_sizes(conversation)
        is_searched = self.embedder is not None and whole > budget(window)
        return self.meter.tariffs.documents.cost(int(left / CHARACTERS)) if is_searched else 0

    async def _best(
        self, question: str, passages: list[Passage], vector: Sequence[float], room: int
    ) -> list[Passage]:  # fmt: skip
        order = await asyncio.to_thread(ranked, question, passages, unit(vector))
        chosen: list[Passage] = []
        places = {one.id: place for place, one in enumerate(passages)}
        for one in order:
            room -= len(one.text) + len(_citation(one, "")) + 4
            if room < 0 or len(chosen) == MOST_PASSAGES:
                break
            chosen.append(one)
        return sorted(chosen, key=lambda one: places[one.id])

    async def _with_vectors(self, embedder: Embedder, passages: list[Passage], payer: BillTo) -> list[Passage]:
        """The passages with embeddings. Each batch is stored at once, so that it is paid only once."""
        missing = [one for one in passages if not one.vector]
        new: dict[int, tuple[float, ...]] = {}
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            vectors = await self._embedded(embedder, [one.indexed for one in batch], payer)
            found = {one.id: unit(to.numbers) for one, to in zip(batch, vectors, strict=True) if isinstance(to, Vector)}
            await self.store.write(lambda tx, found=found: tx.documents.store_vectors(found))  # type: ignore[misc]
            new |= found
            _vectors(vectors)
        return [replace(one, vector=new.get(one.id, one.vector)) for one in passages]

    async def _embedded(
        self, embedder: Embedder, texts: Sequence[str], payer: BillTo, *, question: bool = False
    ) -> Sequence[Vector | ModelError]:
        """Embed texts and charge the tokens that the service counts. Raises `LimitReached`."""
        tariffs = self.meter.tariffs
        most = [min(len(text), embedder.longest) for text in texts]
        async with self.meter.charge(
            payer, tariffs.questions if question else tariffs.documents, sum(most), estimated=True
        ) as bill:
            vectors = await embedder.embed(texts, question=question)
            told = [to.tokens or guess for to, guess in zip(vectors, most, strict=True) if isinstance(to, Vector)]
            bill.units = sum(told)
        return vectors


BATCH = 20
MOST_PASSAGES = 12
MOST_USED = 3  # pages named below an answer that cites none itself
LONGEST_CITATION = 120  # characters of a citation, such as [report.pdf, p. 3]
LONGEST_QUESTION = 2_000  # characters of a question that are embedded


def _vectors(vectors: Sequence[Vector | ModelError]) -> Sequence[Vector]:
    """Return the vectors. If errors are among the results, raise the first one."""
    for one in vectors:
        if isinstance(one, ModelError):
            raise one
    return [one for one in vectors if isinstance(one, Vector)]


def cut_pages(pages: Sequence[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """The passages of pages, given as (place, text), as (page, place, text); none spans two pages."""
    numbered = len(pages) > 1
    blocks = (
        Block(part, (place,), number if numbered else 0)
        for number, (place, page) in enumerate(pages, 1)
        for part in re.split(r"\n{2,}", page)
    )
    return [(one.page, one.place, one.text) for one in cut("", blocks)]


def _is_there(library: str) -> bool:
    return find_spec(library) is not None


def ranked(question: str, passages: Sequence[Passage], vector: Sequence[float] = ()) -> list[Passage]:
    """All passages, the most relevant first."""
    if not (_is_there("numpy") and _is_there("snowballstemmer")):
        return plain_ranking.best(question, passages, vector)
    from bot.knowledge.search.documents import best

    return best(question, passages, vector)


def brings(question: str, names: Iterable[str]) -> bool:
    """Whether a question came with a document of one of these names: the line about it stands in its text."""
    lines = [line for line in question.splitlines() if line.startswith("[") and line.endswith("]")]
    return any(name in line for name in names for line in lines)


def note(
    answer: str, passages: Sequence[Passage], language: str,
    *, numbered: Sequence[Source] = (), finished: bool = True,
) -> Noted | None:  # fmt: skip
    """The answer with the quotes that its sentences rest on; None if none does, or no stemmer is installed.

    `numbered`: its beginning was sent before, with numbers of these sources. The last sentence of an answer that is not
    `finished` gets no number, because it may go on.
    """
    if not passages or not _is_there("snowballstemmer"):
        return None
    from bot.knowledge.answer.documents import noted

    end = len(answer) if finished or not answer else spans(answer)[-1][0]
    found = noted(answer[:end], passages, language, [source for source in numbered if not source.url])
    return found and replace(found, text=found.text + answer[end:])


def budget(window: int) -> int:
    """Return how many characters of documents fit into a prompt for a window of this many tokens."""
    return int(window * SHARE * CHARACTERS)


def whole(tx: Tx, conversation: int, window: int, language: str) -> Retrieved | None:
    """The documents of a conversation as a request holds them, None if it holds only passages of them."""
    if tx.documents.text_sizes(conversation)[0] > budget(window):
        return None
    passages = tx.documents.list_passages(conversation)
    return _found(passages, language) if _fits(passages, budget(window), language) else None


def _fits(passages: Sequence[Passage], room: int, language: str) -> bool:
    return sum(len(one.text) + len(_citation(one, language)) + 4 for one in passages) <= room


def most_characters(window: int, size: int, language: str) -> int:
    """The most characters that documents of `size` characters add to a prompt, with the instructions around them."""
    frame = instruct(language, "documents.head", example="") + instruct(language, "documents.tail")
    return min(budget(window), size) + len(frame) + LONGEST_CITATION


def cited(answer: str, found: Retrieved) -> tuple[Source, ...]:
    """The sources that an answer cites in square brackets, in the order of the answer, each once."""
    named = [match[1].strip() for match in re.finditer(r"\[([^\[\]\n]{1,300})\]", answer)]
    places = {
        named_page(language, source.title, source.page, source.place): source
        for source in found.sources
        for language in LANGUAGES
    }
    return tuple(places[name] for name in dict.fromkeys(named) if name in places)


def used(answer: str, found: Retrieved) -> tuple[Source, ...]:
    """Return the pages of documents, at most `MOST_USED`, that share words and numbers with an uncited answer."""
    return () if cited(answer, found) else _pages(supporting(answer, found.passages))[:MOST_USED]


def rests_on(answer: str, found: Retrieved, quoted: Noted | None = None) -> tuple[Source, ...]:
    """The pages of documents that are stored with an answer: those that it quotes, in the order of their numbers, and
    those that it cites; else those that it has `used`.
    """
    if quoted is not None:
        return tuple(dict.fromkeys((*quoted.sources, *cited(quoted.text, found))))
    return cited(answer, found) or used(answer, found)


def _pages(passages: Sequence[Passage]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(Source(one.name, page=one.page, place=one.place) for one in passages))


def _found(passages: Sequence[Passage], language: str) -> Retrieved:
    if not passages:
        return NOTHING
    texts = [instruct(language, "documents.head", example=_citation(passages[0], language))]
    texts += [f"[{_citation(one, language)}]\n{one.text}" for one in passages]
    return Retrieved("\n\n".join([*texts, instruct(language, "documents.tail")]), tuple(passages))


def _citation(passage: Passage, language: str) -> str:
    return named_page(language, passage.name, passage.page, passage.place)
