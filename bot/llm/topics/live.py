"""The topics of a running bot: a file, the samples, and what was learned of them. Begin with `Topics.router`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bot.ai import Embedder, LabelModel, Vector
from bot.errors import ModelError
from bot.llm.topics.classifiers import Classifier, FewShot, Tuned
from bot.llm.topics.intent_routing import IntentRouter
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingFile
from bot.llm.topics.samples import Sample, samples

log = logging.getLogger(__name__)


async def _none() -> Sequence[Sample]:
    return ()


class Topics:
    """Follows a routing file. An edit of words, personas and rules counts at once, that of examples after `refresh`.

    `corrections` returns what operators corrected, oldest first. `own` is asked in place of the tuned classifier.
    `language` is that of the titles that a service reads.
    """

    def __init__(
        self, file: RoutingFile, *, embedder: Embedder | None = None, labels: LabelModel | None = None,
        corrections: Callable[[], Awaitable[Sequence[Sample]]] = _none, own: Classifier | None = None,
        language: str = "",
    ) -> None:  # fmt: skip
        self._file = file
        self._embedder = embedder
        self._labels = labels
        self._corrections = corrections
        self._own = own
        self._language = language
        self._near: NearestCentroid | None = None
        self._samples: Sequence[Sample] = ()
        self._learned: object = None
        self._vectors: dict[str, Sequence[float]] = {}

    @property
    def router(self) -> IntentRouter | None:
        """What chooses topics now; None without a file."""
        table = self._file.table
        if table is None:
            return None
        fewshot = tuned = None
        if self._labels is not None:
            fewshot = FewShot(self._labels, table, samples=self._samples, language=self._language)
            tuned = Tuned(self._labels, table.routing.tuned) if table.routing.tuned else None
        return IntentRouter(table, near=self._near, fewshot=fewshot, tuned=self._own or tuned)

    async def refresh(self) -> None:
        """Learn the samples anew if they have changed. Only texts without a vector are embedded. Where that fails, what
        was learned before goes on.
        """
        table = self._file.table
        if table is None:
            return
        rows = samples(table, await self._corrections())
        flags = [(key, text) for key, topic in table.flags.items() for text in topic.examples]
        if (rows, flags) == self._learned:
            return
        if self._embedder is not None and table.routing.classifier != "off" and rows:
            try:
                self._near = await self._learn(self._embedder, rows, flags)
            except ModelError as error:
                log.warning("the examples of topics can't be learned now: %s", error)
                return
        self._samples, self._learned = rows, (rows, flags)

    async def _learn(
        self, embedder: Embedder, rows: Sequence[Sample], flags: Sequence[tuple[str, str]]
    ) -> NearestCentroid:
        texts = dict.fromkeys([row.text for row in rows] + [text for _, text in flags])
        missing = [text for text in texts if text not in self._vectors]
        found = dict(zip(missing, await embedder.embed(missing, question=True), strict=True))
        self._vectors |= {text: vector.numbers for text, vector in found.items() if isinstance(vector, Vector)}
        if failed := [vector for vector in found.values() if isinstance(vector, ModelError)]:
            raise failed[0]
        self._vectors = {text: self._vectors[text] for text in texts}
        raised = {key: [self._vectors[text] for flag, text in flags if flag == key] for key, _ in flags}
        vectors = [self._vectors[row.text] for row in rows]
        return await asyncio.to_thread(NearestCentroid, vectors, [row.topic for row in rows], flags=raised)
