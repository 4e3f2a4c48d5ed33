"""The topics of a running bot: it follows the routing file and learns from the samples. Begin with `Topics.router`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bot.ai import Embedder, LabelModel, Vector
from bot.errors import ConfigError, ModelError
from bot.llm.topics.classifiers import FewShot, Tuned
from bot.llm.topics.intent_routing import IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingFile, RoutingTable
from bot.llm.topics.samples import Sample, samples

log = logging.getLogger(__name__)


async def _none() -> Sequence[Sample]:
    return ()


class Topics:
    """Follows a routing file. Edits of words, personas and rules count at once, edits of examples after `refresh`.

    `corrections` returns the corrections of operators, oldest first. `labels` is the service that classifies texts, and
    `language` the language of the titles that it is given. `spent` is called with the tokens of examples that were
    embedded. `tried` is set after the first `refresh`.
    """

    def __init__(
        self,
        file: RoutingFile,
        *,
        embedder: Embedder | None = None,
        labels: LabelModel | None = None,
        corrections: Callable[[], Awaitable[Sequence[Sample]]] = _none,
        spent: Callable[[int], Awaitable[None]] | None = None,
        language: str = "",
    ) -> None:
        self._file = file
        self._embedder = embedder
        self.labels = labels
        self._spent = spent
        self._corrections = corrections
        self._language = language
        self._near: NearestCentroid | None = None
        self._samples: Sequence[Sample] = ()
        self._learned: object = None
        self._failed = ""
        self._vectors: dict[str, Sequence[float]] = {}
        self.tried = asyncio.Event()

    @property
    def table(self) -> RoutingTable | None:
        """The topics as the file has them now; None without a file."""
        return self._file.table

    @property
    def problem(self) -> str:
        """What is wrong with the file, so that its last valid state counts; "" if nothing is."""
        return self._file.problem

    @property
    def failure(self) -> str:
        """Why the samples could not be learned at the last `refresh`; "" if they were."""
        return self._failed

    def router(self, labels: LabelModel | None) -> IntentRouter | None:
        """Return the router for the topics as they are now, which asks the service `labels`; None without a file."""
        table = self._file.table
        if table is None:
            return None
        return router_of(table, near=self._near, labels=labels, samples=self._samples, language=self._language)

    async def refresh(self) -> None:
        """Learn from the samples again if they have changed. Only texts that have no embedding yet are embedded.

        If that fails, the router keeps what it learned before.
        """
        try:
            await self._refresh()
        finally:
            self.tried.set()

    async def _refresh(self) -> None:
        table = self._file.table
        if table is None:
            return
        corrections = await self._corrections()
        state = (table.version, tuple(corrections))
        if state == self._learned:
            return
        self._samples = rows = samples(table, corrections)
        if self._embedder is not None and table.routing.classifier != "off" and rows:
            try:
                self._near = await learn(self._embedder, table, rows, self._vectors, self._spent)
            except (ModelError, ConfigError) as error:  # no service, or no NumPy
                if str(error) != self._failed:
                    log.warning("the examples of topics can't be learned now: %s", error)
                self._failed = str(error)
                return
        self._learned, self._failed = state, ""


def router_of(
    table: RoutingTable,
    *,
    near: NearestCentroid | None,
    labels: LabelModel | None,
    samples: Sequence[Sample],
    language: str = "",
) -> IntentRouter:
    """Return the router for a routing file, with those classifiers that are possible: by meaning with `near`, by a
    service with `labels`.
    """
    fewshot = tuned = None
    if labels is not None:
        fewshot = FewShot(labels, table, samples=samples, language=language)
        tuned = Tuned(labels, table.routing.tuned) if table.routing.tuned else None
    return IntentRouter(table, near=near, fewshot=fewshot, tuned=tuned)


async def learn(
    embedder: Embedder,
    table: RoutingTable,
    rows: Sequence[Sample],
    known: dict[str, Sequence[float]] | None = None,
    spent: Callable[[int], Awaitable[None]] | None = None,
) -> NearestCentroid:
    """Make a classifier by meaning out of the embeddings of examples, for topics and flags.

    Embeddings are taken from `known` where it has them, and asked of the `embedder` otherwise; afterwards `known` has
    the embeddings of exactly these examples. `spent` is called with the tokens of the new ones. Raises `ModelError`,
    and `ConfigError` without NumPy.
    """
    known = {} if known is None else known
    flags = {key: topic.examples for key, topic in table.flags.items() if topic.examples}
    texts = dict.fromkeys([row.text for row in rows] + [text for examples in flags.values() for text in examples])
    missing = [text for text in texts if text not in known]
    found = dict(zip(missing, await embedder.embed(missing, question=True), strict=True))
    known |= {text: vector.numbers for text, vector in found.items() if isinstance(vector, Vector)}
    tokens = sum(vector.tokens for vector in found.values() if isinstance(vector, Vector))
    if tokens and spent is not None:
        await spent(tokens)
    if failed := [vector for vector in found.values() if isinstance(vector, ModelError)]:
        raise failed[0]
    for text in known.keys() - texts.keys():
        del known[text]
    raised = {key: [known[text] for text in examples] for key, examples in flags.items()}
    vectors = [known[row.text] for row in rows]
    return await asyncio.to_thread(NearestCentroid, vectors, [row.topic for row in rows], flags=raised)
