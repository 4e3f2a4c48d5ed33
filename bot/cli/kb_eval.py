"""`govorun kb eval`: how often the search finds what it should, for the operator's own questions (`evaluate`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.billing.metering import BillTo
from bot.cli.kb_inspect import agree_to_questions, tell_stores
from bot.cli.terminal import format_time
from bot.errors import BadInput
from bot.knowledge.search.cases import Case, gold_articles, gold_passages, read_case_file
from bot.knowledge.search.evaluation import DEEP, changes, figures, rank_of
from bot.runtime.opening import Workspace
from bot.storage.store import Tx
from bot.types import Address

MOST_NAMED = 30  # questions of a list
NOISE = 0.05  # chance below which a difference is called one


@dataclass(frozen=True, slots=True)
class Target:
    """What the search should find for a case: one of these articles (ids), or passages of them if the case names a
    text.

    `source` is the name of the first article's source. It is "" if the page or text of the case is gone; then there is
    nothing to find.
    """

    case: Case
    source: str
    articles: frozenset[int]
    passages: frozenset[int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case with the rank at which the search found its target, from 1; None if it was not found."""

    target: Target
    rank: int | None


async def evaluate(work: Workspace, file: Path, groups: frozenset[str]) -> None:
    """Search for the questions of a file with the rights of these audience groups, and print how often the right page
    or passage was found.

    Also printed is what was missed, and what has changed since the last run. Raises `BadInput`.
    """
    base, say = work.knowledge, work.say
    cases = read_case_file(file)
    if not any(case.says_where for case in cases):
        raise BadInput(f"{file} does not say what should be found: a column page or text is missing")
    sources = await base.readable(groups)
    targets = await base.store.read(lambda tx: _targets(tx, cases, sources, groups))
    foreign = [case.question for case in cases if not case.is_answered]
    if not await agree_to_questions(work, [*(one.case.question for one in targets), *foreign]):
        return
    payer = BillTo(Address("telegram", base.bot, 0), 0, "kb")
    retrieval, ranked = await base.retrieval(), list[Ranked]()
    for target in (one for one in targets if one.source):
        found = await retrieval.rank(target.case.question, sources, payer, groups=groups)
        by_text = target.case.text
        order = [one.id if by_text else one.article_id for one in found]
        ranked.append(Ranked(target, rank_of(order, target.passages if by_text else target.articles)))
    how = f"by words and meaning ({retrieval.index.model})" if retrieval.index.embedded else "by words"
    say(f"{len(ranked)} questions of {file}, found {how} in {len(sources)} sources.")
    await tell_stores(work, sources)
    if not sources:
        say("They may read no source: --as with --role, or --in, looks with the rights of somebody else.")
    if ranked:
        _tell_figures(work, ranked)
        _list(work, "Not among the first ten", [_missed(one) for one in ranked if _place(one) > DEEP[-1]])
    gone = [f"{one.case.question} -> {_wanted(one.case)}" for one in targets if not one.source]
    _list(work, "Left out, because nothing that they may read has the page or the text", gone)
    if foreign:
        passing = [text for text in foreign if base.passes(await retrieval.search(text, sources, payer, groups=groups))]
        say(f"{len(passing)} of {len(foreign)} questions about something else pass the gate (govorun kb calibrate).")
        _list(work, "Passing", passing)
    _compare(work, file, groups, ranked)


def _targets(tx: Tx, cases: Sequence[Case], sources: Collection[int], groups: Collection[str]) -> list[Target]:
    """What should be found for each case that says so, among what these groups may read."""
    names = {id_: source.name for id_ in sources if (source := tx.sources.read_source(id_)) is not None}
    articles = [one for one in tx.articles.list_articles(sources) if one.audience in ("", *groups)]
    source_of = {one.id: names[one.source_id] for one in articles}
    gold = {case: gold_articles(case, articles, names) for case in cases if case.says_where}
    looked_at = frozenset().union(*(found for case, found in gold.items() if case.text))
    passages = tx.articles.list_passages(looked_at)
    targets = []
    for case, pages in gold.items():
        there = gold_passages(case, [one for one in passages if one.article_id in pages]) if case.text else frozenset()
        holding = {one.article_id for one in passages if one.id in there} if case.text else pages
        targets.append(Target(case, source_of[min(holding)] if holding else "", pages, there))
    return targets


def _tell_figures(work: Workspace, ranked: Sequence[Ranked]) -> None:
    for name, figure in figures([one.rank for one in ranked]).items():
        work.say(f"  {name:<8} {figure.value:5.1f}  ({figure.low:.1f} to {figure.high:.1f})")
    by_source: dict[str, list[int | None]] = {}
    for one in ranked:
        by_source.setdefault(one.target.source, []).append(one.rank)
    if len(by_source) > 1:
        for source, ranks in sorted(by_source.items()):
            shown = " · ".join(f"{name} {figure.value:.0f}" for name, figure in figures(ranks).items())
            work.say(f"  {source}: {len(ranks)} questions · {shown}")


def _compare(work: Workspace, file: Path, groups: Collection[str], ranked: Sequence[Ranked]) -> None:
    """Say what has changed since the last run with this file and these readers, and keep this run."""
    name = hashlib.sha256(repr((work.knowledge.bot, str(file.resolve()), sorted(groups))).encode()).hexdigest()[:16]
    place = work.knowledge.cache / "eval" / f"{name}.json"
    now = {hashlib.sha256(one.target.case.key.encode()).hexdigest(): one for one in ranked}
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
    found = changes(before, {key: one.rank for key, one in now.items()})
    line = (
        f"Since the run of {format_time(last['at'])} {len(found.better)} are found higher and {len(found.worse)} lower"
    )
    if found.better or found.worse:
        noise = "; as much happens by chance" if found.chance > NOISE else ""
        line += f", of {len(before.keys() & now.keys())}{noise} (p = {found.chance:.2f})"
    work.say(f"{line}.")
    for what, keys in (("Higher", found.better), ("Lower", found.worse)):
        moved = [f"{now[key].target.case.question}: {_shown(before[key])} -> {_shown(now[key].rank)}" for key in keys]
        _list(work, what, moved)


def _list(work: Workspace, title: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"... and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
        work.say("\n  ".join([f"{title}:", *lines[:MOST_NAMED], *more]))


def _missed(one: Ranked) -> str:
    return f"{one.target.case.question} -> {_wanted(one.target.case)} ({_shown(one.rank)})"


def _place(one: Ranked) -> float:
    return float("inf") if one.rank is None else one.rank


def _wanted(case: Case) -> str:
    return ": ".join(filter(None, (case.page, case.text)))


def _shown(rank: int | None) -> str:
    return "not found" if rank is None else f"place {rank}"
