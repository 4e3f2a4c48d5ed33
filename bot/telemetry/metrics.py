"""The metrics of a process, counted with prometheus_client where something happens. Begin with `Metrics`.

`bot/runtime/health/prometheus.py` prints them for Prometheus. No label holds an id, a name or a text of people:
labels are the names of models, methods, errors and states.
"""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMESPACE = "govorun"
# Upper ends of the buckets of a histogram, in seconds.
SHORT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MEDIUM = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
LONG = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """All metrics of a process, in a registry of their own (not prometheus_client's global one, which tests would
    share).

    The name of a metric is `govorun_`, the name of its attribute, and the suffix that Prometheus gives to its kind.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.longest_block = 0.0  # seconds, as `loop_longest_block_seconds` shows it
        counter = partial(Counter, namespace=NAMESPACE, registry=self.registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=self.registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=self.registry)
        # the way of a message
        self.updates = counter(
            "updates", "Updates that came: taken or repeated; of the taken, idle or unreadable", ["outcome"]
        )
        self.turns = counter("turns", "Turns that ended, by how", ["outcome"])
        self.turn_queue_seconds = histogram(
            "turn_queue_seconds", "From an update's arrival to the beginning of its turn", buckets=SHORT
        )
        self.first_token_seconds = histogram(
            "first_token_seconds", "From the beginning of a turn to the model's first words", ["model"], buckets=MEDIUM
        )
        self.answer_seconds = histogram(
            "answer_seconds", "From an update's arrival to its answer in the chat", buckets=LONG
        )
        self.text_lag_seconds = histogram(
            "text_lag_seconds", "From the model's words to the frame that shows them", buckets=MEDIUM
        )
        # the model
        self.tokens = counter("tokens", "Tokens as the service counted them", ["model", "kind"])
        self.model_requests = counter(
            "model_requests", "Requests to AI Studio that ended, by status or error", ["outcome"]
        )
        self.model_requests_in_flight = gauge("model_requests_in_flight", "Generations that are under way")
        # Telegram
        self.telegram_requests = counter(
            "telegram_requests", "Calls of the Bot API that ended, by error", ["method", "outcome"]
        )
        self.flood_waits = counter("flood_waits", "Times that Telegram asked to wait")
        self.flood_wait_seconds = counter("flood_wait_seconds", "Seconds that Telegram asked to wait, in all")
        self.deliveries = counter("deliveries", "Finished answers, by what became of them", ["state"])
        self.knowledge_gaps = counter(
            "knowledge_gaps", "Questions that the knowledge base did not answer: refused, or disliked", ["kind"]
        )
        self.knowledge_judged = counter(
            "knowledge_judged", "Sentences that the helper model was asked about, by its verdict", ["outcome"]
        )
        # the support desk
        self.desk_cases = gauge("desk_cases", "Open cases of the support desk, by who has them", ["state"])
        self.desk_longest_wait_seconds = gauge(
            "desk_longest_wait_seconds", "How long the customer waits who has waited longest for a person"
        )
        self.endpoint_refusals = counter(
            "endpoint_refusals", "Requests to App.http that were refused for what their callers did", ["outcome"]
        )
        self._add_those_of_the_process()

    def _add_those_of_the_process(self) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=self.registry)
        self.errors = counter("errors", "Errors, by where they came from and what they were", ["source", "cause"])
        self.commit_seconds = Histogram(
            "commit_seconds",
            "One commit of the database, begin to fsync",
            namespace=NAMESPACE,
            registry=self.registry,
            buckets=SHORT,
        )
        self.loop_busy_seconds = counter(
            "loop_busy_seconds", "Seconds in which the event loop worked without looking around"
        )
        self.loop_blocks = counter("loop_blocks", "Times that the event loop was busy for more than 0.2 s at a stretch")
        self.loop_longest_block_seconds = Gauge(
            "loop_longest_block_seconds",
            "The longest such time of the last minute",
            namespace=NAMESPACE,
            registry=self.registry,
        )
        self.loop_longest_block_seconds.set_function(lambda: self.longest_block)
