"""Topics by meaning: a question gets the topic whose examples have the nearest centre (mean embedding). Begin with
`NearestCentroid`.

Embedders differ: with one all cosines lie between .8 and .95, with another between .1 and .6. So fixed limits would be
wrong. Two limits are learned from the examples instead, by classifying each example with a classifier that does not
know it (leave-one-out): how sure the nearest topic is, and from which distance on no topic fits. Needs NumPy, which the
extra `knowledge` brings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.errors import ConfigError, ModelUnavailable
from bot.llm.topics.classifiers import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# These values were chosen on CLINC150 and BANKING77; `bench/knowledge/topics.py` measures what they give.
COMMON = 0.8  # of the mean of all samples, which is what all questions have in common, so much is taken away
ROUND = 0.8  # how far the spread within topics is taken to be the same in all directions: 8 samples show little of it
SHARPNESS = [2.5 * 2 ** (step / 2) for step in range(16)]  # 2.5 to 450: factors that turn cosines into confidences
DOUBT = 0.05  # the share of samples that is taken for mislabelled, so that a few of them do not make it too sure
FOREIGN = 0.02  # the share of left-out samples that would be taken for questions about something else
PARTS = 10  # in which samples are left out

Vectors = Sequence[Sequence[float]]


class NearestCentroid:
    """A `Classifier` that learns from vectors with their topics. It costs no request and well under a millisecond.

    Raises `ConfigError` without NumPy.
    """

    def __init__(self, vectors: Vectors, topics: Sequence[str], *, flags: Mapping[str, Vectors] | None = None) -> None:
        """Learn the samples: their vectors and the keys of their topics; and the vectors of flags, by key."""
        try:
            import numpy as np
        except ImportError:
            raise ConfigError("Topics by meaning need NumPy: pip install 'govorun[knowledge]'.") from None
        self._topics = tuple(dict.fromkeys(topics))
        given, own = np.asarray(vectors, float), np.array([self._topics.index(topic) for topic in topics])
        count = len(self._topics)
        self._centres = _Centres(given, own, count)
        cosines, parts = np.zeros((len(own), count)), _parts(own)
        for part in set(parts):
            kept = parts != part
            cosines[~kept] = _Centres(given[kept], own[kept], count).cosines(given[~kept])
        self._sharpness = max(SHARPNESS, key=lambda sharpness: _likelihood(sharpness * cosines, own))
        self._farthest = float(np.quantile(cosines.max(1), FOREIGN))
        self._left_out = cosines
        here = self._centres.placed(given)
        self._flags = {key: self._flag(np.asarray(rows, float), here) for key, rows in (flags or {}).items()}

    @property
    def left_out(self) -> list[dict[str, float]]:
        """For each sample, in order, the confidence of each topic if the classifier had not learned that sample."""
        return [self._confidences(row, self._topics) for row in self._left_out]

    async def __call__(self, question: Question, among: Sequence[str]) -> Mapping[str, float]:
        """Return the confidences of the topics `among`, which sum to 1; empty where the question is too far from all
        topics. Raises `ModelUnavailable` where it has no vector of this embedder.
        """
        return self.ranking(question, among) if self.nearness(question) >= self._farthest else {}

    def ranking(self, question: Question, among: Sequence[str] = ()) -> dict[str, float]:
        """Return the confidence of each of the topics `among` (empty: all), even if the question is too far from all of
        them.

        Raises `ModelUnavailable` if the question can't be embedded.
        """
        return self._confidences(self._centres.cosines(self._vector(question))[0], among or self._topics)

    def nearness(self, question: Question) -> float:
        """Return the cosine between the question and the centre of the nearest topic. Raises `ModelUnavailable` if the
        question can't be embedded.
        """
        return float(self._centres.cosines(self._vector(question)).max())

    def flags(self, question: Question) -> tuple[str, ...]:
        """Return the flags that fit a question: it is as near to their examples as these are to each other, and nearer
        than any sample of a topic.

        Raises `ModelUnavailable` if the question can't be embedded.
        """
        here = self._centres.placed(self._vector(question))[0]
        return tuple(key for key, (centre, line) in self._flags.items() if float(here @ centre) > line)

    def _flag(self, given: Array, topics: Array) -> tuple[Array, float]:
        """The centre of a flag, and the cosine above which it is raised."""
        here = self._centres.placed(given)
        left_out = (_units(here.sum(0) - here) * here).sum(1)
        centre = _units(here.sum(0))
        return centre, max(float((topics @ centre).max()), float(left_out.min()))

    def _vector(self, question: Question) -> Array:
        import numpy as np

        if question.vector is None or len(question.vector) != self._centres.numbers:
            raise ModelUnavailable("the question has no vector like those of the examples")
        return np.asarray([question.vector], float)

    def _confidences(self, cosines: Array, among: Sequence[str]) -> dict[str, float]:
        import numpy as np

        places = [place for place, topic in enumerate(self._topics) if topic in among]
        if not places:
            return {}
        powers = np.exp(self._sharpness * (cosines[places] - cosines[places].max()))
        return {self._topics[place]: float(power / powers.sum()) for place, power in zip(places, powers, strict=True)}


class _Centres:
    """The centres of `count` topics, in a space where questions of one topic lie as near as may be.

    A direction in which questions of one topic differ much among themselves says little about the topic, so it counts
    less (linear discriminants with a shrunk covariance). That is worth 4 points of 77 close topics.
    """

    def __init__(self, given: Array, own: Array, count: int) -> None:
        import numpy as np

        self.numbers = given.shape[1]
        self._common = COMMON * _units(given).mean(0)
        self._scale = np.eye(self.numbers)
        here = self.placed(given)
        apart = here - self._of(here, own, count)[own]
        spread = apart.T @ apart / len(own)
        even = max(float(np.trace(spread)) / self.numbers, 1e-9) * np.eye(self.numbers)
        values, directions = np.linalg.eigh((1 - ROUND) * spread + ROUND * even)
        self._scale = directions / np.sqrt(values)
        self._centres = self._of(self.placed(given), own, count)

    def placed(self, given: Array) -> Array:
        return _units(_units(_units(given) - self._common) @ self._scale)

    def cosines(self, given: Array) -> Array:
        return self.placed(given) @ self._centres.T

    def _of(self, here: Array, own: Array, count: int) -> Array:
        import numpy as np

        sums = np.zeros((count, self.numbers))
        np.add.at(sums, own, here)
        return _units(sums)


def _units(rows: Array) -> Array:
    import numpy as np

    units: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return units


def _parts(own: Array) -> Array:
    """The part of each sample, so that each topic is spread over all parts."""
    import numpy as np

    seen: Counter[int] = Counter()
    found = []
    for topic in own.tolist():
        found.append(seen[topic] % PARTS)
        seen[topic] += 1
    return np.array(found)


def _likelihood(scores: Array, own: Array) -> float:
    """How likely the topics of samples are by these scores, where `DOUBT` of them are any topic."""
    import numpy as np

    scores = scores - scores.max(1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return float((1 - DOUBT) * logs[np.arange(len(own)), own].mean() + DOUBT * logs.mean())
