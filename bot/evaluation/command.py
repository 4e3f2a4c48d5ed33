"""The command /eval: owners and admins make cases of answers, and see how runs and experiments went.

Begin with `EvalCommand.run`; `/eval add` is a reply to an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.conversation.branching import replied
from bot.errors import BadInput
from bot.evaluation.cases import ADDED, Case
from bot.evaluation.collecting import Sources, collect, count_by_origin, make_case
from bot.evaluation.experiments import describe, list_experiments
from bot.evaluation.report import shorten
from bot.evaluation.results import Pair, State, compare_last_runs
from bot.feature import Feature, Turn, command
from bot.llm.topics.routing_file import RoutingTable
from bot.outbox import Answer
from bot.prompts.library import Library
from bot.storage.store import Store, Tx
from bot.storage.tables.evaluation import CASES, StoredCase
from bot.texts.catalog import say
from bot.types import Permission

MAX_LISTED = 30  # cases of a list
MAX_NAMED = 5  # cases that have changed
MAX_QUESTION = 100  # characters of a question
RUSSIAN = {
    "добавить": "add",
    "список": "list",
    "убрать": "remove",
    "отказ": "refuse",
    "содержит": "contains",
    "без": "not",
}


@dataclass(slots=True, kw_only=True)
class EvalCommand(Feature):
    """The command /eval, which keeps the cases that people add. `folder` has the files of cases, `table` the topics
    (None: there are none).
    """

    store: Store
    bot: int
    folder: Path
    library: Library
    currency: str
    table: Callable[[], RoutingTable | None] = lambda: None

    @command("/eval", requires=Permission.CONNECT, is_notice=True)
    def run(self, tx: Tx, turn: Turn) -> Answer:
        """/eval, and `add`, `list` or `remove` with what follows."""
        word, _, more = turn.rest.partition(" ")
        act = {"add": self._add, "list": self._list, "remove": self._remove}.get(_in_english(word), self._show)
        try:
            return Answer(act(tx, turn, more.strip()))
        except BadInput as error:
            return Answer(str(error))

    def _add(self, tx: Tx, turn: Turn, rest: str) -> str:
        language, where = turn.language, turn.address
        answer = replied(tx, where, turn.reply_to)
        question = tx.messages.find_message(answer.parent) if answer is not None and answer.parent else None
        if question is None or answer is None or answer.message.role == "user" or not question.words.strip():
            return turn.say("eval.no_answer")
        quoted = tx.evaluations.list_quoted({answer.id})
        case = make_case(tx, question, answer, quoted, chat=where.chat, persona=turn.chat.persona)
        case = _demand(replace(case, origin=ADDED, place="", user=0, asked_in=0, stale=""), rest, language)
        new = StoredCase(
            bot=self.bot,
            chat=where.chat,
            user=question.user,
            author=turn.user.id,
            mark=case.key,
            body=case.to_row(),
            at=tx.clock.time(),
        )
        is_new = tx.evaluations.add_case(new)
        return turn.say("eval.added" if is_new else "eval.known", must=_list_demands(case, language))

    def _list(self, tx: Tx, turn: Turn, _rest: str) -> str:
        rows = tx.all(CASES, bot=self.bot)
        lines = [f"{row.id} · {shorten(Case.from_row(row.body).question, MAX_QUESTION)}" for row in rows[-MAX_LISTED:]]
        return "\n".join([turn.say("eval.list" if rows else "eval.list.none"), *lines])

    def _remove(self, tx: Tx, turn: Turn, rest: str) -> str:
        is_gone = rest.isdecimal() and tx.remove(StoredCase, bot=self.bot, id=int(rest))
        return turn.say("eval.removed" if is_gone else "eval.unknown", number=rest or "?")

    def _show(self, tx: Tx, turn: Turn, _rest: str) -> str:
        cases = collect(tx, self.bot, Sources(folder=self.folder, topics=self.table()))
        counts = ", ".join(f"{turn.say(f'eval.origin.{name}')} {n}" for name, n in count_by_origin(cases).items())
        lines = [turn.say("eval.title", count=len(cases)), counts, self._last(tx, turn)]
        lines += [
            describe(one, turn.language, tx.clock.time(), self.currency)
            for one in list_experiments(tx, self.bot, self.library)
        ]
        return "\n\n".join(filter(None, [*lines, turn.say("eval.help")]))

    def _last(self, tx: Tx, turn: Turn) -> str:
        found = compare_last_runs(tx, self.bot)
        if found is None:
            return turn.say("eval.no_run")
        said = turn.say(
            "eval.last",
            right=len(found.of(State.RIGHT)),
            count=len(found.new),
            better=len(found.better),
            worse=len(found.worse),
            broken=len(found.broken),
        )
        changed = list(dict.fromkeys((*found.regressed, *found.better)))[:MAX_NAMED]
        return "\n".join([said, *(_describe_change(pair, turn.language) for pair in changed)])


def _in_english(word: str) -> str:
    return RUSSIAN.get(word.lower(), word.lower())


def _demand(case: Case, rest: str, language: str) -> Case:
    """Return the case with the demand in the words after `/eval add`. Raises `BadInput` if the words are no demand."""
    word, _, text = rest.partition(" ")
    text = text.strip().strip("\"«»'")
    wish = _in_english(word)
    bare = replace(case, quotes=(), numbers=())
    if wish == "refuse":
        return replace(bare, must_refuse=True)
    if wish == "contains" and text:
        return replace(case, must_contain=(text,))
    if wish == "not" and text:
        return replace(bare, must_not=(text,))
    if rest:
        raise BadInput(say(language, "eval.wish"))
    return case


def _list_demands(case: Case, language: str) -> str:
    """Return the demands of a case as text, each on a line of its own."""
    found = [say(language, "eval.must.refuse")] if case.must_refuse else []
    found += [say(language, "eval.must.contain", text=text) for text in case.must_contain]
    found += [say(language, "eval.must.not", text=text) for text in case.must_not]
    found += [say(language, "eval.must.quote", text=shorten(text, MAX_QUESTION)) for text in case.quotes]
    found += [say(language, "eval.must.tell", text=", ".join(case.numbers))] if case.numbers else []
    return "\n".join(f"· {line}" for line in found or [say(language, "eval.must.answer")])


def _describe_change(pair: Pair, language: str) -> str:
    """Return a case that has changed as text: the old answer, the new one, and what is wrong with it."""
    question, answer = shorten(pair.new.case.question, MAX_QUESTION), shorten(pair.new.answer, MAX_QUESTION)
    old = (
        f"\n   – {shorten(pair.old.answer, MAX_QUESTION)}"
        if pair.old is not None and pair.old.answer != pair.new.answer
        else ""
    )
    said = pair.new.why_in(language)
    why = f"\n   ! {said}" if said else ""
    return f"· {question}{old}\n   + {answer}{why}"
