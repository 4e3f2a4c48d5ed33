"""Buys the embeddings of the knowledge base. Begin with `Embedding.estimate`, then `Embedding.run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.ai import Embedder, Usage, Vector
from bot.billing.pricing import Price
from bot.errors import ModelError, ModelProtocolError
from bot.storage.repositories.knowledge.passages import IndexRow
from bot.storage.store import Store, Tx
from bot.types import Address

BATCH = 20  # texts: what is bought twice, at most, if the process is killed
CHARACTERS = 2.5  # of a token, a low estimate
TURN = "kb"  # in the ledger


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is not embedded yet: passages and their tokens (a high estimate), its price in millionths, and the seconds
    that it takes (0.0: not known).

    `again`: they have embeddings of a former model, which are used until then.
    """

    passages: int = 0
    tokens: int = 0
    cost: int = 0
    seconds: float = 0.0
    again: bool = False


@dataclass(slots=True, kw_only=True)
class Embedding:
    """Embeds the passages of one bot. Vectors are kept by the text, so an equal one is never bought again.

    `pack` turns a vector into the bytes that are stored. What is spent was agreed to before, so it is booked in the
    ledger under the turn "kb", and the budgets of users have no say in it.
    """

    store: Store
    bot: int
    embedder: Embedder
    price: Price
    pack: Callable[[Sequence[float]], bytes]

    async def estimate(self) -> Estimate:
        """Return what a `run` would buy now."""
        passages, characters = await self.store.read(
            lambda tx: tx.knowledge.size_to_embed(self.bot, self.embedder.name)
        )
        tokens = int(characters / CHARACTERS)
        pace = self.embedder.pace
        return Estimate(passages, tokens, self.price.cost(tokens), passages / pace if pace else 0.0)

    async def run(self, agreed: int, tell: Callable[[int], None] = lambda _: None, *, held: int = 0) -> int:
        """Embed what is missing, `BATCH` texts at a time; `tell` is given the number that is left after each.

        `held` is the reservation from which each batch is paid: at its highest price before it is bought, so that a
        kill leaves nothing unpaid (0: none). Returns what it cost, in millionths; it ends before it would spend more
        than `agreed`. Raises `ModelError` where the service fails; what was bought until then is kept.
        """
        spent, name = 0, self.embedder.name
        while rows := await self.store.read(lambda tx: tx.knowledge.texts_to_embed(self.bot, name, BATCH)):
            texts = list({row.sha: row for row in rows}.values())
            next_cost = self.price.cost(int(sum(len(row.indexed) for row in texts) / CHARACTERS))
            if next_cost and spent + next_cost > agreed:
                break
            if held:
                await self.store.write(lambda tx, most=next_cost: tx.budgets.draw(self.bot, held, most))  # type: ignore[misc]
            spent += await self._buy(texts, held, next_cost)
            left, _ = await self.store.read(lambda tx: tx.knowledge.size_to_embed(self.bot, name))
            tell(left)
        return spent

    async def _buy(self, rows: Sequence[IndexRow], held: int, drawn: int) -> int:
        """Embed texts, store the vectors and book them in one transaction. Returns the price.

        Raises `ModelProtocolError` for vectors of another dimension than those that are stored: they are paid, but
        can't be compared with these, so they are not stored.
        """
        vectors = await self.embedder.embed([row.indexed for row in rows])
        bought = {row.sha: one for row, one in zip(rows, vectors, strict=True) if isinstance(one, Vector)}
        packed = {sha: self.pack(one.numbers) for sha, one in bought.items()}
        tokens = {row.sha: self._tokens(row, bought[row.sha]) for row in rows if row.sha in bought}
        whole = sum(tokens.values())
        cost, of_source = self.price.cost(whole), Counter[int]()
        for row in rows:
            of_source[row.source_id] += tokens.get(row.sha, 0)

        def keep(tx: Tx) -> bool:
            stored = tx.knowledge.vector_length(self.embedder.name)
            fits = {len(data) for data in packed.values()} <= {stored or len(next(iter(packed.values()), b""))}
            if held:
                tx.budgets.draw(self.bot, held, cost - drawn)
            if fits:
                tx.knowledge.store_vectors(self.embedder.name, packed)
            if whole:
                tx.sources.add_paid({source: cost * some // whole for source, some in of_source.items() if some})
                nobody = Address("telegram", self.bot, 0)
                tx.ledger.add_line(
                    nobody, 0, TURN, self.price.name, Usage(), mode=self.price.mode, cost=cost, units=whole
                )
            return fits

        if not await self.store.write_until_stored(keep):
            raise ModelProtocolError(
                f"{self.embedder.name} has made vectors of another dimension than those that are stored of it: is it "
                "another model? Then give its row of EMBEDDING_MODELS another name"
            )
        for one in vectors:
            if isinstance(one, ModelError):
                raise one
        return cost

    def _tokens(self, row: IndexRow, vector: Vector) -> int:
        """The tokens of a text; a high estimate where a service that wants money for them does not say."""
        return vector.tokens or (int(len(row.indexed) / CHARACTERS) if self.price.price else 0)
