"""What the page's tab Runs shows: batch runs, tuned models, and how the last two runs of all cases differ. Begin with
`RunsView.show`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.billing.pricing import shown
from bot.clock import Clock
from bot.errors import ConfigError, StorageUnavailable
from bot.evaluation.results import UNASKED, Pair, Result, State, compare_last_runs, measure_cost
from bot.sandbox.guard import Json
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import NEWEST_RUN, NEWEST_TUNING, OPEN, BatchRun, StoredTuning, VendorStep
from bot.texts.catalog import LANGUAGES

NEWEST = 20  # runs, tunings, and changed cases of a list


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsView:
    """Reads the database of the sandbox's bot at `url`, while the bot and `govorun` commands write there.

    `bot` returns the bot's id, `commands` is the file with the settings for commands about it, `currency` that of its
    prices.
    """

    url: str
    clock: Clock
    bot: Callable[[], int]
    commands: Path
    currency: str = "RUB"

    async def show(self, language: str) -> Json:
        """What the page draws, newest first, with prices in a language: `batch`, `tunings`, and `evaluation`, which is
        None before the first run of all cases; also the path `commands`. Raises `ValueError` for another language.
        """
        if language not in LANGUAGES:
            raise ValueError(f"there is no language {language!r}")
        try:
            async with Store.open(self.url, self.clock, writes=False) as store:
                found = await store.read(lambda tx: self._found(tx, language))
        except (ConfigError, StorageUnavailable):
            found = {"batch": [], "tunings": [], "evaluation": None}  # the bot has made no database yet
        return {**found, "commands": str(self.commands)}

    def _found(self, tx: Tx, language: str) -> Json:
        bot = self.bot()
        return {
            "batch": [self._batch(tx, run, language) for run in tx.all(NEWEST_RUN, bot=bot)[:NEWEST]],
            "tunings": [_tuning(one) for one in tx.all(NEWEST_TUNING, bot=bot)[:NEWEST]],
            "evaluation": self._evaluation(tx, bot, language),
        }

    def _batch(self, tx: Tx, run: BatchRun, language: str) -> Json:
        counts, (usage, cost) = tx.batches.count_states(run.id), tx.batches.spent(run.id)
        step = tx.one(VendorStep, run=run.id) if run.state == "running" else None
        return {
            "id": run.id,
            "name": Path(run.source).name,
            "model": run.model,
            "mode": run.mode,
            "state": run.state,
            "step": step.state if step is not None else "",
            "reason": run.reason,
            "requests": run.requests,
            "answered": counts.get("answered", 0),
            "tokens": usage.total,
            "isOpen": run.state in OPEN,
            "cost": shown(language, cost, self.currency),
            "most": shown(language, run.estimate, self.currency),
        }

    def _evaluation(self, tx: Tx, bot: int, language: str) -> Json | None:
        found = compare_last_runs(tx, bot)
        if found is None:
            return None
        (cost, seconds), (before, _) = measure_cost(found.new), measure_cost(found.old)
        return {
            "count": len(found.new),
            "right": len(found.of(State.RIGHT)),
            "wrong": len(found.of(State.WRONG)),
            "isCompared": bool(found.old),
            "isNoise": found.is_noise,
            "chance": round(found.chance, 2),
            "cost": shown(language, cost, self.currency),
            "before": shown(language, before, self.currency),
            "seconds": round(seconds, 1),
            "better": _pairs(found.better, language),
            "worse": _pairs(found.regressed, language),
            "stale": _pairs([Pair(None, one) for one in found.of(State.STALE)], language),
            "unasked": _pairs([Pair(None, one) for one in found.of(*UNASKED)], language),
        }


def _tuning(one: StoredTuning) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "base": one.base,
        "state": one.state,
        "target": one.target,
        "verdict": one.verdict,
        "isUsed": bool(one.before),
    }


def _pairs(pairs: Sequence[Pair], language: str) -> Json:
    """How many cases these are, and the first of them with question, old and new answer, and why."""
    return {"count": len(pairs), "cases": [_case(pair.old, pair.new, language) for pair in pairs[:NEWEST]]}


def _case(old: Result | None, new: Result, language: str) -> dict[str, str]:
    before = old.why_in(language) if old is not None and not new.why else ""
    return {
        "question": new.case.question,
        "old": (old.answer or old.topic) if old is not None else "",
        "new": new.answer or new.topic,
        "why": new.why_in(language),
        "whyBefore": before,
    }
