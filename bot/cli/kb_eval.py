"""`govorun kb eval`: how often the search finds what it should, for the operator's own questions (`evaluate`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.cli.kb_inspect import agree_to_questions, tell_stores
from bot.cli.terminal import format_time
from bot.errors import BadInput
from bot.evaluation.cases import Case, read_table
from bot.evaluation.report import format_list
from bot.evaluation.search import Ranked, Search, compare_ranks
from bot.evaluation.statistics import DEPTHS, measure_ranks
from bot.runtime.opening import Workspace

MAX_NAMED = 30  # questions of a list


async def evaluate(work: Workspace, file: Path, groups: frozenset[str]) -> None:
    """Search for the questions of a file with the rights of these audience groups, and print how often the right page
    or passage was found.

    Also printed is what was missed, and what has changed since the last run. Raises `BadInput`.
    """
    base, say = work.knowledge, work.say
    cases = read_table(file)
    if not any(case.says_where for case in cases):
        raise BadInput(f"{file} does not say what should be found: a column page or text is missing")
    if not await agree_to_questions(work, [case.question for case in cases]):
        return
    retrieval, sources = await base.retrieval(), await base.readable(groups)
    search = Search(retrieval=retrieval, bot=base.bot, sources=sources, groups=groups)
    found = await search.rank(cases)
    ranked = [one for one in found if one.source]
    how = f"by words and meaning ({retrieval.index.model})" if retrieval.index.embedded else "by words"
    say(f"{len(ranked)} questions of {file}, found {how} in {len(sources)} sources.")
    await tell_stores(work, sources)
    if not sources:
        say("They may read no source: --as with --role, or --in, looks with the rights of somebody else.")
    if ranked:
        _tell_figures(work, ranked)
        missed = [one for one in ranked if one.rank is None or one.rank > DEPTHS[-1]]
        _list(work, "Not among the first ten", [f"{_describe(one.case)} ({_place(one.rank)})" for one in missed])
    gone = [_describe(one.case) for one in found if not one.source]
    _list(work, "Left out, because nothing that they may read has the page or the text", gone)
    if others := [case.question for case in cases if case.must_refuse]:
        passing = [text for text in others if base.passes(await search.search(text))]
        say(f"{len(passing)} of {len(others)} questions about something else pass the gate (govorun kb calibrate).")
        _list(work, "Passing", passing)
    _compare(work, file, groups, ranked)


def _tell_figures(work: Workspace, ranked: Sequence[Ranked]) -> None:
    for name, figure in measure_ranks([one.rank for one in ranked]).items():
        work.say(f"  {name:<8} {figure.value:5.1f}  ({figure.low:.1f} to {figure.high:.1f})")
    by_source: dict[str, list[int | None]] = {}
    for one in ranked:
        by_source.setdefault(one.source, []).append(one.rank)
    if len(by_source) > 1:
        for source, ranks in sorted(by_source.items()):
            shown = " · ".join(f"{name} {figure.value:.0f}" for name, figure in measure_ranks(ranks).items())
            work.say(f"  {source}: {len(ranks)} questions · {shown}")


def _compare(work: Workspace, file: Path, groups: Collection[str], ranked: Sequence[Ranked]) -> None:
    """Say what has changed since the last run with this file and these readers, and keep this run."""
    name = hashlib.sha256(repr((work.knowledge.bot, str(file.resolve()), sorted(groups))).encode()).hexdigest()[:16]
    place = work.knowledge.cache / "eval" / f"{name}.json"
    now = {_key(one.case): one for one in ranked}
    try:
        last = json.loads(place.read_text()) if place.exists() else {}
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = {"at": work.knowledge.store.clock.time(), "ranks": {key: one.rank for key, one in now.items()}}
        place.write_text(json.dumps(kept))
    except (OSError, ValueError) as error:
        work.say(f"The next run can't be compared with this one: {place}: {error}")
        return
    if last and not now.keys().isdisjoint(last["ranks"]):
        _tell_changes(work, last, now)


def _tell_changes(work: Workspace, last: Mapping[str, Any], now: Mapping[str, Ranked]) -> None:
    before: Mapping[str, int | None] = last["ranks"]
    found = compare_ranks(before, {key: one.rank for key, one in now.items()})
    day = format_time(last["at"])
    line = f"Since the run of {day} {len(found.better)} are found higher and {len(found.worse)} lower"
    if found.better or found.worse:
        noise = "; as much happens by chance" if found.is_noise else ""
        line += f", of {len(before.keys() & now.keys())}{noise} (p = {found.chance:.2f})"
    work.say(f"{line}.")
    for what, keys in (("Higher", found.better), ("Lower", found.worse)):
        moved = [f"{now[key].case.question}: {_place(before[key])} -> {_place(now[key].rank)}" for key in keys]
        _list(work, what, moved)


def _list(work: Workspace, title: str, rows: Sequence[str]) -> None:
    if rows:
        work.say("\n".join(format_list(title, [f"  {row}" for row in rows], MAX_NAMED)))


def _key(case: Case) -> str:
    """The identity of a question in a later run, which tells nobody its words."""
    return hashlib.sha256("\n".join((case.question, case.page, case.text)).encode()).hexdigest()


def _describe(case: Case) -> str:
    return f"{case.question} -> {': '.join(filter(None, (case.page, case.text)))}"


def _place(rank: int | None) -> str:
    return "not found" if rank is None else f"place {rank}"
