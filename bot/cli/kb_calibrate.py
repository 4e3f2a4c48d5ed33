"""`govorun kb calibrate`: fits the gate (whether passages are relevant to a question) on the operator's own questions.
Begin with `calibrate`.

It needs the extra `knowledge` (`check_libraries`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from bot.cli.kb_inspect import agree_to_questions, tell_stores
from bot.errors import BadInput
from bot.evaluation import calibration
from bot.evaluation.calibration import MIN_QUESTIONS, TELLS, Calibration, Questions
from bot.evaluation.cases import read_table
from bot.evaluation.search import Search
from bot.evaluation.statistics import share
from bot.knowledge.search.gate import Gate, Signals
from bot.runtime.opening import Workspace

MOST_NAMED = 5  # questions that are named as wrongly judged
WIDE = 10.0  # per cent between the ends of an interval that says little


async def calibrate(work: Workspace, file: Path | None) -> None:
    """Fit a gate on questions, print how often it errs, and store it if it is better than the present gate.

    The questions stand in `file`. Without a file they are the headings with a question mark, the rows of FAQ tables and
    the learned answers of the knowledge base. Raises `BadInput` if there are too few questions.
    """
    base, say = work.knowledge, work.say
    cases = read_table(file) if file else ()
    questions = await base.store.read(lambda tx: Questions.collect(tx, base.bot, cases))
    _name(work, "Left out, because no source has the page or text that it names", questions.lost)
    _check(questions, file)
    if not await agree_to_questions(work, questions.texts):
        return
    await tell_stores(work)
    search = await Search.everything(await base.retrieval(), base.bot)
    right, wrong = await search.signals(questions.answerable), await search.signals(questions.others)
    fitted = await asyncio.to_thread(calibration.calibrate, right, wrong)
    await base.read_gates()
    old, passes = base.gate, [_passing(base.gate, some) for some in (right, wrong)]
    _tell(work, questions, fitted, passes)
    known = [one for one in questions.answerable if one.own]
    if known:
        missing = await search.signals(known, missing=True)
        _tell_missing(work, fitted.gate, await search.signals(known), missing)
    if questions.refused:
        asked = await search.signals(questions.refused)
        say(
            f"Of {len(asked)} questions that the sources did not answer (govorun kb gaps) "
            f"{len(_passing(fitted.gate, asked))} would pass, {len(_passing(old, asked))} pass now."
        )
    if not fitted.tells:
        say("Nothing is stored: by their searches these questions can hardly be told apart. The gate of now stays.")
    elif _worth(questions, fitted.kept, fitted.let_through) <= _worth(questions, *passes):
        say("Nothing is stored: by both numbers together the gate of now does as well.")
    else:
        await store_gate(work, fitted.gate)
        say("It is stored, and used from the next question on; govorun kb calibrate --standard takes it back.")


async def store_gate(work: Workspace, gate: Gate | None) -> None:
    """Store the gate for the embedding model in use; None deletes it, so that the standard gate is used again."""
    base = work.knowledge
    await (await base.retrieval()).index.follow()
    model = base.gate_model
    await base.store.write(lambda tx: tx.gates.store_gate(base.bot, model, gate.to_json() if gate else ""))


def _check(questions: Questions, file: Path | None) -> None:
    for some, what in ((questions.answerable, "that the sources answer"), (questions.others, "about something else")):
        if len(some) < MIN_QUESTIONS:
            more = f"{file} has" if file else "headings with a question mark, FAQ tables and learned answers have"
            raise BadInput(
                f"{more} {len(some)} questions {what}, and at least {MIN_QUESTIONS} are needed. A file is a CSV with "
                "the columns question and page (an address, a path or a title; empty for a question about something "
                "else)."
            )


def _tell(work: Workspace, questions: Questions, fitted: Calibration, now: Sequence[Collection[int]]) -> None:
    """Print how the fitted gate judges questions that it was not fitted on, and how the one of now does."""
    say = work.say
    right, wrong = len(questions.answerable), len(questions.others)
    general = f" ({questions.general} of them Govorun's own)" if questions.general else ""
    say(f"{right} questions that the sources answer, {wrong} about something else{general}.")
    say("Each was judged by a gate that was fitted without it:")
    kinds = (
        ("that the sources answer", questions.answerable, fitted.kept, now[0]),
        ("about something else", questions.others, fitted.let_through, now[1]),
    )
    for what, some, passed, passes_now in kinds:
        figure = share(len(passed), len(some))
        say(f"  of 100 {what}, {figure.value:.0f} pass; with the gate of now {100 * len(passes_now) / len(some):.0f}")
        if figure.high - figure.low > WIDE:
            say(
                f"    {len(some)} questions are too few to tell more exactly than {figure.low:.0f} to {figure.high:.0f}"
            )
    between = [100 * some / all_ for some, all_ in zip(fitted.doubted, (right, wrong), strict=True)]
    say(
        f'  between its two cut-offs, where only quotes are shown ("This may be it:"): {between[0]:.0f} and '
        f"{between[1]:.0f} of 100"
    )
    say(f"  an answerable question has the higher score in {100 * fitted.auroc:.0f} of 100 pairs")
    kept_out = sorted(set(range(right)) - fitted.kept)
    _name(work, "Answered, and yet kept out", [questions.answerable[place].text for place in kept_out])
    let_in = sorted(fitted.let_through)
    _name(work, "About something else, and yet let in", [questions.others[place].text for place in let_in])


def _tell_missing(work: Workspace, gate: Gate, there: Sequence[Signals], missing: Sequence[Signals]) -> None:
    """Print what the gate does where the answer to a question of the subject is not in the sources."""
    area = calibration.auroc(*(calibration.rows(some) @ gate.weights for some in (there, missing)))
    passing = len(_passing(gate, missing)) / len(missing)
    work.say(
        f"Within the subject: with what answers them taken out, {100 * passing:.0f} of 100 still pass; "
        + ("on those" if area >= TELLS else "no score of a search can tell these, on them")
        + " the check of each sentence decides."
    )


def _name(work: Workspace, what: str, texts: Sequence[str]) -> None:
    for text in texts[:MOST_NAMED]:
        work.say(f"  {what}: {text}")
    if (more := len(texts) - MOST_NAMED) > 0:
        work.say(f"  ... and {more} more")


def _worth(questions: Questions, kept: Collection[int], let_through: Collection[int]) -> float:
    """How much more of the answerable questions pass than of the others (shares): 1 for a gate that never errs."""
    return len(kept) / len(questions.answerable) - len(let_through) / len(questions.others)


def _passing(gate: Gate, signals: Sequence[Signals]) -> Collection[int]:
    return [place for place, one in enumerate(signals) if gate.passes(one)]
