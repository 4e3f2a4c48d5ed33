"""What is counted and timed, as plain numbers: whoever does something counts it here. Begin with `Metrics`.

Counting is an addition to a number in memory; nothing is formatted before somebody asks
(`bot/runtime/health_server.py`). No label holds an id, a name or a text: labels are the names of models, methods,
errors and states.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SHORT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MEDIUM = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
LONG = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)

Labels = tuple[str, ...]


class Counter:
    """A number that only grows, one for each combination of labels."""

    def __init__(self, help: str, *labels: str) -> None:
        self.help = help
        self.labels = labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, by: float = 1.0) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + by

    def __getitem__(self, labels: str | Labels) -> float:
        return self.values.get((labels,) if isinstance(labels, str) else labels, 0.0)


class Gauge:
    """A number that goes up and down."""

    def __init__(self, help: str) -> None:
        self.help = help
        self.value = 0.0


class Series:
    """The observations of one combination of labels: how many fell into each bucket, and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)


class Histogram:
    """How long things took. `bounds` are the upper ends of the buckets in seconds, the last bucket has none."""

    def __init__(self, help: str, bounds: Sequence[float], *labels: str) -> None:
        self.help = help
        self.bounds = tuple(bounds)
        self.labels = labels
        self.series: dict[Labels, Series] = {} if labels else {(): Series(len(bounds))}

    def observe(self, seconds: float, *labels: str) -> None:
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = Series(len(self.bounds))
        series.counts[bisect_left(self.bounds, seconds)] += 1
        series.total += seconds

    def __getitem__(self, labels: str | Labels) -> Series:
        return self.series[(labels,) if isinstance(labels, str) else labels]


class Metrics:
    """One of each for a bot. An attribute's name is the metric's, without `govorun_` and the ending of its kind."""

    def __init__(self) -> None:
        # the way of a message
        self.updates = Counter("Updates that came: taken or repeated; of the taken, idle or unreadable", "outcome")
        self.turns = Counter("Turns that ended, by how", "outcome")
        self.turn_queue_seconds = Histogram("From an update's arrival to the beginning of its turn", SHORT)
        self.first_token_seconds = Histogram("From the beginning of a turn to the model's first words", MEDIUM, "model")
        self.answer_seconds = Histogram("From an update's arrival to its answer in the chat", LONG)
        self.text_lag_seconds = Histogram("From the model's words to the frame that shows them", MEDIUM)
        # the model
        self.tokens = Counter("Tokens as the service counted them", "model", "kind")
        self.model_requests = Counter("Requests to AI Studio that ended, by status or error", "outcome")
        self.model_requests_in_flight = Gauge("Generations that are under way")
        # Telegram
        self.telegram_requests = Counter("Calls of the Bot API that ended, by error", "method", "outcome")
        self.flood_waits = Counter("Times that Telegram asked to wait")
        self.flood_wait_seconds = Counter("Seconds that Telegram asked to wait, in all")
        self.deliveries = Counter("Finished answers, by what became of them", "state")
        # the process
        self.errors = Counter("Errors, by where they came from and what they were", "source", "cause")
        self.commit_seconds = Histogram("One commit of the database, begin to fsync", SHORT)
        self.loop_busy_seconds = Counter("Seconds in which the event loop worked without looking around")
        self.loop_blocks = Counter("Times that the event loop was busy for more than 0.2 s at a stretch")
        self.loop_longest_block_seconds = Gauge("The longest such time of the last minute")
