"""The log record of a turn: its name in every log line, its times, and the line that sums up its answer.

A turn is the work on one update. `current` is set where a turn starts (`TurnLogs.open`), and tasks that are started
there inherit it: so log lines of a delivery or of a model's client name the turn that they are about.
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


@dataclass(slots=True, kw_only=True)
class TurnLog:
    """What the log says of one turn. Times are seconds of the clock's `monotonic`.

    `name` is the id of the update's row in the inbox. `request` is the id of the last request to a model, `requests`
    how many there were. `question` and `answer` are empty unless LOG_CONTENT is on.
    """

    name: str
    arrived: float = 0.0  # the update came
    started: float = 0.0  # work on it began
    last_progress: float = 0.0  # something happened last: tells a slow turn from one that is stuck
    chat: int = 0
    user: int = 0
    question: str = ""
    first_token: float | None = field(default=None, init=False)
    last_token: float | None = field(default=None, init=False)
    model: str = field(default="", init=False)
    persona: str = field(default="", init=False)
    ending: str = field(default="", init=False)
    error: str = field(default="", init=False)
    usages: Sequence[tuple[str, Usage]] = field(default=(), init=False)
    request: str = field(default="", init=False)
    requests: int = field(default=0, init=False)
    answer: str = field(default="", init=False)

    def mark_token(self, now: float) -> None:
        """Note that the model wrote something at `now`."""
        self.last_token = self.last_progress = now
        if self.first_token is None:
            self.first_token = now

    def mark_ended(self, ending: str, usages: Sequence[tuple[str, Usage]], answer: str) -> None:
        """Note how the answer ended. `usages` has the model and the tokens of each request."""
        self.ending = ending
        self.usages = usages
        self.answer = answer if self.question else ""

    def mark_failed(self, error: BaseException) -> None:
        """Note the error for which the user got an apology instead of an answer."""
        self.error = type(error).__name__


NOBODY = TurnLog(name="")
current: ContextVar[TurnLog] = ContextVar("turn", default=NOBODY)


def turn_of(key: str) -> str:
    """The name of the turn that a delivery or a job comes from: its `key` begins with it."""
    return re.split("[.-]", key, maxsplit=1)[0]


@contextmanager
def about(name: str) -> Iterator[None]:
    """Let log lines inside name a turn that this task does not work on: for a delivery or a job of that turn."""
    if current.get().name == name:
        yield
        return
    token = current.set(TurnLog(name=name))
    try:
        yield
    finally:
        current.reset(token)


@dataclass(slots=True, kw_only=True)
class TurnLogs:
    """The records of the turns in progress (`running`, by their names). `content`: questions and answers may stand in
    the log (LOG_CONTENT).
    """

    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    tracer: TurnTracer = NOTHING
    content: bool = False
    running: dict[str, TurnLog] = field(default_factory=dict, init=False)

    @contextmanager
    def open(self, incoming: Incoming) -> Iterator[TurnLog]:
        """Keep the record of a turn while the block works on it; log and count the turn at the end, unless an error was
        raised.
        """
        now = self.clock.monotonic()
        turn = TurnLog(
            name=incoming.id,
            arrived=now if incoming.came is None else incoming.came,
            started=now,
            last_progress=now,
            chat=incoming.address.chat,
            user=incoming.user.id,
            question=incoming.text if self.content else "",
        )
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
    def _traced(self, incoming: Incoming, turn: TurnLog) -> Iterator[None]:
        """Record the spans `queue` (until work began) and `turn`, if this turn is traced."""
        with tracing.joined(self.tracer.context(incoming.address.bot, turn.name)):
            if (recorder := tracing.current_recorder()) is not None:
                taken = self.clock.time() - (turn.started - turn.arrived)
                waited = recorder.start("queue", since=taken if incoming.since is None else incoming.since)
                waited.add_event("taken by a process", timestamp=tracing.nanoseconds(taken))
                recorder.end(waited)
            with tracing.span("turn", tracing.CONSUMER, _identity(incoming)) as span:
                yield
                _outcome(turn, span)

    def _sum_up(self, turn: TurnLog) -> None:
        metrics, now = self.metrics, self.clock.monotonic()
        metrics.turn_queue_seconds.observe(turn.started - turn.arrived)
        metrics.turns.labels(turn.ending or ("failed" if turn.error else "done")).inc()
        if turn.error:
            metrics.errors.labels("model" if turn.model else "bot", turn.error).inc()
        if not turn.model:
            return
        metrics.answer_seconds.observe(now - turn.arrived)
        if turn.first_token is not None:
            metrics.first_token_seconds.labels(tracing.model_label(turn.model)).observe(turn.first_token - turn.started)
        for name, usage in turn.usages:
            model = tracing.model_label(name)
            metrics.tokens.labels(model, "prompt").inc(usage.prompt)
            metrics.tokens.labels(model, "completion").inc(max(usage.completion - usage.reasoning, 0))
            metrics.tokens.labels(model, "reasoning").inc(usage.reasoning)
        fields = _summary(turn, now)
        log.info("%s", " ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})


def _identity(incoming: Incoming) -> tracing.Attributes:
    return {
        "govorun.bot": incoming.address.bot,
        "govorun.turn": incoming.id,
        "govorun.kind": str(incoming.kind),
        "govorun.chat": incoming.address.chat,
        "govorun.user": incoming.user.id,
        "govorun.attempt": incoming.attempts,
    }


def _outcome(turn: TurnLog, span: tracing.Span) -> None:
    if turn.model:
        span.set_attributes({"govorun.ending": turn.ending, "govorun.model": tracing.model_label(turn.model)})
    if turn.error:
        tracing.mark_failed(span, turn.error)


def _summary(turn: TurnLog, now: float) -> dict[str, str | int | float]:
    """The fields of the line about an answered turn. Times are seconds from the arrival of its update."""
    times = {"first_token": turn.first_token, "last_token": turn.last_token, "delivered": now}
    return {
        "chat": turn.chat,
        "user": turn.user,
        "ending": turn.ending,
        "model": turn.model,
        "persona": turn.persona,
        **({"error": turn.error} if turn.error else {}),
        "prompt_tokens": sum(usage.prompt for _, usage in turn.usages),
        "completion_tokens": sum(usage.completion for _, usage in turn.usages),
        "queue": round(turn.started - turn.arrived, 3),
        **{name: round(at - turn.arrived, 3) for name, at in times.items() if at is not None},
        "requests": turn.requests,
        "request": turn.request,
        **({"question": turn.question, "answer": turn.answer} if turn.question or turn.answer else {}),
    }
