"""Finds the shown sentence that means what a sentence in another language says. Begin with `Across.learn`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bot.ai import Embedder, Vector
from bot.errors import ConfigError

log = logging.getLogger(__name__)

# Cosines from which the nearest sentence carries one of an answer: whose mark names another, and whose mark names it.
# `python -m bench.knowledge.across` shows what each costs.
NEAR, AGREED = 0.86, 0.82
Place = tuple[int, int]  # of a passage among those that were shown, and of a sentence in it
Embedding = NDArray[np.float32]


@dataclass(slots=True)
class Across:
    """Compares the sentences of one answer with those that were shown, by an embedder on this machine.

    `load` makes the embedder, which takes a second the first time. Nothing is embedded before `learn`.
    """

    load: Callable[[], Embedder]
    _known: dict[str, Embedding] = field(default_factory=dict, init=False)

    async def learn(self, texts: Collection[str]) -> bool:
        """Embed the texts that are not known yet. False: there is no embedder after all."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if not missing:
            return True
        try:
            embedder = await asyncio.to_thread(self.load)
        except ConfigError as error:
            log.warning("sentences are not compared across languages: %s", error)
            return False
        found = await embedder.embed(missing)
        self._known |= {text: _scaled(one) for text, one in zip(missing, found, strict=True) if isinstance(one, Vector)}
        return True

    def nearest(self, text: str, among: Mapping[Place, str], marked: Collection[Place]) -> Place | None:
        """The place of the sentence that means what the text says; None if none does, or it was not learned.

        The places that the model has `marked` need to be less near: it and the embedder agree.
        """
        vector = self._known.get(text)
        places = [place for place, sentence in among.items() if sentence in self._known]
        if vector is None or not places:
            return None
        cosines = np.stack([self._known[among[place]] for place in places]) @ vector
        best = int(cosines.argmax())
        return places[best] if cosines[best] >= (AGREED if places[best] in marked else NEAR) else None


def _scaled(vector: Vector) -> Embedding:
    exact = np.asarray(vector.numbers, np.float32)
    return exact / max(float(np.linalg.norm(exact)), 1e-12)
