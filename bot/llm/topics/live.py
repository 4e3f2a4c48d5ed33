"""The topics of a running bot: a file, the samples, and what was learned of them. Begin with `Topics.router`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bot.ai import Embedder, LabelModel, Vector
from bot.errors import ConfigError, ModelError
from bot.llm.topics.classifiers import Classifier, FewShot, Tuned
from bot.llm.topics.intent_routing import IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingFile, RoutingTable
from bot.llm.topics.samples import Sample, samples

log = logging.getLogger(__name__)


async def _none() -> Sequence[Sample]:
    return ()


class Topics:
    """Follows a routing file. An edit of words, personas and rules counts at once, that of examples after `refresh`.

    `corrections` returns what operators corrected, oldest first. `own` is asked in place of the tuned classifier.
    `spent` is told the tokens of examples that were embedded. `language` is that of the titles that a service reads.
    `labels` is the service itself. `tried` is set after the first `refresh`.
    """

    def __init__(
        self, file: RoutingFile, *, embedder: Embedder | None = None, labels: LabelModel | None = None,
        corrections: Callable[[], Awaitable[Sequence[Sample]]] = _none, own: Classifier | None = None,
        spent: Callable[[int], Awaitable[None]] | None = None, language: str = "",
    ) -> None:  # fmt: skip
        self._file = file
        self._embedder = embedder
        self.labels = labels
        self._spent = spent
        self._corrections = corrections
        self._own = own
        self._language = language
        self._near: NearestCentroid | None = None
        self._samples: Sequence[Sample] = ()
        self._learned: object = None
        self._failed = ""
        self._vectors: dict[str, Sequence[float]] = {}
        self.tried = asyncio.Event()

    @property
    def table(self) -> RoutingTable | None:
        """The topics as they are now; None without a file."""
        return self._file.table

    @property
    def problem(self) -> str:
        """Why the file does not count as it is now; "" where it does."""
        return self._file.problem

    def router(self, labels: LabelModel | None) -> IntentRouter | None:
        """What chooses topics now, asking `labels` where it asks a service; None without a file."""
        table = self._file.table
        if table is None:
            return None
        return router_of(
            table, near=self._near, labels=labels, samples=self._samples, own=self._own, language=self._language
        )

    async def refresh(self) -> None:
        """Learn the samples anew if they have changed. Only texts without a vector are embedded. Where that fails, what
        was learned before goes on.
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
    table: RoutingTable, *, near: NearestCentroid | None, labels: LabelModel | None, samples: Sequence[Sample],
    own: Classifier | None = None, language: str = "",
) -> IntentRouter:  # fmt: skip
    """What chooses among the topics of a table, with the classifiers that the service of labels allows."""
    fewshot = tuned = None
    if labels is not None:
        fewshot = FewShot(labels, table, samples=samples, language=language)
        tuned = Tuned(labels, table.routing.tuned) if table.routing.tuned else None
    return IntentRouter(table, near=near, fewshot=fewshot, tuned=own or tuned)


async def learn(
    embedder: Embedder, table: RoutingTable, rows: Sequence[Sample], known: dict[str, Sequence[float]] | None = None,
    spent: Callable[[int], Awaitable[None]] | None = None,
) -> NearestCentroid:  # fmt: skip
    """Make a classifier that finds topics and flags by meaning, out of the embeddings of examples.

    Embeddings are taken from `known`, which then holds those of just these examples; the others are asked of the
    `embedder`, and `spent` is called with their tokens.

    Raises `ModelError`, and `ConfigError` without NumPy.
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
