"""`govorun tune`: what the commands do. Begin with `opened`, then `TuneCommand.start`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bot.batch.exports import answered, lines_of
from bot.batch.losses import text_chart, write_chart
from bot.batch.results import write_rows
from bot.batch.tuned_models import drop_model, embedding_row, use_classifier, use_model
from bot.batch.tuning import BETTER, OVER, TuningWork, Verdict
from bot.cli import dataset_work
from bot.cli.dataset_work import told
from bot.config.settings import Settings
from bot.errors import BadInput, ModelRefused
from bot.ports import Agree, Say
from bot.storage.repositories.batch.tunings import StoredTuning

PAUSE = 30.0  # seconds between two looks

NotBetter = Literal["ask", "use", "refuse"]
# Compares a tuned model with its base on cases that are not in its data; None: nothing was asked.
Compare = Callable[[StoredTuning], Awaitable[Verdict | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneCommand:
    """The tunings of a bot, with a terminal: `say` prints a line, `agree` asks a yes-or-no question.

    `comparison` compares a tuned model with its base.
    """

    work: TuningWork
    settings: Settings
    say: Say
    agree: Agree
    comparison: Compare

    async def start(self, data: Path, base: str, name: str, given: Mapping[str, Any]) -> None:
        """Check the examples, and start a tuning once that is agreed to."""
        plan, checked = self.work.check(data, base)
        for line in told(checked):
            self.say(line)
        if not self.agree(f"Tune {plan.base} with {checked.rows:,} examples (free; 1 to 24 hours)?"):
            self.say("Nothing was started.")
            return
        number = await self.work.start(data, plan, checked, name or data.stem, given)
        await self.show(number)
        self.say(f"  govorun tune status {number} --watch waits for it")

    async def start_from_batch(self, run: int, base: str, name: str, given: Mapping[str, Any]) -> None:
        """Write the answers of a batch run as examples beside its file, and start a tuning with them.

        Raises `BadInput` for a run that is unknown, goes on, or has no answers.
        """
        bot = self.work.bot
        found = await self.work.store.read(lambda tx: tx.batches.find_run(bot, run))
        if found is None:
            raise BadInput(f"there is no run {run}: govorun batch list")
        if found.state in ("planned", "running"):
            raise BadInput(f"run {run} goes on: govorun batch status {run}")
        export = await self.work.store.read(lambda tx: answered(tx.batches.iterate_requests(run)))
        for reason, count in export.left_out.items():
            self.say(f"  left out: {count:,} {reason}")
        if not export.rows:
            raise BadInput(f"run {run} has no answers to learn from")
        data = Path(found.source).with_name(f"batch-{run}.jsonl")
        if not data.exists() or data.read_bytes() != lines_of(export.rows):
            write_rows(data, export.rows)
        self.say(f"  {data}: {len(export.rows):,} examples")
        await self.start(data, base, name, given)

    async def show(self, number: int, *, watch: bool = False) -> None:
        """Print how far a tuning is; with `watch` until it has ended."""
        shown = ""
        while True:
            found = await self.work.refresh(await self.work.find(number))
            if (line := _line(found)) != shown:
                self.say(line)
            shown = line
            if not watch or found.state in OVER:
                break
            await self.work.store.clock.sleep(PAUSE)
        if found.target:
            self.say(f"  {found.target}")
        if found.state == "failed" and found.task:
            for reason in await self.work.vendor.tuning_errors(found.task):
                self.say(f"  {reason}")

    async def show_all(self) -> None:
        """Print the tunings, newest first, as far as they were when they were last asked about."""
        found = await self.work.store.read(lambda tx: tx.tunings.list_tunings(self.work.bot))
        for one in found:
            self.say(_line(one if one.state in OVER else await self.work.refresh(one)))
        ours = {one.task for one in found}
        for other in await self.work.vendor.list_tunings():
            if other.id not in ours:
                self.say(f"    -  {other.status:<12} {other.name}  {other.base}  task {other.id} (begun elsewhere)")
        if not found:
            self.say("There is no tuning yet: govorun tune start --data FILE --base yandexgpt-lite.")

    async def cancel(self, number: int) -> None:
        """End a tuning."""
        tuning = await self.work.find(number)
        try:
            await self.work.vendor.cancel_tuning(tuning.task)
        except ModelRefused as error:
            raise BadInput(f"tuning {number} can't be canceled: {error}") from None
        await self.show(number)

    async def metrics(self, number: int, png: Path | None) -> None:
        """Print the losses of a tuning, and draw them."""
        losses = await self.work.losses(await self.work.find(number))
        for line in text_chart(losses):
            self.say(line)
        if png is not None:
            write_chart(losses, png)
            self.say(f"{png}: drawn")

    async def archive(self, number: int) -> None:
        """Put a tuned model away for good, once that is agreed to."""
        tuning = await self.work.find(number)
        if tuning.before:
            raise BadInput(f"tuning {number} is in use: govorun tune drop {number}")
        if not self.agree(f"Archive {tuning.name}? Nobody can use {tuning.target} any more."):
            return
        try:
            await self.work.vendor.archive_tuning(tuning.task)
        except ModelRefused as error:
            raise BadInput(f"tuning {number} can't be archived: {error}") from None
        await self.show(number)

    async def compare(self, number: int) -> None:
        """Compare a tuned model with its base, keep what came of it, and say that first."""
        tuning = await self._completed(number)
        found = await self.comparison(tuning)
        if found is None:
            self.say("Nothing was asked.")
            return
        verdict = found.sentence
        await self.work.store.write(lambda tx: tx.tunings.change_tuning(number, verdict=verdict[:200]))
        is_better = verdict.startswith(BETTER)
        self.say(verdict if is_better else f"The tuned model is not better on your own cases: {verdict}")
        for line in found.differences:
            self.say(line)

    async def use(
        self, number: int, env: Path, routing: Path, *, uncompared: bool, not_better: NotBetter = "ask"
    ) -> bool:  # fmt: skip
        """Take a tuned model into use, as far as a comparison speaks for it. Returns False if it was refused.

        `not_better` is what happens to one that is not better: the person is asked ("ask"), it is used all the same
        ("use"), or it is refused ("refuse"). Raises `BadInput` for one that is not compared, not ready, or in use.
        """
        tuning = await self._completed(number)
        if tuning.before:
            raise BadInput(f"tuning {number} is in use already")
        if not tuning.verdict and not uncompared:
            raise BadInput(f"whether it is better was not tried: govorun tune compare {number}, or --uncompared")
        if tuning.verdict and not tuning.verdict.startswith(BETTER):
            self.say(f"The tuned model is not better on your own cases: {tuning.verdict}")
            if not_better == "refuse":
                self.say("--yes does not use it; --though-not-better does.")
                return False
            if not_better == "ask" and not self.agree("Use it all the same?"):
                return True
        scheme = tuning.target.partition("://")[0]
        if scheme == "emb":
            self.say("Add this to the settings, and EMBEDDINGS with its name:")
            self.say(embedding_row(tuning, self.settings.yc_openai_url))
            return True
        before = (
            use_classifier(tuning, routing, self.say)
            if scheme == "cls"
            else use_model(tuning, env, self.settings.prompts_dir, self.say)
        )
        await self.work.store.write(lambda tx: tx.tunings.change_tuning(number, before=before))
        return True

    async def drop(self, number: int) -> None:
        """Stop using a tuned model (`drop_model`), and forget what stood in its place."""
        tuning = await self.work.find(number)
        drop_model(tuning, self.say)
        await self.work.store.write(lambda tx: tx.tunings.change_tuning(number, before=""))

    async def _completed(self, number: int) -> StoredTuning:
        tuning = await self.work.refresh(await self.work.find(number))
        if tuning.state != "completed" or not tuning.target:
            raise BadInput(f"tuning {number} is {tuning.state}, not completed")
        return tuning


def _line(one: StoredTuning) -> str:
    day = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    used = ", in use" if one.before else ""
    return f"{one.id:>5}  {day}  {one.state:<12} {one.name}  {one.base}  task {one.task or '-'}{used}"


@asynccontextmanager
async def opened(settings: Settings, bot: int, say: Say, agree: Agree) -> AsyncIterator[TuneCommand]:
    """The tunings of a bot, which may run meanwhile."""
    async with dataset_work.opened(settings, bot, say, agree) as data:
        work = TuningWork(store=data.store, vendor=data.vendor, datasets=data.work, bot=bot)

        async def comparison(tuning: StoredTuning) -> Verdict | None:
            from bot.cli import tune_compare  # the whole bot, which nothing else here needs

            return await tune_compare.compare(settings, work, tuning, say, agree)

        yield TuneCommand(work=work, settings=settings, say=say, agree=agree, comparison=comparison)
