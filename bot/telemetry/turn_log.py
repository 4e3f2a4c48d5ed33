"""The turn that is being worked on: its name in every log line, its times, and the one line that sums it up.

`current` is set where a turn begins (`Turns.open`) and is inherited by every task that is started in it, so a line of
the delivery or of the model client says which turn it is about. A turn that goes on is told from one that is stuck by
`moved`: when something last happened in it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bot.ai import Usage
from bot.clock import Clock
from bot.telemetry import tracing
from bot.telemetry.metrics import Metrics
from bot.telemetry.tracing import NOTHING, TurnTracer
from bot.types import Incoming

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """Times are of the clock's `monotonic`; None is "not yet". `request` is the id of the last request to the model.

    `question` and `answer` stay empty unless the operator wants them in the log.
    """

    name: str
    came: float = 0.0
    begun: float = 0.0
    moved: float = 0.0
    first: float | None = None
    last: float | None = None
    chat: int = 0
    user: int = 0
    rows: tuple[int, ...] = ()
    model: str = ""
    persona: str = ""
    ending: str = ""
    error: str = ""
    usages: Sequence[tuple[str, Usage]] = ()
    request: str = ""
    requests: int = 0
    question: str = ""
    answer: str = ""

    def wrote(self, now: float) -> None:
        """The model said something."""
        self.last = self.moved = now
        if self.first is None:
            self.first = now

    def ended(self, ending: str, usages: Sequence[tuple[str, Usage]], answer: str) -> None:
        """The answer is whole, or as much as there will be. `usages`: the model and the tokens of each request."""
        self.ending = ending
        self.usages = usages
        self.answer = answer if self.question else ""

    def failed(self, error: BaseException) -> None:
        """It ended in an apology."""
        self.error = type(error).__name__


NOBODY = Turn("")
current: ContextVar[Turn] = ContextVar("turn", default=NOBODY)


def of(key: str) -> str:
    """The turn from which a delivery or a job comes: its key begins with it."""
    return re.split("[.-]", key, maxsplit=1)[0]


@contextmanager
def about(name: str) -> Iterator[None]:
    """What is logged inside is about that turn, though it is not being worked on: a delivery, a job."""
    if current.get().name == name:
        yield
        return
    token = current.set(Turn(name))
    try:
        yield
    finally:
        current.reset(token)


@dataclass(slots=True)
class Turns:
    """The turns that are being worked on. `content`: questions and answers may stand in the log."""

    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    tracer: TurnTracer = NOTHING
    content: bool = False
    running: dict[str, Turn] = field(default_factory=dict)

    @contextmanager
    def open(self, incoming: Incoming) -> Iterator[Turn]:
        """Work on a turn inside."""
        now = self.clock.monotonic()
        turn = Turn(
            incoming.id, now if incoming.came is None else incoming.came, now, now,
            chat=incoming.address.chat, user=incoming.user.id, rows=incoming.ids,
            question=incoming.text if self.content else "",
        )  # fmt: skip
        self.running[incoming.id] = turn
        token = current.set(turn)
        try:
            with self._traced(incoming, turn):
                yield turn
                self._sum_up(turn)
        finally:
            current.reset(token)
            del self.running[incoming.id]

    @contextmanager
    def _traced(self, incoming: Incoming, turn: Turn) -> Iterator[None]:
        """Trace it, and how long it had waited: for a process that takes its chat, and for what is before it there."""
        with tracing.joined(self.tracer.context(incoming.address.bot, turn.name)):
            if (recorder := tracing.current_recorder()) is not None:
                taken = self.clock.time() - (turn.begun - turn.came)
                waited = recorder.start("queue", since=taken if incoming.since is None else incoming.since)
                waited.add_event("taken by a process", timestamp=tracing.nanoseconds(taken))
                recorder.end(waited)
            with tracing.span("turn", tracing.CONSUMER, _identity(incoming)) as span:
                yield
                _outcome(turn, span)

    def _sum_up(self, turn: Turn) -> None:
        metrics, now = self.metrics, self.clock.monotonic()
        metrics.turn_queue_seconds.observe(turn.begun - turn.came)
        metrics.turns.labels(turn.ending or ("failed" if turn.error else "done")).inc()
        if turn.error:
            metrics.errors.labels("model" if turn.model else "bot", turn.error).inc()
        if not turn.model:
            return
        metrics.answer_seconds.observe(now - turn.came)
        if turn.first is not None:
            metrics.first_token_seconds.labels(tracing.model_label(turn.model)).observe(turn.first - turn.begun)
        for name, usage in turn.usages:
            model = tracing.model_label(name)
            metrics.tokens.labels(model, "prompt").inc(usage.prompt)
            metrics.tokens.labels(model, "completion").inc(max(usage.completion - usage.reasoning, 0))
            metrics.tokens.labels(model, "reasoning").inc(usage.reasoning)
        fields = _summary(turn, now)
        log.info("%s", " ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})


def _identity(incoming: Incoming) -> tracing.Attributes:
    return {
        "govorun.bot": incoming.address.bot, "govorun.turn": incoming.id, "govorun.kind": str(incoming.kind),
        "govorun.chat": incoming.address.chat, "govorun.user": incoming.user.id, "govorun.attempt": incoming.attempts,
    }  # fmt: skip


def _outcome(turn: Turn, span: tracing.Span) -> None:
    if turn.model:
        span.set_attributes({"govorun.ending": turn.ending, "govorun.model": tracing.model_label(turn.model)})
    if turn.error:
        tracing.mark_failed(span, turn.error)


def _summary(turn: Turn, now: float) -> dict[str, str | int | float]:
    """What stands in the line of a turn that was answered. Seconds count from the arrival of its update."""
    times = {"first_token": turn.first, "last_token": turn.last, "delivered": now}
    return {
        "chat": turn.chat, "user": turn.user, "ending": turn.ending, "model": turn.model, "persona": turn.persona,
        **({"error": turn.error} if turn.error else {}),
        "prompt_tokens": sum(usage.prompt for _, usage in turn.usages),
        "completion_tokens": sum(usage.completion for _, usage in turn.usages),
        "queue": round(turn.begun - turn.came, 3),
        **{name: round(at - turn.came, 3) for name, at in times.items() if at is not None},
        "requests": turn.requests, "request": turn.request,
        **({"question": turn.question, "answer": turn.answer} if turn.question or turn.answer else {}),
    }  # fmt: skip
